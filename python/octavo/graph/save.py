"""`Graph` to ONNX."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from octavo.errors import InvalidModelError
from octavo.graph.ir import Array, Graph, Node, Value

OPSET = 17
IR_VERSION = 8  # of opset 17's time, so that older runtimes read the file

_BLOCKS_OPSET = 21
_TYPE_OPSETS = {"int16": 21, "uint16": 21, "int4": 21, "uint4": 21, "int2": 25, "uint2": 25}


def _opset_of(dtype: np.dtype[np.generic]) -> int:
    """The first opset whose DequantizeLinear takes a type."""
    return _TYPE_OPSETS.get(dtype.name, OPSET)


def save_graph(graph: Graph, producer_version: str = "") -> onnx.ModelProto:
    """Return a ModelProto that passes the full checker.

    Its opset is 17, the graph's own if that is later, or the first that has the graph's types.
    """
    opset = max(
        graph.opset, OPSET, *(_opset_of(value.dtype) for value in graph.initializers.values())
    )
    if any(node.attrs.get("block_size") for node in graph.nodes):
        opset = max(opset, _BLOCKS_OPSET)
    # onnx writes bool and None dimensions as they are; names of unknown extents are kept.
    proto = helper.make_graph(
        [_node(node) for node in graph.nodes],
        graph.name,
        [_value_info(value) for value in graph.inputs],
        [_value_info(value) for value in graph.outputs],
        [numpy_helper.from_array(_native(v), name) for name, v in graph.initializers.items()],
    )
    model = helper.make_model(
        proto,
        opset_imports=[helper.make_opsetid("", opset)],
        producer_name="octavo",
        producer_version=producer_version,
    )
    model.ir_version = max(IR_VERSION, helper.find_min_ir_version_for(model.opset_import, True))
    for key, text in graph.metadata.items():
        model.metadata_props.add(key=key, value=text)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise InvalidModelError(f"the model does not pass the ONNX checker: {error}") from error
    return model


def _node(node: Node) -> onnx.NodeProto:
    if node.attrs.get("flattens"):
        raise node.unsupported(
            f"Softmax over flattened axes (before opset 13) cannot be written at opset {OPSET}"
        )
    attrs = {k: v for k, v in node.attrs.items() if k != "flattens"}
    tensors = {k: numpy_helper.from_array(v) for k, v in attrs.items() if isinstance(v, np.ndarray)}
    return helper.make_node(node.op, node.inputs, node.outputs, node.name, **{**attrs, **tensors})


def _value_info(value: Value) -> onnx.ValueInfoProto:
    elem_type: TensorProto.DataType = helper.np_dtype_to_tensor_dtype(value.dtype)
    return helper.make_tensor_value_info(value.name, elem_type, value.shape)


def _native(array: Array) -> Array:
    return np.ascontiguousarray(array) if array.ndim else array
