"""Find channels that may be rescaled between two layers, and rescale them.

For a gain g > 0 per channel, and f one of identity, ReLU, max or average pooling,

    W2 f(W1 x + b1) = (W2 / g) f((g W1) x + g b1)

because f(g x) = g f(x). A clamp with an upper bound would need a bound per channel, which neither
ONNX nor the kernels have: it ends a pair.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octavo.graph.fuse_patterns import clamp_bounds
from octavo.graph.ir import Array, Graph, Node
from octavo.graph.matcher import INF

# f(g x) = g f(x) for every g > 0, channel by channel.
_HOMOGENEOUS = ("AveragePool", "GlobalAveragePool", "MaxPool", "Relu")
_LAYERS = ("Conv", "Gemm")


@dataclass(frozen=True)
class Pair:
    """A layer, and the layers that alone read what it computes."""

    first: Node
    second: tuple[Node, ...]

    @property
    def tensor(self) -> str:
        """What the second layers read; its channels are axis 1."""
        return self.second[0].input(0)


def find_pairs(graph: Graph, exclude: frozenset[str] = frozenset()) -> list[Pair]:
    """All pairs, in execution order; nodes named in `exclude` are left alone."""
    readers, fixed = graph.consumers(), graph.output_names
    pairs = []
    for node in graph.nodes:
        if not _is_layer(graph, node, exclude):
            continue
        name = node.output
        while name not in fixed and len(readers.get(name, ())) == 1:
            after = readers[name][0]
            if after.op not in _HOMOGENEOUS and not _is_relu(graph, after):
                break
            name = after.output
        second = readers.get(name, [])
        fits = all(r.input(0) == name and _is_layer(graph, r, exclude) for r in second)
        if second and fits and name not in fixed:
            pairs.append(Pair(node, tuple(second)))
    return pairs


def _is_relu(graph: Graph, node: Node) -> bool:
    return node.op == "Clip" and clamp_bounds(graph, node) in ((0.0, INF), (-INF, INF))


def _is_layer(graph: Graph, node: Node, exclude: frozenset[str]) -> bool:
    if node.op not in _LAYERS or node.name in exclude or node.attrs.get("transA", 0):
        return False
    weight, bias = graph.constant(node, 1), graph.constant(node, 2)
    if weight is None or weight.dtype != np.float32 or not np.all(np.isfinite(weight)):
        return False
    if node.input(0) in graph.initializers or len(set(node.inputs)) != len(node.inputs):
        return False
    channels = weight.shape[0 if node.op == "Conv" or node.attrs.get("transB", 0) else 1]
    return not node.input(2) or (bias is not None and bias.size in (1, channels))


def columns(graph: Graph, node: Node) -> NDArray[np.float64]:
    """A layer's weights as (groups, outputs of a group, inputs of a group, taps)."""
    weight = np.asarray(graph.initializers[node.input(1)], np.float64)
    if node.op == "Gemm":
        weight = weight if node.attrs.get("transB", 0) else weight.T
        return weight[np.newaxis, :, :, np.newaxis]
    groups = int(node.attrs.get("group", 1))
    return weight.reshape(groups, len(weight) // groups, weight.shape[1], -1)


def rescale(graph: Graph, pair: Pair, gain: NDArray[np.float64]) -> None:
    """Multiply the channels between the layers of a pair by `gain`, in place."""
    _scale_outputs(graph, pair.first, gain)
    for node in pair.second:
        _scale_inputs(graph, node, 1.0 / gain)


def _scale_outputs(graph: Graph, node: Node, gain: NDArray[np.float64]) -> None:
    weight, bias = graph.initializers[node.input(1)], graph.constant(node, 2)
    axis = 0 if node.op == "Conv" or node.attrs.get("transB", 0) else 1
    shape = [-1 if i == axis else 1 for i in range(weight.ndim)]
    node.inputs[1] = _constant(graph, node.input(1), weight * gain.reshape(shape))
    if bias is not None:
        node.inputs[2] = _constant(graph, node.input(2), bias.reshape(-1) * gain)


def _scale_inputs(graph: Graph, node: Node, factor: NDArray[np.float64]) -> None:
    weight = graph.initializers[node.input(1)]
    if node.op == "Gemm":
        scaled = weight * (factor if node.attrs.get("transB", 0) else factor[:, np.newaxis])
    else:
        groups = int(node.attrs.get("group", 1))
        split = weight.reshape(groups, len(weight) // groups, *weight.shape[1:])
        scaled = split * factor.reshape(groups, 1, -1, *(1 for _ in weight.shape[2:]))
    node.inputs[1] = _constant(graph, node.input(1), scaled.reshape(weight.shape))


def _constant(graph: Graph, stem: str, value: Array) -> str:
    """A new float32 constant: the old one may have other readers."""
    name, used = f"{stem}.equalized", graph.names()
    while name in used:
        name += "_"
    graph.initializers[name] = np.asarray(value, np.float32)
    return name
