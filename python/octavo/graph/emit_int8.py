"""Steps for operators on bytes: one emitter per fused operator."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from octavo import _core
from octavo.graph.emit_layout import concat_steps, pad_steps, rename_axes, slice_steps
from octavo.graph.emit_pool import avg_pool_step, max_pool_step
from octavo.graph.ir import ByteParams, Node
from octavo.graph.lowering import Lowering, Stored, step_name
from octavo.graph.qdq import QuantWeight, StaticQuant
from octavo.graph.shape_rules import pad_extents, slice_ranges
from octavo.graph.windows import spatial_pair, window_of


def ratio(a: float, b: float) -> float:
    """Ratio a / b of two scales, in float64, rounded once to float32."""
    return float(np.float32(np.float64(a) / np.float64(b)))


def bounds(node: Node) -> tuple[int, int]:
    """(qmin, qmax) of the output byte: the fused clamp, through Q."""
    out: ByteParams = node.attrs["out"]
    return out.quantize(node.attrs["lo"]), out.quantize(node.attrs["hi"])


def conv(low: Lowering, node: Node) -> None:
    """Conv [+ Add] [+ clamp]: int8 GEMM over NHWC with a requantizing epilogue."""
    source: Node = node.attrs["node"]
    x = low.channels_last(node.input(0), node)
    spatial, axes = spatial_pair(source, x.shape), len(x.shape) - 1
    weight: QuantWeight = node.attrs["weight"]
    window = window_of(source, spatial, axes, weight.values.shape[2:])
    key = (step_name(node), node.outputs[0], window)
    if key not in low.packed:
        low.packed[key] = _core.Conv2d(
            np.ascontiguousarray(weight.values.reshape(*weight.values.shape[:2], *window.kernel)),
            bias=node.attrs["bias"],
            multiplier=_multiplier(node, weight),
            weight_zero_point=weight.zero_point,
            a_zero_point=node.attrs["sources"][0].zero_point,
            stride=window.stride,
            padding=window.padding,
            dilation=window.dilation,
            groups=int(source.attrs.get("group", 1)),
            output=_output(node),
            keep=low.keep_weights,
        )
    shape = (weight.values.shape[0], *window.output_size(spatial)[2 - axes :])
    out = low.new("u8", shape, last=True)
    residual = low.channels_last(node.input(1), node).id if node.input(1) else None
    low.program.conv2d(
        x.id,
        out.id,
        low.packed[key],
        name=step_name(node),
        height=spatial[0],
        width=spatial[1],
        residual=residual,
    )
    low.record("Conv", node, out, node.attrs["fused"])
    low.put(node.output, out)


def linear(low: Lowering, node: Node) -> None:
    """Gemm or MatMul [+ Add] [+ clamp]."""
    x = low.plain(node.input(0), node)
    weight: QuantWeight = node.attrs["weight"]
    key = (step_name(node), node.outputs[0])
    if key not in low.packed:
        low.packed[key] = _core.Linear(
            np.ascontiguousarray(weight.values),
            bias=node.attrs["bias"],
            multiplier=_multiplier(node, weight),
            weight_zero_point=weight.zero_point,
            a_zero_point=node.attrs["sources"][0].zero_point,
            output=_output(node),
            keep=low.keep_weights,
        )
    out = low.new("u8", (*x.shape[:-1], weight.values.shape[0]))
    residual = low.plain(node.input(1), node).id if node.input(1) else None
    rows = math.prod(x.shape[:-1])
    packed = low.packed[key]
    low.program.linear(x.id, out.id, packed, name=step_name(node), rows=rows, residual=residual)
    low.record(node.attrs["fused"][0], node, out, node.attrs["fused"])
    low.put(node.output, out)


def _multiplier(node: Node, weight: QuantWeight) -> NDArray[np.float32]:
    source, out = node.attrs["sources"][0], node.attrs["out"]
    unit = np.float64(source.scale) * weight.scale.astype(np.float64)
    return np.ascontiguousarray((unit / np.float64(out.scale)).astype(np.float32))


def _output(node: Node) -> _core.OutputSpec:
    out: ByteParams = node.attrs["out"]
    qmin, qmax = bounds(node)
    if len(node.inputs) == 1:
        return _core.OutputSpec(zero_point=out.zero_point, qmin=qmin, qmax=qmax)
    residual: ByteParams = node.attrs["sources"][1]
    return _core.OutputSpec(
        zero_point=out.zero_point,
        qmin=qmin,
        qmax=qmax,
        residual=True,
        residual_multiplier=ratio(residual.scale, out.scale),
        residual_zero_point=residual.zero_point,
    )


def add(low: Lowering, node: Node) -> None:
    """Add [+ clamp] of two byte tensors, or of one and a quantized constant."""
    a, out_params = low.get(node.input(0)), node.attrs["out"]
    params: tuple[ByteParams, ...] = node.attrs["sources"]
    if len(params) == 1:
        static: StaticQuant = node.attrs["constant"]
        b, b_params = _constant_bytes(low, static, a)
    else:
        if low.get(node.input(1)).last:
            a = low.channels_last(node.input(0), node)
        b, b_params = low.in_order_of(node.input(1), a, node), params[1]
    out = low.new("u8", a.shape, a.last)
    qmin, qmax = bounds(node)
    low.program.add(
        a.id,
        b.id,
        out.id,
        name=step_name(node),
        a_zero_point=params[0].zero_point,
        a_multiplier=ratio(params[0].scale, out_params.scale),
        b_zero_point=b_params.zero_point,
        b_multiplier=ratio(b_params.scale, out_params.scale),
        zero_point=out_params.zero_point,
        qmin=qmin,
        qmax=qmax,
    )
    low.record("Add", node, out, node.attrs["fused"])
    low.put(node.output, out)


def _constant_bytes(low: Lowering, static: StaticQuant, like: Stored) -> tuple[Stored, ByteParams]:
    values, signed = static.values, static.values.dtype == np.int8
    if signed:
        values = values.view(np.uint8) ^ np.uint8(128)
    leading = max(values.ndim - len(like.shape), 0)
    full = np.broadcast_to(values.reshape(values.shape[leading:]), like.shape)
    point = int(static.zero_point[0]) + (128 if signed else 0)
    return low.constant(full, like.last), ByteParams(float(static.scale[0]), point, bool(signed))


def requantized(low: Lowering, node: Node, x: Stored, params: ByteParams) -> Stored:
    """The same values at the node's output parameters and bounds; `x` itself where they agree."""
    out_params, (qmin, qmax) = node.attrs["out"], bounds(node)
    same = (params.scale, params.zero_point) == (out_params.scale, out_params.zero_point)
    if same and (qmin, qmax) == (0, 255):
        return x
    out = low.new("u8", x.shape, x.last)
    low.program.requantize(
        x.id,
        out.id,
        name=step_name(node),
        src_zero_point=params.zero_point,
        multiplier=ratio(params.scale, out_params.scale),
        zero_point=out_params.zero_point,
        qmin=qmin,
        qmax=qmax,
    )
    clamps = tuple(op for op in node.attrs["fused"] if op in ("Relu", "Clip"))
    low.record("Requantize", node, out, clamps)
    return out


def clamp(low: Lowering, node: Node) -> None:
    """Relu, Clip or a change of parameters on bytes."""
    low.put(node.output, requantized(low, node, low.get(node.input(0)), node.attrs["sources"][0]))


def max_pool(low: Lowering, node: Node) -> None:
    """MaxPool on bytes; their order is that of the reals, so parameters do not matter."""
    out = max_pool_step(low, node, node.attrs["node"], "u8")
    low.record("MaxPool", node, out)
    low.put(node.output, requantized(low, node, out, node.attrs["sources"][0]))


def avg_pool(low: Lowering, node: Node) -> None:
    """AveragePool or GlobalAveragePool [+ clamp]: integer sums, requantized once."""
    source: Node = node.attrs["node"]
    params, out_params = node.attrs["sources"][0], node.attrs["out"]
    qmin, qmax = bounds(node)
    out = avg_pool_step(
        low,
        node,
        source,
        "u8",
        src_zero_point=params.zero_point,
        multiplier=ratio(params.scale, out_params.scale),
        zero_point=out_params.zero_point,
        qmin=qmin,
        qmax=qmax,
    )
    low.record(source.op, node, out, node.attrs["fused"])
    low.put(node.output, out)


def concat(low: Lowering, node: Node) -> None:
    """Concat of bytes, each input first brought to the output's parameters."""
    last = any(low.get(name).last for name in node.inputs)
    values = [
        low.channels_last(name, node) if last else low.plain(name, node) for name in node.inputs
    ]
    values = [
        requantized(low, node, value, params)
        for value, params in zip(values, node.attrs["sources"], strict=True)
    ]
    low.put(node.output, concat_steps(low, node, values, int(node.attrs["node"].attrs["axis"])))


def pad(low: Lowering, node: Node) -> None:
    """Pad with the byte of the constant."""
    source: Node = node.attrs["node"]
    x = requantized(low, node, low.get(node.input(0)), node.attrs["sources"][0])
    given = low.graph.constant(source, 2)
    real = 0.0 if given is None else float(given.reshape(-1)[0])
    qmin, qmax = bounds(node)
    byte = min(max(node.attrs["out"].quantize(real), qmin), qmax)
    low.put(node.output, pad_steps(low, node, x, pad_extents(low.context, source), float(byte)))


def slice_(low: Lowering, node: Node) -> None:
    """Slice of bytes."""
    ranges = slice_ranges(low.context, node.attrs["node"])
    x = slice_steps(low, node, low.get(node.input(0)), ranges)
    low.put(node.output, requantized(low, node, x, node.attrs["sources"][0]))


def reshape(low: Lowering, node: Node) -> None:
    """Reshape and its like: the same bytes under another shape."""
    shape = low.context.shapes[node.attrs["node"].output]
    x = rename_axes(low, node, shape)
    low.put(node.output, requantized(low, node, x, node.attrs["sources"][0]))


EMITTERS = {
    "QAdd": add,
    "QAveragePool": avg_pool,
    "QClamp": clamp,
    "QConcat": concat,
    "QConv": conv,
    "QFlatten": reshape,
    "QGlobalAveragePool": avg_pool,
    "QLinear": linear,
    "QMaxPool": max_pool,
    "QPad": pad,
    "QReshape": reshape,
    "QSlice": slice_,
    "QSqueeze": reshape,
    "QUnsqueeze": reshape,
}
