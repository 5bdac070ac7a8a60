"""`octavo run`: one network on the arrays of a file."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from octavo.cli import output
from octavo.cli.data import LABELS, Feeds, load_arrays
from octavo.cli.files import check_output, write_arrays
from octavo.cli.models import open_session

EXAMPLE = "octavo run net_int8.onnx --input x.npz -o y.npz"


def command(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="ONNX network or octavo program. Example: net.onnx"),
    ],
    source: Annotated[
        Path,
        typer.Option(
            "--input",
            "-i",
            help="A .npz with arrays named like the network's inputs, or, where it has one input, "
            "a .npz or .npy with one array. Example: --input x.npy",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Write the outputs here, by name: .npz, or .npy where there is one. "
            "Example: -o y.npz",
        ),
    ] = None,
    threads: output.ThreadsOption = None,
    max_bytes: Annotated[
        int | None,
        typer.Option(
            "--max-bytes",
            help="For a network that is not trusted: refuse it if its file, its weights or a run "
            "take more memory. Example: --max-bytes 500000000",
        ),
    ] = None,
    as_json: output.JsonOption = False,
) -> None:
    """Run a network once on the arrays of a file, and describe or save its outputs."""
    if out is not None:
        check_output(out, [model, source], (".npz", ".npy"))
    arrays = load_arrays(source, "--input")
    session = open_session(model, threads, max_bytes=max_bytes)
    feeds = match([value.name for value in session.get_inputs()], arrays)
    names = [value.name for value in session.get_outputs()]
    start = time.perf_counter()
    outputs = dict(zip(names, session.run(None, feeds), strict=True))
    seconds = time.perf_counter() - start
    if out is not None:
        write_arrays(out, outputs)
    described = {name: statistics(array) for name, array in outputs.items()}
    if as_json:
        saved = None if out is None else str(out)
        result = {"model": str(model), "backend": session.backend, "seconds": seconds}
        output.print_json({**result, "outputs": described, "output_file": saved})
        return
    columns = ["output", "dtype", "shape", "min", "max", "mean"]
    rows = [[name, *map(cell, values.values())] for name, values in described.items()]
    output.show(None, columns, rows, right=(3, 4, 5))
    print(f"{output.duration(seconds)} on {session.backend}" + (f"; wrote {out}" if out else ""))


def match(inputs: list[str], arrays: Feeds) -> Feeds:
    """Return the network's feeds; an only array goes to an only input, whatever its name.

    An array `labels` that is no input is left out, so that files for `octavo eval` fit.

    Raises
    ------
    ValueError
        If an input has no array, or an array no input.
    """
    arrays = {key: array for key, array in arrays.items() if key in inputs or key != LABELS}
    if len(inputs) == 1 and len(arrays) == 1:
        return {inputs[0]: next(iter(arrays.values()))}
    if set(inputs) != set(arrays):
        raise ValueError(f"--input: expected arrays named {inputs}, got {list(arrays)}")
    return arrays


def statistics(array: NDArray[Any]) -> dict[str, Any]:
    """Return what is shown of an output; min, max and mean are null where they are not finite."""
    result: dict[str, Any] = {"dtype": str(array.dtype), "shape": list(array.shape)}
    for name in ("min", "max", "mean"):
        value = float(getattr(array, name)()) if array.size else np.nan
        result[name] = value if np.isfinite(value) else None
    return result


def cell(value: object) -> object:
    """Return a value as it stands in the table."""
    if isinstance(value, list):
        return "x".join(map(str, value))
    return f"{value:.6g}" if isinstance(value, float) else "-" if value is None else value
