"""The exact distribution of a tensor's values, counted in bins of the float format itself.

A bin holds the float32 values that agree in sign, exponent and the first 10 bits of the mantissa:
1024 bins an octave, each less than a thousandth of its values wide. The bins are there before any
data are seen, so there is no range to discover and nothing to re-bin, and merging is adding
integers: any split of the data, any order, any number of threads or machines gives the same table.
Zeros, NaN and infinities are counted apart, and the exact extremes are kept beside.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from octavo import _core
from octavo._checks import float_array, invalid

SHIFT = 13
SIGN = np.uint32(1 << 18)  # of a key


class Summary(NamedTuple):
    """What is kept beside the bins; the extremes are of finite values, inf and -inf if none."""

    zeros: int
    nans: int
    positive_infinities: int
    negative_infinities: int
    min: float
    max: float
    smallest: int  # bits of the smallest magnitude that is not 0


@dataclass(frozen=True)
class Bins:
    """Non-empty bins by ascending value; zeros are a bin of their own.

    `low` and `high` are the smallest and the largest value that a bin could have seen, float32
    values kept as float64: those of the outermost bins are the exact extremes. `center` lies in
    the middle.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    counts: NDArray[np.uint64]

    @property
    def center(self) -> NDArray[np.float64]:
        """The value that stands for a bin: an error of at most 1/2048 of it."""
        return (self.low + self.high) / 2


class Histogram:
    """Counts of float32 values in bins of the float format.

    Examples
    --------
    >>> import numpy as np
    >>> histogram = Histogram()
    >>> histogram.update(np.float32([[0.0, 1.0, 2.5], [1.0, -3.0, np.nan]]))
    (array([ 0., -3.], dtype=float32), array([2.5, 1. ], dtype=float32))
    >>> histogram.count, histogram.summary.nans
    (5, 1)
    >>> histogram.bins().counts
    array([1, 1, 2, 1], dtype=uint64)
    >>> histogram.quantile(0.5)
    (1.0, 1.0009764432907104)
    """

    def __init__(self) -> None:
        self._core = _core.FloatHistogram()

    def update(self, array: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Count the values of an array whose first axis is that of samples.

        Returns
        -------
        lows, highs : ndarray of float32, shape (samples,)
            The finite extremes of each sample; inf and -inf for one without finite values.

        Raises
        ------
        InvalidDtypeError
            If `array` is not floating point. float16 and float64 are converted to float32.
        """
        values = float_array("array", array)
        samples = values.shape[0] if values.ndim else 1
        return self._core.update(values.reshape(samples, -1 if values.size else 0))

    def merge(self, other: Histogram) -> None:
        """Take in all that another histogram has counted."""
        self._core.merge(other._core)

    @property
    def summary(self) -> Summary:
        """What is kept beside the bins."""
        apart, lowest, highest, smallest = self._core.summary()
        return Summary(*apart, lowest, highest, smallest)

    @property
    def count(self) -> int:
        """The number of finite values."""
        return int(self._core.bins()[1].sum(dtype=np.uint64)) + self.summary.zeros

    def keys(self) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
        """Return (keys, counts) of the non-empty bins, by ascending key, zeros left out.

        A key is the top 19 bits of the values' float32 representation.
        """
        return self._core.bins()

    def add(self, keys: NDArray[np.uint32], counts: NDArray[np.uint64], summary: Summary) -> None:
        """Take in what `keys` and `summary` of another histogram gave."""
        apart = (*summary[:4],)
        self._core.add(keys, counts, apart, summary.min, summary.max, summary.smallest)

    def bins(self) -> Bins:
        """Return the non-empty bins in the order of their values."""
        keys, counts = self.keys()
        summary = self.summary
        split = int(np.searchsorted(keys, SIGN))
        inner, outer = _magnitudes(keys & (SIGN - np.uint32(1)))
        zero = [0.0] if summary.zeros else []
        low = np.concatenate([-outer[split:][::-1], zero, inner[:split]])
        high = np.concatenate([-inner[split:][::-1], zero, outer[:split]])
        zeros = np.array([summary.zeros] if summary.zeros else [], np.uint64)
        ordered = np.concatenate([counts[split:][::-1], zeros, counts[:split]])
        if low.size:
            low[0], high[-1] = summary.min, summary.max
        return Bins(low, high, ordered)

    def quantile(self, q: float, *, descending: bool = False) -> tuple[float, float]:
        """Bound a quantile from both sides.

        The element of rank ``ceil(q * n)`` (at least 1) of the n finite values in ascending order,
        which is ``np.quantile(values, q, method="inverted_cdf")``, lies in the returned interval.
        It is that of the element's bin, narrowed to the extremes: less than 1/1024 of its values
        wide, and a single value for zeros, for q = 0 and for q = 1.

        Parameters
        ----------
        q : float
            In 0..1.
        descending : bool, default False
            Count ranks from the largest value down: minus the quantile of the negated values.

        Returns
        -------
        low, high : float

        Raises
        ------
        InvalidArgumentError
            If `q` is outside 0..1, or nothing was counted.
        """
        if not 0.0 <= q <= 1.0:
            raise invalid("q", "a value in 0..1", q)
        bins = self.bins()
        cumulative = np.cumsum(bins.counts, dtype=np.uint64)
        if not cumulative.size:
            raise invalid("q", "a histogram with values", "an empty one")
        total = int(cumulative[-1])
        rank = min(max(math.ceil(total * q), 1), total)
        rank = total + 1 - rank if descending else rank
        if rank == 1:
            return float(bins.low[0]), float(bins.low[0])
        if rank == total:
            return float(bins.high[-1]), float(bins.high[-1])
        at = int(np.searchsorted(cumulative, np.uint64(rank)))
        return float(bins.low[at]), float(bins.high[at])

    def magnitudes(self) -> Histogram:
        """Return the histogram of the absolute values."""
        keys, counts = self.keys()
        summary = self.summary
        split = int(np.searchsorted(keys, SIGN))
        result = Histogram()
        largest = max(abs(summary.min), abs(summary.max)) if summary.min <= summary.max else -np.inf
        smallest = 0.0 if summary.zeros else float(np.uint32(summary.smallest).view(np.float32))
        apart = Summary(
            summary.zeros,
            summary.nans,
            summary.positive_infinities + summary.negative_infinities,
            0,
            smallest if largest >= 0 else np.inf,
            largest,
            summary.smallest,
        )
        result.add(keys[:split], counts[:split], apart)
        nothing = Histogram().summary
        result.add(keys[split:] - SIGN, counts[split:], nothing)
        return result

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        keys, counts = self.keys()
        other_keys, other_counts = other.keys()
        same = np.array_equal(keys, other_keys) and np.array_equal(counts, other_counts)
        return same and self.summary == other.summary

    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> tuple[NDArray[np.uint32], NDArray[np.uint64], Summary]:
        return (*self.keys(), self.summary)

    def __setstate__(self, state: tuple[NDArray[np.uint32], NDArray[np.uint64], Summary]) -> None:
        self.__init__()  # type: ignore[misc]
        self.add(*state)


def _magnitudes(keys: NDArray[np.uint32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smallest and the largest magnitude of each bin; 0 is in none."""
    first = keys << np.uint32(SHIFT)
    last = first | np.uint32((1 << SHIFT) - 1)
    first = np.maximum(first, np.uint32(1))
    return first.view(np.float32).astype(np.float64), last.view(np.float32).astype(np.float64)
