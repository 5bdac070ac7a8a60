"""`octavo demo`: the whole path on real digits, then the speed of a few ResNet-50 layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from octavo.cli import output
from octavo.cli.files import write_arrays, write_bytes
from octavo.demo.runtimes import threads_text

if TYPE_CHECKING:
    from octavo.demo.digits import Digits, DigitsResult
    from octavo.demo.layers import LayerTime

EXAMPLE = "octavo demo --save digits"


def command(
    repeat: Annotated[
        int,
        typer.Option(
            "--repeat",
            min=1,
            help="Timed calls at batch 1; everything else is timed in proportion. "
            "Example: --repeat 50",
        ),
    ] = 300,
    seconds: Annotated[
        float,
        typer.Option(
            "--seconds",
            min=0.0,
            help="Time for all timings; slow CPUs then make fewer calls. Example: --seconds 5",
        ),
    ] = 60.0,
    threads: Annotated[
        int,
        typer.Option(
            "--threads", min=1, help="Threads for the digits network. Example: --threads 2"
        ),
    ] = 1,
    save: Annotated[
        Path | None,
        typer.Option(
            "--save",
            help="Keep the float and the int8 network and the images in this folder, for the other "
            "commands; without it nothing is written. Example: --save digits",
        ),
    ] = None,
    as_json: output.JsonOption = False,
) -> None:
    """Quantize a small CNN, run it in float and int8 on real handwritten digits, and time both."""
    import onnx

    from octavo.demo import digits, layers

    if save is not None and save.exists() and not save.is_dir():
        raise NotADirectoryError(f"--save: {save} exists and is not a folder")
    float_bytes = digits.float_model_bytes()
    model = onnx.load_from_string(float_bytes)
    data = digits.load_digits(model)
    int8_bytes = digits.quantize_digits(model, data).SerializeToString()
    if save is not None:
        keep(save, float_bytes, int8_bytes, data)
    layer_repeat = max(3, repeat // 10)
    total = sum(digits.rounds_of(repeat)) + layer_repeat * len(layers.RESNET50_LAYERS)
    share = seconds / (2 + len(layers.RESNET50_LAYERS))  # the network is timed at two batch sizes
    with output.ticks("timing", total, quiet=as_json) as advance:
        result = digits.compare(
            float_bytes,
            int8_bytes,
            data,
            threads=threads,
            repeat=repeat,
            seconds=share,
            advance=advance,
        )
        times = layers.time_layers(repeat=layer_repeat, seconds=share, advance=advance)
    if as_json:
        layer_list = [layer_dict(time) for time in times]
        output.print_json({"digits": dataclasses.asdict(result), "layers": layer_list})
        return
    print_digits(result)
    print_layers(times)
    if save is not None:
        print(f"Kept in {save}: {', '.join(sorted(p.name for p in save.iterdir()))}")


SHOWN = {"elapsed": "median times", "processor": "median processor times (the machine is busy)"}


def keep(folder: Path, float_bytes: bytes, int8_bytes: bytes, data: Digits) -> None:
    """Write both networks and the prepared images, split as they were used."""
    folder.mkdir(parents=True, exist_ok=True)
    write_bytes(folder / "digits.onnx", float_bytes)
    write_bytes(folder / "digits_int8.onnx", int8_bytes)
    write_arrays(folder / "calibration.npz", {"images": data.calibration})
    write_arrays(folder / "held_out.npz", {"images": data.images, "labels": data.labels})


def print_digits(result: DigitsResult) -> None:
    """Print the one table of both networks."""
    a, b, count = result.float32, result.int8, result.images
    times = [
        (f"latency, {name}", before, after)
        for name, before, after in (
            ("1 image", a.latency_1, b.latency_1),
            (f"{count} images", a.latency_all, b.latency_all),
        )
    ]
    rows: list[list[str]] = [
        ["run by", a.runtime, b.runtime, ""],
        ["top-1", f"{a.top1:.2%}", f"{b.top1:.2%}", f"{100 * (b.top1 - a.top1):+.2f} points"],
        ["same answer as float", "", f"{result.agreement:.2%}", ""],
        ["ONNX file", *gain(a.file_bytes, b.file_bytes, output.size, ("smaller", "larger"))],
        *([name, *gain(x, y, output.duration, ("faster", "slower"))] for name, x, y in times),
    ]
    title = (
        f"Handwritten digits: {count} held-out images, calibrated on {result.calibration_images} "
        f"others; {threads_text(result.threads)}, {SHOWN[result.time_kind]}"
    )
    output.show(title, ["", "float32", "int8", ""], rows, right=(1, 2, 3))


def gain(
    before: float, after: float, text: Callable[[Any], str], words: tuple[str, str]
) -> tuple[str, str, str]:
    """Return both values as text, and how they compare: words for a lower and a higher second."""
    factor, word = (before / after, words[0]) if after <= before else (after / before, words[1])
    return text(before), text(after), f"{factor:.2f}x {word}"


def print_layers(times: Sequence[LayerTime]) -> None:
    """Print the table of layers."""
    columns = ["layer", "NumPy float32", "octavo int8", "int8 rate", "float / int8", "runs"]
    rows = [
        [
            time.layer.name,
            output.duration(time.float32),
            output.duration(time.int8),
            f"{time.layer.macs / time.int8 / 1e9:.0f} GMAC/s",
            f"{time.speedup:.2f}x",
            str(time.runs),
        ]
        for time in times
    ]
    title = f"ResNet-50 layers, one image; {SHOWN[times[0].time_kind]}"
    output.show(title, columns, rows, right=(1, 2, 3, 4, 5))
    print(
        f"int8: whole convolution with bias, requantization and ReLU, {times[0].octavo}; every\n"
        f"output equals octavo.reference. float32: the matrix product alone, its im2col matrix\n"
        f"made outside of the timing, {times[0].numpy}.\n"
        "Both run in turn."
    )


def layer_dict(time: LayerTime) -> dict[str, Any]:
    """Return a layer's times for JSON."""
    return {
        "layer": time.layer.name,
        "macs": time.layer.macs,
        "float32_seconds": time.float32,
        "int8_seconds": time.int8,
        "speedup": time.speedup,
        "time_kind": time.time_kind,
        "runs": time.runs,
        "float32_run_by": time.numpy,
        "int8_run_by": time.octavo,
    }
