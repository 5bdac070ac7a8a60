"""The report as one HTML page: no scripts, and nothing fetched from anywhere."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path

from octavo._files import atomic_output
from octavo.report import figures
from octavo.report.analysis import Analysis, LayerAnalysis
from octavo.report.style import STYLE

Progress = Callable[[int, int], None]
OPEN = 3  # worst layers shown unfolded
LISTED = 10


def write_html(
    analysis: Analysis,
    path: str | os.PathLike[str],
    *,
    title: str = "Quantization report",
    progress: Progress | None = None,
) -> None:
    """Write the report of an analysis, whole or not at all.

    Parameters
    ----------
    analysis : Analysis
        What `octavo.analyze` has found.
    path : str or path-like
        The HTML file.
    title : str
    progress : callable, optional
        Called as ``progress(layers drawn, layers)``.

    Raises
    ------
    ImportError
        Without matplotlib, which draws the pictures.
    OSError
        If the file cannot be written; an older one is left as it was.
    """
    page = render_html(analysis, title=title, progress=progress)
    with atomic_output(Path(path)) as stream:
        stream.write(page.encode())


def render_html(
    analysis: Analysis, *, title: str = "Quantization report", progress: Progress | None = None
) -> str:
    """Return what `write_html` writes."""
    figures.require_matplotlib()
    numbers = {layer.name: i for i, layer in enumerate(analysis.layers, 1)}
    worst = analysis.worst()
    opened = {layer.name for layer in worst[:OPEN]}
    with figures.settings():
        overview = figures.draw_errors(
            analysis.layers, "SQNR of every layer in dB; the table All layers has the numbers"
        )
        sections = []
        for number, layer in enumerate(analysis.layers, 1):
            sections.append(_section(layer, number, layer.name in opened))
            if progress is not None:
                progress(number, len(analysis.layers))
    parts = [
        f"<h1>{escape(title)}</h1>",
        _summary(analysis),
        "<h2>Error by layer</h2>",
        f"<figure>{overview}<figcaption>{_LEGEND}</figcaption></figure>",
        f"<h2>Worst layers</h2>{_worst(worst[:LISTED], numbers)}",
        f"<h2>All layers</h2>{_all(analysis.layers)}",
        f"<h2>Layer by layer</h2><p>{_PICTURES}</p>",
        *sections,
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


_LEGEND = (
    "SQNR = 10 log<sub>10</sub>(power of the float values / power of the error). <b>Alone</b>: "
    "only this layer is int8, what it reads is exact but for being rounded to bytes. <b>In the "
    "int8 network</b>: with the errors of all layers before. <b>Outputs</b>: error of the "
    "network's outputs if this layer alone is int8; the lowest are the layers to look at first."
)
_PICTURES = (
    "Grey: the share of values, on a logarithmic axis, over the samples in the float network. "
    "Lines and bars: the range that each calibration method draws from them; shaded: the range in "
    "use. Blue: the range of each output channel's weights as int8."
)


def _summary(analysis: Analysis) -> str:
    weighted = [layer for layer in analysis.layers if layer.weights is not None]
    rows = [(f"Output {name}", f"{decibels(v)} dB SQNR") for name, v in analysis.outputs.items()]
    rows += [
        ("Samples", str(analysis.samples)),
        ("Layers", f"{len(analysis.layers)}, {len(weighted)} of them with int8 weights"),
    ]
    if analysis.equalized:
        count, most = len(analysis.equalized), max(analysis.equalized.values())
        rows.append(("Equalized", f"{count} tensors, gains differ by up to {most:.3g} times"))
    items = "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in rows)
    return f"<dl>{items}</dl>"


def _worst(layers: Sequence[LayerAnalysis], numbers: dict[str, int]) -> str:
    rows = [
        (
            _link(numbers[layer.name], layer.name),
            escape(_operators(layer)),
            decibels(layer.isolated),
            decibels(layer.propagated),
            decibels(layer.on_outputs),
            f'<div class="cause"><b>{escape(layer.cause.code)}</b>: '
            f"{escape(layer.cause.text)}</div>",
        )
        for layer in layers
    ]
    head = ["layer", "operators", "alone dB", "in network dB", "outputs dB", "largest source"]
    return table("The layers that disturb the outputs most, worst first", head, rows, (2, 3, 4))


def _all(layers: Sequence[LayerAnalysis]) -> str:
    rows = []
    for number, layer in enumerate(layers, 1):
        tensor, weights = layer.tensor, layer.weights
        rows.append(
            (
                str(number),
                _link(number, layer.name),
                escape(_operators(layer)),
                decibels(layer.isolated),
                decibels(layer.propagated),
                decibels(layer.on_outputs),
                "" if tensor is None else f"{tensor.lo:.4g} … {tensor.hi:.4g}",
                "" if tensor is None else f"{tensor.saturated:.2%}",
                "" if tensor is None else str(tensor.levels),
                "" if weights is None else f"{weights.spread:.1f}",
                escape(layer.cause.code),
            )
        )
    head = ["#", "layer", "operators", "alone dB", "in network dB", "outputs dB", "range in use"]
    head += ["saturated", "levels", "channel spread", "cause"]
    caption = (
        "In order of execution. Saturated: share of values beyond the range. Levels: different "
        "bytes that occur, of 256. Channel spread: largest weight range over the median channel's"
    )
    return table(caption, head, rows, (0, 3, 4, 5, 6, 7, 8, 9))


def _section(layer: LayerAnalysis, number: int, opened: bool) -> str:
    label = f"Values and ranges of {layer.name}; the table below has the ranges"
    drawn = layer.tensor is not None or layer.weights is not None
    picture = figures.draw_layer(layer, f"l{number}", label) if drawn else ""
    shown = " open" if opened else ""
    return (
        f'<details id="layer-{number}"{shown}><summary>{number}. {escape(layer.name)} '
        f"<small>{escape(_operators(layer))}; alone {decibels(layer.isolated)} dB, in the network "
        f"{decibels(layer.propagated)} dB</small></summary>"
        f"<p><b>{escape(layer.cause.code)}</b>: {escape(layer.cause.text)}</p>"
        f"<figure>{picture}</figure>{_ranges(layer)}</details>"
    )


def _ranges(layer: LayerAnalysis) -> str:
    tensor = layer.tensor
    if tensor is None:
        return ""
    seen = tensor.statistics.histogram.summary
    ranges = {"seen": (seen.min, seen.max), **tensor.ranges, "in use": (tensor.lo, tensor.hi)}
    head = ["", *(name.replace("_", " ") for name in ranges)]
    rows = [
        (f'<th scope="row">{end}</th>', *(f"{pair[i]:.5g}" for pair in ranges.values()))
        for i, end in enumerate(("from", "to"))
    ]
    scale = f"scale {tensor.params.scale:.5g}, zero point {tensor.params.zero_point}"
    caption = f"Ranges of {escape(layer.name)}; {scale} ({tensor.params.dtype})"
    return table(caption, head, rows, range(1, len(head)))


def table(
    caption: str, head: Iterable[str], rows: Iterable[Sequence[str]], right: Iterable[int]
) -> str:
    """An HTML table; cells are HTML already, the columns `right` are numbers."""
    numbers = set(right)

    def cell(index: int, text: str) -> str:
        if text.startswith("<th"):
            return text
        return f'<td class="n">{text}</td>' if index in numbers else f"<td>{text}</td>"

    titles = "".join(
        f'<th scope="col"{" class=n" if i in numbers else ""}>{escape(title)}</th>'
        for i, title in enumerate(head)
    )
    body = "".join(
        "<tr>" + "".join(cell(i, text) for i, text in enumerate(row)) + "</tr>\n" for row in rows
    )
    return (
        f'<div class="wide"><table><caption>{caption}</caption><thead><tr>{titles}</tr></thead>'
        f"<tbody>\n{body}</tbody></table></div>"
    )


def decibels(value: float | None) -> str:
    """Return a ratio in dB for people.

    Examples
    --------
    >>> decibels(31.456), decibels(None), decibels(math.inf), decibels(math.nan)
    ('31.5', '', 'exact', 'no number')
    """
    if value is None:
        return ""
    if math.isfinite(value):
        return f"{value:.1f}"
    return "no number" if math.isnan(value) else "exact" if value > 0 else "-∞"


def _operators(layer: LayerAnalysis) -> str:
    return "+".join(layer.ops) or "input"


def _link(number: int, name: str) -> str:
    return f'<a href="#layer-{number}">{escape(name)}</a>'
