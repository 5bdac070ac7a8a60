"""`octavo compile`: an ONNX network to a file that needs neither ONNX nor Python."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from octavo.cli import output
from octavo.cli.files import check_output, existing_file
from octavo.cli.models import PROGRAM_SUFFIX

EXAMPLE = "octavo compile net_int8.onnx -o net.octavo"


def command(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="ONNX network, int8 or float. Example: net_int8.onnx"),
    ],
    out: Annotated[
        Path,
        typer.Option("--output", "-o", help="The octavo program to write. Example: -o net.octavo"),
    ],
    shape: Annotated[
        list[str] | None,
        typer.Option(
            "--shape",
            help="The shape, without the batch, of an input whose extents the network leaves open; "
            "repeatable. Example: --shape image=3x224x224",
        ),
    ] = None,
    as_json: output.JsonOption = False,
) -> None:
    """Compile a network to an octavo program, which C and Python load without ONNX."""
    import octavo

    start = time.perf_counter()
    check_output(out, [model], (PROGRAM_SUFFIX,))
    shapes = dict(named_shape(text) for text in shape or [])
    octavo.compile_model(existing_file(model, "MODEL"), out, input_shapes=shapes)
    seconds, written = time.perf_counter() - start, out.stat().st_size
    if as_json:
        output.print_json({"output": str(out), "output_bytes": written, "seconds": seconds})
        return
    print(f"wrote {out}: {output.size(written)} in {output.duration(seconds)}")


def named_shape(text: str) -> tuple[str, tuple[int, ...]]:
    """Return the name and the extents of "NAME=AxBxC".

    Raises
    ------
    ValueError
        If it does not look like that.

    Examples
    --------
    >>> named_shape("image=3x224x224")
    ('image', (3, 224, 224))
    """
    name, _, extents = text.rpartition("=")
    try:
        shape = tuple(int(extent) for extent in extents.split("x"))
    except ValueError:
        shape = ()
    if not name or not shape:
        raise ValueError(f"--shape: expected NAME=AxBxC, got {text}")
    return name, shape
