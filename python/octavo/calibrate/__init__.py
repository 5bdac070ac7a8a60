"""Calibration: run a float model over sample data and observe the range of each tensor."""

from octavo.calibrate.histogram import Bins, Histogram
from octavo.calibrate.observer import (
    OBSERVERS,
    EntropyObserver,
    MaxObserver,
    MovingAverageObserver,
    MseObserver,
    Observer,
    PercentileObserver,
)
from octavo.calibrate.statistics import TensorStatistics

__all__ = [
    "OBSERVERS",
    "Bins",
    "EntropyObserver",
    "Histogram",
    "MaxObserver",
    "MovingAverageObserver",
    "MseObserver",
    "Observer",
    "PercentileObserver",
    "TensorStatistics",
]
