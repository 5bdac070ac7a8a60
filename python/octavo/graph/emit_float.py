"""Steps for operators in float32: one emitter per operator."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from octavo import _core
from octavo.graph.emit_math import arithmetic
from octavo.graph.emit_matmul import matmul
from octavo.graph.emit_pool import avg_pool_step, max_pool_step
from octavo.graph.fuse_patterns import bias_vector, clamp_bounds
from octavo.graph.ir import Array, Node
from octavo.graph.lowering import Lowering, Stored, step_name
from octavo.graph.passes.batch_norm import scale_and_shift
from octavo.graph.qdq import byte_params
from octavo.graph.shape_rules import sample_constant_shape
from octavo.graph.windows import spatial_pair, window_of

INF = float("inf")


def _f32(value: Array) -> NDArray[np.float32]:
    return np.ascontiguousarray(value, dtype=np.float32)


def _fused(node: Node) -> tuple[str, ...]:
    fused: tuple[str, ...] = node.attrs.get("fused", (node.op,))
    return fused


def quantize(low: Lowering, node: Node) -> None:
    """QuantizeLinear that no byte operator took over."""
    x, params = low.get(node.input(0)), byte_params(low.graph, node)
    if x.dtype != "f32":
        raise node.unsupported("its input is already quantized")
    # A float image for operators that read NHWC changes its order in the same pass.
    turns = not x.last and not x.free and low.wanted_last(node.output)
    out = low.new("u8", x.shape, x.last or turns)
    low.program.quantize(
        x.id,
        out.id,
        name=step_name(node),
        scale=params.scale,
        zero_point=params.zero_point,
        planes=x.shape[0] if turns else 1,
    )
    low.record("QuantizeLinear", node, out)
    low.put(node.output, out)


def dequantize(low: Lowering, node: Node) -> None:
    """DequantizeLinear whose readers run in float32."""
    x, params = low.get(node.input(0)), byte_params(low.graph, node)
    if x.dtype != "u8":
        raise node.invalid("its input is not quantized")
    turns = x.last and not x.free and low.wanted_plain(node.output)
    out = low.new("f32", x.shape, x.last and not turns)
    low.program.dequantize(
        x.id,
        out.id,
        name=step_name(node),
        scale=params.scale,
        zero_point=params.zero_point,
        planes=x.shape[0] if turns else 1,
    )
    low.record("DequantizeLinear", node, out)
    low.put(node.output, out)


def conv(low: Lowering, node: Node) -> None:
    """Conv [+ clamp]."""
    x = low.channels_last(node.input(0), node)
    spatial, axes = spatial_pair(node, x.shape), len(x.shape) - 1
    weight = low.context.constant(node, 1, "weights")
    window = window_of(node, spatial, axes, weight.shape[2:])
    key = (step_name(node), node.output, window)
    if key not in low.packed:
        low.packed[key] = _core.Conv2dF32(
            _f32(weight.reshape(*weight.shape[:2], *window.kernel)),
            bias=_bias(low, node, weight.shape[0]),
            stride=window.stride,
            padding=window.padding,
            dilation=window.dilation,
            groups=int(node.attrs.get("group", 1)),
            lo=node.attrs.get("lo", -INF),
            hi=node.attrs.get("hi", INF),
            keep=low.keep_weights,
        )
    shape = (weight.shape[0], *window.output_size(spatial)[2 - axes :])
    out = low.new("f32", shape, last=True)
    low.program.conv2d(
        x.id, out.id, low.packed[key], name=step_name(node), height=spatial[0], width=spatial[1]
    )
    low.record("Conv", node, out, _fused(node))
    low.put(node.output, out)


def linear(low: Lowering, node: Node) -> None:
    """Gemm, or MatMul [+ bias] [+ clamp]."""
    if node.op == "MatMul" and node.input(1) not in low.graph.initializers:
        matmul(low, node)
        if "lo" in node.attrs:
            low.put(node.output, _clamped(low, node, low.get(node.output)))
        return
    x = low.plain(node.input(0), node)
    weight = low.context.constant(node, 1, "weights")
    if not (node.op == "Gemm" and node.attrs.get("transB", 0)):
        weight = weight.T
    if node.op == "Gemm":
        weight = weight * np.float32(node.attrs.get("alpha", 1.0))
    key = (step_name(node), node.output)
    if key not in low.packed:
        low.packed[key] = _core.LinearF32(
            _f32(weight),
            bias=_bias(low, node, weight.shape[0]),
            lo=node.attrs.get("lo", -INF),
            hi=node.attrs.get("hi", INF),
            keep=low.keep_weights,
        )
    out = low.new("f32", (*x.shape[:-1], weight.shape[0]))
    rows = math.prod(x.shape[:-1])
    low.program.linear(x.id, out.id, low.packed[key], name=step_name(node), rows=rows)
    low.record(node.op, node, out, _fused(node))
    low.put(node.output, out)


def _bias(low: Lowering, node: Node, n: int) -> NDArray[np.float32] | None:
    if not node.input(2):
        return None
    value = low.context.constant(node, 2, "bias")
    if bias_vector(value, n) is None:
        raise node.unsupported(f"a bias of shape {value.shape} does not add {n} values per row")
    beta = np.float32(node.attrs.get("beta", 1.0)) if node.op == "Gemm" else np.float32(1.0)
    return _f32(np.broadcast_to(value.reshape(-1), (n,)) * beta)


def add(low: Lowering, node: Node) -> None:
    """Add [+ clamp] of two computed tensors, or of one and a constant."""
    constants = [low.graph.constant(node, i) for i in range(2)]
    index = 0 if constants[0] is None else 1
    added = constants[1 - index]
    if added is not None:
        out = _add_constant(low, node, node.input(index), _f32(added))
    elif low.view(node.input(0)).shape != low.view(node.input(1)).shape:
        out = _clamped(low, node, arithmetic(low, node, "Add", node.input(0), node.input(1)))
    else:
        a = low.get(node.input(0))
        if low.get(node.input(1)).last:
            a = low.channels_last(node.input(0), node)
        out = _add(low, node, a, low.in_order_of(node.input(1), a, node))
    low.put(node.output, out)


def _clamped(low: Lowering, node: Node, x: Stored) -> Stored:
    """`x` with the clamp that was fused into the node."""
    if "lo" not in node.attrs:
        return x
    out = low.new("f32", x.shape, x.last)
    lo, hi = node.attrs["lo"], node.attrs["hi"]
    low.program.clamp(x.id, out.id, name=step_name(node), lo=lo, hi=hi)
    low.record("Clip", node, out)
    return out


def _add(low: Lowering, node: Node, a: Stored, b: Stored) -> Stored:
    out = low.new("f32", a.shape, a.last)
    lo, hi = node.attrs.get("lo", -INF), node.attrs.get("hi", INF)
    low.program.add(a.id, b.id, out.id, name=step_name(node), lo=lo, hi=hi)
    low.record("Add", node, out, _fused(node))
    return out


def _add_constant(low: Lowering, node: Node, name: str, added: NDArray[np.float32]) -> Stored:
    """A value per channel (or one for all) is a shift; any other constant a tensor."""
    x = low.get(name)
    shape = sample_constant_shape(added.shape, len(x.shape)) or ()
    shape = (1,) * (len(x.shape) - len(shape)) + shape
    varying = [axis for axis, extent in enumerate(shape) if extent > 1]
    if not varying and "lo" not in node.attrs:
        return arithmetic(low, node, "Add", node.input(0), node.input(1))
    if "lo" in node.attrs or varying not in ([], [0]):
        full = np.ascontiguousarray(np.broadcast_to(added.reshape(shape), x.shape))
        return _add(low, node, x, low.constant(full, x.last))
    x = low.channels_last(name, node)
    channels = x.shape[0] if x.shape else 1
    shift = _f32(np.broadcast_to(added.reshape(-1), (channels,)))
    return _scale_shift(low, node, x, np.ones(channels, np.float32), shift)


def _scale_shift(
    low: Lowering, node: Node, x: Stored, scale: NDArray[np.float32], shift: NDArray[np.float32]
) -> Stored:
    out = low.new("f32", x.shape, x.last)
    low.program.scale_shift(x.id, out.id, name=step_name(node), scale=scale, shift=shift)
    low.record(node.op, node, out)
    return out


def batch_norm(low: Lowering, node: Node) -> None:
    """BatchNormalization that no Conv precedes: x * g + h per channel."""
    x = low.channels_last(node.input(0), node)
    g, h = scale_and_shift(low.graph, node)
    low.put(node.output, _scale_shift(low, node, x, _f32(g), _f32(h)))


def clamp(low: Lowering, node: Node) -> None:
    """Relu or Clip by itself."""
    x = low.get(node.input(0))
    lo, hi = clamp_bounds(low.graph, node)
    out = low.new("f32", x.shape, x.last)
    low.program.clamp(x.id, out.id, name=step_name(node), lo=lo, hi=hi)
    low.record(node.op, node, out)
    low.put(node.output, out)


def pool(low: Lowering, node: Node) -> None:
    """MaxPool, AveragePool, GlobalAveragePool."""
    step = max_pool_step if node.op == "MaxPool" else avg_pool_step
    out = step(low, node, node, "f32")
    low.record(node.op, node, out)
    low.put(node.output, out)


def softmax(low: Lowering, node: Node) -> None:
    """Softmax along one axis, or along all from one on (before opset 13)."""
    x = low.get(node.input(0))
    rank = len(x.shape)
    axis = int(node.attrs.get("axis", -1)) % (rank + 1) - 1
    if node.attrs.get("flattens"):
        x = low.plain(node.input(0), node)
        outer, n, inner = math.prod(x.shape[:axis]), math.prod(x.shape[axis:]), 1
    else:
        order, at = x.order(x.shape), x.storage_axis(axis)
        outer, n, inner = math.prod(order[:at]), order[at], math.prod(order[at + 1 :])
    out = low.new("f32", x.shape, x.last)
    low.program.softmax(x.id, out.id, name=step_name(node), outer=outer, n=n, inner=inner)
    low.record("Softmax", node, out)
    low.put(node.output, out)


EMITTERS = {
    "Add": add,
    "AveragePool": pool,
    "BatchNormalization": batch_norm,
    "Clip": clamp,
    "Conv": conv,
    "DequantizeLinear": dequantize,
    "Gemm": linear,
    "GlobalAveragePool": pool,
    "MatMul": linear,
    "MaxPool": pool,
    "QuantizeLinear": quantize,
    "Relu": clamp,
    "Softmax": softmax,
}
