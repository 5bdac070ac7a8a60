"""The numeric contract of octavo in NumPy: slow, short, and normative.

Every kernel on every ISA must return the bits these functions return; the tests compare with
equality. Nothing here uses the compiled module. The functions take the arguments of their
namesakes in `octavo`, weights unpacked, and check little.

- ``real = scale * (q - zero_point)``.
- Quantize: ``q = clamp(rne(x / scale) + zero_point, qmin, qmax)``; rne rounds halves to even.
- Accumulators are int32 and wrap around.
- Requantize: ``v = float32(acc) * m``, a residual is added with one rounding (fma), ``v`` is
  clamped to ``[qmin - zero_point, qmax - zero_point]``, then ``q = rne(v) + zero_point``.

Every floating-point operation is one float32 operation, in the order written.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from octavo._reference_histogram import float_histogram
from octavo._reference_math import (
    F32,
    Array,
    IntOrPair,
    along,
    byte_range,
    clamp_round,
    exact_matmul,
    fma,
    ratio,
    taps,
    wrap,
)
from octavo._reference_pool import avg_pool2d, global_avg_pool, max_pool2d
from octavo._reference_rows import activation_table, layer_norm, lookup, mul, softmax

__all__ = [
    "activation_table",
    "add",
    "avg_pool2d",
    "concat",
    "conv2d",
    "dequantize_linear",
    "float_histogram",
    "fma",
    "global_avg_pool",
    "layer_norm",
    "linear",
    "lookup",
    "matmul_integer",
    "max_pool2d",
    "mul",
    "quantize_linear",
    "requantize",
    "requantize_linear",
    "softmax",
]

Activation: TypeAlias = Literal["relu", "relu6"] | tuple[float, float] | None


def _clamp_of(
    activation: Activation, scale: float, zero_point: int, dtype: DTypeLike
) -> tuple[int, int]:
    """Return what an activation clamps a quantized output to."""
    named = {None: (-math.inf, math.inf), "relu": (0.0, math.inf), "relu6": (0.0, 6.0)}
    lo, hi = activation if isinstance(activation, tuple) else named[activation]
    with np.errstate(over="ignore"):
        bounds = np.array([lo, hi]).astype(F32)
    qmin, qmax = quantize_linear(bounds, scale, zero_point, dtype=dtype)
    return int(qmin), int(qmax)


def quantize_linear(
    x: ArrayLike,
    scale: ArrayLike,
    zero_point: ArrayLike = 0,
    *,
    dtype: DTypeLike = "uint8",
    axis: int | None = None,
    narrow_range: bool = False,
) -> Array:
    """Return ``clamp(rne(x / scale) + zero_point, qmin, qmax)``; NaN gives qmin."""
    x = np.asarray(x, F32)
    qmin, qmax = byte_range(dtype)
    with np.errstate(all="ignore"):
        v = x / along(scale, axis, x.ndim, F32)
    zp = along(zero_point, axis, x.ndim, np.int32)
    return clamp_round(v, zp, qmin + narrow_range, qmax, dtype)


def dequantize_linear(
    q: Array, scale: ArrayLike, zero_point: ArrayLike = 0, *, axis: int | None = None
) -> NDArray[np.float32]:
    """Return ``float32(q - zero_point) * scale``; q may be int32."""
    difference = q.astype(np.int32) - along(zero_point, axis, q.ndim, np.int32)
    with np.errstate(all="ignore"):
        return np.asarray(difference.astype(F32) * along(scale, axis, q.ndim, F32))


def requantize(
    acc: NDArray[np.int32],
    multiplier: ArrayLike,
    zero_point: int = 0,
    *,
    dtype: DTypeLike = "uint8",
    clamp: tuple[int, int] | None = None,
    residual: Array | None = None,
    residual_multiplier: ArrayLike = 0.0,
    residual_zero_point: int = 0,
) -> Array:
    """Return ``clamp(rne(acc * multiplier [+ residual]) + zero_point)`` of int32 accumulators."""
    with np.errstate(all="ignore"):
        v = np.asarray(acc.astype(F32) * np.asarray(multiplier, F32))
    if residual is not None:
        r = (residual.astype(np.int32) - residual_zero_point).astype(F32)
        v = fma(r, residual_multiplier, v)
    return clamp_round(v, zero_point, *(clamp or byte_range(dtype)), dtype)


def requantize_linear(
    x: Array,
    x_scale: float,
    x_zero_point: int,
    out_scale: float,
    out_zero_point: int,
    *,
    dtype: DTypeLike = "uint8",
) -> Array:
    """Carry a quantized tensor over to other quantization parameters."""
    m = ratio(x_scale, 1.0, out_scale)
    return requantize(x.astype(np.int32) - x_zero_point, m, out_zero_point, dtype=dtype)


def matmul_integer(
    a: Array, b: Array, a_zero_point: int = 0, b_zero_point: ArrayLike = 0
) -> NDArray[np.int32]:
    """Return ``(a - a_zero_point) @ (b - b_zero_point)`` in int32."""
    zero = np.asarray(b_zero_point, np.int32)
    return wrap(exact_matmul(a.astype(np.int32) - a_zero_point, b.astype(np.int32) - zero), None)


def _finish(
    acc: NDArray[np.int32],
    *,
    a_scale: float = 1.0,
    weight_scale: ArrayLike = 1.0,
    out_scale: float | None = None,
    out_zero_point: int = 0,
    out_dtype: DTypeLike = "uint8",
    activation: Activation = None,
    residual: Array | None = None,
    residual_scale: float = 1.0,
    residual_zero_point: int = 0,
) -> Array:
    if out_scale is None:
        return acc
    return requantize(
        acc,
        ratio(a_scale, weight_scale, out_scale),
        out_zero_point,
        dtype=out_dtype,
        clamp=_clamp_of(activation, out_scale, out_zero_point, out_dtype),
        residual=residual,
        residual_multiplier=ratio(residual_scale, 1.0, out_scale),
        residual_zero_point=residual_zero_point,
    )


def linear(
    a: Array,
    weight: NDArray[np.int8],
    *,
    bias: ArrayLike | None = None,
    a_zero_point: int = 0,
    weight_zero_point: ArrayLike = 0,
    **output: Any,
) -> Array:
    """Return ``requantize((a - a_zp) @ (weight - weight_zp).T + bias)``; int32 without out_scale.

    `output`: the other arguments of `octavo.pack_linear` but dtypes of arrays, and `residual`.
    """
    w = weight.T.astype(np.int32) - np.asarray(weight_zero_point, np.int32)
    return _finish(wrap(exact_matmul(a.astype(np.int32) - a_zero_point, w), bias), **output)


def conv2d(
    x: Array,
    weight: NDArray[np.int8],
    *,
    bias: ArrayLike | None = None,
    a_zero_point: int = 0,
    weight_zero_point: ArrayLike = 0,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
    **output: Any,
) -> Array:
    """Convolve NHWC `x` with (O, I/groups, KH, KW) weights; padding holds the zero point.

    `output`: the other arguments of `octavo.pack_conv2d` but dtypes of arrays, and `residual`.
    """
    out, depth, kh, kw = weight.shape
    zero = np.broadcast_to(np.asarray(weight_zero_point, np.int32), (out,))
    w = weight.astype(np.int32) - zero[:, None, None, None]
    w = w.reshape(groups, out // groups, depth, kh * kw)
    acc = [np.int64(0)] * groups
    for t, pixels in enumerate(taps(x, (kh, kw), stride, padding, dilation, a_zero_point)):
        a = pixels.astype(np.int32) - a_zero_point
        for g in range(groups):
            acc[g] = acc[g] + exact_matmul(a[..., g * depth : (g + 1) * depth], w[g, :, :, t].T)
    return _finish(wrap(np.concatenate(acc, axis=-1), bias), **output)


def add(
    a: Array,
    b: Array,
    *,
    a_scale: float,
    a_zero_point: int = 0,
    b_scale: float,
    b_zero_point: int = 0,
    dtype: DTypeLike = "uint8",
    **output: Any,
) -> Array:
    """Return the sum of two quantized tensors: ``fma(b - b_zp, b_m, (a - a_zp) * a_m)``.

    `output`: `out_scale`, `out_zero_point` and `activation`.
    """
    acc = a.astype(np.int32) - a_zero_point
    b_as_residual: dict[str, Any] = {
        "residual": b,
        "residual_scale": b_scale,
        "residual_zero_point": b_zero_point,
    }
    return _finish(acc, a_scale=a_scale, out_dtype=dtype, **b_as_residual, **output)


def concat(
    arrays: Sequence[Array],
    axis: int = -1,
    *,
    scales: Sequence[float] | None = None,
    zero_points: Sequence[int] | None = None,
    out_scale: float | None = None,
    out_zero_point: int = 0,
    dtype: DTypeLike = "uint8",
) -> Array:
    """Join quantized tensors, each first requantized to the output's parameters."""
    if scales is None or out_scale is None:
        return np.concatenate(arrays, axis)
    zeros = zero_points or [0] * len(arrays)
    parts = [
        requantize_linear(x, scale, zero, out_scale, out_zero_point, dtype=dtype)
        for x, scale, zero in zip(arrays, scales, zeros, strict=True)
    ]
    return np.concatenate(parts, axis)
