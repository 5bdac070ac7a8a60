"""Calibration: run a float model over sample data and observe the range of each tensor."""

from octavo.calibrate.observer import OBSERVERS, MaxObserver, Observer

__all__ = ["OBSERVERS", "MaxObserver", "Observer"]
