"""Calibration data in whatever form they come, as batches of named float32 arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from octavo._dlpack import imported
from octavo.errors import CalibrationError
from octavo.graph.ir import Value

CalibrationData: TypeAlias = "NDArray[Any] | Mapping[str, NDArray[Any]] | Iterable[Any]"
Batch = dict[str, NDArray[np.float32]]
LABELS = ("label", "labels")  # entries of mappings that no model reads


def total_of(data: CalibrationData) -> int | None:
    """How many items `items` will yield, where that is known before."""
    if isinstance(data, np.ndarray):
        return len(data) if data.ndim else None
    if isinstance(data, Mapping):
        return None
    try:
        return len(data) if isinstance(data, Sized) else None
    except TypeError:  # a loader of a stream
        return None


def items(data: CalibrationData, inputs: list[Value]) -> Iterator[tuple[Batch, int]]:
    """Yield (batch, how many items of the data it is).

    One array, or one mapping of arrays, is a set of samples along axis 0. Of any other iterable, or
    object with a length and items by index, each item is one sample, or a batch of samples if it
    has one axis more:

    - an array, for a model with one input;
    - a mapping of the inputs' names to arrays; "label" and "labels" are left out;
    - a tuple (or, of batches, a list) of arrays in the order of the inputs; what follows them is
      left out: ``(x, y)`` is x.

    Tensors of other libraries count as arrays.
    """
    if isinstance(data, np.ndarray) or _is_tensor(data):
        array = _plain(data)
        yield _batch(array, inputs), len(array) if array.ndim else 1
    elif isinstance(data, Mapping):
        batch = _batch(data, inputs)
        yield batch, len(next(iter(batch.values())))
    else:
        for item in _each(data):
            yield _batch(item, inputs), 1


def _each(data: Any) -> Iterator[Any]:
    if not isinstance(data, (str, bytes)):
        if isinstance(data, Iterable):
            yield from data
            return
        if isinstance(data, Sized) and hasattr(data, "__getitem__"):  # no end by IndexError needed
            yield from (data[index] for index in range(len(data)))
            return
    raise CalibrationError(
        "calibration_data must be an array, a mapping of names to arrays, or an iterable of "
        f"either or of tuples (x, y), not {type(data).__name__}"
    )


def split(batch: Batch, size: int) -> Iterator[Batch]:
    """Cut a batch into pieces of at most `size` samples."""
    count = len(next(iter(batch.values())))
    for start in range(0, count, size):
        yield {name: array[start : start + size] for name, array in batch.items()}


def _batch(item: Any, inputs: list[Value]) -> Batch:
    names = [value.name for value in inputs]
    if isinstance(item, Mapping):
        item = {key: item[key] for key in item if key in names or key not in LABELS}
    elif _is_record(item, inputs):
        item = dict(zip(names, item, strict=False))
    elif len(inputs) == 1:
        item = {names[0]: item}
    else:
        raise CalibrationError(
            f"calibration_data: the model has inputs {names}; give mappings of these names"
        )
    if set(item) != set(names):
        raise CalibrationError(
            f"calibration_data has arrays for {sorted(map(str, item))}; the inputs are {names}"
        )
    batch = {value.name: _array(value, item[value.name]) for value in inputs}
    counts = {name: len(array) for name, array in batch.items()}
    if len(set(counts.values())) != 1:
        raise CalibrationError(f"calibration_data: inputs differ in samples: {counts}")
    return batch


def _is_record(item: Any, inputs: list[Value]) -> bool:
    """Whether an item is several arrays and not one, written as a sequence of its rows.

    A list of arrays of one shape that has no batch axis is a batch of samples.
    """
    if not isinstance(item, (tuple, list)) or not item or not _is_array(item[0]):
        return False
    first, shape = np.shape(item[0]), inputs[0].shape
    if not first:
        return False
    if isinstance(item, tuple) or len(inputs) > 1:
        return True
    alike = all(_is_array(part) and np.shape(part) == first for part in item)
    return not alike or (shape is not None and len(first) == len(shape))


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or _is_tensor(value)


def _is_tensor(value: Any) -> bool:
    """Whether a value is another library's array; PyTorch need not be there to tell."""
    return (
        not isinstance(value, np.ndarray)
        and (hasattr(value, "__array__") or hasattr(value, "__dlpack__"))
        and hasattr(value, "shape")
    )


def _plain(value: Any) -> NDArray[Any]:
    """A value as NumPy's array: off the graph and the device it is on, if it says how."""
    for step in ("detach", "cpu"):
        move = getattr(value, step, None)
        value = move() if callable(move) else value
    if str(getattr(value, "dtype", "")) == "torch.bfloat16":  # which NumPy lacks
        value = value.float()
    return np.asarray(imported("calibration_data", value))


def _array(value: Value, given: Any) -> NDArray[np.float32]:
    what = f"calibration_data for input '{value.name}'"
    try:
        array = _plain(given)
    except ValueError as error:
        raise CalibrationError(f"{what} is no array: its parts differ in shape") from error
    given_shape = array.shape
    if array.dtype.kind != "f":
        raise CalibrationError(
            f"{what} has dtype {array.dtype}; expected float32, preprocessed as for inference"
        )
    shape = value.shape
    if shape is not None:
        if array.ndim == len(shape) - 1:
            array = array[np.newaxis]
        wanted = "(" + ", ".join("?" if n is None else str(n) for n in shape) + ")"
        fits = array.ndim == len(shape) and all(
            not isinstance(n, int) or n == m
            for n, m in zip(shape[1:], array.shape[1:], strict=True)
        )
        if not fits:
            raise CalibrationError(f"{what} has shape {given_shape}; expected {wanted}")
    if array.ndim == 0:
        raise CalibrationError(f"{what} is a scalar; it needs a batch axis")
    if not np.all(np.isfinite(array)):
        raise CalibrationError(f"{what} contains NaN or infinity")
    return np.ascontiguousarray(array, dtype=np.float32)
