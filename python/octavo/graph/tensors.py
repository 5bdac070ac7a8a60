"""ONNX tensors to NumPy arrays, trusting nothing a file says about itself."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from octavo.errors import InvalidModelError, UnsupportedModelError
from octavo.graph.ir import Array
from octavo.graph.limit import MemoryLimit

# By ONNX's name of the data type: NumPy dtype, the field that holds the values when raw_data does
# not, values per byte.
_KNOWN: dict[str, tuple[type[np.generic], str, int]] = {
    "FLOAT": (np.float32, "float_data", 1),
    "DOUBLE": (np.float64, "double_data", 1),
    "FLOAT16": (np.float16, "int32_data", 1),
    "INT8": (np.int8, "int32_data", 1),
    "UINT8": (np.uint8, "int32_data", 1),
    "INT16": (np.int16, "int32_data", 1),
    "UINT16": (np.uint16, "int32_data", 1),
    "INT4": (ml_dtypes.int4, "int32_data", 2),
    "UINT4": (ml_dtypes.uint4, "int32_data", 2),
    "INT2": (ml_dtypes.int2, "int32_data", 4),
    "UINT2": (ml_dtypes.uint2, "int32_data", 4),
    "INT32": (np.int32, "int32_data", 1),
    "INT64": (np.int64, "int64_data", 1),
    "BOOL": (np.bool_, "int32_data", 1),
}
# An older onnx does not know all of them.
_FIELDS = {number: _KNOWN[name] for name, number in TensorProto.DataType.items() if name in _KNOWN}
# What a quantized tensor may be, and its least and largest value.
INTEGERS: dict[np.dtype[Any], tuple[int, int]] = {
    np.dtype(np.int8): (-128, 127),
    np.dtype(np.uint8): (0, 255),
    np.dtype(np.int16): (-32768, 32767),
    np.dtype(np.uint16): (0, 65535),
    np.dtype(ml_dtypes.int4): (-8, 7),
    np.dtype(ml_dtypes.uint4): (0, 15),
    np.dtype(ml_dtypes.int2): (-2, 1),
    np.dtype(ml_dtypes.uint2): (0, 3),
}


def dtype_of(data_type: int, what: str) -> np.dtype[np.generic]:
    """The NumPy dtype of an ONNX data type; `what` names the tensor in the error."""
    if data_type not in _FIELDS:
        known = ", ".join(np.dtype(dtype).name for dtype, *_ in _FIELDS.values())
        raise UnsupportedModelError(
            f"{what} has data type {_data_type_name(data_type)}; octavo reads {known}"
        )
    return np.dtype(_FIELDS[data_type][0])


def to_array(tensor: TensorProto, folder: Path | None, limit: MemoryLimit) -> Array:
    """Return a tensor's values.

    `folder` is where a model file lies: external data are read from inside it only, and not at
    all when the model came as bytes. `limit` counts the bytes before they are allocated.
    """
    what = f"tensor '{tensor.name}'"
    dtype = dtype_of(tensor.data_type, what)
    if any(extent < 0 for extent in tensor.dims):
        raise InvalidModelError(f"{what} has a negative extent: {list(tensor.dims)}")
    count = math.prod(tensor.dims)
    limit.take(what, count * dtype.itemsize)
    _, field, packed = _FIELDS[tensor.data_type]
    if tensor.data_location == TensorProto.EXTERNAL:
        if packed > 1:
            raise UnsupportedModelError(f"{what}: {dtype} in another file is not supported")
        content = _external_bytes(tensor, folder, count * dtype.itemsize)
        little_endian: Array = np.frombuffer(content, dtype=dtype.newbyteorder("<"))
        return little_endian.astype(dtype).reshape(tuple(tensor.dims))
    if tensor.HasField("raw_data"):
        needed = -(-count // packed) if packed > 1 else count * dtype.itemsize
        stored, unit = len(tensor.raw_data), "bytes"
    else:
        stored, needed, unit = len(getattr(tensor, field)), -(-count // packed), "values"
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
