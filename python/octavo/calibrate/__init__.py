"""Calibration: run a float model over sample data and observe the range of each tensor."""

from octavo.calibrate.calibration import Calibration
from octavo.calibrate.histogram import Bins, Histogram
from octavo.calibrate.observer import (
    OBSERVERS,
    EntropyObserver,
    MaxObserver,
    MovingAverageObserver,
    MseObserver,
    Observer,
    PercentileObserver,
    create_observer,
)
from octavo.calibrate.statistics import TensorStatistics

__all__ = [
    "OBSERVERS",
    "Bins",
    "Calibration",
    "EntropyObserver",
    "Histogram",
    "MaxObserver",
    "MovingAverageObserver",
    "MseObserver",
    "Observer",
    "PercentileObserver",
    "TensorStatistics",
    "create_observer",
]
