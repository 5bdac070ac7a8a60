"""Activations of other widths than 8 bits, in float: the steps they would be rounded to.

No kernel has them, but a model in 16 or 4 bits runs and gives what its quantization gives:

    QuantizeLinear, DequantizeLinear        FakeQuantize = clamp(rne(x / s), lo - z, hi - z) * s
"""

from __future__ import annotations

import numpy as np

from octavo.graph.ir import Graph, Node
from octavo.graph.tensors import INTEGERS


def simulate_widths(graph: Graph, keep: tuple[str, ...] = ()) -> None:
    """Replace pairs of Q and DQ whose type is no byte, in place."""
    readers, fixed = graph.consumers(), graph.output_names | set(keep)
    replaced: dict[int, Node] = {}
    for quantize in graph.nodes:
        if quantize.op != "QuantizeLinear" or quantize.output in fixed:
            continue
        scale, zero = graph.constant(quantize, 1), graph.constant(quantize, 2)
        if scale is None or scale.size != 1 or zero is None or zero.size != 1:
            continue
        if zero.dtype not in INTEGERS or zero.dtype in (np.uint8, np.int8):
            continue
        users = readers.get(quantize.output, [])
        if not users or any(
            user.op != "DequantizeLinear" or not _same(graph, user, quantize) for user in users
        ):
            continue
        point = int(zero.reshape(-1)[0])
        lo, hi = (limit - point for limit in INTEGERS[zero.dtype])
        attrs = {"scale": float(scale.reshape(-1)[0]), "lo": float(lo), "hi": float(hi)}
        for user in users:
            name = user.name or user.output
            inputs = [quantize.input(0)]
            replaced[id(user)] = Node("FakeQuantize", name, inputs, [user.output], dict(attrs))
    graph.nodes = [replaced.get(id(node), node) for node in graph.nodes]


def _same(graph: Graph, a: Node, b: Node) -> bool:
    """Whether both nodes have the same scale and zero point."""
    pairs = [(graph.constant(a, i), graph.constant(b, i)) for i in (1, 2)]
    return all(
        x is not None and y is not None and x.dtype == y.dtype and np.array_equal(x, y)
        for x, y in pairs
    )
