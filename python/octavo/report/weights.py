"""How a layer's weights lie in the ranges their integers cover, channel by channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octavo.report.networks import Layer

Reals = NDArray[np.float64]

COARSE = 64  # integers below that use less than 7 bits


@dataclass(frozen=True)
class WeightAnalysis:
    """A layer's weights before and after; every array has one element per output channel.

    Parameters
    ----------
    low, high : ndarray of float64
        Smallest and largest weight of the float network.
    int8_low, int8_high : ndarray of float64
        The same of what the int8 weights stand for: after equalization, if channels were rescaled.
    equalized : bool
        Whether channels differ by more than rounding.
    per_channel : bool
        Whether each channel has its own scale.
    noise : float
        Squared error over squared weights: the relative noise of rounding.
    spread : float
        The largest range of all channels over the median channel's, after equalization.
    coarse : float
        Share of the channels that use less than 7 bits.
    peak : float
        Largest weight over the root mean square of its channel; the median over channels.
    """

    low: Reals
    high: Reals
    int8_low: Reals
    int8_high: Reals
    equalized: bool
    per_channel: bool
    noise: float
    spread: float
    coarse: float
    peak: float


def analyze_weights(layer: Layer, before: Reals, after: Reals, equalized: bool) -> WeightAnalysis:
    """Compare a layer's weights; `before` and `after` equalization are (channels, products)."""
    found = layer.real_rows()
    reach = np.abs(after).max(axis=1)
    used = reach[reach > 0]
    zero = layer.quantized.zero_point.astype(np.float64).reshape(-1, 1)
    steps = np.abs(found / layer.factor / layer.quantized.scale.reshape(-1, 1)).max(axis=1)
    rms = np.sqrt(np.mean(after * after, axis=1))
    energy = float(np.sum(after * after))
    return WeightAnalysis(
        before.min(axis=1),
        before.max(axis=1),
        found.min(axis=1),
        found.max(axis=1),
        equalized,
        layer.quantized.scale.size > 1,
        float(np.sum((found - after) ** 2)) / energy if energy else 0.0,
        float(used.max() / np.median(used)) if used.size else 1.0,
        float(np.mean((steps < COARSE) & (reach > 0))) if not np.any(zero) else 0.0,
        float(np.median(reach[rms > 0] / rms[rms > 0])) if np.any(rms > 0) else 1.0,
    )
