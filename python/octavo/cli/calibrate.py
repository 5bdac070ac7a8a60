"""`octavo calibrate`: what a float network's activations are, counted once and kept."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from octavo.cli import output, preprocess
from octavo.cli.data import BatchSizeOption, SamplesOption, open_dataset
from octavo.cli.files import check_output, existing_file
from octavo.cli.models import load_graph
from octavo.cli.quantize import feeds_of

if TYPE_CHECKING:
    from octavo import Calibration

EXAMPLE = "octavo calibrate net.onnx --data images.npz -o net.calib --preprocess imagenet"


def command(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="MODEL | CALIB...",
            help="Float ONNX network; with --merge, the .calib files. Example: net.onnx",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--output", "-o", help="The .calib file to write. Example: -o net.calib"),
    ],
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Calibration data: a .npz with the array 'images' (or arrays named like the "
            "network's inputs), or a folder of image files. Example: --data images.npz",
            show_default=False,
        ),
    ] = None,
    merge: Annotated[
        bool,
        typer.Option(
            "--merge",
            help="Write what calibrating on all parts' data at once would have written. "
            "Example: --merge a.calib b.calib",
        ),
    ] = False,
    samples: SamplesOption = 512,
    batch_size: BatchSizeOption = 16,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            "--exclude",
            help="Name of a node that will stay float; repeatable. Example: --exclude fc",
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
    """Count a network's activations into a .calib file, from which quantize draws any range."""
    import octavo

    start = time.perf_counter()
    check_output(out, [*inputs, *([data] if data else [])], (".calib",))
    if merge:
        if data is not None:
            raise ValueError("--data: not with --merge, which reads .calib files alone")
        parts = (octavo.Calibration.load(existing_file(path, "CALIB")) for path in inputs)
        calibration = octavo.Calibration.merged(parts)
    else:
        if len(inputs) != 1:
            raise ValueError(f"MODEL: expected one network, got {len(inputs)}; see --merge")
        if data is None:
            raise ValueError("--data: expected calibration data, got none")
        existing_file(inputs[0], "MODEL")
        how = preprocess.preprocessing(preset, scale, mean, std, resize, layout)
        values = load_graph(inputs[0]).inputs
        dataset = open_dataset(data, "--data", values, how)
        with output.progress("calibrating", quiet=as_json) as update:
            calibration = octavo.calibrate_model(
                inputs[0],
                feeds_of(dataset, values, samples, batch_size, update),
                exclude=exclude or (),
            )
    calibration.save(out)
    report(calibration, out, time.perf_counter() - start, as_json)


def report(calibration: Calibration, out: Path, seconds: float, as_json: bool) -> None:
    """Say what was written."""
    written = out.stat().st_size
    if as_json:
        output.print_json(
            {
                "output": str(out),
                "fingerprint": calibration.fingerprint,
                "samples": calibration.samples,
                "tensors": len(calibration.tensors),
                "output_bytes": written,
                "seconds": seconds,
            }
        )
        return
    print(
        f"wrote {out}: {output.size(written)}, {len(calibration.tensors)} tensors over "
        f"{calibration.samples} samples in {output.duration(seconds)}"
    )
