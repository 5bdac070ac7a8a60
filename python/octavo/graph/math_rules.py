"""Shape rules of transformers and gated networks: products and arithmetic of computed tensors."""

from __future__ import annotations

import math

import numpy as np

from octavo.graph.ir import Node
from octavo.graph.shape_rules import Rule, Shape, ShapeContext, sample_axis, sample_constant_shape


def _same(context: ShapeContext, node: Node) -> Shape:
    return context.of(node)


def _broadcast(context: ShapeContext, node: Node) -> Shape:
    """Of two computed tensors, or of one and a constant; the batch axis stays apart."""
    shapes: list[Shape] = []
    ranks = [len(context.shapes[n]) for n in node.inputs[:2] if n in context.shapes]
    if len(node.inputs) != 2 or not ranks:
        raise node.unsupported("needs a computed tensor and another tensor")
    if len(set(ranks)) != 1 and not context.graph.whole:
        raise node.unsupported(
            f"combines tensors of {ranks} axes, which mixes samples of the batch"
        )
    for index in (0, 1):
        static = context.static_shape(node, index)
        fitted = context.of(node, index) if static is None else None
        if static is not None:
            fitted = sample_constant_shape(static, max(ranks))
        if fitted is None:
            raise node.unsupported(f"a constant of shape {static} has its own batch axis")
        shapes.append(fitted)
    try:
        return tuple(np.broadcast_shapes(*shapes))
    except ValueError as error:
        raise node.invalid(f"shapes {shapes[0]} and {shapes[1]} do not broadcast") from error


def permutation(node: Node, rank: int) -> list[int]:
    """The axes of a Transpose, per sample: output axis i is input axis perm[i]."""
    full = rank + 1
    perm = [int(axis) for axis in node.attrs.get("perm", range(full)[::-1])]
    if sorted(perm) != list(range(full)):
        raise node.invalid(f"perm {perm} does not fit a tensor of {full} axes")
    if perm[0] != 0:
        raise node.unsupported("moves the batch axis (0)")
    return [axis - 1 for axis in perm[1:]]


def _transpose(context: ShapeContext, node: Node) -> Shape:
    shape = context.of(node)
    return tuple(shape[axis] for axis in permutation(node, len(shape)))


def matmul(context: ShapeContext, node: Node) -> Shape:
    """MatMul of two computed tensors with the same number of axes, or by constant weights."""
    if context.static_shape(node, 1) is not None:
        return _matmul_weights(context, node)
    a, b = context.of(node, 0), context.of(node, 1)
    if len(a) != len(b) or len(a) < 2:
        raise node.unsupported(
            f"multiplies samples of shapes {a} and {b}; needs two matrices or stacks of them"
        )
    if a[-1] != b[-2]:
        raise node.invalid(f"multiplies rows of {a[-1]} by columns of {b[-2]}")
    try:
        heads = np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError as error:
        raise node.invalid(f"shapes {a} and {b} do not broadcast") from error
    return (*heads, a[-2], b[-1])


def _matmul_weights(context: ShapeContext, node: Node) -> Shape:
    shape, weight = context.of(node), context.static_shape(node, 1) or ()
    if len(weight) != 2 or not shape:
        raise node.unsupported(f"weights must be a matrix; theirs is the shape {weight}")
    if weight[0] != shape[-1]:
        raise node.invalid(f"multiplies rows of {shape[-1]} by weights {weight}")
    return (*shape[:-1], weight[1])


def layer_norm_size(node: Node, shape: Shape) -> int:
    """How many trailing elements of a sample are normalized together."""
    return math.prod(shape[sample_axis(node, int(node.attrs.get("axis", -1)), len(shape)) :])


def _layer_norm(context: ShapeContext, node: Node) -> Shape:
    shape = context.of(node)
    n = layer_norm_size(node, shape)
    for index, what in ((1, "Scale"), (2, "B")):
        if node.input(index) and context.constant(node, index, what).size != n:
            raise node.unsupported(f"{what} must have the {n} elements that are normalized")
    if any(node.outputs[1:]):
        raise node.unsupported("its second and third outputs are not supported")
    return shape


def mean_axes(context: ShapeContext, node: Node) -> tuple[range, bool]:
    """(adjacent per-sample axes that are averaged, whether they are kept as 1)."""
    rank = len(context.of(node))
    given = node.attrs.get("axes")
    if node.input(1):
        given = context.integers(node, 1, "axes")
    if not given:
        raise node.unsupported("averages over the batch (axis 0); give the axes")
    axes = sorted(sample_axis(node, int(axis), rank) for axis in given)
    if axes != list(range(axes[0], axes[-1] + 1)):
        raise node.unsupported(f"axes {list(given)} are not adjacent")
    return range(axes[0], axes[-1] + 1), bool(node.attrs.get("keepdims", 1))


def _mean(context: ShapeContext, node: Node) -> Shape:
    shape = context.of(node)
    axes, keep = mean_axes(context, node)
    return (*shape[: axes.start], *(1 for _ in axes if keep), *shape[axes.stop :])


def _dynamic_quantize(context: ShapeContext, node: Node) -> Shape:
    for name in node.outputs[1:]:  # scale and zero point have no axes
        context.shapes[name] = ()
    return context.of(node)


MATH_RULES: dict[str, Rule] = {
    "Cast": _same,
    "Div": _broadcast,
    "DynamicLinear": matmul,
    "DynamicQuantizeLinear": _dynamic_quantize,
    "Erf": _same,
    "Exp": _same,
    "FakeQuantize": _same,
    "Gelu": _same,
    "HardSigmoid": _same,
    "HardSwish": _same,
    "LayerNormalization": _layer_norm,
    "LeakyRelu": _same,
    "MatMul": matmul,
    "MatMulInteger": matmul,
    "Mul": _broadcast,
    "Neg": _same,
    "Pow": _broadcast,
    "Reciprocal": _same,
    "ReduceMean": _mean,
    "Sigmoid": _same,
    "Sqrt": _same,
    "Sub": _broadcast,
    "Tanh": _same,
    "Transpose": _transpose,
}
