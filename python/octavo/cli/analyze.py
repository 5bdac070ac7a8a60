"""`octavo analyze`: what quantization did to a network, as a page to look at."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from octavo.cli import output, preprocess
from octavo.cli.data import Dataset, Feeds, open_dataset
from octavo.cli.files import check_output, existing_file
from octavo.cli.models import load_graph
from octavo.cli.quantize import FeedsSequence

if TYPE_CHECKING:
    from octavo.report import Analysis

EXAMPLE = (
    "octavo analyze net.onnx net_int8.onnx --data images.npz -o report.html --preprocess imagenet"
)
LISTED = 10
READING, DRAWING = "reading samples", "drawing"


def command(
    model: Annotated[
        Path, typer.Argument(metavar="FLOAT", help="Float ONNX network. Example: net.onnx")
    ],
    quantized: Annotated[
        Path, typer.Argument(metavar="INT8", help="Its int8 form. Example: net_int8.onnx")
    ],
    data: Annotated[
        Path,
        typer.Option(
            "--data",
            help="Inputs; labels are not needed: a .npz with the array 'images' (or arrays named "
            "like the network's inputs), a .npy, or a folder of image files. "
            "Example: --data images.npz",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--output", "-o", help="The page to write. Example: -o report.html"),
    ],
    samples: Annotated[
        int,
        typer.Option(
            "--samples",
            min=1,
            max=512,
            help="Use so many samples, evenly spread. Example: --samples 128",
        ),
    ] = 64,
    on_outputs: Annotated[
        bool,
        typer.Option(
            "--outputs/--no-outputs",
            help="Measure what each layer alone does to the network's outputs: one run per layer. "
            "Example: --no-outputs",
        ),
    ] = True,
    preset: preprocess.PresetOption = preprocess.Preset.NONE,
    scale: preprocess.ScaleOption = None,
    mean: preprocess.MeanOption = None,
    std: preprocess.StdOption = None,
    resize: preprocess.ResizeOption = None,
    layout: preprocess.LayoutOption = preprocess.Layout.AUTO,
    as_json: output.JsonOption = False,
) -> None:
    """Compare a float network with its int8 form, layer by layer, and write one HTML page.

    The page shows the error of every layer alone and in the network, its values with the range
    that each calibration method draws, its weights channel by channel, and the worst layers with
    their cause. It needs no network and no other file.
    """
    from octavo.report import analyze, write_html
    from octavo.report.figures import require_matplotlib

    require_matplotlib()
    start = time.perf_counter()
    existing_file(model, "FLOAT")
    existing_file(quantized, "INT8")
    check_output(out, [model, quantized, data], (".html", ".htm"))
    how = preprocess.preprocessing(preset, scale, mean, std, resize, layout)
    inputs = load_graph(model).inputs
    dataset = open_dataset(data, "--data", inputs, how)
    with output.stages(quiet=as_json) as update:
        dataset = with_progress(dataset, min(samples, dataset.count), update)
        feeds = FeedsSequence(dataset, inputs, samples, 1)
        found = analyze(
            model, quantized, feeds, samples=samples, on_outputs=on_outputs, progress=update
        )
        write_html(
            found,
            out,
            title=f"{model.name} and {quantized.name}",
            progress=lambda done, total: update(DRAWING, done, total),
        )
    if as_json:
        output.print_json({"output": str(out), **as_plain(found)})
        return
    show(found)
    seconds = output.duration(time.perf_counter() - start)
    print(f"wrote {out}: {output.size(out.stat().st_size)}, {found.samples} samples in {seconds}")


def with_progress(dataset: Dataset, total: int, update: output.StageUpdate) -> Dataset:
    """Return a dataset that reports how many samples were read from it."""
    done = 0

    def read(index: NDArray[np.int64]) -> Feeds:
        nonlocal done
        feeds = dataset.read(index)
        done += len(index)
        update(READING, min(done, total), total)
        return feeds

    return replace(dataset, read=read)


def show(found: Analysis) -> None:
    """Print the worst layers."""
    from octavo.report.page import decibels

    rows = [
        (
            layer.name,
            "+".join(layer.ops) or "input",
            decibels(layer.isolated),
            decibels(layer.propagated),
            decibels(layer.on_outputs),
            f"{layer.cause.code}: {layer.cause.text}",
        )
        for layer in found.worst()[:LISTED]
    ]
    columns = ["layer", "operators", "alone dB", "in network dB", "outputs dB", "largest source"]
    output.show("worst layers", columns, rows, right=(2, 3, 4))
    for name, value in found.outputs.items():
        print(f"output {name}: SQNR {decibels(value)} dB")


def as_plain(found: Analysis) -> dict[str, Any]:
    """Return an analysis as plain values; a ratio that is no finite number is null."""

    def finite(value: float | None) -> float | None:
        return value if value is not None and math.isfinite(value) else None

    layers = []
    for layer in found.layers:
        tensor, weights = layer.tensor, layer.weights
        entry: dict[str, Any] = {
            "name": layer.name,
            "operators": list(layer.ops),
            "isolated_db": finite(layer.isolated),
            "propagated_db": finite(layer.propagated),
            "on_outputs_db": finite(layer.on_outputs),
            "cause": vars(layer.cause),
        }
        if tensor is not None:
            entry |= {
                "scale": tensor.params.scale,
                "zero_point": tensor.params.zero_point,
                "range": [tensor.lo, tensor.hi],
                "ranges": {method: list(ends) for method, ends in tensor.ranges.items()},
                "saturated": tensor.saturated,
                "levels": tensor.levels,
            }
        if weights is not None:
            entry |= {"equalized": weights.equalized, "channel_spread": weights.spread}
        layers.append(entry)
    return {
        "samples": found.samples,
        "output_sqnr_db": {name: finite(value) for name, value in found.outputs.items()},
        "equalized": found.equalized,
        "layers": layers,
    }
