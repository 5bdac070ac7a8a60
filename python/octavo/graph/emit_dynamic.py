"""Steps for activations quantized while the network runs, and for int32 products."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np

from octavo import _core
from octavo.graph.ir import Array, ByteParams, Node
from octavo.graph.lowering import Lowering, Stored, step_name
from octavo.graph.passes.dynamic import FLOAT, PER_ROW
from octavo.graph.qdq import QuantWeight, StaticQuant, quant_weight
from octavo.graph.windows import spatial_pair, window_of


def _quantized(low: Lowering, node: Node, x: Stored, per_row: bool) -> tuple[Stored, Stored]:
    """(bytes, scale and zero point) of a float tensor; made once for all who read it."""
    key = (x.id, per_row)
    if key not in low.quantized:
        k = x.shape[-1] if x.shape else 1
        if x.last:
            k = x.shape[0]
        rows, name = math.prod(x.shape) // k, step_name(node)
        params = low.new("f32", (2 * rows if per_row else 2,))
        out = low.new("u8", x.shape, x.last)
        more: dict[str, Any] = {"name": name, "rows": rows, "k": k, "per_row": per_row}
        low.program.dynamic_params(x.id, params.id, **more)
        low.record("DynamicRange", node, params)
        low.program.dynamic_quantize(x.id, params.id, out.id, **more)
        low.record("DynamicQuantizeLinear", node, out)
        low.quantized[key] = out, params
    return low.quantized[key]


def dynamic_quantize(low: Lowering, node: Node) -> None:
    """DynamicQuantizeLinear by itself: bytes, scale and zero point."""
    x = low.plain(node.input(0), node)
    out, params = _quantized(low, node, x, False)
    low.put(node.output, out)
    if not any(low.is_read(name) for name in node.outputs[1:]):
        return
    if not low.graph.whole:
        raise node.unsupported("its scale and zero point are read by what octavo cannot fuse")
    for index, name in enumerate(node.outputs[1:]):
        part = low.new("f32", ())
        low.program.slice(
            params.id, part.id, name=step_name(node), shape=[2], start=[index], step=[1],
            out_shape=[1],
        )  # fmt: skip
        low.record("Slice", node, part)
        if index == 1:
            byte = low.new("u8", ())
            low.program.quantize(part.id, byte.id, name=step_name(node), scale=1.0, zero_point=0)
            low.record("QuantizeLinear", node, byte)
            part = byte
        low.put(name, part)


def _output(node: Node, weight: QuantWeight) -> dict[str, Any]:
    """What turns int32 sums into floats."""
    n = weight.scale.size
    sums = weight.values.reshape(n, -1).sum(axis=1, dtype=np.int64)
    if weight.zero_point is not None:
        sums -= weight.zero_point.astype(np.int64) * (weight.values.size // n)
    bias: Array | None = node.attrs["bias"]
    given = np.zeros(n, np.float32) if bias is None else bias.reshape(-1)
    return {
        "weight_sum": sums.astype(np.int32),
        "weight_scale": weight.scale,
        "bias": np.ascontiguousarray(given, np.float32),
        "lo": node.attrs.get("lo", -math.inf),
        "hi": node.attrs.get("hi", math.inf),
    }


def linear(low: Lowering, node: Node) -> None:
    """MatMul by constant weights [+ bias] [+ clamp] of dynamically quantized rows."""
    per_row = low.graph.metadata.get(PER_ROW) == "per_row"
    out_q, params = _quantized(low, node, low.plain(node.input(0), node), per_row)
    weight: QuantWeight = node.attrs["weight"]
    key: Hashable = (step_name(node), node.output)
    if key not in low.packed:
        low.packed[key] = _core.Linear(
            np.ascontiguousarray(weight.values),
            weight_zero_point=weight.zero_point,
            keep=low.keep_weights,
        )
    out = low.new("f32", (*out_q.shape[:-1], weight.values.shape[0]))
    low.program.dynamic_linear(
        out_q.id,
        params.id,
        out.id,
        low.packed[key],
        name=step_name(node),
        rows=math.prod(out_q.shape[:-1]),
        per_row=per_row,
        **_output(node, weight),
    )
    low.record("MatMul", node, out, node.attrs["fused"], dtype="int8")
    low.put(node.output, out)


def conv(low: Lowering, node: Node) -> None:
    """Conv [+ bias] [+ clamp] of a dynamically quantized image."""
    x, params = _quantized(low, node, low.channels_last(node.input(0), node), False)
    weight: QuantWeight = node.attrs["weight"]
    packed, spatial, out = _conv_parts(low, node, x, weight, "f32", 0)
    low.program.dynamic_conv2d(
        x.id,
        params.id,
        out.id,
        packed,
        name=step_name(node),
        height=spatial[0],
        width=spatial[1],
        **_output(node, weight),
    )
    low.record("Conv", node, out, node.attrs["fused"], dtype="int8")
    low.put(node.output, out)


def _conv_parts(
    low: Lowering, node: Node, x: Stored, weight: QuantWeight, dtype: str, zero_point: int
) -> tuple[_core.Conv2d, tuple[int, int], Stored]:
    """(packed weights, extents of the image, the output tensor)."""
    spatial, axes = spatial_pair(node, x.shape), len(x.shape) - 1
    window = window_of(node, spatial, axes, weight.values.shape[2:])
    key: Hashable = (step_name(node), node.output, window)
    if key not in low.packed:
        low.packed[key] = _core.Conv2d(
            np.ascontiguousarray(weight.values.reshape(*weight.values.shape[:2], *window.kernel)),
            weight_zero_point=weight.zero_point,
            a_zero_point=zero_point,
            stride=window.stride,
            padding=window.padding,
            dilation=window.dilation,
            groups=int(node.attrs.get("group", 1)),
            keep=low.keep_weights,
        )
    shape = (weight.values.shape[0], *window.output_size(spatial)[2 - axes :])
    return low.packed[key], spatial, low.new(dtype, shape, last=True)


def _integer_operands(low: Lowering, node: Node, axis: int) -> tuple[QuantWeight, int]:
    """(weights, zero point of the activations as the program's bytes)."""
    values, zeros = low.context.constant(node, 1, "weights"), low.graph.constant(node, 3)
    given = low.graph.constant(node, 2)
    if any(low.graph.constant(node, i) is None and node.input(i) for i in (2, 3)):
        raise node.unsupported("zero points must be constant")
    if given is not None and given.size != 1:
        raise node.unsupported("activations need one zero point for the whole tensor")
    params = low.graph.bytes.get(node.input(0), ByteParams(1.0, 0, False))
    point = 0 if given is None else int(given.reshape(-1)[0])
    n = values.shape[axis]
    zeros = np.zeros((), values.dtype) if zeros is None else zeros
    if zeros.size not in (1, n) or values.dtype not in (np.int8, np.uint8):
        raise node.unsupported(f"{values.dtype} weights with {zeros.size} zero points")
    points = np.broadcast_to(zeros.reshape(-1), (n,))
    weight = quant_weight(StaticQuant(values, np.ones(n, np.float32), points, axis), axis)
    if weight is None:
        raise node.unsupported("the form of its weights is not supported")
    return weight, point + (128 if params.signed else 0)


def matmul_integer(low: Lowering, node: Node) -> None:
    """MatMulInteger by constant weights, to int32."""
    x = low.plain(node.input(0), node)
    weight, zero_point = _integer_operands(low, node, 1)
    key: Hashable = (step_name(node), node.output)
    if key not in low.packed:
        low.packed[key] = _core.Linear(
            np.ascontiguousarray(weight.values.T),
            weight_zero_point=weight.zero_point,
            a_zero_point=zero_point,
            keep=low.keep_weights,
        )
    out = low.new("s32", (*x.shape[:-1], weight.values.shape[1]))
    rows = math.prod(x.shape[:-1])
    low.program.linear(x.id, out.id, low.packed[key], name=step_name(node), rows=rows)
    low.record(node.op, node, out)
    low.put(node.output, out)


def conv_integer(low: Lowering, node: Node) -> None:
    """ConvInteger by constant weights, to int32."""
    x = low.channels_last(node.input(0), node)
    weight, zero_point = _integer_operands(low, node, 0)
    packed, spatial, out = _conv_parts(low, node, x, weight, "s32", zero_point)
    low.program.conv2d(
        x.id, out.id, packed, name=step_name(node), height=spatial[0], width=spatial[1]
    )
    low.record(node.op, node, out)
    low.put(node.output, out)


def cast(low: Lowering, node: Node) -> None:
    """Cast of int32 sums, or of what is float already, to float."""
    x = low.get(node.input(0))
    if int(node.attrs.get("to", 0)) != FLOAT or x.dtype == "u8":
        raise node.unsupported("casts int32 products to float32, nothing else")
    out = x
    if x.dtype == "s32":
        out = low.new("f32", x.shape, x.last)
        low.program.cast(x.id, out.id, name=step_name(node))
        low.record(node.op, node, out)
    low.put(node.output, out)


EMITTERS = {
    "Cast": cast,
    "ConvInteger": conv_integer,
    "DynamicConv": conv,
    "DynamicLinear": linear,
    "DynamicQuantizeLinear": dynamic_quantize,
    "MatMulInteger": matmul_integer,
}
