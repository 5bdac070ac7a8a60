"""ONNX to `Graph`: from a path, bytes or a ModelProto; anything damaged is InvalidModelError."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped, unused-ignore]
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

from octavo.errors import InvalidArgumentError, InvalidModelError, UnsupportedModelError
from octavo.graph.ir import Array, Graph, Node, Value
from octavo.graph.limit import MemoryLimit, check_max_bytes
from octavo.graph.passes.qoperators import MICROSOFT_OPS
from octavo.graph.tensors import dtype_of, to_array

ModelLike: TypeAlias = "str | os.PathLike[str] | bytes | ModelProto"

MIN_OPSET = 6
MAX_FILE_BYTES = 2**31 - 1  # protobuf's own limit
MAX_CHECKED_BYTES = 65_536  # of a tensor that the ONNX checker gets to see
_STANDARD_DOMAINS = ("", "ai.onnx")


def load_graph(model: ModelLike, max_bytes: int | None = None) -> Graph:
    """Read and check a model.

    Parameters
    ----------
    model : path, bytes or onnx.ModelProto
        External data are read only for a path, and only from the model's own folder.
    max_bytes : int, optional
        Bounds the file's size, and all constants together.

    Raises
    ------
    InvalidModelError
        The file is damaged or contradicts itself.
    InvalidArgumentError
        It takes more than max_bytes.
    UnsupportedModelError
        An opset below 6, another domain's operator, or a data type octavo does not read.
    """
    check_max_bytes(max_bytes)
    limit = MemoryLimit(max_bytes)
    proto, folder = _parse(model, limit)
    opset = _opset(proto)
    try:
        onnx.checker.check_model(_without_large_data(proto, external=folder is not None))
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise InvalidModelError(f"model fails the ONNX checker: {_first_line(error)}") from error
    source = proto.graph
    if source.sparse_initializer:
        raise UnsupportedModelError("model has sparse initializers; octavo reads dense ones")
    initializers = {}
    for tensor in source.initializer:
        if tensor.name in initializers:
            raise InvalidModelError(f"initializer '{tensor.name}' is given twice")
        initializers[tensor.name] = to_array(tensor, folder, limit)
    graph = Graph(
        nodes=[_node(node, folder, limit) for node in source.node],
        initializers=initializers,
        inputs=[_value(info) for info in source.input if info.name not in initializers],
        outputs=[_value(info) for info in source.output],
        opset=opset,
        name=source.name or "graph",
        metadata={entry.key: entry.value for entry in proto.metadata_props},
        limit=limit,
    )
    _modernise(graph)
    graph.check()
    graph.sort()
    return graph


def _parse(model: ModelLike, limit: MemoryLimit) -> tuple[ModelProto, Path | None]:
    if isinstance(model, ModelProto):
        limit.check("model has", int(model.ByteSize()))
        return model, None
    if isinstance(model, (str, os.PathLike)):
        path = Path(model)
        if not path.is_file():
            raise InvalidArgumentError(f"model: no such file: '{path}'")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise InvalidModelError(f"model '{path}' has {size} bytes; at most {MAX_FILE_BYTES}")
        limit.check(f"model '{path}' has", size)
        content, folder = path.read_bytes(), path.resolve().parent
        shown = f"'{path}'"
    elif isinstance(model, bytes):
        limit.check("model has", len(model))
        content, folder, shown = model, None, "bytes"
    else:
        raise InvalidArgumentError(
            f"model must be a path, bytes or an onnx.ModelProto, not {type(model).__name__}"
        )
    proto = ModelProto()
    try:
        proto.ParseFromString(content)
    except (DecodeError, ValueError, RuntimeError) as error:
        reason = _first_line(error)
        raise InvalidModelError(f"model {shown} is not an ONNX file: {reason}") from error
    if not proto.HasField("graph"):
        raise InvalidModelError(f"model {shown} is not an ONNX file: it holds no graph")
    return proto, folder


def _opset(proto: ModelProto) -> int:
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    version = next((versions[d] for d in _STANDARD_DOMAINS if d in versions), None)
    if version is None:
        raise InvalidModelError("model imports no version of the standard ONNX operators")
    if version < MIN_OPSET:
        raise UnsupportedModelError(
            f"model uses opset {version}; octavo reads {MIN_OPSET} and later "
            "(onnx.version_converter.convert_version converts it)"
        )
    return int(version)


def _without_large_data(proto: ModelProto, *, external: bool) -> ModelProto:
    """Return a model the checker reads without opening other files or copying weights.

    `to_array` checks the tensors left out: large ones, and external ones if `external`.
    """

    def is_left_out(tensor: TensorProto) -> bool:
        if tensor.data_location == TensorProto.EXTERNAL:
            return external
        return int(tensor.ByteSize()) > MAX_CHECKED_BYTES

    left_out = [tensor for tensor in proto.graph.initializer if is_left_out(tensor)]
    if not left_out:
        return proto
    kept = [tensor for tensor in proto.graph.initializer if not is_left_out(tensor)]
    copy = ModelProto()
    for field, value in proto.ListFields():
        if field.name != "graph":
            _set_field(copy, field.name, value)
    for field, value in proto.graph.ListFields():
        if field.name != "initializer":
            _set_field(copy.graph, field.name, value)
    copy.graph.initializer.extend(kept)
    declared = {info.name for info in proto.graph.input}
    for tensor in left_out:
        if tensor.name in declared:
            continue
        # As an input of the same name and type it is still declared.
        info = copy.graph.input.add(name=tensor.name)
        info.type.tensor_type.elem_type = tensor.data_type
        for extent in tensor.dims:
            info.type.tensor_type.shape.dim.add(dim_value=extent)
    return copy


def _set_field(message: Any, name: str, value: Any) -> None:
    """Copy one field, of any kind, into an empty message."""
    if hasattr(value, "extend"):
        getattr(message, name).extend(value)
    elif hasattr(value, "CopyFrom"):
        getattr(message, name).CopyFrom(value)
    else:
        setattr(message, name, value)


def _node(proto: NodeProto, folder: Path | None, limit: MemoryLimit) -> Node:
    node = Node(proto.op_type, proto.name, list(proto.input), list(proto.output))
    known = proto.domain == "com.microsoft" and proto.op_type in MICROSOFT_OPS
    if proto.domain not in _STANDARD_DOMAINS and not known:
        raise node.unsupported(
            f"operators of domain '{proto.domain}' are not supported: {proto.op_type}"
        )
    if not node.outputs:
        raise node.invalid("has no outputs")
    for attribute in proto.attribute:
        node.attrs[attribute.name] = _attribute(node, attribute, folder, limit)
    return node


def _attribute(
    node: Node, attribute: AttributeProto, folder: Path | None, limit: MemoryLimit
) -> Any:
    if attribute.type == AttributeProto.TENSOR:
        return to_array(attribute.t, folder, limit)
    if attribute.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
        raise node.unsupported("control flow (a subgraph attribute) is not supported")
    if attribute.type == AttributeProto.STRING:
        return attribute.s.decode("utf-8", "replace")
    value = onnx.helper.get_attribute_value(attribute)
    return list(value) if attribute.type in (AttributeProto.INTS, AttributeProto.FLOATS) else value


def _value(info: ValueInfoProto) -> Value:
    what = f"graph input or output '{info.name}'"
    if not info.type.HasField("tensor_type"):
        raise UnsupportedModelError(f"{what} is not a tensor")
    tensor = info.type.tensor_type
    dtype = dtype_of(tensor.elem_type, what)
    if not tensor.HasField("shape"):
        return Value(info.name, dtype, None)
    shape: list[int | str | None] = []
    for dim in tensor.shape.dim:
        if dim.HasField("dim_value"):
            if dim.dim_value < 0:
                raise InvalidModelError(f"{what} has a negative extent: {dim.dim_value}")
            shape.append(int(dim.dim_value))
        else:
            shape.append(dim.dim_param or None)
    return Value(info.name, dtype, tuple(shape))


# Attributes that became inputs: (opset, operator) to names, in order of the inputs.
_BECAME_INPUTS: dict[tuple[int, str], tuple[str, ...]] = {
    (10, "Slice"): ("starts", "ends", "axes"),
    (11, "Clip"): ("min", "max"),
    (11, "Pad"): ("pads", "value"),
    (13, "Squeeze"): ("axes",),
    (13, "Unsqueeze"): ("axes",),
}


def _modernise(graph: Graph) -> None:
    """Rewrite what later opsets express differently, so that passes know one form."""
    for node in graph.nodes:
        for (opset, op), names in _BECAME_INPUTS.items():
            if graph.opset >= opset or node.op != op or len(node.inputs) > 1:
                continue
            for index, name in enumerate(names, 1):
                if name not in node.attrs:
                    continue
                value = node.attrs.pop(name)
                given = np.asarray(value, np.float32 if isinstance(value, float) else np.int64)
                node.inputs += [""] * (index + 1 - len(node.inputs))
                node.inputs[index] = _constant(graph, f"{node.output}.{name}", given)
        if graph.opset < 13 and node.op == "Softmax":  # it flattened to two axes
            node.attrs.setdefault("axis", 1)
            node.attrs["flattens"] = True
        if graph.opset < 7:
            _check_oldest(node)
        if node.op == "BatchNormalization" and not node.attrs.pop("spatial", 1):
            raise node.unsupported("statistics per pixel (spatial = 0) are not supported")


def _check_oldest(node: Node) -> None:
    """Refuse what operators did only before opset 7."""
    if node.op in ("Add", "Div", "Mul", "Pow", "Sub") and "axis" in node.attrs:
        raise node.unsupported("broadcasting along an axis (before opset 7) is not supported")
    if node.op in ("BatchNormalization", "Dropout") and not node.attrs.pop("is_test", 0):
        raise node.unsupported("training mode is not supported")


def _constant(graph: Graph, name: str, value: Array) -> str:
    while name in graph.initializers:
        name += "_"
    graph.initializers[name] = value
    return name


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
