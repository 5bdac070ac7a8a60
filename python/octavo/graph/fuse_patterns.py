"""The patterns of `fuse`, one function per operator that may precede a QuantizeLinear."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.graph.ir import Array, ByteParams, Graph, Node
from octavo.graph.matcher import INF, Chain, Matcher
from octavo.graph.math_rules import layer_norm_size
from octavo.graph.qdq import (
    MAX_K,
    MAX_K_MATMUL,
    QuantWeight,
    StaticQuant,
    byte_params,
    cannot_wrap,
    quant_bias,
    quant_weight,
)

Fused = Node | None
BYTES = (np.int8, np.uint8)
MAX_LAYER_NORM = 65_536  # elements of a row, up to which the byte kernel is exact


def match(matcher: Matcher, quantize: Node) -> Fused:
    """The byte operator that computes this Q's output, or None."""
    chain = Chain(byte_params(matcher.graph, quantize))
    name = quantize.input(0)
    node = matcher.sole(name)
    while node is not None:
        if node.op in ("Relu", "Clip"):
            chain.clamp(*clamp_bounds(matcher.graph, node))
            inner = node.input(0)
        else:
            factor, inner = scalar_factor(matcher.graph, node)
            if not 0 < factor < INF:
                break
            chain.scale(factor)
        chain.fused.append(node.op)
        name = inner
        node = matcher.sole(name)
    source = matcher.bytes_of(name)
    if source is not None:
        fused = chain.fused[::-1] or ["Requantize"]
        chain.fused = fused[:0:-1]
        found: Fused = byte_node("QClamp", fused[0], chain, [source])
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


def scalar_factor(graph: Graph, node: Node) -> tuple[float, str]:
    """(factor, its input) of a Mul or Div by a scalar constant; (0, "") of anything else."""
    if node.op not in ("Mul", "Div"):
        return 0.0, ""
    for index in (0, 1) if node.op == "Mul" else (1,):
        value = graph.constant(node, index)
        if value is not None and value.size == 1 and value.dtype == np.float32:
            scalar = float(value.reshape(-1)[0])
            if 0 < scalar < INF:
                return (scalar if node.op == "Mul" else 1.0 / scalar), node.input(1 - index)
    return 0.0, ""


def _name(node: Node | None) -> str:
    return "" if node is None else node.name or node.output


def byte_node(
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
    weight = QuantWeight(values, scale, weight.zero_point)
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
    return byte_node(op, node.op, chain, sources, weight=weight, bias=bias, **attrs)


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
    shapes = [matcher.shapes.get(name) for name in names]
    if None not in shapes and shapes[0] != shapes[1]:
        return None  # broadcast
    if sources[0] is not None and sources[1] is not None:
        return byte_node("QAdd", "Add", chain, [sources[0], sources[1]])
    for index in (0, 1):
        source, other = sources[index], names[1 - index]
        if source is None:
            continue
        static = matcher.static(other)
        if static is not None and static.scale.size == 1 and static.values.dtype in BYTES:
            return byte_node("QAdd", "Add", chain, [source], constant=static)
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
    found = byte_node(f"Q{node.op}", node.op, chain, known, node=node)
    found.inputs += node.inputs[count:]  # constants such as pads, which must stay
    return found


Pattern = Callable[..., Fused]


def _matmul(matcher: Matcher, node: Node, chain: Chain) -> Fused:
    """MatMul by constant weights, or of two byte tensors."""
    sources = [matcher.bytes_of(name) for name in node.inputs[:2]]
    if sources[0] is None or sources[1] is None or node.input(2):
        return _linear(matcher, node, chain)
    if matcher.shapes[node.input(0)][-1] > MAX_K_MATMUL:
        return None
    return byte_node("QMatMul", "MatMul", chain, [sources[0], sources[1]])


def _softmax(matcher: Matcher, node: Node, chain: Chain) -> Fused:
    """Softmax over the last axis."""
    source, rank = matcher.bytes_of(node.input(0)), len(matcher.shapes[node.input(0)]) + 1
    axis = int(node.attrs.get("axis", -1)) % rank
    if source is None or axis != rank - 1:
        return None
    return byte_node("QSoftmax", "Softmax", chain, [source])


def _layer_norm(matcher: Matcher, node: Node, chain: Chain) -> Fused:
    """LayerNormalization over the last axes."""
    source, gamma = matcher.bytes_of(node.input(0)), matcher.graph.constant(node, 1)
    n = layer_norm_size(node, matcher.shapes[node.input(0)])
    beta = matcher.graph.constant(node, 2)
    if source is None or gamma is None or gamma.size != n or n > MAX_LAYER_NORM:
        return None
    if node.input(2) and (beta is None or beta.size != n):
        return None
    constants = {"gamma": gamma, "beta": beta if node.input(2) else None}
    return byte_node("QLayerNormalization", node.op, chain, [source], node=node, **constants)


def _mul(matcher: Matcher, node: Node, chain: Chain) -> Fused:
    """Mul of two byte tensors, of which one may be a factor per channel."""
    sources = [matcher.bytes_of(name) for name in node.inputs]
    shapes = [matcher.shapes.get(name, ()) for name in node.inputs]
    if sources[0] is None or sources[1] is None:
        return None
    for index in (0, 1):
        full, gate = shapes[index], shapes[1 - index]
        gates = len(full) > 1 and gate == (full[0], *(1 for _ in full[1:]))
        if full == gate or gates:
            pair = [sources[index], sources[1 - index]]
            return byte_node("QMul", "Mul", chain, [p for p in pair if p is not None])
    return None


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
    "Transpose",
    "Unsqueeze",
)
PATTERNS: dict[str, Pattern] = {
    **_WEIGHTED,
    "Add": _add,
    "LayerNormalization": _layer_norm,
    "MatMul": _matmul,
    "Mul": _mul,
    "Softmax": _softmax,
    **dict.fromkeys(MOVING, _moving),
}
