"""Steps that move elements, for bytes and floats alike: Concat, Pad, Slice, Reshape."""

from __future__ import annotations

import math
from dataclasses import replace

from octavo.graph.ir import Node
from octavo.graph.lowering import Lowering, Stored, step_name
from octavo.graph.shape_rules import Shape, pad_extents, sample_axis, slice_ranges

MAX_AXES = 5  # of the pad and slice steps


def concat_steps(low: Lowering, node: Node, values: list[Stored], model_axis: int) -> Stored:
    """Join tensors that lie in the same order."""
    first = values[0]
    axis = sample_axis(node, model_axis, len(first.shape))
    shape = list(first.shape)
    shape[axis] = sum(value.shape[axis] for value in values)
    out = low.new(first.dtype, tuple(shape), first.last)
    at = first.storage_axis(axis)
    outer = math.prod(first.order(first.shape)[:at])
    inner = [math.prod(value.order(value.shape)[at:]) for value in values]
    ids = [value.id for value in values]
    low.program.concat(ids, out.id, name=step_name(node), outer=outer, inner=inner)
    low.record("Concat", node, out)
    return out


def pad_steps(
    low: Lowering, node: Node, x: Stored, extents: tuple[list[int], list[int]], value: float
) -> Stored:
    """Add constant elements around a tensor."""
    before, after = extents
    if not any(before) and not any(after):
        return x
    _check_axes(node, x.shape)
    shape = tuple(b + n + a for b, n, a in zip(before, x.shape, after, strict=True))
    out = low.new(x.dtype, shape, x.last)
    low.program.pad(
        x.id,
        out.id,
        name=step_name(node),
        shape=x.order(x.shape),
        before=x.order(before),
        after=x.order(after),
        value=value,
    )
    low.record("Pad", node, out)
    return out


def slice_steps(low: Lowering, node: Node, x: Stored, ranges: list[range]) -> Stored:
    """Keep every step-th element of a range along each axis."""
    if all(kept == range(extent) for kept, extent in zip(ranges, x.shape, strict=True)):
        return x
    _check_axes(node, x.shape)
    shape = tuple(len(kept) for kept in ranges)
    out = low.new(x.dtype, shape, x.last)
    low.program.slice(
        x.id,
        out.id,
        name=step_name(node),
        shape=x.order(x.shape),
        start=x.order([kept.start for kept in ranges]),
        step=x.order([kept.step for kept in ranges]),
        out_shape=x.order(shape),
    )
    low.record("Slice", node, out)
    return out


def rename_axes(low: Lowering, node: Node, shape: Shape) -> Stored:
    """The node's input under another shape: no step, but a transpose where it is not plain."""
    return replace(low.plain(node.input(0), node), shape=shape)


def _check_axes(node: Node, shape: Shape) -> None:
    if len(shape) > MAX_AXES:
        raise node.unsupported(f"at most {MAX_AXES} axes besides the batch; it has {len(shape)}")


def concat(low: Lowering, node: Node) -> None:
    """Concat of float tensors."""
    last = any(low.get(name).last for name in node.inputs)
    values = [
        low.channels_last(name, node) if last else low.plain(name, node) for name in node.inputs
    ]
    low.put(node.output, concat_steps(low, node, values, int(node.attrs["axis"])))


def pad(low: Lowering, node: Node) -> None:
    """Pad of a float tensor."""
    given = low.graph.constant(node, 2)
    if node.input(2) and (given is None or given.size != 1):
        raise node.unsupported("its value must be a constant scalar")
    value = 0.0 if given is None else float(given.reshape(-1)[0])
    x = low.get(node.input(0))
    if x.dtype != "f32":
        raise node.unsupported("padding a quantized tensor needs DequantizeLinear before it")
    low.put(node.output, pad_steps(low, node, x, pad_extents(low.context, node), value))


def slice_(low: Lowering, node: Node) -> None:
    """Slice of a float tensor."""
    x = low.get(node.input(0))
    low.put(node.output, slice_steps(low, node, x, slice_ranges(low.context, node)))


def reshape(low: Lowering, node: Node) -> None:
    """Reshape and its like: the same elements under another shape."""
    low.put(node.output, rename_axes(low, node, low.context.shapes[node.output]))


def identity(low: Lowering, node: Node) -> None:
    """Identity that could not be removed: another name for its input."""
    low.put(node.output, low.get(node.input(0)))


EMITTERS = {
    "Concat": concat,
    "Flatten": reshape,
    "Dropout": identity,
    "Identity": identity,
    "Pad": pad,
    "Reshape": reshape,
    "Slice": slice_,
    "Squeeze": reshape,
    "Unsqueeze": reshape,
}
