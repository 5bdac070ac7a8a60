"""Weights and biases to integers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

WEIGHT_MAX = 127  # symmetric: -127..127
_LIMIT = 2**31 - 1
_SMALLEST = float(np.finfo(np.float32).tiny)


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
) -> IntegerLayer:
    """Quantize weights symmetrically and the bias to the accumulator's scale.

    The scale is max|w| / 127, per output channel (along `axis`) or for the whole tensor, with two
    exceptions for the sake of the bias b, whose step is a_scale * scale:

    - it is raised where |b| would exceed what the accumulator leaves beside the largest sum of
      products, 2**31 - 1 - 255 * 127 * k;
    - a channel of zeros has no weights to scale and takes the finest scale that holds its bias,
      or 1 if that is zero too.
    """
    rows = np.moveaxis(weight, axis, 0).reshape(weight.shape[axis], -1).astype(np.float64)
    room = _LIMIT - 255 * WEIGHT_MAX * rows.shape[1]
    magnitude = np.abs(rows).max(axis=1)
    needed = np.zeros_like(magnitude)
    if bias is not None:
        # One step of slack: scales are rounded to float32.
        needed = np.abs(bias.astype(np.float64)) / (a_scale * room) * (1 + 2.0**-20)
    scale = np.maximum(magnitude / WEIGHT_MAX, needed)
    if not per_channel:
        scale = scale.max(keepdims=True)
    # Neither the scale nor the bias' step may be subnormal.
    smallest = _SMALLEST / min(a_scale, 1.0) * (1 + 2.0**-20)
    scale = np.where(scale > 0, np.maximum(scale, smallest), 1.0).astype(np.float32)
    shape = [1] * weight.ndim
    shape[axis] = scale.size
    steps = np.rint(weight.astype(np.float64) / scale.astype(np.float64).reshape(shape))
    integers = np.clip(steps, -WEIGHT_MAX, WEIGHT_MAX).astype(np.int8)
    if bias is None:
        return IntegerLayer(integers, scale, None)
    unit = bias_scale(a_scale, scale).astype(np.float64)
    return IntegerLayer(integers, scale, np.rint(bias / unit).astype(np.int32))


def bias_scale(a_scale: float, scale: NDArray[np.float32]) -> NDArray[np.float32]:
    """The scale of a bias: float32(a_scale * scale)."""
    product = np.float64(np.float32(a_scale)) * scale.astype(np.float64)
    return np.asarray(product, dtype=np.float32)
