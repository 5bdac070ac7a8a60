"""Calibration data in whatever form they come, as batches of named float32 arrays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sized
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from octavo.errors import CalibrationError
from octavo.graph.ir import Value

CalibrationData: TypeAlias = "NDArray[Any] | Mapping[str, NDArray[Any]] | Iterable[Any]"
Batch = dict[str, NDArray[np.float32]]


def total_of(data: CalibrationData) -> int | None:
    """How many items `items` will yield, where that is known before."""
    if isinstance(data, np.ndarray):
        return len(data) if data.ndim else None
    if isinstance(data, Mapping):
        return None
    return len(data) if isinstance(data, Sized) else None


def items(data: CalibrationData, inputs: list[Value]) -> Iterator[tuple[Batch, int]]:
    """Yield (batch, how many items of the data it is).

    One array, or one mapping of arrays, is a set of samples along axis 0. Of any other iterable,
    each item is an array (for a model with one input) or a mapping of names to arrays; it is one
    sample, or a batch of samples if it has one axis more.
    """
    if isinstance(data, np.ndarray):
        batch = _batch(data, inputs)
        yield batch, len(data)
    elif isinstance(data, Mapping):
        batch = _batch(data, inputs)
        yield batch, len(next(iter(batch.values())))
    elif isinstance(data, (str, bytes)) or not isinstance(data, Iterable):
        raise CalibrationError(
            "calibration_data must be an array, a mapping of names to arrays, or an iterable of "
            f"either, not {type(data).__name__}"
        )
    else:
        for item in data:
            yield _batch(item, inputs), 1


def split(batch: Batch, size: int) -> Iterator[Batch]:
    """Cut a batch into pieces of at most `size` samples."""
    count = len(next(iter(batch.values())))
    for start in range(0, count, size):
        yield {name: array[start : start + size] for name, array in batch.items()}


def _batch(item: Any, inputs: list[Value]) -> Batch:
    names = [value.name for value in inputs]
    if not isinstance(item, Mapping):
        if len(inputs) != 1:
            raise CalibrationError(
                f"calibration_data: the model has inputs {names}; give mappings of these names"
            )
        item = {names[0]: item}
    if set(item) != set(names):
        raise CalibrationError(
            f"calibration_data has arrays for {sorted(map(str, item))}; the inputs are {names}"
        )
    batch = {value.name: _array(value, item[value.name]) for value in inputs}
    counts = {name: len(array) for name, array in batch.items()}
    if len(set(counts.values())) != 1:
        raise CalibrationError(f"calibration_data: inputs differ in samples: {counts}")
    return batch


def _array(value: Value, given: Any) -> NDArray[np.float32]:
    array = np.asarray(given)
    what = f"calibration_data for input '{value.name}'"
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
            raise CalibrationError(f"{what} has shape {np.shape(given)}; expected {wanted}")
    if array.ndim == 0:
        raise CalibrationError(f"{what} is a scalar; it needs a batch axis")
    if not np.all(np.isfinite(array)):
        raise CalibrationError(f"{what} contains NaN or infinity")
    return np.ascontiguousarray(array, dtype=np.float32)
