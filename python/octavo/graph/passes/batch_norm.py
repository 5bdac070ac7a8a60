"""Fold BatchNormalization into the Conv or Gemm before it.

BN(y) = (y - mean) * g + beta with g = gamma / sqrt(var + epsilon), so for y = W x + b:
W' = g W (per output channel) and b' = (b - mean) * g + beta. Computed in float64, stored float32.
"""

from __future__ import annotations

import numpy as np

from octavo.graph.ir import Array, Graph, Node


def scale_and_shift(graph: Graph, node: Node) -> tuple[Array, Array]:
    """(g, h) in float64 such that the node computes x * g + h per channel."""
    if node.attrs.get("training_mode", 0) or any(node.outputs[1:]):
        raise node.unsupported("training mode is not supported")
    values = [graph.constant(node, i) for i in range(1, 5)]
    if any(value is None for value in values):
        raise node.unsupported("scale, bias, mean and variance must be constant")
    gamma, beta, mean, variance = (np.asarray(v, np.float64) for v in values)
    if len({v.shape for v in (gamma, beta, mean, variance)}) != 1 or gamma.ndim != 1:
        raise node.invalid("scale, bias, mean and variance must be vectors of one length")
    deviation = variance + float(node.attrs.get("epsilon", 1e-5))
    if not np.all(deviation > 0):
        raise node.invalid("variance + epsilon must be positive")
    g = gamma / np.sqrt(deviation)
    return g, beta - mean * g


def fold_batch_norm(graph: Graph, keep: tuple[str, ...] = ()) -> None:
    """Fold every BatchNormalization whose input is a Conv or Gemm nothing else reads.

    Others stay and become a scale and shift of their own.
    """
    producers, consumers = graph.producers(), graph.consumers()
    fixed = graph.output_names | set(keep)
    used = graph.names()
    for node in list(graph.nodes):
        if node.op != "BatchNormalization":
            continue
        before = producers.get(node.input(0))
        if before is None or before.output in fixed or len(consumers[before.output]) != 1:
            continue
        if _fold(graph, before, node, used):
            graph.nodes.remove(node)
            before.outputs[0] = node.output
            producers[node.output] = before


def _fold(graph: Graph, before: Node, norm: Node, used: set[str]) -> bool:
    """Give `before` the folded weights; False where that cannot be."""
    weight, bias = graph.constant(before, 1), graph.constant(before, 2)
    if before.op not in ("Conv", "Gemm") or weight is None or weight.dtype != np.float32:
        return False
    if before.input(2) and (bias is None or bias.dtype != np.float32):
        return False
    g, h = scale_and_shift(graph, norm)
    # Output channels: axis 0 of a Conv's weight and of a transposed Gemm's, else axis 1.
    axis = 0 if before.op == "Conv" or before.attrs.get("transB", 0) else 1
    if weight.ndim <= axis or weight.shape[axis] != g.size:
        raise norm.invalid(f"has {g.size} channels; {before.label} gives weights {weight.shape}")
    shape = [1] * weight.ndim
    shape[axis] = g.size
    beta = float(before.attrs.get("beta", 1.0))
    old = np.zeros(g.size) if bias is None else np.asarray(bias, np.float64) * beta
    if old.size not in (1, g.size):
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        folded_weight = (weight.astype(np.float64) * g.reshape(shape)).astype(np.float32)
        folded_bias = (np.broadcast_to(old.reshape(-1), g.shape) * g + h).astype(np.float32)
    if not (np.all(np.isfinite(folded_weight)) and np.all(np.isfinite(folded_bias))):
        return False  # out of float32's range: applied after the sum it may still be in
    before.attrs.pop("beta", None)
    names = []
    for suffix, value in (("weight", folded_weight), ("bias", folded_bias)):
        name = f"{norm.output}.{suffix}"
        while name in used:
            name += "_"
        used.add(name)
        graph.initializers[name] = value
        names.append(name)
    before.inputs = [before.input(0), *names]
    return True
