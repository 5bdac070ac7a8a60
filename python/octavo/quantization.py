"""Quantization: reals to bytes and back.

A quantized tensor holds bytes q that stand for reals:

    real = scale * (q - zero_point)

and a real x becomes

    q = clamp(rne(x / scale) + zero_point, qmin, qmax)

where rne rounds to the nearest integer, halves to even. The literature also writes
``q = round(s * x + z)``: there ``s = 1 / scale``, and ``z = zero_point`` is the byte of real 0.
octavo, like ONNX, always means the first form: `scale` is the real size of one step.

Affine parameters use the whole range, 0..255 (uint8) or -128..127 (int8), and any zero point.
Symmetric int8 has zero point 0 and uses -127..127, so that negation stays exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from octavo import _core
from octavo._checks import (
    ByteDtype,
    Bytes,
    BytesLike,
    array_of,
    byte_dtype,
    byte_range,
    contiguous,
    float_array,
    integer,
    integers,
    invalid,
    scales,
)
from octavo._checks import (
    scale as one_scale,
)
from octavo._checks import (
    zero_point as one_zero_point,
)

__all__ = [
    "QuantParams",
    "choose_qparams",
    "dequantize_linear",
    "quantize_linear",
]


@dataclass(frozen=True)
class QuantParams:
    """How a per-tensor quantized tensor stands for reals.

    Parameters
    ----------
    scale : float
        Real size of one step, finite and positive; kept as its float32 value.
    zero_point : int
        The byte that stands for real 0, within the range of `dtype`.
    dtype : {"uint8", "int8"}, default "uint8"

    Raises
    ------
    InvalidArgumentError
        If the scale or the zero point is out of range.
    InvalidDtypeError
        If `dtype` is neither uint8 nor int8, or the zero point not an integer.

    Examples
    --------
    >>> QuantParams(0.5, 128)
    QuantParams(scale=0.5, zero_point=128, dtype='uint8')
    """

    scale: float
    zero_point: int = 0
    dtype: ByteDtype = "uint8"

    def __post_init__(self) -> None:
        dtype = byte_dtype("dtype", self.dtype)
        object.__setattr__(self, "dtype", dtype)
        object.__setattr__(self, "scale", one_scale("scale", self.scale))
        zero_point = one_zero_point("zero_point", self.zero_point, dtype)
        object.__setattr__(self, "zero_point", zero_point)


def choose_qparams(
    lo: float, hi: float, *, dtype: DTypeLike = "uint8", symmetric: bool = False
) -> QuantParams:
    """Choose scale and zero point for reals between `lo` and `hi`.

    The interval is first widened to contain 0, which is always represented exactly (zero padding
    and ReLU depend on it).

    - Affine: ``scale = (hi - lo) / 255``, ``zero_point = clamp(qmin + rne(-lo / scale))``.
    - Symmetric: ``scale = max(-lo, hi) / 127``, zero point 0 (int8) or 128 (uint8).

    An interval of nothing but 0 gets scale 1.

    Parameters
    ----------
    lo, hi : float
        Smallest and largest real to represent; finite, ``lo <= hi``.
    dtype : {"uint8", "int8"}, default "uint8"
        Also NumPy dtypes.
    symmetric : bool, default False

    Returns
    -------
    QuantParams

    Raises
    ------
    InvalidArgumentError
        If `lo` or `hi` is not finite (as float32), or ``lo > hi``.
    InvalidDtypeError
        If `dtype` is neither uint8 nor int8.

    Notes
    -----
    Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference", CVPR 2018, arXiv:1712.05877, section 3.1.

    Examples
    --------
    >>> choose_qparams(-1.0, 1.55)
    QuantParams(scale=0.009999999776482582, zero_point=100, dtype='uint8')
    >>> choose_qparams(-2.0, 1.0, dtype="int8", symmetric=True).zero_point
    0
    """
    found = byte_dtype("dtype", dtype)
    largest = float(np.finfo(np.float32).max)
    for name, value in (("lo", lo), ("hi", hi)):
        if not abs(float(value)) <= largest:
            raise invalid(name, "a finite float32", value)
    if lo > hi:
        raise invalid("lo", f"a value of at most hi ({hi})", lo)
    lo, hi = min(float(lo), 0.0), max(float(hi), 0.0)
    span, steps = (max(-lo, hi), 127) if symmetric else (hi - lo, 255)
    # A subnormal scale would lose bits, and its inverse may overflow.
    smallest = float(np.finfo(np.float32).tiny)
    scale = max(float(np.float32(span / steps)), smallest) if span > 0 else 1.0
    qmin, qmax = byte_range(found)
    if symmetric:
        return QuantParams(scale, 0 if found == "int8" else 128, found)
    return QuantParams(scale, min(max(qmin + round(-lo / scale), qmin), qmax), found)


def _channels(axis: int | None, shape: tuple[int, ...]) -> tuple[int, int | None]:
    """Return the axis as an index and its extent; None where parameters are per tensor."""
    if axis is None:
        return 0, None
    if not shape:
        raise invalid("axis", "None for an array without dimensions", axis)
    axis = integer("axis", axis, -len(shape), len(shape) - 1) % len(shape)
    return axis, shape[axis]


def quantize_linear(
    x: ArrayLike,
    scale: ArrayLike,
    zero_point: ArrayLike = 0,
    *,
    dtype: DTypeLike = "uint8",
    axis: int | None = None,
    narrow_range: bool = False,
) -> Bytes:
    """Quantize reals: ``clamp(rne(x / scale) + zero_point, qmin, qmax)``.

    Parameters
    ----------
    x : array_like of float32, any shape
        float16 and float64 are converted to float32 first. NaN becomes qmin.
    scale : float, or array of shape (x.shape[axis],)
        Finite and positive.
    zero_point : int, or array of shape (x.shape[axis],), default 0
        Within the range of `dtype`.
    dtype : {"uint8", "int8"}, default "uint8"
        Also NumPy dtypes.
    axis : int, optional
        Axis of per-channel parameters; None means they hold for the whole tensor.
    narrow_range : bool, default False
        Leave out the smallest value: int8 becomes -127..127, the range of symmetric weights.

    Returns
    -------
    ndarray of uint8 or int8, shape of `x`

    Raises
    ------
    InvalidArgumentError
        If a scale is not finite and positive, a zero point out of range, or their shape wrong.
    InvalidDtypeError
        If `x` is not floating point, or `dtype` neither uint8 nor int8.

    Notes
    -----
    Source: ONNX operator QuantizeLinear, opset 13.

    Examples
    --------
    >>> import numpy as np
    >>> quantize_linear(np.float32([-1.0, 0.0, 0.25, 0.75, 200.0]), 0.5, 10)
    array([  8,  10,  10,  12, 255], dtype=uint8)
    """
    array = float_array("x", x)
    out = byte_dtype("dtype", dtype)
    at, n = _channels(axis, array.shape)
    qmin, qmax = byte_range(out)
    lowest = qmin + int(narrow_range)
    if n is None:
        one, zero = one_scale("scale", scale), one_zero_point("zero_point", zero_point, out)
        return _core.quantize(array, one, zero, lowest, qmax, out == "int8")
    step = scales("scale", scale, n)
    zeros = integers("zero_point", zero_point, qmin, qmax, n)
    result: Bytes = np.empty(array.shape, out)
    rows, filled = np.moveaxis(array, at, 0), np.moveaxis(result, at, 0)
    for i in range(n):
        row = np.ascontiguousarray(rows[i])
        filled[i] = _core.quantize(row, float(step[i]), int(zeros[i]), lowest, qmax, out == "int8")
    return result


def dequantize_linear(
    q: BytesLike | NDArray[np.int32],
    scale: ArrayLike,
    zero_point: ArrayLike = 0,
    *,
    axis: int | None = None,
) -> NDArray[np.float32]:
    """Return the reals bytes stand for: ``float32(q - zero_point) * scale``.

    Parameters
    ----------
    q : ndarray of uint8, int8 or int32, any shape
        int32 serves accumulators and biases; its zero point must be 0.
    scale : float, or array of shape (q.shape[axis],)
        Finite and positive.
    zero_point : int, or array of shape (q.shape[axis],), default 0
        Within the range of q's dtype.
    axis : int, optional
        Axis of per-channel parameters; None means they hold for the whole tensor.

    Returns
    -------
    ndarray of float32, shape of `q`

    Raises
    ------
    InvalidArgumentError
        If a scale is not finite and positive, a zero point out of range, or their shape wrong.
    InvalidDtypeError
        If `q` is not uint8, int8 or int32.

    Notes
    -----
    Source: ONNX operator DequantizeLinear, opset 13.

    Examples
    --------
    >>> import numpy as np
    >>> dequantize_linear(np.uint8([8, 10, 255]), 0.5, 10)
    array([ -1. ,   0. , 122.5], dtype=float32)
    """
    array = array_of("q", q, "uint8", "int8", "int32")
    at, n = _channels(axis, array.shape)
    if array.dtype == np.int32:
        integers("zero_point", zero_point, 0, 0, 1 if n is None else n)
        return _dequantize_int32(array, scales("scale", scale, n), at)
    dtype = byte_dtype("q", array.dtype)
    if n is None:
        zero = one_zero_point("zero_point", zero_point, dtype)
        return _core.dequantize(contiguous(array), one_scale("scale", scale), zero)
    step = scales("scale", scale, n)
    zeros = integers("zero_point", zero_point, *byte_range(dtype), n)
    result = np.empty(array.shape, np.float32)
    rows, filled = np.moveaxis(array, at, 0), np.moveaxis(result, at, 0)
    for i in range(n):
        filled[i] = _core.dequantize(contiguous(rows[i]), float(step[i]), int(zeros[i]))
    return result


def _dequantize_int32(
    q: NDArray[np.int32], scale: NDArray[np.float32], axis: int
) -> NDArray[np.float32]:
    along = [scale.size if i == axis else 1 for i in range(q.ndim)]
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(q.astype(np.float32) * scale.reshape(along))
