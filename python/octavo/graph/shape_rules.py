"""One shape rule per operator: from per-sample input shapes to the per-sample output shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from octavo.graph.ir import Array, Graph, Node
from octavo.graph.windows import kernel_shape, spatial_pair, window_of

Shape = tuple[int, ...]


@dataclass
class ShapeContext:
    """What is known while walking a graph; `static` are full shapes of dequantized constants."""

    graph: Graph
    shapes: dict[str, Shape]
    batch: int | None
    static: dict[str, Shape] = field(default_factory=dict)

    def of(self, node: Node, index: int = 0) -> Shape:
        """The per-sample shape of an input, which must be computed."""
        name = node.input(index)
        if name not in self.shapes:
            given = "missing" if not name else "constant"
            raise node.unsupported(f"input {index} is {given}; a computed tensor is needed")
        return self.shapes[name]

    def constant(self, node: Node, index: int, what: str) -> Array:
        """The value of an input, which must be constant."""
        value = self.graph.constant(node, index)
        if value is None:
            raise node.unsupported(f"{what} must be constant")
        return value

    def integers(self, node: Node, index: int, what: str) -> list[int]:
        """The values of an input that must be constant integers."""
        value = self.constant(node, index, what)
        if not np.issubdtype(value.dtype, np.integer):
            raise node.invalid(f"{what} must be integers, not {value.dtype}")
        return [int(v) for v in value.reshape(-1)]

    def static_shape(self, node: Node, index: int) -> Shape | None:
        """The full shape of a constant input, float or quantized; None if it is computed."""
        value = self.graph.constant(node, index)
        return self.static.get(node.input(index)) if value is None else value.shape


def sample_axis(node: Node, axis: int, rank: int) -> int:
    """A model's axis as an axis of the per-sample shape with `rank` axes; not the batch axis."""
    full = rank + 1
    if not -full <= axis < full:
        raise node.invalid(f"axis {axis} is out of range for {full} axes")
    if axis % full == 0:
        raise node.unsupported("works along the batch axis (0)")
    return axis % full - 1


def _same(context: ShapeContext, node: Node) -> Shape:
    return context.of(node)


def _weight(context: ShapeContext, node: Node) -> Shape:
    shape = context.static_shape(node, 1)
    if shape is None:
        raise node.unsupported("its weights (input 1) must be constant")
    return shape


def _conv(context: ShapeContext, node: Node) -> Shape:
    shape, weight = context.of(node), _weight(context, node)
    axes = len(shape) - 1
    spatial = spatial_pair(node, shape)
    groups = int(node.attrs.get("group", 1))
    if len(weight) != axes + 2 or math.prod(weight) == 0:
        raise node.invalid(f"weights of shape {weight} do not fit {axes} spatial axes")
    if groups < 1 or shape[0] != weight[1] * groups or weight[0] % groups:
        raise node.invalid(
            f"weights {weight} with {groups} groups do not fit {shape[0]} input channels"
        )
    given = node.attrs.get("kernel_shape")
    if given is not None and tuple(given) != weight[2:]:
        raise node.invalid(f"kernel_shape {given} differs from the weights {weight}")
    return (weight[0], *_window(node, spatial, axes, weight[2:]))


def _pool(context: ShapeContext, node: Node) -> Shape:
    shape = context.of(node)
    spatial, axes = spatial_pair(node, shape), len(shape) - 1
    if any(node.outputs[1:]):
        raise node.unsupported("its second output, Indices, is not supported")
    window = window_of(node, spatial, axes, kernel_shape(node, axes))
    if node.op == "AveragePool" and window.dilation != (1, 1):
        raise node.unsupported("dilations other than 1 are not supported")
    if any(window.padding[i] >= window.kernel[i % 2] * window.dilation[i % 2] for i in range(4)):
        raise node.unsupported(f"padding {window.padding} leaves windows without any pixel")
    return (shape[0], *_window(node, spatial, axes, kernel_shape(node, axes)))


def _window(node: Node, spatial: tuple[int, int], axes: int, kernel: Shape) -> Shape:
    out = window_of(node, spatial, axes, kernel).output_size(spatial)
    if min(out) < 1:
        raise node.invalid(f"the kernel {kernel} does not fit the input of {spatial[2 - axes :]}")
    return out[2 - axes :]


def _global_pool(context: ShapeContext, node: Node) -> Shape:
    shape = context.of(node)
    spatial_pair(node, shape)
    return (shape[0], *(1 for _ in shape[1:]))


def _batch_norm(context: ShapeContext, node: Node) -> Shape:
    shape = context.of(node)
    channels = context.constant(node, 1, "scale").size
    if not shape or shape[0] != channels:
        raise node.invalid(f"has {channels} channels; its input has shape (batch, {shape})")
    return shape


def _add(context: ShapeContext, node: Node) -> Shape:
    static = [context.static_shape(node, i) for i in range(2)]
    if static[0] is None and static[1] is None:
        a, b = context.of(node, 0), context.of(node, 1)
        try:
            out = np.broadcast_shapes(a, b)
        except ValueError as error:
            raise node.invalid(f"computed tensors {a} and {b} do not broadcast") from error
        if len(a) != len(b) and not context.graph.whole:
            raise node.unsupported(f"adding {a} and {b} mixes samples of the batch")
        return tuple(out)
    index = 0 if static[0] is None else 1
    shape, added = context.of(node, index), static[1 - index]
    if added is None or sample_constant_shape(added, len(shape)) is None:
        raise node.unsupported(f"a constant of shape {added} has its own batch axis")
    fitted = sample_constant_shape(added, len(shape)) or ()
    try:
        out = np.broadcast_shapes(shape, fitted)
    except ValueError as error:
        raise node.invalid(f"a constant {added} does not broadcast to {shape}") from error
    if out != shape:
        raise node.unsupported(f"a constant {added} would enlarge the tensor {shape}")
    return shape


def sample_constant_shape(full: Shape, rank: int) -> Shape | None:
    """A constant's shape without the batch axis, or None if it differs from sample to sample."""
    if len(full) <= rank:
        return full
    leading = full[: len(full) - rank]
    return full[len(full) - rank :] if leading == (1,) else None


def _gemm(context: ShapeContext, node: Node) -> Shape:
    shape, weight = context.of(node), _weight(context, node)
    if node.attrs.get("transA", 0):
        raise node.unsupported("transA is not supported")
    if len(weight) != 2 or len(shape) != 1:
        raise node.invalid(f"needs matrices; got (batch, {shape}) and {weight}")
    k, n = weight[::-1] if node.attrs.get("transB", 0) else weight
    if k != shape[0]:
        raise node.invalid(f"multiplies rows of {shape[0]} by weights {weight}")
    return (n,)


def _concat(context: ShapeContext, node: Node) -> Shape:
    shapes = [context.of(node, i) for i in range(len(node.inputs))]
    if not shapes or "axis" not in node.attrs:
        raise node.invalid("needs inputs and an axis")
    axis = sample_axis(node, int(node.attrs["axis"]), len(shapes[0]))
    if len({(s[:axis], s[axis + 1 :], len(s)) for s in shapes}) != 1:
        raise node.invalid(f"shapes {shapes} differ outside axis {axis + 1}")
    return (*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :])


def pad_extents(context: ShapeContext, node: Node) -> tuple[list[int], list[int]]:
    """(before, after) per sample axis of a Pad."""
    rank = len(context.of(node))
    if node.attrs.get("mode", "constant") != "constant":
        raise node.unsupported(f"mode '{node.attrs['mode']}' is not supported; constant is")
    pads = context.integers(node, 1, "pads")
    axes = list(range(rank + 1))
    if node.input(3):
        axes = [v % (rank + 1) for v in context.integers(node, 3, "axes")]
    if len(pads) != 2 * len(axes):
        raise node.invalid(f"has {len(pads)} pads for {len(axes)} axes")
    before, after = [0] * (rank + 1), [0] * (rank + 1)
    for i, axis in enumerate(axes):
        before[axis], after[axis] = pads[i], pads[i + len(axes)]
    if min(before + after) < 0:
        raise node.unsupported(f"negative pads {pads} are not supported")
    if before[0] or after[0]:
        raise node.unsupported("pads the batch axis (0)")
    return before[1:], after[1:]


def _pad(context: ShapeContext, node: Node) -> Shape:
    before, after = pad_extents(context, node)
    return tuple(b + n + a for b, n, a in zip(before, context.of(node), after, strict=True))


def slice_ranges(context: ShapeContext, node: Node) -> list[range]:
    """Which indices of each sample axis a Slice keeps."""
    shape = context.of(node)
    starts, ends = (context.integers(node, i, "starts and ends") for i in (1, 2))
    axes = context.integers(node, 3, "axes") if node.input(3) else list(range(len(starts)))
    steps = context.integers(node, 4, "steps") if node.input(4) else [1] * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps) or 0 in steps:
        raise node.invalid("starts, ends, axes and steps must have one length, steps not 0")
    ranges = [range(extent) for extent in shape]
    full = len(shape) + 1
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        if axis % full == 0 and start == 0 and step == 1 and end >= np.iinfo(np.int32).max:
            continue  # the whole batch
        index = sample_axis(node, axis, len(shape))
        ranges[index] = range(*slice(start, end, step).indices(shape[index]))
    return ranges


def _slice(context: ShapeContext, node: Node) -> Shape:
    return tuple(len(r) for r in slice_ranges(context, node))


def _softmax(context: ShapeContext, node: Node) -> Shape:
    shape = context.of(node)
    sample_axis(node, int(node.attrs.get("axis", -1)), len(shape))
    return shape


Rule = Callable[[ShapeContext, Node], Shape]

RULES: dict[str, Rule] = {
    "Add": _add,
    "AveragePool": _pool,
    "BatchNormalization": _batch_norm,
    "Clip": _same,
    "Concat": _concat,
    "Conv": _conv,
    "ConvInteger": _conv,
    "DynamicConv": _conv,
    "DequantizeLinear": _same,
    "Gemm": _gemm,
    "GlobalAveragePool": _global_pool,
    "Dropout": _same,
    "Identity": _same,
    "MaxPool": _pool,
    "Pad": _pad,
    "QuantizeLinear": _same,
    "Relu": _same,
    "Slice": _slice,
    "Softmax": _softmax,
}
