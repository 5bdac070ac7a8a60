"""How a tensor's values lie in the range its bytes cover."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octavo._checks import byte_range
from octavo.calibrate.observer import OBSERVERS, PercentileObserver, create_observer
from octavo.calibrate.statistics import TensorStatistics
from octavo.quantization import QuantParams
from octavo.report.networks import ByteTensor


@dataclass(frozen=True)
class TensorAnalysis:
    """A tensor's values over the data, and what rounding them to bytes costs.

    Parameters
    ----------
    name : str
        In the float network.
    params : QuantParams
        Of the int8 network.
    statistics : TensorStatistics
        The values in the float network, counted exactly; rescaled where channels are equalized.
    lo, hi : float
        The smallest and the largest real the bytes stand for.
    ranges : dict
        Calibration method -> the (lo, hi) that it draws from these values.
    noise : float
        Mean squared error of rounding the values to bytes; this and the two next are of the
        counted bins' centers, within 1/2048 of the values.
    clipped : float
        Share of `noise` that comes from values outside [lo, hi].
    saturated : float
        Share of the values that lie more than half a step outside [lo, hi].
    levels : int
        How many different bytes occur, of 256.
    reach : float
        The larger of -lo and hi, over the magnitude that 99.99% of the values keep below.
    crest : float
        The larger of -lo and hi, over the root mean square of the values.
    channel_spread : float
        The largest magnitude of all channels over the median channel's.
    """

    name: str
    params: QuantParams
    statistics: TensorStatistics
    lo: float
    hi: float
    ranges: dict[str, tuple[float, float]]
    noise: float
    clipped: float
    saturated: float
    levels: int
    reach: float
    crest: float
    channel_spread: float


class TensorRecord:
    """Takes in a tensor's float values, some samples at a time."""

    def __init__(self, tensor: ByteTensor) -> None:
        self.tensor = tensor
        self.statistics = TensorStatistics()
        self._used = np.zeros(256, np.bool_)
        self._channels: NDArray[np.float32] | None = None

    def update(self, x: NDArray[np.float32]) -> None:
        """Count some samples."""
        self.statistics.update(x)
        self._used[self.tensor.quantize(x).view(np.uint8)] = True
        if x.ndim < 2:
            return
        axis = 1 if x.ndim == 4 else x.ndim - 1
        others = tuple(i for i in range(x.ndim) if i != axis)
        reach = np.maximum(x.max(axis=others, initial=0.0), -x.min(axis=others, initial=0.0))
        seen = self._channels
        self._channels = reach if seen is None else np.maximum(seen, reach)

    @property
    def energy(self) -> float:
        """Mean of the squared values."""
        bins = self.statistics.histogram.bins()
        weights = bins.counts.astype(np.float64)
        return float(np.sum(bins.center**2 * weights) / weights.sum())

    def finish(self) -> TensorAnalysis:
        """Judge the values against the bytes' parameters."""
        name, params = self.tensor.name, self.tensor.params
        qmin, qmax = byte_range(params.dtype)
        scale, zero = float(params.scale), float(params.zero_point)
        bins = self.statistics.histogram.bins()
        counts = bins.counts.astype(np.float64)
        steps = np.rint(bins.center / scale) + zero
        q = np.clip(steps, qmin, qmax)
        errors = (bins.center - (q - zero) * scale) ** 2 * counts
        outside = steps != q
        noise, total = float(errors.sum()), float(counts.sum())
        ranges = {
            method: create_observer(method, name, statistics=self.statistics).range(params.dtype)
            for method in OBSERVERS
        }
        lo, hi = (qmin - zero) * scale, (qmax - zero) * scale
        most = max(map(abs, ranges[PercentileObserver.method]))
        return TensorAnalysis(
            name,
            params,
            self.statistics,
            lo,
            hi,
            ranges,
            noise / total,
            float(errors[outside].sum()) / noise if noise else 0.0,
            float(counts[outside].sum()) / total,
            int(np.count_nonzero(self._used)),
            max(-lo, hi) / most if most else math.inf,
            max(-lo, hi) / math.sqrt(self.energy) if self.energy else math.inf,
            self._channel_spread(),
        )

    def _channel_spread(self) -> float:
        if self._channels is None:
            return 1.0
        reach = self._channels[self._channels > 0]
        return float(reach.max() / np.median(reach)) if reach.size else 1.0
