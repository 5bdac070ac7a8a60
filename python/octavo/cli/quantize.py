"""`octavo quantize`: a float ONNX network to an int8 one."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, overload

import numpy as np
import typer

from octavo.cli import output, preprocess, quantize_report
from octavo.cli.data import BatchSizeOption, Dataset, Feeds, SamplesOption, open_dataset
from octavo.cli.dynamic import quantize_weights
from octavo.cli.files import check_output, existing_file, write_bytes
from octavo.cli.models import fixed_batch, load_graph

if TYPE_CHECKING:
    import octavo
    from octavo.graph.ir import Value

EXAMPLE = "octavo quantize net.onnx --calib images.npz -o net_int8.onnx --preprocess imagenet"


class Method(str, Enum):
    """How ranges are drawn from what calibration saw."""

    AUTO = "auto"
    MAX = "max"
    PERCENTILE = "percentile"
    ENTROPY = "entropy"
    MSE = "mse"
    MOVING_AVERAGE = "moving_average"


class WeightMethod(str, Enum):
    """How ranges of weights are drawn."""

    MAX = "max"
    MSE = "mse"


class Rounding(str, Enum):
    """How weights are rounded."""

    NEAREST = "nearest"
    COMPENSATED = "compensated"


class Placement(str, Enum):
    """Which runtime the QDQ nodes are placed for."""

    OCTAVO = "octavo"
    ONNXRUNTIME = "onnxruntime"


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
    percentile: Annotated[
        float | None,
        typer.Option(
            "--percentile",
            help="For --method percentile, in 50..100; default 99.99. Example: --percentile 99.9",
            show_default=False,
        ),
    ] = None,
    samples: SamplesOption = 512,
    batch_size: BatchSizeOption = 16,
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
    equalize: Annotated[
        bool,
        typer.Option(
            "--equalize",
            help="Rescale channels between layers so that weight ranges are equal. "
            "Example: --equalize",
        ),
    ] = False,
    bias_correction: Annotated[
        bool | None,
        typer.Option(
            "--bias-correction/--no-bias-correction",
            help="Correct biases for what quantization shifts on average; default: yes, where "
            "there is data. Example: --no-bias-correction",
            show_default=False,
        ),
    ] = None,
    weights: Annotated[
        WeightMethod,
        typer.Option("--weights", help="How weight ranges are chosen. Example: --weights mse"),
    ] = WeightMethod.MAX,
    rounding: Annotated[
        Rounding,
        typer.Option(
            "--rounding",
            help="Of weights; compensated: so that errors cancel in a layer's sums. "
            "Example: --rounding compensated",
        ),
    ] = Rounding.NEAREST,
    placement: Annotated[
        Placement,
        typer.Option(
            "--placement",
            help="octavo: additions are rounded once; onnxruntime: as ONNX Runtime needs it to run "
            "them in int8. Example: --placement onnxruntime",
        ),
    ] = Placement.OCTAVO,
    preset: preprocess.PresetOption = preprocess.Preset.NONE,
    scale: preprocess.ScaleOption = None,
    mean: preprocess.MeanOption = None,
    std: preprocess.StdOption = None,
    resize: preprocess.ResizeOption = None,
    layout: preprocess.LayoutOption = preprocess.Layout.AUTO,
    as_json: output.JsonOption = False,
) -> None:
    """Quantize a float ONNX network to int8 and write it as standard QDQ ONNX.

    Prints the range and the error of every quantized tensor, what runs fused, and what stays float
    and why. The file is written whole or not at all.
    """
    import octavo
    from octavo.quantize import QuantizeOptions, quantize_with_report

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
    data: octavo.Calibration | FeedsSequence
    if calib.suffix == ".calib":
        data = octavo.Calibration.load(existing_file(calib, "--calib"))
        used = data.samples
    else:
        dataset = open_dataset(calib, "--calib", inputs, how)
        used = min(samples, dataset.count)
        data = FeedsSequence(dataset, inputs, samples, batch_size)
    options = QuantizeOptions(
        method=method.value,
        percentile=percentile,
        activation_dtype=activations.value,
        per_channel=not per_tensor,
        exclude=exclude or (),
        equalize=equalize,
        bias_correction=bias_correction,
        weight_method=weights.value,
        rounding=rounding.value,
        placement=placement.value,
    )
    with warnings.catch_warnings(), output.stages(quiet=as_json) as update:
        warnings.simplefilter("ignore", octavo.errors.QuantizationWarning)  # in the report as well
        quantized, report = quantize_with_report(model, data, options, progress=update)
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
        **quantize_report.as_json(report),
    }
    if as_json:
        output.print_json(result)
        return
    quantize_report.show(report)
    before, after = model.stat().st_size, len(serialized)
    print(
        f"wrote {out}: {output.size(after)} from {output.size(before)}, calibrated on {used} "
        f"samples ({method.value}) in {output.duration(time.perf_counter() - start)}"
    )


class FeedsSequence(Sequence[Feeds]):
    """The feeds of a dataset by index, read when asked for: `samples` spread evenly, in batches."""

    def __init__(self, dataset: Dataset, inputs: Sequence[Value], samples: int, size: int) -> None:
        fixed = fixed_batch(inputs)
        self._dataset = dataset
        self._index = dataset.spread(samples)
        self._size = fixed or size
        self._full = fixed is not None

    def __len__(self) -> int:
        return -(-len(self._index) // self._size)

    @overload
    def __getitem__(self, index: int) -> Feeds: ...
    @overload
    def __getitem__(self, index: slice) -> list[Feeds]: ...
    def __getitem__(self, index: int | slice) -> Feeds | list[Feeds]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        start = range(len(self))[index] * self._size
        chosen = self._index[start : start + self._size]
        padding = self._size - len(chosen) if self._full else 0
        return self._dataset.read(np.pad(chosen, (0, padding), mode="edge"))


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
