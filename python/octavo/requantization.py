"""Requantization: int32 accumulators, or bytes of other parameters, to bytes.

See `octavo.quantization` for what scale and zero_point mean.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from octavo import _core
from octavo._checks import (
    ByteDtype,
    Bytes,
    BytesLike,
    array_of,
    byte_array,
    byte_dtype,
    byte_range,
    contiguous,
    integer,
    invalid,
    scales,
)
from octavo._checks import (
    scale as one_scale,
)
from octavo._checks import (
    zero_point as one_zero_point,
)
from octavo._dlpack import SupportsDLPack
from octavo.quantization import quantize_linear

__all__ = ["requantize", "requantize_linear"]

_FLOAT32_MAX = float(np.finfo(np.float32).max)
_RATIO = "a ratio of scales that float32 can hold"


def requantize(
    acc: NDArray[np.int32] | SupportsDLPack,
    multiplier: ArrayLike,
    zero_point: int = 0,
    *,
    dtype: DTypeLike = "uint8",
    clamp: tuple[int, int] | None = None,
) -> Bytes:
    """Turn int32 accumulators into bytes: ``clamp(rne(acc * multiplier) + zero_point)``.

    Parameters
    ----------
    acc : ndarray of int32, shape (..., n)
    multiplier : float, or array of shape (n,)
        ``a_scale * weight_scale / out_scale``: accumulator steps to output steps, as float32.
    zero_point : int, default 0
        Of the output.
    dtype : {"uint8", "int8"}, default "uint8"
    clamp : (int, int), optional
        Smallest and largest output byte; the default is the range of `dtype`. A fused ReLU is
        ``(zero_point, qmax)``.

    Returns
    -------
    ndarray of uint8 or int8, shape of `acc`

    Raises
    ------
    InvalidArgumentError
        If a multiplier is not finite and positive, or the zero point or the clamp out of range.
    InvalidDtypeError
        If `acc` is not int32.

    Notes
    -----
    Source: Jacob et al. 2018, arXiv:1712.05877, section 2.2, with a float32 multiplier.

    Examples
    --------
    >>> import numpy as np
    >>> requantize(np.int32([-100, 1, 3, 5, 9999]), 0.5, 10)
    array([  0,  10,  12,  12, 255], dtype=uint8)
    """
    acc = array_of("acc", acc, "int32")
    out = byte_dtype("dtype", dtype)
    zero = one_zero_point("zero_point", zero_point, out)
    qmin, qmax = byte_range(out)
    if clamp is not None:
        if len(clamp) != 2:
            raise invalid("clamp", "a pair (qmin, qmax)", f"{len(clamp)} values")
        lowest = integer("clamp[0]", clamp[0], qmin, qmax)
        qmin, qmax = lowest, integer("clamp[1]", clamp[1], lowest, qmax)
    n = acc.shape[-1] if acc.ndim else 1
    factors = scales("multiplier", multiplier, n)
    if acc.size == 0:
        return np.empty(acc.shape, out)
    rows = acc.astype(np.int32, order="C", copy=not acc.flags.aligned).reshape(-1, n)
    return _core.requantize_s32(rows, factors, zero, qmin, qmax, out == "int8").reshape(acc.shape)


def requantize_linear(
    x: BytesLike,
    x_scale: ArrayLike,
    x_zero_point: int,
    out_scale: ArrayLike,
    out_zero_point: int,
    *,
    dtype: DTypeLike = "uint8",
) -> Bytes:
    """Carry a quantized tensor over to other quantization parameters.

    ``clamp(rne(float32(x - x_zero_point) * float32(x_scale / out_scale)) + out_zero_point)``

    Parameters
    ----------
    x : ndarray of uint8 or int8, any shape
    x_scale, out_scale : float
        Finite and positive.
    x_zero_point, out_zero_point : int
        Within the range of x's dtype and of `dtype`.
    dtype : {"uint8", "int8"}, default "uint8"
        Of the output.

    Returns
    -------
    ndarray of uint8 or int8, shape of `x`

    Raises
    ------
    InvalidArgumentError
        If a scale is not finite and positive, or a zero point out of range.
    InvalidDtypeError
        If `x` or `dtype` is neither uint8 nor int8.

    Notes
    -----
    Source: Jacob et al. 2018, arXiv:1712.05877, appendix A.2 (rescaling the inputs of Add).

    Examples
    --------
    >>> import numpy as np
    >>> requantize_linear(np.uint8([0, 10, 20, 30]), 0.5, 10, 0.25, 0, dtype="int8")
    array([-20,   0,  20,  40], dtype=int8)
    """
    array = byte_array("x", x)
    out = byte_dtype("dtype", dtype)
    zero = one_zero_point("x_zero_point", x_zero_point, byte_dtype("x", array.dtype))
    out_zero = one_zero_point("out_zero_point", out_zero_point, out)
    factor = scale_ratio("x_scale", x_scale, out_scale)
    if array.size == 0:
        return np.empty(array.shape, out)
    args = (zero, factor, out_zero, *byte_range(out), out == "int8")
    return _core.requantize(contiguous(array), *args)


def scale_ratio(name: str, scale: ArrayLike, out_scale: ArrayLike) -> float:
    """Check the scale called `name` and the output's; return float32 of their ratio."""
    ratio = one_scale(name, scale) / one_scale("out_scale", out_scale)
    return _as_float32(f"{name} / out_scale", ratio)


def scale_product(a_scale: ArrayLike, b_scale: ArrayLike, out_scale: ArrayLike) -> float:
    """Check three scales; return float32 of a_scale * b_scale / out_scale."""
    exact = one_scale("a_scale", a_scale) * one_scale("b_scale", b_scale)
    return _as_float32("a_scale * b_scale / out_scale", exact / one_scale("out_scale", out_scale))


def _as_float32(name: str, exact: float) -> float:
    if exact > _FLOAT32_MAX:
        raise invalid(name, _RATIO, f"{exact:g}")
    return float(np.float32(exact))


def multipliers(
    name: str, a_scale: float, weight_scale: ArrayLike, out_scale: float
) -> NDArray[np.float32]:
    """Return ``float32(a_scale * weight_scale / out_scale)``, computed in float64.

    The arguments are checked float32 values; the result is checked for overflow.
    """
    exact = np.float64(a_scale) * np.asarray(weight_scale, np.float64) / np.float64(out_scale)
    with np.errstate(over="ignore", under="ignore"):
        result = np.asarray(exact).astype(np.float32)
    if not np.isfinite(result).all():
        raise invalid(name, _RATIO, f"{exact.max():g}")
    return result


def activation_clamp(
    bounds: tuple[float, float], scale: float, zero_point: int, dtype: ByteDtype
) -> tuple[int, int]:
    """Return the bytes the real bounds of an activation quantize to."""
    if bounds == (-math.inf, math.inf):
        return byte_range(dtype)
    lo, hi = quantize_linear(np.array(bounds), scale, zero_point, dtype=dtype)
    return int(lo), int(hi)
