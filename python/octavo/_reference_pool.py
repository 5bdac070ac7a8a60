"""Pooling in NumPy; `octavo.reference` says what these functions are for."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from octavo._reference_math import F32, Array, IntOrPair, byte_range, clamp_round, ratio, taps


def max_pool2d(
    x: Array,
    kernel: IntOrPair,
    *,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> Array:
    """Return the maximum of each NHWC window; padded pixels never win."""
    lowest, _ = byte_range(x.dtype)
    stride = kernel if stride is None else stride
    return np.asarray(np.max(taps(x, kernel, stride, padding, dilation, lowest), axis=0))


def avg_pool2d(
    x: Array,
    kernel: IntOrPair,
    *,
    x_scale: float,
    x_zero_point: int = 0,
    out_scale: float,
    out_zero_point: int = 0,
    dtype: DTypeLike = "uint8",
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    count_include_pad: bool = False,
) -> Array:
    """Return the mean of each NHWC window: ``sum * float32(x_scale / out_scale / count)``."""
    stride = kernel if stride is None else stride
    windows = taps(x, kernel, stride, padding, 1, x_zero_point)
    sums = [tap.astype(np.int32) - x_zero_point for tap in windows]
    acc = np.asarray(np.sum(sums, axis=0, dtype=np.int32))
    inside = np.ones((1, *x.shape[1:3], 1), np.int32)
    count = np.sum(taps(inside, kernel, stride, padding, 1, int(count_include_pad)), axis=0)
    m = (ratio(x_scale, 1.0, out_scale).astype(np.float64) / count).astype(F32)
    with np.errstate(all="ignore"):
        return clamp_round(acc.astype(F32) * m, out_zero_point, *byte_range(dtype), dtype)


def global_avg_pool(x: Array, **quantization: Any) -> Array:
    """Return the mean over H and W of NHWC `x`, shape (N, 1, 1, C)."""
    return avg_pool2d(x, x.shape[1:3], **quantization)
