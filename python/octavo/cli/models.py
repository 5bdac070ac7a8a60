"""Opening networks for the commands."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from octavo.cli.files import existing_file

if TYPE_CHECKING:
    from octavo import Session
    from octavo.graph.ir import Graph, Value


PROGRAM_SUFFIX = ".octavo"


def load_graph(path: Path) -> Graph:
    """Read an ONNX file as octavo's graph; its errors name what is wrong with the file."""
    from octavo.graph import load

    return load.load_graph(existing_file(path, "MODEL"))


def is_compiled(path: Path) -> bool:
    """Return whether a file is an octavo program."""
    from octavo.graph.program_file import is_program

    return is_program(existing_file(path, "MODEL"))


def model_inputs(path: Path) -> list[Value]:
    """Return what a network, ONNX or an octavo program, takes."""
    from octavo.graph.program_file import read_program

    return read_program(path)[0] if is_compiled(path) else load_graph(path).inputs


def fixed_batch(inputs: Sequence[Value]) -> int | None:
    """Return the only batch size a network takes, or None where it may vary."""
    extents = [value.shape[0] for value in inputs if value.shape]
    return next((extent for extent in extents if isinstance(extent, int)), None)


def open_session(
    path: Path, threads: int | None, name: str = "MODEL", max_bytes: int | None = None
) -> Session:
    """Open a network for running; `name` is the argument's, for messages."""
    import octavo

    return octavo.Session(existing_file(path, name), threads=threads, max_bytes=max_bytes)
