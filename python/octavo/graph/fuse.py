"""From float operators between DequantizeLinear and QuantizeLinear to operators on bytes.

Each QuantizeLinear is matched with what computes its input:

    DQ -> Conv [-> Add(DQ)] [-> Relu | Clip] -> Q            one QConv
    DQ -> Gemm | MatMul [-> Add(constant)] [-> Add(DQ)] [-> Relu | Clip] -> Q      one QLinear
    DQ, DQ -> Add [-> Relu | Clip] -> Q                      one QAdd
    DQ, DQ -> MatMul -> Q                                    one QMatMul
    DQ -> Softmax | LayerNormalization -> Q                  its Q-operator
    DQ -> a tree of elementwise operators -> Q               one QTable of 256 entries
    DQ -> pooling, Concat, Pad, Slice, Reshape ... -> Q      its Q-operator

A clamp between the operator and Q becomes bounds on the byte, which is exact because Q is
monotone; a positive factor becomes part of the scale. What matches nothing keeps its Q and DQ and
runs in float32.
"""

from __future__ import annotations

import numpy as np

from octavo.graph.fuse_patterns import match
from octavo.graph.ir import ByteParams, Graph, Node
from octavo.graph.matcher import Matcher
from octavo.graph.passes.float_fusion import absorb_bias, absorb_clamps
from octavo.graph.passes.gelu import fuse_gelu
from octavo.graph.passes.move_qdq import move_qdq
from octavo.graph.qdq import byte_params, static_quant
from octavo.graph.regions import match_region
from octavo.graph.shape_rules import Shape


def fuse(graph: Graph, shapes: dict[str, Shape], keep: frozenset[str] = frozenset()) -> None:
    """Rewrite, in place, what can run on bytes; tensors named in `keep` survive."""
    record_bytes(graph)
    absorb_bias(graph, keep)
    move_qdq(graph, shapes, keep)
    matcher = Matcher(graph, keep, shapes)
    graph.nodes = [
        (match(matcher, node) or match_region(matcher, node) or node)
        if node.op == "QuantizeLinear"
        else node
        for node in graph.nodes
    ]
    graph.remove_unused(keep)
    dequantize_constants(graph)
    fuse_gelu(graph, keep)
    absorb_clamps(graph, keep)
    graph.remove_unused(keep)


def record_bytes(graph: Graph) -> None:
    """Note the parameters of every byte tensor, and give unspecified zero points their type."""
    for value in graph.inputs:
        if value.dtype in (np.uint8, np.int8):
            signed = value.dtype == np.int8
            graph.bytes[value.name] = ByteParams(1.0, 128 if signed else 0, signed)
    for node in graph.nodes:
        if node.op == "QuantizeLinear":
            graph.bytes[node.output] = byte_params(graph, node)
        elif node.input(0) in graph.bytes and node.op != "DequantizeLinear":
            graph.bytes[node.output] = graph.bytes[node.input(0)]  # bytes only moved
    for node in graph.nodes:
        if node.op != "DequantizeLinear" or node.input(0) in graph.initializers:
            continue
        source = graph.bytes.get(node.input(0))
        if source is not None and byte_params(graph, node).signed != source.signed:
            raise node.invalid("its zero point has another type than its input")


def dequantize_constants(graph: Graph) -> None:
    """Compute the quantized constants that float operators read."""
    kept: list[Node] = []
    for node in graph.nodes:
        if node.op == "DequantizeLinear" and node.input(0) in graph.initializers:
            real = static_quant(graph, node).real()
            graph.initializers[node.output] = real.astype(np.float32)
        else:
            kept.append(node)
    graph.nodes = kept
