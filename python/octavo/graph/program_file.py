"""Octavo programs: files of compiled networks, docs/program-format.md. Needs NumPy alone."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from octavo import _core
from octavo._files import atomic_output
from octavo.errors import InvalidArgumentError, InvalidModelError, UnsupportedModelError
from octavo.graph.compiled import Compiled, Port, Record
from octavo.graph.ir import Value
from octavo.graph.limit import check_max_bytes

MAGIC = b"\x89OCTAVO\n"
_STEPS = "octavo.steps"  # the key of what `describe` says of the steps
_DTYPES = {"u8": np.uint8, "s8": np.int8, "f32": np.float32, "s32": np.int32}


def is_program(model: object) -> TypeGuard[str | os.PathLike[str] | bytes]:
    """Whether a path, or bytes, hold an octavo program; a file that cannot be read does not."""
    if isinstance(model, bytes):
        return model.startswith(MAGIC)
    if not isinstance(model, (str, os.PathLike)):
        return False
    try:
        with open(model, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except (OSError, ValueError):
        return False


def write_program(compiled: Compiled, batch: int | None, path: Path) -> None:
    """Write a program whose weights were kept, whole or not at all."""
    steps = [[r.op, r.name, list(r.fused), r.dtype, list(r.shape)] for r in compiled.records]
    metadata = [
        ("producer", f"octavo {_core.build_info()['version']}"),
        (_STEPS, json.dumps(steps, separators=(",", ":"))),
    ]
    inputs, outputs = ([_tuple(port) for port in p] for p in (compiled.inputs, compiled.outputs))
    with atomic_output(path) as stream:
        _core.save_program(compiled.program, stream.write, inputs, outputs, batch or 0, metadata)


def _tuple(port: Port) -> tuple[str, str, list[int], float, int]:
    return port.name, port.type, list(port.shape), port.scale, port.zero_point


def _port(name: str, kind: str, shape: list[int], scale: float, zero_point: int) -> Port:
    return Port(name, kind, tuple(shape), scale, zero_point)


def read_program(
    model: str | os.PathLike[str] | bytes, max_bytes: int | None = None
) -> tuple[list[Value], list[Value], Compiled]:
    """Load a program for the current backend; return its inputs, its outputs and the program.

    Raises
    ------
    InvalidModelError
        The file is damaged or contradicts itself.
    UnsupportedModelError
        It is of a version this octavo does not read.
    InvalidArgumentError
        It takes more than max_bytes.
    """
    check_max_bytes(max_bytes)
    source = model if isinstance(model, bytes) else os.fspath(model)
    try:
        program, inputs, outputs, batch, metadata = _core.load_program(source, max_bytes)
    except ValueError as error:
        raise InvalidModelError(str(error)) from error
    except NotImplementedError as error:
        raise UnsupportedModelError(str(error)) from error
    except MemoryError as error:
        raise InvalidArgumentError(str(error)) from error
    ports = ([_port(*port) for port in side] for side in (inputs, outputs))
    compiled = Compiled(program, _records(program, dict(metadata)), *ports)
    extent: int | str = batch or "N"
    values = [
        [Value(p.name, np.dtype(_DTYPES[p.type]), (extent, *p.shape)) for p in side]
        for side in (compiled.inputs, compiled.outputs)
    ]
    return values[0], values[1], compiled


def _records(program: _core.Program, metadata: dict[str, str]) -> list[Record]:
    """What the file says the steps came from, or what the program itself knows of them."""
    steps = program.describe()
    text = metadata.get(_STEPS)
    if text is None:
        return [Record(s["op"], s["name"], (s["op"],), "", ()) for s in steps]
    try:
        records = [_record(*entry) for entry in json.loads(text)]
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidModelError(f"octavo program: META: {_STEPS}: {error}") from error
    if len(records) != len(steps):
        raise InvalidModelError(
            f"octavo program: META: {_STEPS}: got {len(records)} entries, expected {len(steps)}"
        )
    return records


def _record(op: Any, name: Any, fused: Any, dtype: Any, shape: Any) -> Record:
    texts = isinstance(fused, list) and all(isinstance(t, str) for t in (op, name, dtype, *fused))
    if not texts or not isinstance(shape, list) or not all(type(n) is int for n in shape):
        raise ValueError("an entry is no step's")
    return Record(op, name, tuple(fused), dtype, tuple(shape))
