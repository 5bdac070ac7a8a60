"""Observers: what is remembered of a tensor's values, and the parameters that follow from it.

An observer sees a tensor in pieces. Its result does not depend on how the pieces are cut, in which
order they come, on threads, or on how many observers saw a part each and were merged. All of them
remember the same (`TensorStatistics`): one pass over the data serves every method.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import DTypeLike, NDArray

from octavo._checks import byte_range, invalid
from octavo.calibrate.search import Levels, entropy_range, mse_range, squared_errors
from octavo.calibrate.statistics import TensorStatistics
from octavo.errors import CalibrationError, InvalidArgumentError
from octavo.quantization import QuantParams, choose_qparams
from octavo.schemes import INTEGER_RANGES, integer_type

DEFAULT_PERCENTILE = 99.99
MOST_LEVELS = 256  # that ranges are searched for


class Observer:
    """What the methods have in common; a method is a subclass with `_interval`.

    Parameters
    ----------
    name : str, optional
        The tensor's name, for messages.
    statistics : TensorStatistics, optional
        What was seen before, maybe by an observer of another method. Not copied.
    """

    method: ClassVar[str]

    def __init__(self, name: str = "", *, statistics: TensorStatistics | None = None) -> None:
        self.name = name
        self.statistics = TensorStatistics() if statistics is None else statistics

    def update(self, array: NDArray[Any]) -> None:
        """Take in some of the tensor's values, samples along the first axis.

        Raises
        ------
        CalibrationError
            If a value is NaN or infinite; it was counted, and `range` will refuse as well.
        """
        self.statistics.update(array)
        self._check_finite()

    def merge(self, other: Observer) -> None:
        """Take in all that another observer has seen."""
        self.statistics.merge(other.statistics)

    def range(self, dtype: DTypeLike = "uint8", symmetric: bool = False) -> tuple[float, float]:
        """Return the interval [lo, hi] to represent; it contains 0.

        Parameters
        ----------
        dtype : str, default "uint8"
            A key of `octavo.schemes.INTEGER_RANGES`.
        symmetric : bool, default False

        Raises
        ------
        CalibrationError
            If nothing was seen, or something that is not finite.
        """
        self._check_finite()
        found = self.statistics.histogram.summary
        if found.min > found.max:
            raise CalibrationError(f"calibration: no values of tensor '{self.name}' were seen")
        lo, hi = min(found.min, 0.0), max(found.max, 0.0)
        levels = Levels(*INTEGER_RANGES[integer_type("dtype", dtype)], symmetric)
        if lo == hi:
            return lo, hi
        low, high = self._interval(lo, hi, levels)
        return max(lo, min(low, 0.0)), min(hi, max(high, 0.0))

    def compute(self, dtype: DTypeLike = "uint8", symmetric: bool = False) -> QuantParams:
        """Return the parameters for `range`; errors are the same."""
        lo, hi = self.range(dtype, symmetric)
        return choose_qparams(lo, hi, dtype=dtype, symmetric=symmetric)

    def error(self, params: QuantParams) -> float:
        """Return the mean squared error that quantizing what was seen would cost.

        Values count as the centers of their bins, which are within 1/2048 of them.
        """
        levels = Levels(*byte_range(params.dtype), symmetric=False)
        scale, zero = np.array([params.scale]), np.array([float(params.zero_point)])
        return float(squared_errors(self.statistics.histogram.bins(), scale, zero, levels)[0])

    def _interval(self, lo: float, hi: float, levels: Levels) -> tuple[float, float]:
        raise NotImplementedError

    def _check_finite(self) -> None:
        found = self.statistics.histogram.summary
        kinds = (
            (found.nans, "nan"),
            (found.positive_infinities, "inf"),
            (found.negative_infinities, "-inf"),
        )
        bad = [f"{what} ({count} times)" for count, what in kinds if count]
        if bad:
            raise CalibrationError(f"calibration: tensor '{self.name}' contains {', '.join(bad)}")


class MaxObserver(Observer):
    """Exact minimum and maximum: the range covers every value seen.

    Examples
    --------
    >>> observer = MaxObserver("x")
    >>> observer.update(np.float32([-1.0, 0.5]))
    >>> observer.update(np.float32([1.55]))
    >>> observer.compute()
    QuantParams(scale=0.009999999776482582, zero_point=100, dtype='uint8')
    """

    method = "max"

    def _interval(self, lo: float, hi: float, levels: Levels) -> tuple[float, float]:
        return lo, hi


class PercentileObserver(Observer):
    """A percentile of the values instead of their maximum: rare outliers saturate.

    Affine: the p-th percentile from below and from above. Symmetric: the p-th percentile of the
    magnitudes, both ways. A percentile is the element of rank ``ceil(p / 100 * n)``, that of
    ``np.quantile(method="inverted_cdf")``; the end of the range is the far end of the bin that this
    element is in, so that it is covered: at most 1/1024 beyond it, and never beyond the extremes.
    With ``percentile=100`` the range is that of `MaxObserver`.

    Parameters
    ----------
    percentile : float, default 99.99
        In 50..100.

    Examples
    --------
    >>> observer = PercentileObserver("x", percentile=99)
    >>> observer.update(np.arange(1, 101, dtype=np.float32))
    >>> observer.range()
    (0.0, 99.06249237060547)
    """

    method = "percentile"

    def __init__(
        self,
        name: str = "",
        *,
        percentile: float = DEFAULT_PERCENTILE,
        statistics: TensorStatistics | None = None,
    ) -> None:
        super().__init__(name, statistics=statistics)
        if not 50.0 <= percentile <= 100.0:
            raise invalid("percentile", "a value in 50..100", percentile)
        self.percentile = float(percentile)

    def _interval(self, lo: float, hi: float, levels: Levels) -> tuple[float, float]:
        histogram, q = self.statistics.histogram, self.percentile / 100.0
        if levels.symmetric:
            _, reach = histogram.magnitudes().quantile(q)
            return -reach, reach
        return histogram.quantile(q, descending=True)[0], histogram.quantile(q)[1]


class EntropyObserver(Observer):
    """The range that keeps the distribution best, by Kullback-Leibler divergence.

    See `octavo.calibrate.search.divergences`; zeros are left out. Of 16-bit integers the range is
    that of `MaxObserver`: there are more levels than bins to compare.

    Examples
    --------
    >>> observer = EntropyObserver("x")
    >>> observer.update(np.float32([*np.random.default_rng(0).standard_normal(100_000), 30.0]))
    >>> 3.0 < observer.range()[1] < 5.0
    True
    """

    method = "entropy"

    def _interval(self, lo: float, hi: float, levels: Levels) -> tuple[float, float]:
        if levels.qmax - levels.qmin > MOST_LEVELS:
            return lo, hi
        return entropy_range(self.statistics.histogram.bins(), lo, hi, levels)


class MseObserver(Observer):
    """The range with the least mean squared error of quantized values.

    Of 16-bit integers it is that of `MaxObserver`, which loses next to nothing.

    Examples
    --------
    >>> observer = MseObserver("x")
    >>> observer.update(np.float32([*np.linspace(-1, 1, 100_000), 8.0]))
    >>> lo, hi = observer.range()
    >>> -1.0 <= lo < -0.99, 1.0 < hi < 8.0
    (True, True)
    """

    method = "mse"

    def _interval(self, lo: float, hi: float, levels: Levels) -> tuple[float, float]:
        if levels.qmax - levels.qmin > MOST_LEVELS:
            return lo, hi
        return mse_range(self.statistics.histogram.bins(), lo, hi, levels)


class MovingAverageObserver(Observer):
    """The mean over samples of a sample's minimum and of its maximum.

    Elsewhere a moving average weighs batches by ``momentum``, so its result depends on the batch
    size and on the order of the data. Here every sample (along the first axis) weighs the same and
    the sums are exact: the result depends on neither.

    Examples
    --------
    >>> observer = MovingAverageObserver("x")
    >>> observer.update(np.float32([[0, 1], [-1, 2], [0.25, 6]]))
    >>> observer.range()
    (-0.25, 3.0)
    """

    method = "moving_average"

    def _interval(self, lo: float, hi: float, levels: Levels) -> tuple[float, float]:
        return self.statistics.mean_extremes()


# A further method is one more row.
OBSERVERS: dict[str, type[Observer]] = {
    kind.method: kind
    for kind in (
        MaxObserver,
        PercentileObserver,
        EntropyObserver,
        MseObserver,
        MovingAverageObserver,
    )
}


def observer_type(method: str) -> type[Observer]:
    """The observer of a calibration method."""
    if method not in OBSERVERS:
        raise InvalidArgumentError(f"method must be one of {sorted(OBSERVERS)}, got {method!r}")
    return OBSERVERS[method]


def create_observer(
    method: str,
    name: str = "",
    *,
    percentile: float | None = None,
    statistics: TensorStatistics | None = None,
) -> Observer:
    """Return an observer for a tensor; `percentile` is for that method alone."""
    kind = observer_type(method)
    if issubclass(kind, PercentileObserver):
        wanted = DEFAULT_PERCENTILE if percentile is None else percentile
        return kind(name, percentile=wanted, statistics=statistics)
    if percentile is not None:
        raise invalid("percentile", f"None, for method {method!r}", percentile)
    return kind(name, statistics=statistics)
