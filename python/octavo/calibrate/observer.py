"""Observers: what is remembered of a tensor's values, and the parameters that follow from it.

An observer sees a tensor in pieces. Its result must not depend on how the pieces are cut, in
which order they come, or on how many observers saw a part each and were merged.
"""

from __future__ import annotations

import math
from typing import Any, Protocol

import numpy as np
from numpy.typing import DTypeLike, NDArray

from octavo.errors import CalibrationError, InvalidArgumentError
from octavo.quantization import QuantParams, choose_qparams


class Observer(Protocol):
    """What every calibration method provides. `name` is the tensor, for messages."""

    def __init__(self, name: str = "") -> None: ...

    def update(self, array: NDArray[Any]) -> None:
        """Take in some of the tensor's values."""

    def merge(self, other: Any) -> None:
        """Take in all that another observer of the same kind has seen."""

    def compute(self, dtype: DTypeLike = "uint8", symmetric: bool = False) -> QuantParams:
        """The quantization parameters for what was seen."""


class MaxObserver:
    """Exact minimum and maximum: the range covers every value seen.

    Parameters
    ----------
    name : str, optional
        The tensor's name, for messages.

    Examples
    --------
    >>> observer = MaxObserver("x")
    >>> observer.update(np.float32([-1.0, 0.5]))
    >>> observer.update(np.float32([1.55]))
    >>> observer.compute()
    QuantParams(scale=0.009999999776482582, zero_point=100, dtype='uint8')
    """

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.lo = math.inf
        self.hi = -math.inf

    def update(self, array: NDArray[Any]) -> None:
        """Take in some of the tensor's values.

        Raises
        ------
        CalibrationError
            If a value is NaN or infinite.
        """
        if array.size == 0:
            return
        lo, hi = float(np.min(array)), float(np.max(array))
        if not (math.isfinite(lo) and math.isfinite(hi)):
            bad = array[~np.isfinite(array)].reshape(-1)[0]
            raise CalibrationError(f"calibration: tensor '{self.name}' contains {bad}")
        self.lo, self.hi = min(self.lo, lo), max(self.hi, hi)

    def merge(self, other: MaxObserver) -> None:
        """Take in all that another observer has seen."""
        self.lo, self.hi = min(self.lo, other.lo), max(self.hi, other.hi)

    def compute(self, dtype: DTypeLike = "uint8", symmetric: bool = False) -> QuantParams:
        """Return the parameters whose range covers all values seen, and 0.

        Raises
        ------
        CalibrationError
            If nothing was seen.
        """
        if self.lo > self.hi:
            raise CalibrationError(f"calibration: no values of tensor '{self.name}' were seen")
        return choose_qparams(self.lo, self.hi, dtype=dtype, symmetric=symmetric)


# A further method is one more row.
OBSERVERS: dict[str, type[Observer]] = {"max": MaxObserver}


def observer_type(method: str) -> type[Observer]:
    """The observer of a calibration method."""
    if method not in OBSERVERS:
        raise InvalidArgumentError(f"method must be one of {sorted(OBSERVERS)}, got {method!r}")
    return OBSERVERS[method]
