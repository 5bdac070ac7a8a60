"""The patterns of `fuse`, one function per operator that may precede a QuantizeLinear."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.graph.ir import Array, ByteParams, Graph, Node
from octavo.graph.matcher import INF, Chain, Matcher
from octavo.graph.qdq import (
    MAX_K,
    QuantWeight,
    StaticQuant,
    byte_params,
    cannot_wrap,
    quant_bias,
    quant_weight,
)

Fused = Node | None


def match(matcher: Matcher, quantize: Node) -> Fused:
    """The byte operator that computes this Q's output, or None."""
    chain = Chain(byte_params(matcher.graph, quantize))
    name = quantize.input(0)
    node = matcher.sole(name)
    while node is not None and node.op in ("Relu", "Clip"):
        chain.clamp(*clamp_bounds(matcher.graph, node))
        chain.fused.append(node.op)
        name = node.input(0)
        node = matcher.sole(name)
    source = matcher.bytes_of(name)
    if source is not None:
        fused = chain.fused[::-1] or ["Requantize"]
        chain.fused = fused[:0:-1]
        found: Fused = _byte_node("QClamp", fused[0], chain, [source])
    else:
        found = PATTERNS[node.op](matcher, node, chain) if node and node.op in PATTERNS else None
    if found is not None:
        found.name = quantize.name if source is not None else _name(node)
        found.outputs = [quantize.output]
    return found


def clamp_bounds(graph: Graph, node: Node) -> tuple[float, float]:
    """(lo, hi) of a Relu or Clip."""
    if node.op == "Relu":
        return 0.0, INF
    bounds = [-INF, INF]
    for index in (1, 2):
        if node.input(index):
            value = graph.constant(node, index)
            if value is None or value.size != 1:
                raise node.unsupported("its bounds must be constant scalars")
            bounds[index - 1] = float(value.reshape(-1)[0])
    if math.isnan(bounds[0]) or math.isnan(bounds[1]):
        raise node.invalid("its bounds are NaN")
    return min(bounds[0], bounds[1]), bounds[1]


def _name(node: Node | None) -> str:
    return "" if node is None else node.name or node.output


def _byte_node(
    op: str, first: str, chain: Chain, sources: list[tuple[str, ByteParams]], **attrs: Any
) -> Node:
    """A byte operator reading `sources`; its outputs and name are set by `match`."""
    params = tuple(params for _, params in sources)
    names = [name for name, _ in sources]
    return Node(op, "", names, [], chain.attrs(first, sources=params, **attrs))


def _conv(matcher: Matcher, node: Node, chain: Chain, residual: str = "") -> Fused:
    source, static = matcher.bytes_of(node.input(0)), matcher.static(node.input(1))
    if source is None or static is None:
        return None
    weight = quant_weight(static, 0)
    if weight is None or math.prod(weight.values.shape[1:]) > MAX_K:
        return None
    return _weighted(matcher, node, chain, residual, (source, weight), {"node": node})


def _linear(matcher: Matcher, node: Node, chain: Chain, residual: str = "") -> Fused:
    source, static = matcher.bytes_of(node.input(0)), matcher.static(node.input(1))
    if source is None or static is None or static.values.ndim != 2:
        return None
    transposed = node.op == "Gemm" and bool(node.attrs.get("transB", 0))
    weight = quant_weight(static, 0 if transposed else 1)
    alpha = float(node.attrs.get("alpha", 1.0)) if node.op == "Gemm" else 1.0
    if weight is None or not 0 < alpha < INF:
        return None
    values = weight.values if transposed else weight.values.T
    if values.shape[1] > MAX_K:
        return None
    scale = (weight.scale.astype(np.float64) * alpha).astype(np.float32)
    weight = QuantWeight(np.ascontiguousarray(values), scale, weight.zero_point)
    return _weighted(matcher, node, chain, residual, (source, weight), {})


def _weighted(
    matcher: Matcher,
    node: Node,
    chain: Chain,
    residual: str,
    operands: tuple[tuple[str, ByteParams], QuantWeight],
    attrs: dict[str, Any],
) -> Fused:
    (source, weight), op = operands, "QConv" if node.op == "Conv" else "QLinear"
    unit = np.float64(source[1].scale) * weight.scale.astype(np.float64)
    bias = _bias(matcher, node, unit, chain.out.scale)
    if bias is None or not cannot_wrap(weight.values, weight.zero_point, bias):
        return None
    sources = [source]
    if residual:
        added = matcher.bytes_of(residual)
        if added is None:
            return None
        sources.append(added)
    if node.attrs.get("fused") == ("MatMul", "Add"):
        chain.fused.append("Add")
    return _byte_node(op, node.op, chain, sources, weight=weight, bias=bias, **attrs)


def _bias(
    matcher: Matcher, node: Node, unit: NDArray[np.float64], out_scale: float
) -> NDArray[np.int32] | None:
    factor = float(node.attrs.get("beta", 1.0)) if node.op == "Gemm" else 1.0
    if not node.input(2):
        return quant_bias(None, unit, out_scale)
    value = matcher.constant(node.input(2))
    if value is None or bias_vector(value, unit.size) is None:
        return None
    return quant_bias(value, unit, out_scale, factor)


def bias_vector(value: StaticQuant | Array, n: int) -> tuple[int, ...] | None:
    """The shape of a constant that adds one value per output column, or None if it does not."""
    shape = value.values.shape if isinstance(value, StaticQuant) else value.shape
    size = math.prod(shape)
    return shape if size == 1 or (size == n and shape[-1] == n) else None


def _add(matcher: Matcher, node: Node, chain: Chain) -> Fused:
    names = [node.input(0), node.input(1)]
    sources = [matcher.bytes_of(name) for name in names]
    if sources[0] is not None and sources[1] is not None:
        return _byte_node("QAdd", "Add", chain, [sources[0], sources[1]])
    for index in (0, 1):
        source, other = sources[index], names[1 - index]
        if source is None:
            continue
        static = matcher.static(other)
        if static is not None and static.scale.size == 1 and static.values.dtype != np.int32:
            return _byte_node("QAdd", "Add", chain, [source], constant=static)
        before = matcher.sole(other)
        pattern = _WEIGHTED.get(before.op) if before is not None else None
        if before is None or pattern is None:
            continue
        chain.fused.append("Add")
        found = pattern(matcher, before, chain, names[index])
        if found is not None:
            return found
        chain.fused.pop()
    return None


def _moving(matcher: Matcher, node: Node, chain: Chain) -> Fused:
    """Operators that choose or copy bytes: pooling, Concat, Pad, Slice, Reshape ..."""
    count = len(node.inputs) if node.op == "Concat" else 1
    sources = [matcher.bytes_of(name) for name in node.inputs[:count]]
    if any(source is None for source in sources):
        return None
    known = [source for source in sources if source is not None]
    found = _byte_node(f"Q{node.op}", node.op, chain, known, node=node)
    found.inputs += node.inputs[count:]  # constants such as pads, which must stay
    return found


Pattern = Callable[..., Fused]

_WEIGHTED: dict[str, Pattern] = {"Conv": _conv, "Gemm": _linear, "MatMul": _linear}
MOVING = (
    "AveragePool",
    "Concat",
    "Flatten",
    "GlobalAveragePool",
    "MaxPool",
    "Pad",
    "Reshape",
    "Slice",
    "Squeeze",
    "Unsqueeze",
)
PATTERNS: dict[str, Pattern] = {**_WEIGHTED, "Add": _add, **dict.fromkeys(MOVING, _moving)}
