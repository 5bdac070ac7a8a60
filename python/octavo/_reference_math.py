"""The arithmetic under `octavo.reference`: exact fma, rounding, exact sums, windows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

Array: TypeAlias = NDArray[Any]
IntOrPair: TypeAlias = int | Sequence[int]
F32 = np.float32


def fma(a: ArrayLike, b: ArrayLike, c: ArrayLike) -> NDArray[np.float32]:
    """Return ``a * b + c`` of float32 values with a single rounding, as C's ``fmaf``.

    The product of two float32 is exact in float64. The float64 sum is rounded to odd: where it is
    inexact, of the two neighbours of the true sum the one with an odd last bit is taken. With 53
    bits, at least 2 more than float32's 24, a second rounding then never errs (S. Boldo and
    G. Melquiond, "Emulation of FMA and correctly rounded sums", IEEE Trans. Computers 57(4), 2008).
    """
    with np.errstate(all="ignore"):
        p = np.multiply(np.asarray(a, F32), np.asarray(b, F32), dtype=np.float64)
        q = np.asarray(c, F32).astype(np.float64)
        s = np.asarray(p + q)
        t = s - p  # TwoSum: e is exactly what p + q lost when it was rounded to s.
        e = (p - (s - t)) + (q - t)
        bits = s.view(np.int64)
        fix = np.isfinite(s) & (e != 0) & (bits % 2 == 0)
        away = np.where((e > 0) == (s > 0), 1, -1)  # The bits of |s| count its floats upwards.
        return (bits + np.where(fix, away, 0)).view(np.float64).astype(F32)


def byte_range(dtype: DTypeLike) -> tuple[int, int]:
    info = np.iinfo(np.dtype(dtype))
    return int(info.min), int(info.max)


def clamp_round(v: Array, zero_point: ArrayLike, qmin: int, qmax: int, dtype: DTypeLike) -> Array:
    zp = np.asarray(zero_point, np.int32)
    lo, hi = (qmin - zp).astype(F32), (qmax - zp).astype(F32)
    v = np.where(np.isnan(v), lo, np.minimum(np.maximum(v, lo), hi))
    return (np.rint(v).astype(np.int32) + zp).astype(dtype)


def ratio(a: ArrayLike, b: ArrayLike, c: ArrayLike) -> NDArray[np.float32]:
    """Return ``a * b / c`` of float32 scales, computed in float64, rounded once to float32."""
    a64, b64, c64 = (np.asarray(x, F32).astype(np.float64) for x in (a, b, c))
    return np.asarray(a64 * b64 / c64).astype(F32)


def exact_matmul(a: Array, b: Array) -> NDArray[np.int64]:
    # Integers below 2**9 and K <= 2**16 keep every partial sum below 2**34: exact in float64.
    return np.asarray(a.astype(np.float64) @ b.astype(np.float64)).astype(np.int64)


def wrap(acc: NDArray[np.int64], bias: ArrayLike | None) -> NDArray[np.int32]:
    """Add the bias and keep the low 32 bits, as two's complement hardware does."""
    return (acc if bias is None else acc + np.asarray(bias, np.int64)).astype(np.int32)


def along(value: ArrayLike, axis: int | None, ndim: int, dtype: DTypeLike) -> Array:
    """Shape a per-channel vector so that it broadcasts along `axis`."""
    array = np.asarray(value, dtype)
    if axis is None or array.ndim == 0:
        return array.reshape(())
    return array.reshape([-1 if i == axis % ndim else 1 for i in range(ndim)])


def pair(value: IntOrPair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def pads(value: IntOrPair) -> tuple[int, int, int, int]:
    if isinstance(value, int):
        return (value,) * 4
    top, left, bottom, right = value if len(value) == 4 else (*value, *value)
    return top, left, bottom, right


def taps(
    x: Array,
    kernel: IntOrPair,
    stride: IntOrPair,
    padding: IntOrPair,
    dilation: IntOrPair,
    fill: int,
) -> list[Array]:
    """Return, for each kernel tap (i, j), the NHWC pixels it meets at every output position."""
    (kh, kw), (sh, sw), (dh, dw) = pair(kernel), pair(stride), pair(dilation)
    top, left, bottom, right = pads(padding)
    x = np.pad(
        x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=np.array(fill, x.dtype)
    )
    oh = (x.shape[1] - (kh - 1) * dh - 1) // sh + 1
    ow = (x.shape[2] - (kw - 1) * dw - 1) // sw + 1
    return [
        x[:, i * dh : i * dh + (oh - 1) * sh + 1 : sh, j * dw : j * dw + (ow - 1) * sw + 1 : sw]
        for i in range(kh)
        for j in range(kw)
    ]
