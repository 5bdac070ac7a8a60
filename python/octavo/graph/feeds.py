"""Inputs of a session: what the model takes, and the checks of what is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo._dlpack import imported
from octavo.errors import InvalidArgumentError, InvalidDtypeError, UnsupportedModelError
from octavo.graph.ir import Value

_TYPES = {"float32": "tensor(float)", "uint8": "tensor(uint8)", "int8": "tensor(int8)"}


@dataclass(frozen=True)
class NodeArg:
    """An input or output of a model, as ONNX Runtime describes it."""

    name: str
    shape: list[int | str | None]
    type: str


def check_inputs(inputs: list[Value]) -> None:
    """Refuse models whose inputs a program cannot take."""
    if not inputs:
        raise UnsupportedModelError("the model has no inputs")
    for value in inputs:
        if value.dtype.name not in _TYPES:
            raise UnsupportedModelError(
                f"input '{value.name}' is {value.dtype}; octavo takes {', '.join(_TYPES)}"
            )
        if value.shape and value.shape[0] == 0:
            raise UnsupportedModelError(f"input '{value.name}' fixes a batch of 0 samples")
        if value.shape == ():
            raise UnsupportedModelError(f"input '{value.name}' is a scalar: it has no batch axis")


def fixed_batch(inputs: list[Value]) -> int | None:
    """The extent of axis 0 where the model fixes it."""
    fixed = {value.shape[0] for value in inputs if value.shape and isinstance(value.shape[0], int)}
    if len(fixed) > 1:
        raise UnsupportedModelError(
            f"inputs fix different extents {sorted(map(str, fixed))} of axis 0, the batch"
        )
    return int(next(iter(fixed)) or 0) if fixed else None


def fixed_shapes(inputs: list[Value]) -> tuple[tuple[int, ...], ...] | None:
    """The shapes of the inputs without the batch, where the model fixes all of them."""
    shapes = [value.shape[1:] for value in inputs if value.shape is not None]
    fixed = [tuple(n for n in shape if isinstance(n, int)) for shape in shapes]
    return tuple(fixed) if len(shapes) == len(inputs) and fixed == shapes else None


def node_arg(value: Value) -> NodeArg:
    """A graph input or output as users see it."""
    return NodeArg(value.name, list(value.shape or ()), _TYPES.get(value.dtype.name, "tensor"))


def checked_feed(value: Value, given: Any, axes: int = 1) -> NDArray[Any]:
    """An array for a model input: contiguous, of its dtype, rank and fixed extents.

    It has at least `axes` axes.
    """
    array = np.asarray(imported(f"input '{value.name}'", given))
    if array.dtype != value.dtype:
        raise InvalidDtypeError(
            f"input '{value.name}' has dtype {array.dtype}; the model takes {value.dtype}"
        )
    expected = value.shape
    if array.ndim < axes or (expected is not None and array.ndim != len(expected)):
        raise InvalidArgumentError(
            f"input '{value.name}' has shape {array.shape}; the model takes {_shown(expected)}"
        )
    for extent, wanted in zip(array.shape, expected or (), strict=False):
        if isinstance(wanted, int) and extent != wanted:
            raise InvalidArgumentError(
                f"input '{value.name}' has shape {array.shape}; the model takes {_shown(expected)}"
            )
    return np.ascontiguousarray(array) if array.ndim else array


def checked_feeds(inputs: list[Value], feeds: Mapping[str, Any]) -> tuple[list[NDArray[Any]], int]:
    """One array per model input, in order, and their batch."""
    known = [value.name for value in inputs]
    if not isinstance(feeds, Mapping):
        raise InvalidDtypeError(
            f"feeds must be a mapping of input names to arrays, not {type(feeds).__name__}"
        )
    missing = [name for name in known if name not in feeds]
    extra = [name for name in feeds if name not in known]
    if missing or extra:
        what = f"misses {missing}" if missing else f"has unknown names {extra}"
        raise InvalidArgumentError(f"feeds {what}; the model's inputs are {known}")
    arrays = [checked_feed(value, feeds[value.name]) for value in inputs]
    if len({array.shape[0] for array in arrays}) != 1:
        given = {v.name: a.shape for v, a in zip(inputs, arrays, strict=True)}
        raise InvalidArgumentError(f"feeds: inputs differ in their batch (axis 0): {given}")
    return arrays, int(arrays[0].shape[0])


def _shown(shape: tuple[int | str | None, ...] | None) -> str:
    extents = ("?",) if shape is None else tuple("?" if n is None else str(n) for n in shape)
    return f"({', '.join(extents)})"


def to_bytes(array: NDArray[Any]) -> NDArray[Any]:
    """int8 as the program's uint8: the sign bit flipped."""
    return array.view(np.uint8) ^ np.uint8(128) if array.dtype == np.int8 else array


def to_signed(array: NDArray[Any]) -> NDArray[np.int8]:
    """The program's uint8 as the model's int8."""
    return np.asarray(array ^ np.uint8(128)).view(np.int8)
