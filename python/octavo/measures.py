"""How far an array is from what it should be."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from octavo._checks import invalid


@dataclass(frozen=True)
class ErrorMeasures:
    """The distance of y from x, computed in float64.

    Parameters
    ----------
    mse : float
        Mean of the squared differences.
    sqnr : float
        Signal to quantization noise in dB: ``10 * log10(sum(x^2) / sum((x - y)^2))``; inf where
        there is no difference.
    cosine : float
        Cosine of the angle between both; 1 where both are 0, 0 where one is.
    max_error : float
        The largest absolute difference.
    sum_of_absolute_errors : float
    """

    mse: float
    sqnr: float
    cosine: float
    max_error: float
    sum_of_absolute_errors: float


def measure_errors(x: ArrayLike, y: ArrayLike) -> ErrorMeasures:
    """Compare an array with an approximation of it.

    Parameters
    ----------
    x : array_like of float
        What it should be; at least one element.
    y : array_like of float
        The approximation, of the same shape.

    Returns
    -------
    ErrorMeasures

    Raises
    ------
    InvalidArgumentError
        If the shapes differ, or there are no elements.

    Examples
    --------
    >>> measure_errors([3.0, 4.0], [3.0, 3.5])
    ErrorMeasures(mse=0.125, sqnr=20.0, cosine=0.9978..., max_error=0.5, sum_of_absolute_errors=0.5)
    """
    exact, found = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if exact.shape != found.shape or exact.size == 0:
        raise invalid("y", f"the shape of x, {exact.shape}, not empty", found.shape)
    error = np.abs(exact - found)
    noise, signal = float(np.sum(error * error)), float(np.sum(exact * exact))
    length = math.sqrt(signal) * float(np.linalg.norm(found))
    both_zero = signal == 0.0 and not np.any(found)
    return ErrorMeasures(
        mse=noise / exact.size,
        sqnr=_decibel(signal, noise),
        cosine=float(np.sum(exact * found)) / length if length else float(both_zero),
        max_error=float(error.max()),
        sum_of_absolute_errors=float(error.sum()),
    )


def _decibel(signal: float, noise: float) -> float:
    if noise == 0.0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf
