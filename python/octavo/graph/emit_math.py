"""Steps of transformers and gated networks: tables, norms, arithmetic."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.graph.emit_int8 import bounds, ratio
from octavo.graph.ir import Array, Node
from octavo.graph.lowering import Lowering, Stored, step_name
from octavo.graph.math_rules import layer_norm_size, mean_axes
from octavo.graph.shape_rules import Shape, sample_constant_shape


def lookup(low: Lowering, node: Node) -> None:
    """A function of one byte."""
    x = low.get(node.input(0))
    out = low.new("u8", x.shape, x.last)
    low.program.lookup(x.id, out.id, name=step_name(node), table=node.attrs["table"])
    low.record(node.attrs["fused"][0], node, out, node.attrs["fused"])
    low.put(node.output, out)


def softmax(low: Lowering, node: Node) -> None:
    """Softmax of bytes over the last axis."""
    x = low.plain(node.input(0), node)
    out = low.new("u8", x.shape)
    params, out_params = node.attrs["sources"][0], node.attrs["out"]
    qmin, qmax = bounds(node)
    low.program.softmax_u8(
        x.id,
        out.id,
        name=step_name(node),
        rows=math.prod(x.shape[:-1]),
        n=x.shape[-1],
        src_scale=params.scale,
        scale=out_params.scale,
        zero_point=out_params.zero_point,
        qmin=qmin,
        qmax=qmax,
    )
    low.record("Softmax", node, out, node.attrs["fused"])
    low.put(node.output, out)


def layer_norm(low: Lowering, node: Node) -> None:
    """LayerNormalization of bytes or floats."""
    source: Node = node.attrs.get("node", node)
    x = low.plain(node.input(0), node)
    n = layer_norm_size(source, x.shape)
    gamma, beta = (
        np.full(n, absent) if value is None else value.reshape(-1).astype(np.float64)
        for value, absent in zip(_norm_constants(low, node), (1.0, 0.0), strict=True)
    )
    epsilon = float(source.attrs.get("epsilon", 1e-5))
    out = low.new(x.dtype, x.shape)
    more: dict[str, Any] = {}
    if "sources" in node.attrs:
        params, out_params = node.attrs["sources"][0], node.attrs["out"]
        gamma, beta = gamma / out_params.scale, beta / out_params.scale
        epsilon = epsilon / params.scale**2
        qmin, qmax = bounds(node)
        more = {"zero_point": out_params.zero_point, "qmin": qmin, "qmax": qmax}
    low.program.layer_norm(
        x.id,
        out.id,
        name=step_name(node),
        rows=math.prod(x.shape) // n,
        gamma=_f32(gamma),
        beta=_f32(beta),
        epsilon=epsilon,
        **more,
    )
    low.record(source.op, node, out, node.attrs.get("fused", ()))
    low.put(node.output, out)


def _norm_constants(low: Lowering, node: Node) -> tuple[Array | None, Array | None]:
    if "gamma" in node.attrs:
        return node.attrs["gamma"], node.attrs["beta"]
    return low.graph.constant(node, 1), low.graph.constant(node, 2)


def mul_bytes(low: Lowering, node: Node) -> None:
    """Mul of two byte tensors, the second of the same shape or one factor per channel."""
    a, b = low.get(node.input(0)), low.get(node.input(1))
    (a_params, b_params), out_params = node.attrs["sources"], node.attrs["out"]
    if a.shape == b.shape:
        b = low.in_order_of(node.input(1), a, node)
        outer, inner, channels = 1, 1, math.prod(a.shape)
    else:
        a = low.channels_last(node.input(0), node)
        outer, inner, channels = 1, math.prod(a.shape[1:]), a.shape[0]
    out = low.new("u8", a.shape, a.last)
    qmin, qmax = bounds(node)
    low.program.mul(
        a.id,
        b.id,
        out.id,
        name=step_name(node),
        outer=outer,
        inner=inner,
        channels=channels,
        a_zero_point=a_params.zero_point,
        b_zero_point=b_params.zero_point,
        multiplier=ratio(a_params.scale * b_params.scale, out_params.scale),
        zero_point=out_params.zero_point,
        qmin=qmin,
        qmax=qmax,
    )
    low.record("Mul", node, out, node.attrs["fused"])
    low.put(node.output, out)


def _f32(value: Array) -> NDArray[np.float32]:
    return np.ascontiguousarray(value, dtype=np.float32)


def binary(low: Lowering, node: Node) -> None:
    """Float arithmetic on two tensors of any order, broadcast."""
    low.put(node.output, arithmetic(low, node, node.op, node.input(0), node.input(1)))


def arithmetic(low: Lowering, node: Node, op: str, first: str, second: str) -> Stored:
    """One Add, Sub, Mul, Div or Pow."""
    shape = low.context.shapes[node.output]
    operands = [_operand(low, name, len(shape)) for name in (first, second)]
    last = any(x.last and x.shape == shape for x in operands)
    out = low.new("f32", shape, last)
    a, b = (out.order(_spread(low, x, shape)) or [0] for x in operands)
    low.program.binary(
        operands[0].id,
        operands[1].id,
        out.id,
        name=step_name(node),
        op=op.lower(),
        shape=out.order(shape) or [1],
        a_strides=a,
        b_strides=b,
    )
    low.record(op, node, out)
    return out


def _operand(low: Lowering, name: str, rank: int) -> Stored:
    value = low.graph.initializers.get(name)
    if value is None:
        return low.view(name)
    shape = sample_constant_shape(value.shape, rank) or ()
    return low.constant(_f32(value).reshape(shape or (1,)), last=False)


def _spread(low: Lowering, x: Stored, shape: Shape) -> list[int]:
    """A stride for every axis of `shape`, 0 where `x` repeats."""
    strides = [0 if n == 1 else s for n, s in zip(x.shape, low.strides(x), strict=True)]
    return [0] * (len(shape) - len(strides)) + strides


_FUNCTIONS = {"Erf": "erf", "Exp": "exp", "HardSwish": "hard_swish", "Sigmoid": "sigmoid"}
_FUNCTIONS |= {"Tanh": "tanh"}


def activation(low: Lowering, node: Node) -> None:
    """A function of single floats."""
    x = low.get(node.input(0))
    name = _FUNCTIONS.get(node.op, "gelu")
    if node.op == "Gelu" and node.attrs.get("approximate", "none") == "tanh":
        name = "gelu_tanh"
    out = low.new("f32", x.shape, x.last)
    low.program.activation(x.id, out.id, name=step_name(node), function=name)
    low.record(node.op, node, out)
    low.put(node.output, out)


def _with_scalar(low: Lowering, node: Node, op: str, scalar: float, x: Stored) -> Stored:
    """`x` op scalar, in x's own order; for a reciprocal, scalar / x."""
    constant = low.constant(np.full((1,), scalar, np.float32), last=False)
    a, b = (constant, x) if op == "Reciprocal" else (x, constant)
    out = low.new("f32", x.shape, x.last)
    size = math.prod(x.shape)
    low.program.binary(
        a.id,
        b.id,
        out.id,
        name=step_name(node),
        op={"Reciprocal": "div"}.get(op, op.lower()),
        shape=[size],
        a_strides=[0 if a is constant else 1],
        b_strides=[0 if b is constant else 1],
    )
    low.record(node.op, node, out)
    return out


def by_scalar(low: Lowering, node: Node) -> None:
    """Neg, Reciprocal, Sqrt and HardSigmoid by arithmetic with scalars."""
    x = low.get(node.input(0))
    if node.op == "HardSigmoid":
        x = _with_scalar(low, node, "Mul", float(node.attrs.get("alpha", 0.2)), x)
        x = _with_scalar(low, node, "Add", float(node.attrs.get("beta", 0.5)), x)
        out = low.new("f32", x.shape, x.last)
        low.program.clamp(x.id, out.id, name=step_name(node), lo=0.0, hi=1.0)
        low.record(node.op, node, out)
    else:
        op, scalar = {"Neg": ("Mul", -1.0), "Sqrt": ("Pow", 0.5)}.get(node.op, (node.op, 1.0))
        out = _with_scalar(low, node, op, scalar, x)
    low.put(node.output, out)


def leaky_relu(low: Lowering, node: Node) -> None:
    """LeakyRelu: the positive part plus alpha times the negative one."""
    x = low.get(node.input(0))
    parts = []
    for lo, hi in ((0.0, math.inf), (-math.inf, 0.0)):
        parts.append(low.new("f32", x.shape, x.last))
        low.program.clamp(x.id, parts[-1].id, name=step_name(node), lo=lo, hi=hi)
        low.record(node.op, node, parts[-1])
    negative = _with_scalar(low, node, "Mul", float(node.attrs.get("alpha", 0.01)), parts[1])
    out = low.new("f32", x.shape, x.last)
    low.program.add(parts[0].id, negative.id, out.id, name=step_name(node))
    low.record(node.op, node, out)
    low.put(node.output, out)


def fake_quantize(low: Lowering, node: Node) -> None:
    """Values at the steps of another width than 8 bits; 1.5 * 2^23 rounds what is added to it."""
    scale, whole = node.attrs["scale"], 1.5 * 2.0**23
    steps = _with_scalar(low, node, "Div", scale, low.get(node.input(0)))
    bounded = low.new("f32", steps.shape, steps.last)
    lo, hi = node.attrs["lo"], node.attrs["hi"]
    low.program.clamp(steps.id, bounded.id, name=step_name(node), lo=lo, hi=hi)
    low.record(node.op, node, bounded)
    rounded = _with_scalar(low, node, "Add", whole, bounded)
    rounded = _with_scalar(low, node, "Sub", whole, rounded)
    low.put(node.output, _with_scalar(low, node, "Mul", scale, rounded))


def reduce_mean(low: Lowering, node: Node) -> None:
    """ReduceMean over adjacent axes."""
    x = low.plain(node.input(0), node)
    axes, _ = mean_axes(low.context, node)
    out = low.new("f32", low.context.shapes[node.output])
    low.program.reduce_mean(
        x.id,
        out.id,
        name=step_name(node),
        outer=math.prod(x.shape[: axes.start]),
        n=math.prod(x.shape[axes.start : axes.stop]),
        inner=math.prod(x.shape[axes.stop :]),
    )
    low.record(node.op, node, out)
    low.put(node.output, out)


EMITTERS = {
    **dict.fromkeys(("Div", "Mul", "Pow", "Sub"), binary),
    **dict.fromkeys(("Erf", "Exp", "Gelu", "HardSwish", "Sigmoid", "Tanh"), activation),
    **dict.fromkeys(("HardSigmoid", "Neg", "Reciprocal", "Sqrt"), by_scalar),
    "FakeQuantize": fake_quantize,
    "LayerNormalization": layer_norm,
    "LeakyRelu": leaky_relu,
    "QLayerNormalization": layer_norm,
    "QMul": mul_bytes,
    "QSoftmax": softmax,
    "QTable": lookup,
    "ReduceMean": reduce_mean,
}
