"""One problem as an ONNX model: in ONNX Runtime's integer ops, as QDQ, or in float32.

Integer ops spare ONNX Runtime the layout conversions that QDQ would put around a single op;
OpenVINO reads QDQ alone. Inputs are "x0", "x1", the output is "y".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from .elementwise import EPSILON, POOL_KERNEL, POOL_PADDING, POOL_STRIDE, layer_norm_vectors
from .problems import Array, Conv, Elementwise, Gemm, Problem, Weighted

_F32, _U8 = np.float32, np.uint8
_MICROSOFT = "com.microsoft"
_POOL = {
    "kernel_shape": [POOL_KERNEL] * 2,
    "strides": [POOL_STRIDE] * 2,
    "pads": [POOL_PADDING] * 4,
}
_TO_NHWC, _TO_NCHW = [0, 2, 3, 1], [0, 3, 1, 2]


def nchw(x: Array) -> Array:
    """NHWC to NCHW."""
    return np.ascontiguousarray(x.transpose(_TO_NCHW))


def nhwc(x: Array) -> Array:
    """NCHW to NHWC."""
    return np.ascontiguousarray(x.transpose(_TO_NHWC))


class _Writer:
    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def scalars(self, scale: float, zero_point: int) -> list[str]:
        # np.array and not ascontiguousarray's 1-D: a scalar is what per-tensor means.
        names = []
        for value in (np.array(scale, _F32), np.array(zero_point, _U8)):
            names.append(f"c{len(self.constants)}")
            self.constants.append(numpy_helper.from_array(value, names[-1]))
        return names

    def node(self, op: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        output = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def dequantized(self, x: str, scale: float, zero_point: int) -> str:
        return self.node("DequantizeLinear", [x, *self.scalars(scale, zero_point)])

    def per_channel(self, q: Array, scale: Array) -> str:
        zeros = np.zeros(len(scale), q.dtype)
        inputs = [self.constant(v) for v in (q, scale, zeros)]
        return self.node("DequantizeLinear", inputs, axis=0)

    def model(self, inputs: Sequence[Array], output: Array | None) -> bytes:
        def info(name: str, dtype: Any, shape: Any) -> onnx.ValueInfoProto:
            kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
            return helper.make_tensor_value_info(name, kind, shape)

        entries = [info(f"x{i}", x.dtype, x.shape) for i, x in enumerate(inputs)]
        result = info("y", _F32 if output is None else output.dtype, None)
        graph = helper.make_graph(self.nodes, "problem", entries, [result], self.constants)
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid(_MICROSOFT, 1)]
        used = {node.domain for node in self.nodes}
        model = helper.make_model(
            graph, opset_imports=[o for o in opsets if o.domain in used], ir_version=9
        )
        return bytes(model.SerializeToString())


def _conv_attributes(p: Conv) -> dict[str, Any]:
    return {
        "kernel_shape": list(p.weight.shape[2:]),
        "strides": [p.stride] * 2,
        "pads": [p.padding[0]] * 2 + [p.padding[1]] * 2,
        "dilations": [p.dilation] * 2,
        "group": p.groups,
    }


def _weighted_inputs(w: _Writer, p: Weighted, weight: Array) -> tuple[list[str], list[str]]:
    """What comes before the bias, and the bias with the output's parameters."""
    activations = ["x0", *w.scalars(p.a_scale, p.a_zero_point)]
    zeros = np.zeros(len(p.weight_scale), np.int8)
    weights = [w.constant(v) for v in (weight, p.weight_scale, zeros)]
    return activations + weights, w.scalars(p.out_scale, p.out_zero_point)


def integer_model(p: Problem) -> bytes:
    """Build NHWC integer ops, as ONNX Runtime makes them of a quantized network."""
    w = _Writer()
    if isinstance(p, Gemm):
        inputs, out = _weighted_inputs(w, p, p.weight.T)
        w.node("QGemm", [*inputs, w.constant(p.bias), *out], "y", domain=_MICROSOFT)
        return w.model([p.a], p.expected)
    if isinstance(p, Conv):
        inputs, out = _weighted_inputs(w, p, p.weight)
        w.node(
            "QLinearConv",
            [*inputs, *out, w.constant(p.bias)],
            "y",
            domain=_MICROSOFT,
            channels_last=1,
            **_conv_attributes(p),
        )
        return w.model([p.a], p.expected)
    _INTEGER[p.op](w, p)
    return w.model(p.inputs, p.expected)


def _operands(w: _Writer, p: Elementwise) -> list[list[str]]:
    triples = zip(p.scales, p.zero_points, strict=True)
    return [[f"x{i}", *w.scalars(*q)] for i, q in enumerate(triples) if i < len(p.inputs)]


def _out(w: _Writer, p: Elementwise) -> list[str]:
    return w.scalars(p.out_scale, p.out_zero_point)


def _integer_add(w: _Writer, p: Elementwise) -> None:
    a, b = _operands(w, p)
    w.node("QLinearAdd", [*a, *b, *_out(w, p)], "y", domain=_MICROSOFT)


def _integer_mul(w: _Writer, p: Elementwise) -> None:
    a, b = _operands(w, p)
    w.node("QLinearMul", [*a, *b, *_out(w, p)], "y", domain=_MICROSOFT)


def _integer_sigmoid(w: _Writer, p: Elementwise) -> None:
    w.node("QLinearSigmoid", [*_operands(w, p)[0], *_out(w, p)], "y", domain=_MICROSOFT)


def _integer_softmax(w: _Writer, p: Elementwise) -> None:
    inputs = [*_operands(w, p)[0], *_out(w, p)]
    w.node("QLinearSoftmax", inputs, "y", domain=_MICROSOFT, axis=-1, opset=13)


def _float_op(domain: str, op: str) -> Callable[[_Writer, Elementwise], object]:
    """Between a DequantizeLinear and a QuantizeLinear: it has no integer form."""

    def write(w: _Writer, p: Elementwise) -> None:
        y = w.node(op, [w.node("DequantizeLinear", _operands(w, p)[0])], domain=domain)
        w.node("QuantizeLinear", [y, *_out(w, p)], "y")

    return write


def _silu(w: _Writer, p: Elementwise) -> None:
    x = w.node("DequantizeLinear", _operands(w, p)[0])
    y = w.node("Mul", [x, w.node("Sigmoid", [x])])
    w.node("QuantizeLinear", [y, *_out(w, p)], "y")


def _layer_norm(w: _Writer, p: Elementwise) -> None:
    x = w.node("DequantizeLinear", _operands(w, p)[0])
    vectors = [w.constant(v) for v in layer_norm_vectors(p.expected.shape[-1])]
    y = w.node("LayerNormalization", [x, *vectors], axis=-1, epsilon=EPSILON)
    w.node("QuantizeLinear", [y, *_out(w, p)], "y")


def _integer_concat(w: _Writer, p: Elementwise) -> None:
    a, b = _operands(w, p)
    w.node("QLinearConcat", [*_out(w, p), *a, *b], "y", domain=_MICROSOFT, axis=3)


def _integer_mean(w: _Writer, p: Elementwise) -> None:
    inputs = [*_operands(w, p)[0], *_out(w, p)]
    w.node("QLinearGlobalAveragePool", inputs, "y", domain=_MICROSOFT, channels_last=1)


_INTEGER: dict[str, Callable[[_Writer, Elementwise], object]] = {
    "add": _integer_add,
    "mul": _integer_mul,
    "sigmoid": _integer_sigmoid,
    "softmax": _integer_softmax,
    "gelu": _float_op(_MICROSOFT, "Gelu"),
    "hard_swish": _float_op("", "HardSwish"),
    "silu": _silu,
    "layer_norm": _layer_norm,
    "concat": _integer_concat,
    "global_avg_pool": _integer_mean,
    "max_pool": lambda w, _: w.node("NhwcMaxPool", ["x0"], "y", domain=_MICROSOFT, **_POOL),
    "quantize": lambda w, p: w.node("QuantizeLinear", ["x0", *_out(w, p)], "y"),
    "dequantize": lambda w, p: w.node("DequantizeLinear", _operands(w, p)[0], "y"),
    "to_nhwc": lambda w, _: w.node("Transpose", ["x0"], "y", perm=_TO_NHWC),
    "to_nchw": lambda w, _: w.node("Transpose", ["x0"], "y", perm=_TO_NCHW),
}
_QDQ_OPS: dict[str, tuple[str, dict[str, Any]]] = {
    "add": ("Add", {}),
    "mul": ("Mul", {}),
    "sigmoid": ("Sigmoid", {}),
    "softmax": ("Softmax", {"axis": -1}),
    "gelu": ("Gelu", {}),
    "concat": ("Concat", {"axis": 1}),
    "global_avg_pool": ("GlobalAveragePool", {}),
    "max_pool": ("MaxPool", _POOL),
}


def knows_axes(p: Problem) -> bool:
    """Whether the QDQ model's op needs NCHW."""
    return isinstance(p, Conv) or (
        isinstance(p, Elementwise) and p.op in {"concat", "global_avg_pool", "max_pool"}
    )


def qdq_inputs(p: Problem) -> list[Array]:
    """The problem's inputs in the order of axes that `qdq_model` takes."""
    inputs = p.inputs if isinstance(p, Elementwise) else (p.a,)
    return [nchw(x) if knows_axes(p) else x for x in inputs]


def qdq_model(p: Problem) -> bytes:
    """Build QDQ; NCHW wherever an op knows axes."""
    w = _Writer()
    if isinstance(p, Elementwise):
        if p.op not in _QDQ_OPS:
            return integer_model(p)
        op, attributes = _QDQ_OPS[p.op]
        scale, zero_point = p.out_scale, p.out_zero_point
        if p.op == "max_pool":  # does not change the scale
            scale, zero_point = p.scales[0], p.zero_points[0]
        real = [w.node("DequantizeLinear", triple) for triple in _operands(w, p)]
        y = w.node(op, real, **attributes)
        w.node("QuantizeLinear", [y, *w.scalars(scale, zero_point)], "y")
        return w.model(qdq_inputs(p), p.expected)
    real = [w.dequantized("x0", p.a_scale, p.a_zero_point), w.per_channel(p.weight, p.weight_scale)]
    real.append(w.per_channel(p.bias, p.bias_scale))
    if isinstance(p, Gemm):
        y = w.node("Gemm", real, transB=1)
    else:
        y = w.node("Conv", real, **_conv_attributes(p))
    w.node("QuantizeLinear", [y, *w.scalars(p.out_scale, p.out_zero_point)], "y")
    return w.model(qdq_inputs(p), p.expected)


def float_model(p: Gemm | Conv) -> bytes:
    """Build float32, NCHW."""
    w = _Writer()
    scale = p.weight_scale.reshape(-1, *[1] * (p.weight.ndim - 1))
    weight, bias = w.constant(p.weight * scale), w.constant(p.bias_f32)
    if isinstance(p, Gemm):
        w.node("Gemm", ["x0", weight, bias], "y", transB=1)
        return w.model([p.real(p.a)], None)
    w.node("Conv", ["x0", weight, bias], "y", **_conv_attributes(p))
    return w.model([nchw(p.real(p.a))], None)
