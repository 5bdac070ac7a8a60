"""All that calibration remembers of a tensor; every method's range follows from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.calibrate.histogram import Histogram

# Every float32 is a multiple of 2**-149: sums of integers are exact, in any order.
UNITS = 2.0**149


class TensorStatistics:
    """The histogram of a tensor's values, and the sums of its samples' extremes.

    Both are kept as integers, so the state does not depend on how the data were cut into batches,
    on their order, or on what was seen by whom and merged. Memory is bounded by the float format:
    about half a megabyte for activations of a network, 4 MB for values of every magnitude there is.

    Examples
    --------
    >>> import numpy as np
    >>> statistics = TensorStatistics()
    >>> statistics.update(np.float32([[1, 2], [3, -1]]))
    >>> statistics.samples, statistics.mean_extremes()
    (2, (0.0, 2.5))
    """

    def __init__(self) -> None:
        self.histogram = Histogram()
        self.samples = 0
        self.low_sum = 0  # of the samples' minima, in units of 2**-149
        self.high_sum = 0

    def update(self, array: NDArray[Any]) -> None:
        """Take in samples along the first axis. NaN and infinities are counted, no more."""
        lows, highs = self.histogram.update(array)
        valid = lows <= highs
        self.samples += int(np.count_nonzero(valid))
        self.low_sum += _exact_sum(lows[valid])
        self.high_sum += _exact_sum(highs[valid])

    def merge(self, other: TensorStatistics) -> None:
        """Take in all that another one has seen."""
        samples, low_sum, high_sum = other.samples, other.low_sum, other.high_sum
        self.histogram.merge(other.histogram)
        self.samples += samples
        self.low_sum += low_sum
        self.high_sum += high_sum

    def mean_extremes(self) -> tuple[float, float]:
        """Return the means over samples of a sample's minimum and of its maximum."""
        units = self.samples << 149
        return self.low_sum / units, self.high_sum / units

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TensorStatistics):
            return NotImplemented
        return vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]


def _exact_sum(values: NDArray[np.float32]) -> int:
    return sum(map(int, (values.astype(np.float64) * UNITS).tolist()))
