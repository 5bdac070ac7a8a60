"""Compute at load time what depends on constants only."""

from __future__ import annotations

import numpy as np

from octavo.graph.evaluate import evaluate
from octavo.graph.ir import Graph, Node
from octavo.graph.qdq import static_quant

# Where a quantized constant is an operand of integer arithmetic.
_INTEGER_OPERANDS = ("Add", "Conv", "Gemm", "MatMul")


def fold_constants(graph: Graph) -> None:
    """Replace nodes whose inputs are all constant by their values.

    DequantizeLinear stays: a quantized weight is recognised by it.
    """
    kept: list[Node] = []
    for node in graph.nodes:
        if not all(name in graph.initializers for name in node.inputs if name):
            kept.append(node)
            continue
        given = [graph.initializers.get(name) for name in node.inputs]
        value = evaluate(node, given, graph.limit)
        if value is None:
            kept.append(node)
        else:
            graph.initializers[node.output] = value
    graph.nodes = kept


def dequantize_parameters(graph: Graph) -> None:
    """Give operators other than weighted sums the real values of their quantized constants.

    Some tools quantize the statistics of a BatchNormalization, the bounds of a Clip, the value
    of a Pad.
    """
    producers = graph.producers()
    for node in graph.nodes:
        if node.op in _INTEGER_OPERANDS:
            continue
        for index, name in enumerate(node.inputs):
            maker = producers.get(name)
            if maker is None or maker.op != "DequantizeLinear":
                continue
            if maker.input(0) in graph.initializers:
                real = f"{name}.real"
                graph.initializers[real] = static_quant(graph, maker).real().astype(np.float32)
                node.inputs[index] = real
