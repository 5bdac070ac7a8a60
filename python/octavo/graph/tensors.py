"""ONNX tensors to NumPy arrays, trusting nothing a file says about itself."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from octavo.errors import InvalidModelError, UnsupportedModelError
from octavo.graph.ir import Array

# data type -> (NumPy dtype, the field that holds the values when raw_data does not)
_FIELDS: dict[int, tuple[type[np.generic], str]] = {
    TensorProto.FLOAT: (np.float32, "float_data"),
    TensorProto.DOUBLE: (np.float64, "double_data"),
    TensorProto.FLOAT16: (np.float16, "int32_data"),
    TensorProto.INT8: (np.int8, "int32_data"),
    TensorProto.UINT8: (np.uint8, "int32_data"),
    TensorProto.INT32: (np.int32, "int32_data"),
    TensorProto.INT64: (np.int64, "int64_data"),
    TensorProto.BOOL: (np.bool_, "int32_data"),
}


def dtype_of(data_type: int, what: str) -> np.dtype[np.generic]:
    """The NumPy dtype of an ONNX data type; `what` names the tensor in the error."""
    if data_type not in _FIELDS:
        known = ", ".join(np.dtype(dtype).name for dtype, _ in _FIELDS.values())
        raise UnsupportedModelError(
            f"{what} has data type {_data_type_name(data_type)}; octavo reads {known}"
        )
    return np.dtype(_FIELDS[data_type][0])


def to_array(tensor: TensorProto, folder: Path | None) -> Array:
    """Return a tensor's values.

    `folder` is where a model file lies: external data are read from inside it only, and not at
    all when the model came as bytes.
    """
    what = f"tensor '{tensor.name}'"
    dtype = dtype_of(tensor.data_type, what)
    if any(extent < 0 for extent in tensor.dims):
        raise InvalidModelError(f"{what} has a negative extent: {list(tensor.dims)}")
    count = math.prod(tensor.dims)
    if tensor.data_location == TensorProto.EXTERNAL:
        content = _external_bytes(tensor, folder, count * dtype.itemsize)
        little_endian: Array = np.frombuffer(content, dtype=dtype.newbyteorder("<"))
        return little_endian.astype(dtype).reshape(tuple(tensor.dims))
    field = _FIELDS[tensor.data_type][1]
    if tensor.HasField("raw_data"):
        stored, needed, unit = len(tensor.raw_data), count * dtype.itemsize, "bytes"
    else:
        stored, needed, unit = len(getattr(tensor, field)), count, "values"
    if stored != needed:  # before anything is allocated from `dims`
        raise InvalidModelError(
            f"{what} of shape {list(tensor.dims)} needs {needed} {unit} and holds {stored}"
        )
    try:
        return np.array(numpy_helper.to_array(tensor), dtype=dtype)
    except (ValueError, TypeError, OverflowError) as error:
        raise InvalidModelError(f"{what} cannot be read: {error}") from error


def _external_bytes(tensor: TensorProto, folder: Path | None, needed: int) -> bytes:
    what = f"tensor '{tensor.name}'"
    if folder is None:
        raise InvalidModelError(
            f"{what} lies in another file; load the model by its path to read external data"
        )
    entries = {entry.key: entry.value for entry in tensor.external_data}
    location = entries.get("location", "")
    root = folder.resolve()
    try:
        path = (root / location).resolve()
        offset = int(entries.get("offset", 0))
        length = int(entries.get("length", needed))
    except (ValueError, OSError) as error:
        raise InvalidModelError(f"{what}: bad external data entry: {error}") from error
    if not location or Path(location).is_absolute() or not path.is_relative_to(root):
        raise InvalidModelError(f"{what}: external data '{location}' is outside the model's folder")
    if not path.is_file():
        raise InvalidModelError(f"{what}: external data file '{location}' does not exist")
    size = path.stat().st_size
    if length != needed or offset < 0 or offset + length > size:
        raise InvalidModelError(
            f"{what} needs {needed} bytes; its external data entry says {length} at offset "
            f"{offset} of a file of {size}"
        )
    with path.open("rb") as file:
        file.seek(offset)
        return bytes(file.read(length))


def _data_type_name(data_type: int) -> str:
    known = {int(value): str(name) for name, value in onnx.TensorProto.DataType.items()}
    return known.get(data_type, str(data_type))
