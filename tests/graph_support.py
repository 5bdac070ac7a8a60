"""What the graph tests share: small models written node by node, and both runtimes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import octavo

Array = NDArray[Any]
_TYPES = {
    "float32": TensorProto.FLOAT,
    "uint8": TensorProto.UINT8,
    "int8": TensorProto.INT8,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
}


class Builder:
    """Collects nodes and constants; tensor names are made up where they do not matter."""

    def __init__(self, shape: Sequence[Any], *, opset: int = 17, dtype: str = "float32") -> None:
        self.opset = opset
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.inputs = [helper.make_tensor_value_info("input", _TYPES[dtype], list(shape))]
        self._count = 0

    def constant(self, value: Any, name: str = "") -> str:
        name = name or self._fresh("c")
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def add_input(self, name: str, shape: Sequence[Any]) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, list(shape)))
        return name

    def node(self, op: str, *inputs: str, outputs: int = 1, **attrs: Any) -> str:
        names = [self._fresh("t") for _ in range(outputs)]
        name = f"{op.lower()}_{self._count}"
        self.nodes.append(helper.make_node(op, list(inputs), names, name, **attrs))
        return names[0]

    def quantize(self, x: str, scale: float, zero_point: int, dtype: str = "uint8") -> str:
        return self.node("QuantizeLinear", x, *self._qparams(scale, zero_point, dtype))

    def dequantize(self, q: str, scale: float, zero_point: int, dtype: str = "uint8") -> str:
        return self.node("DequantizeLinear", q, *self._qparams(scale, zero_point, dtype))

    def qdq(self, x: str, scale: float, zero_point: int, dtype: str = "uint8") -> str:
        q = self.quantize(x, scale, zero_point, dtype)
        return self.dequantize(q, scale, zero_point, dtype)

    def weight(self, values: Array, scale: Any, zero_point: Any = None, axis: int = 0) -> str:
        """A quantized constant behind a DequantizeLinear."""
        scale = np.asarray(scale, np.float32)
        zero = np.zeros(scale.shape) if zero_point is None else np.asarray(zero_point)
        names = [self.constant(v) for v in (values, scale, zero.astype(values.dtype))]
        return self.node("DequantizeLinear", *names, **({"axis": axis} if scale.ndim else {}))

    def model(self, *outputs: str, dtypes: Sequence[str] = ()) -> onnx.ModelProto:
        types = [_TYPES[d] for d in dtypes] or [TensorProto.FLOAT] * len(outputs)
        outs = [
            helper.make_tensor_value_info(n, t, None) for n, t in zip(outputs, types, strict=True)
        ]
        graph = helper.make_graph(self.nodes, "g", self.inputs, outs, self.constants)
        opsets = [helper.make_opsetid("", self.opset)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        model = onnx.shape_inference.infer_shapes(model)  # an output must state its shape
        onnx.checker.check_model(model)
        return model

    def _qparams(self, scale: float, zero_point: int, dtype: str) -> list[str]:
        return [self.constant(np.float32(scale)), self.constant(np.array(zero_point, dtype))]

    def _fresh(self, stem: str) -> str:
        self._count += 1
        return f"{stem}{self._count}"


def unchecked(b: Builder, y: str) -> onnx.ModelProto:
    """A model whose shapes nobody inferred."""
    outputs = [helper.make_tensor_value_info(y, TensorProto.FLOAT, ["N"])]
    graph = helper.make_graph(b.nodes, "g", b.inputs, outputs, b.constants)
    opset = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opset, ir_version=8)


def ort_session(model: onnx.ModelProto, *, optimize: bool = True) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    if not optimize:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    content = model.SerializeToString()
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def ort_run(
    model: onnx.ModelProto, feeds: dict[str, Array], *, optimize: bool = True
) -> list[Array]:
    results: list[Array] = ort_session(model, optimize=optimize).run(None, feeds)
    return results


def both(model: onnx.ModelProto, **feeds: Array) -> tuple[list[Array], list[Array]]:
    """(octavo's results, ONNX Runtime's), of equal shapes and dtypes."""
    ours = octavo.Session(model).run(None, feeds)
    theirs = ort_run(model, feeds)
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
    return ours, theirs


def steps(model: onnx.ModelProto) -> list[str]:
    """The compiled steps, each as 'Conv+Relu:int8'."""
    return [f"{'+'.join(s.fused)}:{s.dtype}" for s in octavo.Session(model).describe()]


def expose_bytes(model: onnx.ModelProto) -> tuple[onnx.ModelProto, list[str]]:
    """A copy that also returns what every Q node computes, and the names of those tensors."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    zeros = {i.name: i for i in copy.graph.initializer}
    known = {o.name for o in copy.graph.output}
    names = []
    for node in copy.graph.node:
        if node.op_type != "QuantizeLinear" or node.input[0] in zeros:
            continue
        if node.output[0] not in known:
            elem = zeros[node.input[2]].data_type
            copy.graph.output.append(helper.make_tensor_value_info(node.output[0], elem, None))
            names.append(node.output[0])
    return onnx.shape_inference.infer_shapes(copy), names


def step_distance(a: Array, b: Array) -> int:
    """The largest difference between two byte tensors."""
    assert a.dtype == b.dtype
    return int(np.abs(a.astype(np.int32) - b.astype(np.int32)).max(initial=0))
