"""Find the trees of elementwise operators that are a function of one tensor."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from octavo.graph.fuse_patterns import Fused, byte_node, clamp_bounds
from octavo.graph.ir import ByteParams, Node
from octavo.graph.matcher import Chain, Matcher
from octavo.graph.qdq import StaticQuant, byte_params
from octavo.graph.table_ops import BINARY, TABLE_OPS, UNARY, Reals, all_reals, quantized

MAX_NODES = 32  # of one region


@dataclass
class _Region:
    source: tuple[str, ByteParams] | None
    leaves: dict[str, Reals]  # scalar constants by name
    nodes: list[Node]  # in execution order


def match_region(matcher: Matcher, quantize: Node) -> Fused:
    """A table for everything between this Q and one DQ, or None."""
    region = _find(matcher, quantize)
    if region is None or region.source is None or not region.nodes:
        return None
    name, params = region.source
    values = {**region.leaves}
    reals = all_reals(params).astype(np.float64)
    for node in region.nodes:
        inputs = [reals if _is_source(matcher, n, name) else values.get(n) for n in node.inputs]
        with np.errstate(all="ignore"):
            values[node.output] = _apply(matcher, node, [v for v in inputs if v is not None])
    out = byte_params(matcher.graph, quantize)
    chain = Chain(out)
    chain.fused = [node.op for node in region.nodes[:0:-1]]
    table = quantized(np.broadcast_to(values[quantize.input(0)], (256,)), out)
    found = byte_node("QTable", region.nodes[0].op, chain, [region.source], table=table)
    found.name = region.nodes[-1].name or region.nodes[-1].output
    found.outputs = [quantize.output]
    return found


def _is_source(matcher: Matcher, name: str, source: str) -> bool:
    found = matcher.bytes_of(name)
    return found is not None and found[0] == source


def _apply(matcher: Matcher, node: Node, inputs: list[Reals]) -> Reals:
    if node.op == "Clip":
        return np.clip(inputs[0], *clamp_bounds(matcher.graph, node))
    if node.op in UNARY:
        return UNARY[node.op](node, inputs[0])
    return BINARY[node.op](inputs[0], inputs[1])


def _find(matcher: Matcher, quantize: Node) -> _Region | None:
    region = _Region(None, {}, [])
    found: dict[int, Node] = {}
    pending = [quantize.input(0)]
    while pending:
        name = pending.pop()
        source = matcher.bytes_of(name)
        if source is not None:
            if region.source not in (None, source):
                return None
            region.source = source
            continue
        scalar = _scalar(matcher, name)
        if scalar is not None:
            region.leaves[name] = scalar
            continue
        node = matcher.producers.get(name)
        if node is None or node.op not in TABLE_OPS or len(found) > MAX_NODES:
            return None
        if id(node) not in found:
            found[id(node)] = node
            # The bounds of a Clip are read by themselves.
            pending += node.inputs[:1] if node.op == "Clip" else node.inputs
    inside = {id(node) for node in [*found.values(), quantize]}
    for node in found.values():
        if not matcher.read_only_by(node.output, inside):
            return None
    region.nodes = matcher.in_order(list(found.values()))
    return region


def _scalar(matcher: Matcher, name: str) -> Reals | None:
    value = matcher.constant(name)
    if value is None:
        return None
    reals = value.real() if isinstance(value, StaticQuant) else np.asarray(value, np.float64)
    return reals.reshape(()) if reals.size == 1 else None
