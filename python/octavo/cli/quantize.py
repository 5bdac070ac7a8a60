"""`octavo quantize`: a float ONNX network to an int8 one."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from octavo.cli import output, preprocess
from octavo.cli.data import Dataset, Feeds, open_dataset
from octavo.cli.dynamic import quantize_weights
from octavo.cli.files import check_output, existing_file, write_bytes
from octavo.cli.models import fixed_batch, load_graph

if TYPE_CHECKING:
    import octavo
    from octavo.graph.ir import Value

EXAMPLE = "octavo quantize net.onnx --calib images.npz -o net_int8.onnx --preprocess imagenet"


class Method(str, Enum):
    """How ranges are drawn from what calibration saw."""

    MAX = "max"
    PERCENTILE = "percentile"
    ENTROPY = "entropy"
    MSE = "mse"
    MOVING_AVERAGE = "moving_average"


class ActivationType(str, Enum):
    """Type of quantized activations."""

    UINT8 = "uint8"
    INT8 = "int8"


def command(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="Float ONNX network. Example: net.onnx")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="The int8 ONNX network to write. Example: -o net_int8.onnx"
        ),
    ],
    calib: Annotated[
        Path | None,
        typer.Option(
            "--calib",
            help="Calibration data: a .npz with the array 'images' (or arrays named like the "
            "network's inputs), a folder of image files, or a .calib file that 'octavo calibrate' "
            "wrote. Example: --calib images.npz",
        ),
    ] = None,
    dynamic: Annotated[
        bool,
        typer.Option(
            "--dynamic",
            help="Quantize weights of Gemm and MatMul now, activations when the network runs; "
            "takes no calibration data. Example: --dynamic",
        ),
    ] = False,
    per_row: Annotated[
        bool,
        typer.Option(
            "--per-row",
            help="As --dynamic, with one activation range per row (token), not one per tensor. "
            "Example: --per-row",
        ),
    ] = False,
    method: Annotated[
        Method,
        typer.Option("--method", help="How activation ranges are chosen. Example: --method max"),
    ] = Method.MAX,
    samples: Annotated[
        int,
        typer.Option(
            "--samples",
            min=1,
            help="Calibrate on so many samples, evenly spread. Example: --samples 512",
        ),
    ] = 256,
    batch_size: Annotated[
        int,
        typer.Option(
            "--batch-size",
            min=1,
            help="Samples per step, unless the network fixes it; the result is the same for any. "
            "Example: --batch-size 8",
        ),
    ] = 16,
    activations: Annotated[
        ActivationType,
        typer.Option("--activations", help="Type of activations. Example: --activations int8"),
    ] = ActivationType.UINT8,
    per_tensor: Annotated[
        bool,
        typer.Option(
            "--per-tensor",
            help="One weight scale per layer instead of one per output channel. "
            "Example: --per-tensor",
        ),
    ] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude", help="Name of a node that stays float; repeatable. Example: --exclude fc"
        ),
    ] = None,
    preset: preprocess.PresetOption = preprocess.Preset.NONE,
    scale: preprocess.ScaleOption = None,
    mean: preprocess.MeanOption = None,
    std: preprocess.StdOption = None,
    resize: preprocess.ResizeOption = None,
    layout: preprocess.LayoutOption = preprocess.Layout.AUTO,
    as_json: output.JsonOption = False,
) -> None:
    """Quantize a float ONNX network to int8 and write it as standard QDQ ONNX."""
    import octavo

    existing_file(model, "MODEL")
    if dynamic or per_row:
        quantize_weights(model, calib, out, not per_tensor, per_row, exclude or (), as_json)
        return
    if calib is None:
        raise ValueError("--calib: give calibration data, or use --dynamic")
    check_output(out, [model, calib], (".onnx",))
    how = preprocess.preprocessing(preset, scale, mean, std, resize, layout)
    inputs = load_graph(model).inputs
    start = time.perf_counter()
    with output.progress("calibrating", quiet=as_json) as update:
        data: octavo.Calibration | Iterator[Feeds]
        if calib.suffix == ".calib":
            data = octavo.Calibration.load(existing_file(calib, "--calib"))
            used = data.samples
        else:
            dataset = open_dataset(calib, "--calib", inputs, how)
            used = min(samples, dataset.count)
            data = feeds_of(dataset, inputs, samples, batch_size, update)
        quantized = octavo.quantize_model(
            model,
            data,
            method=method.value,
            activation_dtype=activations.value,
            per_channel=not per_tensor,
            exclude=exclude or (),
        )
    serialized = quantized.SerializeToString()
    write_bytes(out, serialized)
    result = {
        "model": str(model),
        "output": str(out),
        "method": method.value,
        "activations": activations.value,
        "samples": used,
        "model_bytes": model.stat().st_size,
        "output_bytes": len(serialized),
        "seconds": time.perf_counter() - start,
    }
    if as_json:
        output.print_json(result)
        return
    before, after = model.stat().st_size, len(serialized)
    print(
        f"wrote {out}: {output.size(after)} from {output.size(before)}, calibrated on {used} "
        f"samples ({method.value}) in {output.duration(time.perf_counter() - start)}"
    )


def feeds_of(
    dataset: Dataset, inputs: Sequence[Value], samples: int, size: int, update: output.Update
) -> Iterator[Feeds]:
    """Yield a dataset's feeds, `size` samples at a time, and report each once it has been used."""
    fixed = fixed_batch(inputs)
    done, total = 0, min(samples, dataset.count)
    update(done, total)
    for index, feeds in dataset.batches(samples, fixed or size, full=fixed is not None):
        yield feeds
        done += len(index)
        update(done, total)
