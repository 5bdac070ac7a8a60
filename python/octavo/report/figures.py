"""The report's pictures, drawn by matplotlib as inline SVG. Needs the package matplotlib."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from octavo.report.tensors import TensorAnalysis
from octavo.report.weights import WeightAnalysis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from octavo.report.analysis import LayerAnalysis

# Distinct without colour vision as well (Okabe and Ito), each with a dash of its own.
STYLES: dict[str, tuple[str, Any]] = {
    "max": ("#000000", "-"),
    "percentile": ("#0072b2", (0, (5, 2))),
    "entropy": ("#009e73", (0, (1, 1.5))),
    "mse": ("#d55e00", (0, (6, 2, 1, 2))),
    "moving_average": ("#cc79a7", (0, (3, 1.5))),
}
IN_USE = "#e69f00"
FLOAT, INT8 = "#999999", "#0072b2"
BINS = 120
CHANNELS = 200  # drawn apart; of more, so many groups
_SETTINGS: Any = {
    "svg.fonttype": "none",  # text stays text: small, searchable, readable aloud
    "svg.hashsalt": "octavo",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def require_matplotlib() -> None:
    """Raise ImportError, with what to install, where matplotlib is missing."""
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise ImportError(
            'the report needs the package matplotlib: pip install "octavo[plot]"'
        ) from error


@contextmanager
def settings() -> Iterator[None]:
    """Matplotlib's settings for the report, put back afterwards."""
    import matplotlib

    with matplotlib.rc_context(_SETTINGS):
        yield


def draw_errors(layers: Sequence[LayerAnalysis], label: str) -> str:
    """SQNR of every layer: alone, in the int8 network, and what it alone does to the outputs."""
    figure = _figure(11.0, 3.6)
    axes = figure.subplots()
    place = np.arange(1, len(layers) + 1)
    series = [
        ("alone (isolated)", "o", "-", "#0072b2", [layer.isolated for layer in layers]),
        ("in the int8 network (propagated)", "s", "--", "#d55e00", [x.propagated for x in layers]),
    ]
    if any(layer.on_outputs is not None for layer in layers):
        values = [math.nan if x.on_outputs is None else x.on_outputs for x in layers]
        series.append(("outputs, if it alone is int8", "^", ":", "#009e73", values))
    for name, marker, dash, color, values in series:
        finite = [v if math.isfinite(v) else math.nan for v in values]
        axes.plot(
            place, finite, label=name, marker=marker, ms=4, ls=dash, lw=1.2, color=color, mec="none"
        )
    if len(layers) <= 40:
        axes.set_xticks(place)
        axes.set_xticklabels([layer.name for layer in layers], rotation=60, ha="right", fontsize=7)
    else:
        axes.set_xlabel("number of the layer in the table below")
        axes.set_xlim(0, len(layers) + 1)
    axes.set_ylabel("SQNR in dB (higher is better)")
    axes.grid(axis="y", color="#dddddd", lw=0.6)
    axes.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    return _svg(figure, "errors", label)


def draw_layer(layer: LayerAnalysis, prefix: str, label: str) -> str:
    """A layer's values with every calibrator's range, and its weights channel by channel."""
    drawn = [part for part in (layer.tensor, layer.weights) if part is not None]
    figure = _figure(11.0 if len(drawn) == 2 else 6.2, 3.1)
    grid = figure.add_gridspec(2, len(drawn), height_ratios=[3, 2])
    if layer.tensor is not None:
        top = figure.add_subplot(grid[0, 0])
        _histogram(top, layer.tensor)
        _ranges(figure.add_subplot(grid[1, 0], sharex=top), layer.tensor)
    if layer.weights is not None:
        _weights(figure.add_subplot(grid[:, -1]), layer.weights)
    return _svg(figure, prefix, label)


def linear_histogram(
    tensor: TensorAnalysis, lo: float, hi: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of the values in each of BINS equal bins of [lo, hi], and the bins' edges."""
    bins = tensor.statistics.histogram.bins()
    counts, edges = np.histogram(
        bins.center, BINS, (lo, hi), weights=bins.counts.astype(np.float64)
    )
    return counts / float(bins.counts.sum()), edges


def _histogram(axes: Axes, tensor: TensorAnalysis) -> None:
    seen = tensor.statistics.histogram.summary
    lo, hi = min(seen.min, tensor.lo), max(seen.max, tensor.hi)
    shares, edges = linear_histogram(tensor, lo, hi)
    axes.stairs(shares, edges, fill=True, color="#bbbbbb")
    axes.set_yscale("log")
    axes.set_ylim(bottom=max(shares[shares > 0].min() / 2, 1e-9), top=2.0)
    axes.axvspan(tensor.lo, tensor.hi, color=IN_USE, alpha=0.12, lw=0)
    for method, ends in tensor.ranges.items():
        color, dash = STYLES[method]
        for end in ends:
            if end != 0.0:
                axes.axvline(end, color=color, ls=dash, lw=1)
    axes.set_xlim(lo - 0.02 * (hi - lo), hi + 0.02 * (hi - lo))
    axes.set_ylabel("share of values")
    axes.tick_params(labelbottom=False)
    axes.set_title("activations", loc="left", fontsize=9)


def _ranges(axes: Axes, tensor: TensorAnalysis) -> None:
    """One bar per calibration method, and one for the range in use."""
    rows = [*tensor.ranges.items(), ("in use", (tensor.lo, tensor.hi))]
    for row, (method, (lo, hi)) in enumerate(rows):
        color, dash = STYLES.get(method, (IN_USE, "-"))
        axes.plot([lo, hi], [row, row], color=color, ls=dash, lw=2.5, solid_capstyle="butt")
        axes.plot([lo, hi], [row, row], color=color, ls="none", marker="|", ms=6)
    axes.set_yticks(range(len(rows)))
    axes.set_yticklabels([method.replace("_", " ") for method, _ in rows], fontsize=7)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("value")


def _weights(axes: Axes, weights: WeightAnalysis) -> None:
    count = weights.low.size
    groups = np.array_split(np.arange(count), min(count, CHANNELS))
    edges = np.array([group[0] for group in groups] + [count]) - 0.5

    def band(low: NDArray[np.float64], high: NDArray[np.float64], **style: Any) -> None:
        below = np.array([low[group].min() for group in groups])
        above = np.array([high[group].max() for group in groups])
        axes.stairs(above, edges, baseline=below, **style)

    if weights.equalized:
        band(weights.low, weights.high, fill=True, color=FLOAT, alpha=0.6, label="before")
        band(weights.int8_low, weights.int8_high, color=INT8, lw=1, label="after equalization")
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, frameon=False)
    else:
        band(weights.int8_low, weights.int8_high, fill=True, color=INT8, alpha=0.7)
    axes.axhline(0.0, color="#000000", lw=0.5)
    axes.set_xlim(-0.5, count - 0.5)
    axes.set_title("range of weights", loc="left", fontsize=9)
    axes.set_xlabel("output channel")


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _svg(figure: Figure, prefix: str, label: str) -> str:
    """A figure as an element of an HTML page: ids of its own, nothing that points elsewhere."""
    from html import escape

    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\s+xmlns(:\w+)?="[^"]*"', "", text)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'href="#', f'href="#{prefix}-', text)
    text = text.replace("url(#", f"url(#{prefix}-")
    start = text.index(">")
    head = re.sub(r'\b(width|height)="[^"]*"', "", text[:start])
    width = round(figure.get_figwidth() * 100)
    style = f'style="max-width: {width}px" role="img" aria-label="{escape(label)}"'
    return f"{head} {style}>{text[start + 1 :].strip()}"
