"""Operators on quantized tensors, rewritten as DequantizeLinear, float operator, QuantizeLinear.

That is how ONNX and ONNX Runtime define them. `fuse` then finds one form, whichever format the
tool that quantized the model wrote. What ConvInteger, MatMulInteger and DynamicQuantizeLinear say
is no such triple: `dynamic` handles those.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from octavo.graph.ir import Array, Graph, Node
from octavo.graph.new_names import NewNames

MICROSOFT_OPS = frozenset(
    {
        "DequantizeLinear",
        "DynamicQuantizeMatMul",
        "QGemm",
        "QLinearAdd",
        "QLinearAveragePool",
        "QLinearConcat",
        "QLinearGlobalAveragePool",
        "QLinearLeakyRelu",
        "QLinearMul",
        "QLinearSigmoid",
        "QLinearSoftmax",
        "QuantizeLinear",
    }
)
_BYTES = (np.uint8, np.int8)
# Operators that may stand on bytes by themselves, and return the same bytes elsewhere.
_ON_BYTES = frozenset(
    {
        "Concat",
        "Flatten",
        "Identity",
        "MaxPool",
        "Pad",
        "Reshape",
        "Slice",
        "Squeeze",
        "Transpose",
        "Unsqueeze",
    }
)


_QUANTIZED = MICROSOFT_OPS | {"ConvInteger", "DynamicQuantizeLinear", "MatMulInteger"}


def is_quantized(node: Node) -> bool:
    """Whether a node of a model as it was read works on quantized tensors."""
    return node.op in _QUANTIZED or node.op.startswith("QLinear")


def expand_qoperators(graph: Graph) -> None:
    """Rewrite every QLinear* and QGemm node, and pools and pads of bytes, in place."""
    expander = _Expander(graph)
    for node in graph.nodes:
        rule = _RULES.get(node.op)
        if rule is not None:
            expander.widen_scales(node)
        expander.keep(node) if rule is None else rule(expander, node)
    graph.nodes = expander.nodes


class _Expander:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.nodes: list[Node] = []
        self._new = NewNames(graph)
        self._byte_types = {v.name: v.dtype for v in graph.inputs if v.dtype in _BYTES}
        self._real: dict[tuple[str, ...], str] = {}  # DQ outputs by their inputs

    def keep(self, node: Node) -> None:
        """A node that stays; pools and pads of bytes get a DQ and Q of scale 1 around them."""
        dtype = self._byte_types.get(node.input(0))
        if node.op == "QuantizeLinear":
            zero = self.graph.constant(node, 2)
            dtype = np.dtype(np.uint8) if zero is None else zero.dtype
        elif dtype is None or node.op not in _ON_BYTES:
            self.nodes.append(node)
            return
        if node.op in ("MaxPool", "Pad"):
            params = self._constant(node, np.float32(1)), self._constant(node, dtype.type(0))
            real = self.dequantize(node, node.input(0), *params)
            value = self.graph.constant(node, 2)  # of a Pad
            inputs = [real, *node.inputs[1:]]
            if value is not None:
                inputs[2] = self._constant(node, value.astype(np.float32))
            self.emit(node, node.op, inputs, node.attrs, params)
            return
        self.nodes.append(node)
        self._byte_types[node.output] = dtype

    def dequantize(
        self, node: Node, x: str, scale: str, zero: str, *, axis: int | None = None
    ) -> str:
        """The output of a DQ of x, made once."""
        key = (x, scale, zero, str(axis))
        if key not in self._real or x in self.graph.initializers:
            out = self._new(f"{x}.real")
            # One scale is one for the whole tensor, whatever its shape.
            given = self.graph.initializers.get(scale)
            attrs = {} if axis is None or given is None or given.size == 1 else {"axis": axis}
            inputs = [x, scale, zero] if zero else [x, scale]
            self.nodes.append(Node("DequantizeLinear", node.name, inputs, [out], attrs))
            self._real[key] = out
        return self._real[key]

    def emit(
        self, node: Node, op: str, inputs: list[str], attrs: dict[str, Any], out: tuple[str, str]
    ) -> None:
        """The float operator and the Q behind it; without an output scale, it alone."""
        if not out[0]:
            self.nodes.append(Node(op, node.name, inputs, [node.output], attrs))
            return
        middle = self._new(f"{node.output}.float")
        name = node.name or node.output
        self.nodes.append(Node(op, name, inputs, [middle], attrs))
        params = [name for name in out if name]
        self.nodes.append(Node("QuantizeLinear", name, [middle, *params], [node.output]))
        zero = self.graph.initializers.get(out[1])
        self._byte_types[node.output] = np.dtype(np.uint8) if zero is None else zero.dtype

    def widen_scales(self, node: Node) -> None:
        """Scales in float16 become float32: they only scale bytes."""
        for index, name in enumerate(node.inputs):
            value = self.graph.initializers.get(name)
            if value is not None and value.dtype == np.float16:
                node.inputs[index] = self._constant(node, value.astype(np.float32))

    def bias(self, node: Node, name: str, a_scale: str, w_scale: str, factor: float = 1.0) -> str:
        """DQ of an int32 bias at activation scale x weight scale."""
        scales = [self.graph.initializers.get(n) for n in (a_scale, w_scale)]
        if name not in self.graph.initializers or scales[0] is None or scales[1] is None:
            raise node.unsupported("bias and scales must be constant")
        product = np.asarray(scales[0].reshape(()) * scales[1] * np.float32(factor), np.float32)
        scale = self._constant(node, product)
        return self.dequantize(node, name, scale, "", axis=0)

    def _constant(self, node: Node, value: Any) -> str:
        return self._new.constant(f"{node.output}.constant", np.asarray(value))


Rule = Callable[[_Expander, Node], None]


def _required(node: Node, count: int) -> None:
    if any(not node.input(index) for index in range(count)):
        raise node.invalid(f"has {len(node.inputs)} inputs; its first {count} are required")


def _matrix_axis(values: Array | None, transposed: bool = False) -> int:
    """The axis of the output columns in the second factor of a product."""
    return 0 if transposed else 1 if values is None else max(values.ndim - 1, 0)


def _conv(expander: _Expander, node: Node) -> None:
    _required(node, 8)
    x, xs, xz, w, ws, wz, ys, yz = node.inputs[:8]
    inputs = [expander.dequantize(node, x, xs, xz), expander.dequantize(node, w, ws, wz, axis=0)]
    if node.input(8):
        inputs.append(expander.bias(node, node.input(8), xs, ws))
    expander.emit(node, "Conv", inputs, node.attrs, (ys, yz))


def _matmul(expander: _Expander, node: Node) -> None:
    _required(node, 8)
    a, a_scale, az, b, bs, bz, ys, yz = node.inputs[:8]
    axis = _matrix_axis(expander.graph.initializers.get(b))
    inputs = [
        expander.dequantize(node, a, a_scale, az),
        expander.dequantize(node, b, bs, bz, axis=axis),
    ]
    expander.emit(node, "MatMul", inputs, node.attrs, (ys, yz))


def _gemm(expander: _Expander, node: Node) -> None:
    _required(node, 6)
    a, a_scale, az, b, bs, bz = node.inputs[:6]
    alpha = float(node.attrs.get("alpha", 1.0))
    transposed = bool(node.attrs.get("transB", 0))
    axis = _matrix_axis(expander.graph.initializers.get(b), transposed)
    inputs = [
        expander.dequantize(node, a, a_scale, az),
        expander.dequantize(node, b, bs, bz, axis=axis),
    ]
    if node.input(6):
        inputs.append(expander.bias(node, node.input(6), a_scale, bs, alpha))
    expander.emit(node, "Gemm", inputs, node.attrs, (node.input(7), node.input(8)))


def _binary(expander: _Expander, node: Node) -> None:
    _required(node, 5)
    inputs = [expander.dequantize(node, *node.inputs[i : i + 3]) for i in (0, 3)]
    op = node.op.removeprefix("QLinear")
    expander.emit(node, op, inputs, node.attrs, (node.input(6), node.input(7)))


def _unary(expander: _Expander, node: Node) -> None:
    """QLinear* of one tensor: x, its scale and zero point, those of the output."""
    _required(node, 2)
    attrs = {**node.attrs}
    if attrs.pop("channels_last", 0):
        raise node.unsupported("channels_last is not supported; planes first are")
    if node.op == "QLinearSoftmax" and attrs.pop("opset", 13) < 13:  # it flattened to two axes
        attrs.setdefault("axis", 1)
        attrs["flattens"] = True
    inputs = [expander.dequantize(node, *(node.input(i) for i in range(3)))]
    op = node.op.removeprefix("QLinear")
    expander.emit(node, op, inputs, attrs, (node.input(3), node.input(4)))


def _concat(expander: _Expander, node: Node) -> None:
    parts = node.inputs[2:]
    if not parts or len(parts) % 3:
        raise node.invalid(f"has {len(node.inputs)} inputs; needs 2 and then 3 per tensor")
    inputs = [expander.dequantize(node, *parts[i : i + 3]) for i in range(0, len(parts), 3)]
    expander.emit(node, "Concat", inputs, node.attrs, (node.input(0), node.input(1)))


_RULES: dict[str, Rule] = {
    "QGemm": _gemm,
    "QLinearAdd": _binary,
    "QLinearAveragePool": _unary,
    "QLinearConcat": _concat,
    "QLinearConv": _conv,
    "QLinearGlobalAveragePool": _unary,
    "QLinearLeakyRelu": _unary,
    "QLinearMatMul": _matmul,
    "QLinearMul": _binary,
    "QLinearSigmoid": _unary,
    "QLinearSoftmax": _unary,
}
