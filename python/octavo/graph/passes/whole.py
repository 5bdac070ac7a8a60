"""A graph whose tensors have no batch axis, as a graph of one sample.

A program's axis 0 is the batch. A model that works along axis 0, with fixed shapes, still runs: an
axis of extent 1 is put before all others, and every attribute that counts axes counts one more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from octavo.graph.ir import Graph, Node
from octavo.graph.passes.lifter import Lifter, Shapes
from octavo.graph.passes.whole_products import gemm, layer_norm, matmul


def add_batch_axis(graph: Graph, shapes: Shapes) -> None:
    """Put an axis before all others, in place.

    Parameters
    ----------
    graph : Graph
        Its constants are folded.
    shapes : dict
        Of tensors in the model, as far as known.

    Raises
    ------
    UnsupportedModelError
        An operator whose axis 0 is the batch by definition, such as Conv, or a shape that is
        needed and not known.
    """
    graph.inputs = [
        value if value.shape is None else replace(value, shape=(1, *value.shape))
        for value in graph.inputs
    ]
    lifter = Lifter(graph, shapes)
    for node in graph.nodes:
        if not node.inputs or node.input(0) not in graph.initializers:
            _RULES.get(node.op, _plain)(lifter, node)
        else:
            _constant_first(lifter, node)
    graph.nodes = lifter.nodes
    graph.whole = True


Rule = Callable[[Lifter, Node], None]


def _shifted(axes: list[int]) -> list[int]:
    return [axis + 1 if axis >= 0 else axis for axis in axes]


def _plain(lifter: Lifter, node: Node) -> None:
    """Operators that do not count axes."""
    lifter.nodes.append(node)


def _constant_first(lifter: Lifter, node: Node) -> None:
    if node.op in _RULES and node.op != "DequantizeLinear":
        raise node.unsupported("works along axis 0 of a constant")
    lifter.nodes.append(node)


def _batched(_: Lifter, node: Node) -> None:
    raise node.unsupported("its axis 0 is a batch, which the rest of the model works along")


def _axis(default: int) -> Rule:
    def rule(lifter: Lifter, node: Node) -> None:
        node.attrs["axis"] = _shifted([int(node.attrs.get("axis", default))])[0]
        lifter.nodes.append(node)

    return rule


def _softmax(lifter: Lifter, node: Node) -> None:
    rank, axis = lifter.rank(node), int(node.attrs.get("axis", -1))
    if not -rank <= axis < rank:
        raise node.invalid(f"axis {axis} is out of range for {rank} axes")
    node.attrs["axis"] = axis % rank + 1
    lifter.nodes.append(node)


def _transpose(lifter: Lifter, node: Node) -> None:
    rank = lifter.rank(node)
    perm = [int(axis) for axis in node.attrs.get("perm", range(rank)[::-1])]
    node.attrs["perm"] = [0, *(axis + 1 for axis in perm)]
    lifter.nodes.append(node)


def _reshape(lifter: Lifter, node: Node) -> None:
    target = lifter.integers(node, 1)
    if node.attrs.get("allowzero", 0):
        raise node.unsupported("allowzero is not supported")
    lifter.set_integers(node, 1, [0, *target])
    lifter.nodes.append(node)


def _axes_input(lifter: Lifter, node: Node) -> None:
    if not node.input(1):
        raise node.unsupported("its axes must be given")
    lifter.set_integers(node, 1, _shifted(lifter.integers(node, 1)))
    lifter.nodes.append(node)


def _mean(lifter: Lifter, node: Node) -> None:
    axes = [int(axis) for axis in node.attrs.pop("axes", [])]
    if node.input(1):
        axes = lifter.integers(node, 1)
    if not axes and not node.attrs.get("noop_with_empty_axes", 0):
        axes = list(range(lifter.rank(node)))
    node.inputs = node.inputs[:1]
    node.attrs["axes"] = _shifted(axes)
    lifter.nodes.append(node)


def _slice(lifter: Lifter, node: Node) -> None:
    count = len(lifter.integers(node, 1))
    axes = lifter.integers(node, 3) if node.input(3) else list(range(count))
    lifter.set_integers(node, 3, _shifted(axes))
    lifter.nodes.append(node)


def _pad(lifter: Lifter, node: Node) -> None:
    pads = lifter.integers(node, 1)
    if node.input(3):
        lifter.set_integers(node, 3, _shifted(lifter.integers(node, 3)))
    else:
        half = len(pads) // 2
        lifter.set_integers(node, 1, [0, *pads[:half], 0, *pads[half:]])
    lifter.nodes.append(node)


def _flatten(lifter: Lifter, node: Node) -> None:
    shape, axis = lifter.shape(node), int(node.attrs.get("axis", 1))
    before = shape[: axis + len(shape) if axis < 0 else axis]
    known = [n for n in before if n is not None]
    if len(known) != len(before):
        raise node.unsupported("flattens axes of unknown extents")
    target = np.asarray([0, math.prod(known), -1], np.int64)
    inputs = [node.input(0), lifter.constant(node, target)]
    lifter.nodes.append(Node("Reshape", node.name, inputs, node.outputs))


_RULES: dict[str, Rule] = {
    **dict.fromkeys(
        (
            "AveragePool",
            "BatchNormalization",
            "Conv",
            "ConvInteger",
            "GlobalAveragePool",
            "MaxPool",
            "Shape",
        ),
        _batched,
    ),
    "Concat": _axis(0),
    "DequantizeLinear": _axis(1),
    "Flatten": _flatten,
    "Gemm": gemm,
    "LayerNormalization": layer_norm,
    "MatMul": matmul,
    "Pad": _pad,
    "QuantizeLinear": _axis(1),
    "ReduceMean": _mean,
    "Reshape": _reshape,
    "Slice": _slice,
    "Softmax": _softmax,
    "Squeeze": _axes_input,
    "Transpose": _transpose,
    "Unsqueeze": _axes_input,
}
