"""Fuse what the float kernels do in one step: bias after MatMul, clamps after Conv and others."""

from __future__ import annotations

from octavo.graph.fuse_patterns import bias_vector, clamp_bounds
from octavo.graph.ir import Graph, Node
from octavo.graph.qdq import StaticQuant, static_quant

_CLAMPED = ("Add", "Conv", "DynamicConv", "DynamicLinear", "Gemm", "MatMul")


def absorb_bias(graph: Graph, keep: frozenset[str]) -> None:
    """MatMul, then Add of one constant per column: the constant becomes MatMul's third input."""
    producers, readers = graph.producers(), graph.consumers()
    fixed = keep | graph.output_names
    removed: set[int] = set()
    for node in graph.nodes:
        if node.op != "Add":
            continue
        for index in (0, 1):
            before, constant = producers.get(node.input(index)), node.input(1 - index)
            if before is None or before.op != "MatMul" or before.input(2):
                continue
            if before.output in fixed or len(readers[before.output]) != 1:
                continue
            columns = _columns(graph, producers, before)
            value = graph.initializers.get(constant)
            static = _static(graph, producers.get(constant))
            given = static if value is None else value
            if given is None or columns is None or bias_vector(given, columns) is None:
                continue
            before.inputs = [*before.inputs[:2], constant]
            before.outputs = [node.output]
            before.attrs["fused"] = ("MatMul", "Add")
            producers[node.output] = before
            removed.add(id(node))
            break
    graph.nodes = [node for node in graph.nodes if id(node) not in removed]
    graph.sort()  # a dequantized bias may have come after the MatMul


def absorb_clamps(graph: Graph, keep: frozenset[str]) -> None:
    """Relu or Clip behind an operator whose float kernel clamps: attributes lo and hi of that."""
    producers, readers = graph.producers(), graph.consumers()
    fixed = keep | graph.output_names
    kept: list[Node] = []
    for node in graph.nodes:
        before = producers.get(node.input(0)) if node.op in ("Relu", "Clip") else None
        if (
            before is None
            or before.op not in _CLAMPED
            or before.output in fixed
            or len(readers[before.output]) != 1
        ):
            kept.append(node)
            continue
        lo, hi = clamp_bounds(graph, node)
        inner_lo, inner_hi = before.attrs.get("lo", lo), before.attrs.get("hi", hi)
        before.attrs["lo"] = min(max(inner_lo, lo), hi)
        before.attrs["hi"] = min(max(inner_hi, lo), hi)
        before.attrs["fused"] = (*before.attrs.get("fused", (before.op,)), node.op)
        before.outputs = [node.output]
        producers[node.output] = before
    graph.nodes = kept


def _static(graph: Graph, node: Node | None) -> StaticQuant | None:
    if node is None or node.op != "DequantizeLinear" or node.input(0) not in graph.initializers:
        return None
    return static_quant(graph, node)


def _columns(graph: Graph, producers: dict[str, Node], node: Node) -> int | None:
    weight = graph.constant(node, 1)
    static = _static(graph, producers.get(node.input(1)))
    shape = static.values.shape if static is not None else None if weight is None else weight.shape
    return None if shape is None else int(shape[-1])
