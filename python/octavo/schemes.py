"""Quantization schemes: which integers, around which zero, one scale for how much of a tensor.

Kernels compute with 8 bits and the granularities that `octavo.quantization` states. This module
quantizes NumPy arrays by any scheme, to compare them and to see what fewer bits would cost.

From a range [lo, hi], widened to contain 0, and integers qmin..qmax:

    affine      scale = (hi - lo) / (qmax - qmin)
                zero_point = clamp(qmin + rne(-lo / scale), qmin, qmax)
    symmetric   scale = max(-lo, hi) / qmax_s          with qmax_s = 2^(bits - 1) - 1
                zero_point = 0 (signed) or 2^(bits - 1) (unsigned)

and then ``real = scale * (q - zero_point)``. In the literature's other notation, ``q = round(s * x
+ z)``, these are ``s = (qmax - qmin) / (hi - lo)`` or ``s = qmax_s / max(-lo, hi)``, and ``z`` is
the same integer. A zero point is an integer of the range, so 0 is always represented exactly.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from octavo._checks import float_array, integer, invalid, wrong_dtype

Granularity: TypeAlias = Literal["tensor", "channel", "row", "group"]

#: The integers of each type. Those of fewer than 8 bits are simulated: stored a byte each.
INTEGER_RANGES: dict[str, tuple[int, int]] = {
    "uint8": (0, 255),
    "int8": (-128, 127),
    "int16": (-32768, 32767),
    "uint4": (0, 15),
    "int4": (-8, 7),
    "uint2": (0, 3),
    "int2": (-2, 1),
}


def integer_type(name: str, dtype: DTypeLike) -> str:
    """Normalise an integer type of INTEGER_RANGES; `name` is the argument's, for messages."""
    if isinstance(dtype, str) and dtype in INTEGER_RANGES:
        return dtype
    try:
        found = str(np.dtype(dtype).name)  # None would mean float64: refused below.
    except TypeError:
        found = ""
    if found not in INTEGER_RANGES:
        raise wrong_dtype(name, f"one of {', '.join(INTEGER_RANGES)}", repr(dtype))
    return found


def choose_scales(
    lo: ArrayLike, hi: ArrayLike, *, dtype: DTypeLike = "int8", symmetric: bool = False
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Choose scales and zero points for ranges, many at once; see the module for the formulas.

    A range of nothing but 0 gets scale 1. A scale is at least 2^-126, the smallest normal float32.

    Parameters
    ----------
    lo, hi : array_like of float
        Of one shape; finite, ``lo <= hi``.
    dtype : str, default "int8"
        "uint8", "int8", "int16", "uint4", "int4", "uint2" or "int2".
    symmetric : bool, default False

    Returns
    -------
    scale : ndarray of float32, shape of `lo`
    zero_point : ndarray of int32, shape of `lo`

    Raises
    ------
    InvalidArgumentError
        If a limit is not a finite float32, or ``lo > hi``.
    InvalidDtypeError
        If `dtype` is none of these.

    Examples
    --------
    >>> choose_scales([-1.0, 0.0], [0.5, 3.0], dtype="uint4")
    (array([0.1, 0.2], dtype=float32), array([10,  0], dtype=int32))
    """
    qmin, qmax = INTEGER_RANGES[integer_type("dtype", dtype)]
    low, high = np.asarray(lo, np.float64), np.asarray(hi, np.float64)
    for name, limit in (("lo", low), ("hi", high)):
        bad = ~(np.abs(limit) <= np.finfo(np.float32).max)
        if np.any(bad):
            raise invalid(name, "finite float32 values", limit[bad].flat[0])
    if low.shape != high.shape or np.any(low > high):
        raise invalid("lo", "as many values as hi, each at most that of hi", lo)
    low, high = np.minimum(low, 0.0), np.maximum(high, 0.0)
    middle = (qmin + qmax + 1) // 2
    span = np.maximum(-low, high) / (qmax - middle) if symmetric else (high - low) / (qmax - qmin)
    with np.errstate(under="ignore"):
        scale = np.maximum(span.astype(np.float32), np.finfo(np.float32).tiny)
    scale = np.where(span > 0, scale, np.float32(1)).astype(np.float32)
    if symmetric:
        return scale, np.full(scale.shape, middle, np.int32)
    zero = qmin + np.rint(-low / scale.astype(np.float64))
    return scale, np.clip(zero, qmin, qmax).astype(np.int32)


@dataclass(frozen=True)
class Scheme:
    """How a tensor is quantized.

    Parameters
    ----------
    dtype : str, default "int8"
        "uint8", "int8", "int16", "uint4", "int4", "uint2" or "int2".
    symmetric : bool, default False
        Symmetric signed integers leave out their smallest value: int4 is -7..7.
    per : {"tensor", "channel", "row", "group"}, default "tensor"
        What shares one scale: the whole tensor; all elements of one index of `axis` (a channel);
        one row along the last axis (a token, when chosen at run time: dynamic quantization);
        `group_size` neighbours along the last axis (the K of a matrix product).
    axis : int, default 0
        Of the channels.
    group_size : int, default 32
        The last group of a row may be shorter.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.float32([[0.0, 0.1, 0.2, 3.0], [-1.0, 0.0, 1.0, 2.0]])
    >>> Scheme("uint4").quantize(x).values
    array([[ 4,  4,  5, 15],
           [ 0,  4,  8, 11]], dtype=uint8)
    >>> Scheme("uint4", per="row").quantize(x).values
    array([[ 0,  0,  1, 15],
           [ 0,  5, 10, 15]], dtype=uint8)
    >>> Scheme("int4", symmetric=True, per="group", group_size=2).quantize(x).scale.shape
    (2, 2)
    """

    dtype: str = "int8"
    _: KW_ONLY
    symmetric: bool = False
    per: Granularity = "tensor"
    axis: int = 0
    group_size: int = 32

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", integer_type("dtype", self.dtype))
        if self.per not in get_args(Granularity):
            raise invalid("per", f"one of {get_args(Granularity)}", repr(self.per))
        integer("group_size", self.group_size, 1, 2**31 - 1)

    @property
    def limits(self) -> tuple[int, int]:
        """The smallest and the largest integer in use."""
        qmin, qmax = INTEGER_RANGES[self.dtype]
        return (qmin + 1 if self.symmetric and qmin < 0 else qmin), qmax

    def ranges(self, x: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the minima and maxima of whatever shares a scale.

        Their shape is () for a tensor, (x.shape[axis],) for channels, ``x.shape[:-1]`` for rows
        and ``(*x.shape[:-1], groups)`` for groups.

        Raises
        ------
        InvalidArgumentError
            If `x` has no elements, no such axis, or one that is not finite.
        """
        array = self._array(x)
        if self.per == "group":
            starts = np.arange(0, array.shape[-1], self.group_size)
            low = np.minimum.reduceat(array, starts, axis=-1)
            return low, np.maximum.reduceat(array, starts, axis=-1)
        over: Any = {"tensor": None, "row": -1}.get(self.per, ())
        if self.per == "channel":
            over = tuple(i for i in range(array.ndim) if i != self.axis % array.ndim)
        return np.asarray(array.min(axis=over)), np.asarray(array.max(axis=over))

    def quantize(self, x: ArrayLike) -> Quantized:
        """Quantize an array, the ranges being those of its values."""
        return self.quantize_to(x, *self.ranges(x))

    def quantize_to(self, x: ArrayLike, lo: ArrayLike, hi: ArrayLike) -> Quantized:
        """Quantize an array to given ranges, of the shape that `ranges` returns."""
        array = self._array(x)
        scale, zero = choose_scales(lo, hi, dtype=self.dtype, symmetric=self.symmetric)
        with np.errstate(over="ignore"):
            steps = np.rint(array / self._spread(scale, array.shape)).astype(np.float64)
        values = np.clip(steps + self._spread(zero, array.shape), *self.limits)
        stored = "int16" if self.dtype == "int16" else self.dtype.rstrip("248") + "8"
        return Quantized(values.astype(stored), scale, zero, self)

    def _array(self, x: ArrayLike) -> NDArray[np.float32]:
        array = float_array("x", x)
        if array.size == 0:
            raise invalid("x", "at least one element", f"shape {array.shape}")
        if self.per != "tensor" and array.ndim == 0:
            raise invalid("x", f"an axis for per={self.per!r}", "a scalar")
        if self.per == "channel":
            integer("axis", self.axis, -array.ndim, array.ndim - 1)
        if not np.all(np.isfinite(array)):
            raise invalid("x", "finite values", array[~np.isfinite(array)].flat[0])
        return array

    def _spread(self, parameters: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
        """Bring scales or zero points into a shape that broadcasts against the tensor."""
        if self.per == "channel":
            along = [1] * len(shape)
            along[self.axis] = shape[self.axis]
            return parameters.reshape(along)
        if self.per == "group":
            return np.repeat(parameters, self.group_size, axis=-1)[..., : shape[-1]]
        return parameters[..., np.newaxis] if self.per == "row" else parameters


@dataclass(frozen=True)
class Quantized:
    """Integers, and what they stand for.

    Parameters
    ----------
    values : ndarray of uint8, int8 or int16
    scale : ndarray of float32
    zero_point : ndarray of int32
    scheme : Scheme
    """

    values: NDArray[Any]
    scale: NDArray[np.float32]
    zero_point: NDArray[np.int32]
    scheme: Scheme

    def dequantize(self) -> NDArray[np.float32]:
        """Return ``scale * (q - zero_point)`` as float32."""
        shape = self.values.shape
        centered = self.values - self.scheme._spread(self.zero_point, shape)
        scale = self.scheme._spread(self.scale, shape)
        return np.asarray(centered.astype(np.float32) * scale, np.float32)


def fake_quantize(x: ArrayLike, scheme: Scheme) -> NDArray[np.float32]:
    """Quantize and dequantize: what is left of an array in a scheme.

    Parameters
    ----------
    x : array_like of float32, any shape
        Finite.
    scheme : Scheme

    Returns
    -------
    ndarray of float32, shape of `x`

    Raises
    ------
    InvalidArgumentError
        If `x` is empty, not finite, or lacks the axis the scheme names.

    Examples
    --------
    >>> fake_quantize([-1.0, 0.0, 0.3, 2.0], Scheme("int2", symmetric=True))
    array([0., 0., 0., 2.], dtype=float32)
    """
    return scheme.quantize(x).dequantize()
