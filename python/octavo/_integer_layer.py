"""Weights and biases to integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octavo._rounding import round_compensated

ROUNDINGS = ("nearest", "compensated")
WEIGHT_MAX = 127  # symmetric: -127..127
WEIGHT_METHODS = ("max", "mse")
FRACTIONS = np.arange(64, 31, -1) / 64  # of the largest magnitude, tried by method "mse"
_LIMIT = 2**31 - 1
_SMALLEST = float(np.finfo(np.float32).tiny)

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class IntegerLayer:
    """A layer's constants, output channels along axis 0 of `scale` and `bias`."""

    weight: NDArray[np.int8]  # the shape of the float weights
    scale: NDArray[np.float32]  # (n,), or (1,) per tensor
    bias: NDArray[np.int32] | None  # (n,), in steps of activation scale * weight scale


def quantize_layer(
    weight: NDArray[np.float32],
    axis: int,
    bias: NDArray[np.float32] | None,
    a_scale: float,
    per_channel: bool,
    method: str = "max",
    covariance: Floats | None = None,
    limit: int = WEIGHT_MAX,
) -> IntegerLayer:
    """Quantize weights symmetrically and the bias to the accumulator's scale.

    Weights become -limit..limit. The scale is r / limit, per output channel (along `axis`) or for
    the whole tensor, where r is max|w| (method "max") or the fraction of it with the least squared
    error ("mse"); with two exceptions for the sake of the bias b, whose step is a_scale * scale:

    - it is raised where |b| would exceed what the accumulator leaves beside the largest sum of
      products, 2**31 - 1 - 255 * 127 * k;
    - a channel of zeros has no weights to scale and takes the finest scale that holds its bias,
      or 1 if that is zero too.

    Weights are rounded to nearest, or where the covariance of the layer's inputs is given, so that
    errors cancel in its sums (see `octavo._rounding`).
    """
    rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1).astype(np.float64)
    room = bias_limit(rows.shape[1])
    magnitude = np.abs(rows).max(axis=1)
    if method == "mse":
        whole = rows if per_channel else rows.reshape(1, -1)
        magnitude = magnitude if per_channel else magnitude.max(keepdims=True)
        magnitude = magnitude * _best_fractions(whole, magnitude, limit)
    needed = np.zeros_like(magnitude)
    if bias is not None:
        # One step of slack: scales are rounded to float32.
        needed = np.abs(bias.astype(np.float64)) / (a_scale * room) * (1 + 2.0**-20)
    scale = np.maximum(magnitude / limit, needed)
    if not per_channel:
        scale = scale.max(keepdims=True)
    # Neither the scale nor the bias' step may be subnormal.
    smallest = _SMALLEST / min(a_scale, 1.0) * (1 + 2.0**-20)
    scale = np.where(scale > 0, np.maximum(scale, smallest), 1.0).astype(np.float32)
    steps = _rounded(rows, scale.astype(np.float64)[:, np.newaxis], covariance, limit)
    first = np.moveaxis(weight, axis, 0).shape
    integers = np.moveaxis(steps.astype(np.int8).reshape(first), 0, axis)
    integers = np.ascontiguousarray(integers)
    if bias is None:
        return IntegerLayer(integers, scale, None)
    unit = bias_scale(a_scale, scale).astype(np.float64)
    return IntegerLayer(integers, scale, np.rint(bias / unit).astype(np.int32))


def _rounded(rows: Floats, scale: Floats, covariance: Floats | None, limit: int) -> Floats:
    if covariance is None:
        return np.asarray(np.clip(np.rint(rows / scale), -limit, limit))
    groups = len(covariance)
    split = rows.reshape(groups, len(rows) // groups, -1)
    scale = np.broadcast_to(scale, (len(rows), 1)).reshape(groups, -1, 1)
    return round_compensated(split, scale, covariance, limit).reshape(rows.shape)


def _best_fractions(rows: Floats, magnitude: Floats, limit: int) -> Floats:
    """Of each row, the fraction of its largest magnitude that is best as range; of equals 1."""
    best, least = np.ones(len(rows)), np.full(len(rows), np.inf)
    for fraction in FRACTIONS:
        scale = np.where(magnitude > 0, magnitude, 1.0)[:, None] * (fraction / limit)
        steps = np.clip(np.rint(rows / scale), -limit, limit)
        error = np.sum((steps * scale - rows) ** 2, axis=1)
        better = error < least
        best[better], least[better] = fraction, error[better]
    return best


def bias_limit(k: int) -> int:
    """The largest magnitude of a bias that leaves room for any sum of k products."""
    return _LIMIT - 255 * WEIGHT_MAX * k


def bias_scale(a_scale: float, scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """The scale of a bias: float32(a_scale * scale)."""
    product = np.float64(np.float32(a_scale)) * scale.astype(np.float64)
    return np.asarray(product, dtype=np.float32)
