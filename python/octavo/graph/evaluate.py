"""Operators on constants, in NumPy: what constant folding and shape arithmetic need."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from octavo.errors import OctavoError
from octavo.graph.ir import Array, Node
from octavo.graph.limit import MemoryLimit
from octavo.graph.tensors import INTEGERS, dtype_of

Evaluator = Callable[[Node, list[Array | None]], Array]

# Folding must not be made to allocate without bound, by a chain of concatenations for example.
MAX_ELEMENTS = 2**26
_BROADCASTING = {"Add", "Clip", "Div", "Mul", "Sub"}
_SAME = {"Constant", "Identity"}  # results that are counted already


def evaluate(node: Node, inputs: list[Array | None], limit: MemoryLimit) -> Array | None:
    """The value of a node whose inputs are all constant, or None if its op is not foldable."""
    function = EVALUATORS.get(node.op)
    if function is None or len(node.outputs) != 1:
        return None
    try:
        elements = _elements(node, [value for value in inputs if value is not None])
        if elements > MAX_ELEMENTS:
            raise ValueError(f"the result would have {elements} elements; at most {MAX_ELEMENTS}")
        limit.check(f"{node.label} computes", elements)
        with np.errstate(all="ignore"):
            value = np.asarray(function(node, inputs))
    except OctavoError:
        raise
    except (ValueError, IndexError, TypeError, ZeroDivisionError) as error:
        raise node.invalid(f"its constant inputs do not fit together: {error}") from error
    if value.flags.owndata and node.op not in _SAME:
        limit.take(node.label, value.nbytes)
    return value


def _elements(node: Node, inputs: list[Array]) -> int:
    """How many elements the result has, of the ops whose result may outgrow their inputs."""
    if node.op in _BROADCASTING:
        return math.prod(np.broadcast_shapes(*(value.shape for value in inputs)))
    if node.op == "Concat":
        return sum(value.size for value in inputs)
    if node.op == "Gather" and len(inputs) == 2:
        data, index = inputs
        axis = int(node.attrs.get("axis", 0))
        return int(index.size * data.size // max(data.shape[axis], 1))
    return 0


def _required(inputs: list[Array | None], index: int) -> Array:
    value = inputs[index] if index < len(inputs) else None
    if value is None:
        raise ValueError(f"input {index} is missing")
    return value


def _constant(node: Node, inputs: list[Array | None]) -> Array:
    attrs = node.attrs
    if "value" in attrs:
        return np.asarray(attrs["value"])
    for name, dtype in (("value_float", np.float32), ("value_floats", np.float32)):
        if name in attrs:
            return np.asarray(attrs[name], dtype=dtype)
    for name in ("value_int", "value_ints"):
        if name in attrs:
            return np.asarray(attrs[name], dtype=np.int64)
    raise node.unsupported(f"a constant given as {sorted(attrs)} is not supported")


def _axes(inputs: list[Array | None]) -> list[int] | None:
    given = inputs[1] if len(inputs) > 1 else None
    return None if given is None else [int(axis) for axis in given.reshape(-1)]


def _unsqueeze(_: Node, inputs: list[Array | None]) -> Array:
    axes = _axes(inputs)
    if axes is None:
        raise ValueError("axes are missing")
    return np.expand_dims(_required(inputs, 0), tuple(axes))


def _squeeze(_: Node, inputs: list[Array | None]) -> Array:
    axes = _axes(inputs)
    return np.squeeze(_required(inputs, 0), None if axes is None else tuple(axes))


def _reshape(node: Node, inputs: list[Array | None]) -> Array:
    data, target = _required(inputs, 0), _required(inputs, 1)
    keep = not node.attrs.get("allowzero", 0)
    shape = [data.shape[i] if keep and int(n) == 0 else int(n) for i, n in enumerate(target)]
    return data.reshape(shape)


def _slice(node: Node, inputs: list[Array | None]) -> Array:
    data = _required(inputs, 0)
    starts, ends = _required(inputs, 1), _required(inputs, 2)
    axes = inputs[3] if len(inputs) > 3 and inputs[3] is not None else np.arange(len(starts))
    steps = inputs[4] if len(inputs) > 4 and inputs[4] is not None else np.ones_like(starts)
    index = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        index[int(axis)] = slice(int(start), int(end), int(step))
    return data[tuple(index)]


def _cast(node: Node, inputs: list[Array | None]) -> Array:
    dtype = dtype_of(int(node.attrs["to"]), node.label)
    return _required(inputs, 0).astype(dtype)


def _gather(node: Node, inputs: list[Array | None]) -> Array:
    data, index = _required(inputs, 0), _required(inputs, 1)
    axis = int(node.attrs.get("axis", 0))
    return np.take(data, index.astype(np.int64), axis=axis)


def _transpose(node: Node, inputs: list[Array | None]) -> Array:
    data = _required(inputs, 0)
    return np.transpose(data, node.attrs.get("perm", list(range(data.ndim))[::-1]))


def _concat(node: Node, inputs: list[Array | None]) -> Array:
    parts = [_required(inputs, i) for i in range(len(inputs))]
    return np.concatenate(parts, axis=int(node.attrs["axis"]))


def _div(a: Array, b: Array) -> Array:
    if np.issubdtype(a.dtype, np.integer):  # truncates, as in C
        if np.any(b == 0):
            raise ZeroDivisionError("division by zero")
        return np.asarray(np.trunc(a / b)).astype(a.dtype)
    return np.asarray(a / b)


def _clip(_: Node, inputs: list[Array | None]) -> Array:
    data, bounds = _required(inputs, 0), [*inputs[1:], None, None][:2]
    for bound, function in zip(bounds, (np.maximum, np.minimum), strict=True):
        data = data if bound is None else function(data, bound)
    return np.asarray(data)


def _binary(function: Callable[[Array, Array], Array]) -> Evaluator:
    def run(node: Node, inputs: list[Array | None]) -> Array:
        return function(_required(inputs, 0), _required(inputs, 1))

    return run


def _quantize(node: Node, inputs: list[Array | None]) -> Array:
    """Weights that a file stores as float behind a QuantizeLinear."""
    data, scale = _required(inputs, 0), _required(inputs, 1)
    zero = inputs[2] if len(inputs) > 2 else None
    if zero is None:
        zero = np.zeros(scale.shape, dtype_of(node.attrs.get("output_dtype", 2), node.label))
    if zero.dtype not in INTEGERS:
        raise node.unsupported(f"quantizing a constant to {zero.dtype} is not supported")
    scale, zero_point = along(scale, data.shape, node), along(zero, data.shape, node)
    steps = np.rint(data / scale) + zero_point.astype(np.float32)
    return np.asarray(np.clip(steps, *INTEGERS[zero.dtype]).astype(zero.dtype))


def along(parameter: Array, shape: tuple[int, ...], node: Node) -> Array:
    """Shape a quantization parameter so that it broadcasts: a scalar, one per axis, or blocks."""
    block = int(node.attrs.get("block_size", 0))
    if parameter.size == 1 and not block:
        return parameter.reshape(())
    if not shape:
        raise ValueError(f"{parameter.size} quantization parameters for a scalar")
    axis = int(node.attrs.get("axis", 1)) % len(shape)
    if block:
        repeated = np.repeat(parameter, min(block, shape[axis]), axis)
        return np.broadcast_to(np.take(repeated, range(shape[axis]), axis), shape)
    if parameter.size != shape[axis]:
        raise ValueError(f"{parameter.size} quantization parameters for axis {axis} of {shape}")
    extents = [1] * len(shape)
    extents[axis] = parameter.size
    return parameter.reshape(extents)


EVALUATORS: dict[str, Evaluator] = {
    "Add": _binary(lambda a, b: a + b),
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Constant": _constant,
    "Div": _binary(_div),
    "Gather": _gather,
    "Identity": lambda _, inputs: _required(inputs, 0),
    "Mul": _binary(lambda a, b: a * b),
    "QuantizeLinear": _quantize,
    "Reshape": _reshape,
    "Slice": _slice,
    "Squeeze": _squeeze,
    "Sub": _binary(lambda a, b: a - b),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
