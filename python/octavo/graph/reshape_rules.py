"""Shape rules of the operators that only rename axes: Reshape, Flatten, Squeeze, Unsqueeze.

Samples must stay apart: the batch axis may be kept, never merged, split or fixed.
"""

from __future__ import annotations

import math

from octavo.graph.ir import Node
from octavo.graph.shape_rules import Rule, Shape, ShapeContext


def _flatten(context: ShapeContext, node: Node) -> Shape:
    shape = context.of(node)
    axis = int(node.attrs.get("axis", 1))
    full = len(shape) + 1
    if not -full <= axis <= full:
        raise node.invalid(f"axis {axis} is out of range for {full} axes")
    axis = axis + full if axis < 0 else axis
    if axis == 0 or math.prod(shape[: axis - 1]) != 1:
        raise node.unsupported(f"flattening before axis {axis} merges samples of the batch")
    return (math.prod(shape),)


def _reshape(context: ShapeContext, node: Node) -> Shape:
    shape = context.of(node)
    target = context.integers(node, 1, "the target shape")
    if not target or min(target) < -1 or target.count(-1) > 1:
        raise node.invalid(f"{target} is not a shape")
    if 0 in target and node.attrs.get("allowzero", 0):
        raise node.unsupported("allowzero with a zero extent is not supported")
    elements, lead = math.prod(shape), target[0]
    rest: list[int] = []
    for axis, extent in enumerate(target[1:], 1):
        if extent == 0 and axis > len(shape):
            raise node.invalid(f"{target} copies axis {axis}, which the input lacks")
        rest.append(shape[axis - 1] if extent == 0 else extent)
    if lead > 0 and lead != context.batch:
        raise node.unsupported(
            f"its target {target} bakes in a batch of {lead}, but the model's batch "
            f"{'varies' if context.batch is None else f'is {context.batch}'}; "
            "export it with 0 or -1 as the first extent"
        )
    known = math.prod(n for n in rest if n != -1)
    if -1 in rest:
        if known == 0 or elements % known:
            raise node.invalid(f"{elements} elements per sample do not fit {target}")
        rest[rest.index(-1)] = elements // known
    elif known != elements:
        raise node.unsupported(
            f"reshaping (batch, {', '.join(map(str, shape))}) to {target} does not keep the "
            f"{elements} elements of each sample together"
        )
    return tuple(rest)


def _axes(context: ShapeContext, node: Node, rank: int) -> list[int] | None:
    if not node.input(1):
        return None
    values = context.integers(node, 1, "axes")
    if any(not -rank <= v < rank for v in values):
        raise node.invalid(f"axes {values} are out of range for {rank} axes")
    return sorted(v % rank for v in values)


def _squeeze(context: ShapeContext, node: Node) -> Shape:
    shape = context.of(node)
    axes = _axes(context, node, len(shape) + 1)
    if axes is None or 0 in axes:
        raise node.unsupported("would remove the batch axis (0) from a batch of 1")
    if any(shape[axis - 1] != 1 for axis in axes):
        raise node.invalid(f"axes {axes} of (batch, {shape}) are not all 1")
    return tuple(n for i, n in enumerate(shape, 1) if i not in axes)


def _unsqueeze(context: ShapeContext, node: Node) -> Shape:
    shape = context.of(node)
    count = context.constant(node, 1, "axes").size
    axes = _axes(context, node, len(shape) + 1 + count) or []
    if len(set(axes)) != count:
        raise node.invalid("its axes are missing or repeated")
    if 0 in axes:
        raise node.unsupported("puts an axis before the batch axis")
    remaining = iter(shape)
    return tuple(1 if i in axes else next(remaining) for i in range(1, len(shape) + 1 + len(axes)))


RESHAPE_RULES: dict[str, Rule] = {
    "Flatten": _flatten,
    "Reshape": _reshape,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
}
