"""Rules of `whole` for operators that become several: Gemm, MatMul, LayerNormalization."""

from __future__ import annotations

import numpy as np

from octavo.graph.ir import Node
from octavo.graph.passes.lifter import Lifter


def matmul(lifter: Lifter, node: Node) -> None:
    """Products of tensors with the same number of axes, at least 2; ONNX allows fewer."""
    if lifter.graph.constant(node, 1) is not None and lifter.rank(node, 1) == 2:
        lifter.nodes.append(node)
        return
    ranks = [lifter.rank(node, index) for index in (0, 1)]
    full = max(2, *ranks)
    names = []
    for index, rank in enumerate(ranks):
        # A vector is a row on the left and a column on the right.
        axes = [2] if rank == 1 and index == 1 else []
        axes = [*range(1, full - rank - len(axes) + 1), *(axis + full - 2 for axis in axes)]
        names.append(_with_axes(lifter, node, index, axes) if axes else node.input(index))
    dropped = [axis for axis, rank in ((full - 1, ranks[0]), (full, ranks[1])) if rank == 1]
    if not dropped:
        lifter.nodes.append(Node("MatMul", node.name, names, node.outputs, node.attrs))
        return
    product = lifter.emit(node, "MatMul", names)
    inputs = [product, lifter.constant(node, np.asarray(dropped, np.int64))]
    lifter.nodes.append(Node("Squeeze", node.name, inputs, node.outputs))


def _with_axes(lifter: Lifter, node: Node, index: int, axes: list[int]) -> str:
    if node.input(index) in lifter.graph.initializers:
        raise node.unsupported("broadcasts a constant matrix")
    constant = lifter.constant(node, np.asarray(axes, np.int64))
    return lifter.emit(node, "Unsqueeze", [node.input(index), constant])


def layer_norm(lifter: Lifter, node: Node) -> None:
    """Mean and InvStdDev, the further outputs, are computed by themselves."""
    rank = lifter.rank(node)
    axis = int(node.attrs.get("axis", -1)) % rank + 1
    axes = list(range(axis, rank + 1))
    node.attrs["axis"] = axis
    mean, deviation = (*node.outputs[1:], "", "")[:2]
    x, node.outputs = node.input(0), node.outputs[:1]
    lifter.nodes.append(node)
    if not mean and not deviation:
        return
    found = lifter.emit(node, "ReduceMean", [x], axes=axes)
    centered = lifter.emit(node, "Sub", [x, found])
    squares = lifter.emit(node, "Mul", [centered, centered])
    variance = lifter.emit(node, "ReduceMean", [squares], axes=axes)
    epsilon = np.array(node.attrs.get("epsilon", 1e-5), np.float32)
    root = lifter.emit(node, "Add", [variance, lifter.constant(node, epsilon)])
    inverse = lifter.emit(node, "Reciprocal", [lifter.emit(node, "Sqrt", [root])])
    for name, value in ((mean, found), (deviation, inverse)):
        if name:
            lifter.nodes.append(Node("Identity", node.name, [value], [name]))


def gemm(lifter: Lifter, node: Node) -> None:
    """Alpha * A' B' + beta * C from MatMul, Mul and Add."""
    factors = []
    for index, flag in ((0, "transA"), (1, "transB")):
        name, value = node.input(index), lifter.graph.constant(node, index)
        if node.attrs.get(flag, 0):
            if value is not None:
                name = lifter.constant(node, np.ascontiguousarray(value.T))
            else:
                name = lifter.emit(node, "Transpose", [name], perm=[0, 2, 1])
        factors.append(name)
    parts = [(lifter.emit(node, "MatMul", factors), float(node.attrs.get("alpha", 1.0)))]
    if node.input(2):
        parts.append((node.input(2), float(node.attrs.get("beta", 1.0))))
    scaled = [_times(lifter, node, name, factor) for name, factor in parts]
    lifter.nodes.append(
        Node("Add" if len(scaled) > 1 else "Identity", node.name, scaled, node.outputs)
    )


def _times(lifter: Lifter, node: Node, name: str, factor: float) -> str:
    value = lifter.graph.initializers.get(name)
    if value is not None:
        return lifter.constant(node, value * np.float32(factor))
    if factor == 1.0:
        return name
    return lifter.emit(node, "Mul", [name, lifter.constant(node, np.array(factor, np.float32))])
