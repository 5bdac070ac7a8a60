"""Operators on quantized tensors that add, multiply and join.

Arrays are uint8 or int8, as in `octavo.functional`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import DTypeLike

from octavo import _core
from octavo._checks import (
    Activation,
    Bytes,
    BytesLike,
    activation_range,
    byte_array,
    byte_dtype,
    byte_range,
    contiguous,
    integer,
    invalid,
    scale,
    wrong_dtype,
    zero_point,
)
from octavo.requantization import activation_clamp, scale_product, scale_ratio

__all__ = ["add", "concat", "mul"]


def add(
    a: BytesLike,
    b: BytesLike,
    *,
    a_scale: float,
    a_zero_point: int = 0,
    b_scale: float,
    b_zero_point: int = 0,
    out_scale: float,
    out_zero_point: int = 0,
    dtype: DTypeLike = "uint8",
    activation: Activation = None,
) -> Bytes:
    """Add two quantized tensors.

    With ``a_m = float32(a_scale / out_scale)`` and b_m likewise::

        v   = fma(float(b - b_zero_point), b_m, float(a - a_zero_point) * a_m)
        out = clamp(rne(v) + out_zero_point)

    Parameters
    ----------
    a, b : ndarray of uint8 or int8, the same shape
    a_scale, b_scale, out_scale : float
        Finite and positive.
    a_zero_point, b_zero_point, out_zero_point : int, default 0
        Within the range of the tensor's dtype.
    dtype : {"uint8", "int8"}, default "uint8"
        Of the output.
    activation : {"relu", "relu6"} or (float, float), optional
        Clamps the output to this interval of reals, each end quantized first.

    Returns
    -------
    ndarray of uint8 or int8, shape of `a`

    Raises
    ------
    InvalidArgumentError
        If the shapes differ, a scale is not finite and positive, or a zero point out of range.
    InvalidDtypeError
        If an array is neither uint8 nor int8.

    Notes
    -----
    Source: Jacob et al. 2018, arXiv:1712.05877, appendix A.2.

    Examples
    --------
    >>> import numpy as np
    >>> add(np.uint8([10, 20]), np.uint8([1, 200]), a_scale=0.5, b_scale=1.0, out_scale=1.0)
    array([  6, 210], dtype=uint8)
    """
    left, right = byte_array("a", a), byte_array("b", b)
    if left.shape != right.shape:
        raise invalid("b", f"the shape of a, {left.shape}", f"shape {right.shape}")
    out = byte_dtype("dtype", dtype)
    zero = zero_point("out_zero_point", out_zero_point, out)
    bounds = activation_range(activation)
    left_zero = zero_point("a_zero_point", a_zero_point, byte_dtype("a", left.dtype))
    right_zero = zero_point("b_zero_point", b_zero_point, byte_dtype("b", right.dtype))
    left_factor = scale_ratio("a_scale", a_scale, out_scale)
    right_factor = scale_ratio("b_scale", b_scale, out_scale)
    qmin, qmax = activation_clamp(bounds, scale("out_scale", out_scale), zero, out)
    if left.size == 0:
        return np.empty(left.shape, out)
    return _core.add(
        contiguous(left),
        left_zero,
        left_factor,
        contiguous(right),
        right_zero,
        right_factor,
        zero,
        qmin,
        qmax,
        out == "int8",
    )


def _repeated(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, int] | None:
    """Split equal ranks as a = (outer, inner, c), b = (outer, 1, c); None if they are not so."""
    ones = [i for i, (m, n) in enumerate(zip(a, b, strict=True)) if m != n]
    first, last = (ones[0], ones[-1] + 1) if ones else (0, 0)
    if any(n != 1 for n in b[first:last]) or (ones and last == len(a)):
        return None
    return math.prod(a[:first]), math.prod(a[first:last])


def mul(
    a: BytesLike,
    b: BytesLike,
    *,
    a_scale: float,
    a_zero_point: int = 0,
    b_scale: float,
    b_zero_point: int = 0,
    out_scale: float,
    out_zero_point: int = 0,
    dtype: DTypeLike = "uint8",
) -> Bytes:
    """Multiply two quantized tensors.

    With ``m = float32(a_scale * b_scale / out_scale)``::

        out = clamp(rne(float32((a - a_zero_point) * (b - b_zero_point)) * m) + out_zero_point)

    Parameters
    ----------
    a, b : ndarray of uint8 or int8
        The shape of `b` broadcasts to that of `a`: a gate of shape (batch, 1, 1, c) for images
        of shape (batch, h, w, c), as in squeeze-and-excitation.
    a_scale, b_scale, out_scale : float
        Finite and positive.
    a_zero_point, b_zero_point, out_zero_point : int, default 0
        Within the range of the tensor's dtype.
    dtype : {"uint8", "int8"}, default "uint8"
        Of the output.

    Returns
    -------
    ndarray of uint8 or int8, shape of `a`

    Raises
    ------
    InvalidArgumentError
        If the shapes do not match, a scale is not finite and positive, or a zero point out of
        range.
    InvalidDtypeError
        If an array is neither uint8 nor int8.

    Notes
    -----
    Source: Jacob et al. 2018, arXiv:1712.05877, section 2.2; Hu et al. 2018, arXiv:1709.01507.

    Examples
    --------
    >>> import numpy as np
    >>> mul(np.uint8([[2, 4], [6, 8]]), np.uint8([[1, 3]]), a_scale=1.0, b_scale=0.5, out_scale=1.0)
    array([[ 1,  6],
           [ 3, 12]], dtype=uint8)
    """
    left, right = byte_array("a", a), byte_array("b", b)
    alike = left.shape == right.shape
    try:
        fits = alike or np.broadcast_shapes(left.shape, right.shape) == left.shape
    except ValueError:
        fits = False
    if not fits:
        raise invalid("b", f"a shape that broadcasts to {left.shape}", f"shape {right.shape}")
    out = byte_dtype("dtype", dtype)
    zero = zero_point("out_zero_point", out_zero_point, out)
    zeros = (
        zero_point("a_zero_point", a_zero_point, byte_dtype("a", left.dtype)),
        zero_point("b_zero_point", b_zero_point, byte_dtype("b", right.dtype)),
    )
    factor = scale_product(a_scale, b_scale, out_scale)
    if left.size == 0:
        return np.empty(left.shape, out)
    gate = right.reshape((1,) * (left.ndim - right.ndim) + right.shape)
    parts = (1, 1) if alike else _repeated(left.shape, gate.shape)
    if parts is None:
        gate, parts = cast(Bytes, np.broadcast_to(gate, left.shape)), (1, 1)
    args = (*parts, factor, zero, *byte_range(out), out == "int8")
    return _core.mul(contiguous(left), zeros[0], contiguous(gate), zeros[1], *args)


def concat(
    arrays: Sequence[BytesLike],
    axis: int = -1,
    *,
    scales: Sequence[float] | None = None,
    zero_points: Sequence[int] | None = None,
    out_scale: float | None = None,
    out_zero_point: int = 0,
    dtype: DTypeLike | None = None,
) -> Bytes:
    """Join quantized tensors along an axis, requantizing those of other parameters.

    Parameters
    ----------
    arrays : sequence of ndarray of uint8 or int8
        At least one; the same shape but for `axis`.
    axis : int, default -1
    scales : sequence of float, optional
        One per array. None: all have the same parameters and dtype, and are joined as they are.
    zero_points : sequence of int, optional
        One per array; the default is all 0. Only with `scales`.
    out_scale : float, optional
        Given exactly if `scales` is.
    out_zero_point : int, default 0
    dtype : {"uint8", "int8"}, optional
        Of the output; the default is the dtype of the first array.

    Returns
    -------
    ndarray of uint8 or int8

    Raises
    ------
    InvalidArgumentError
        If there is no array, shapes do not match, or parameters are missing or out of range.
    InvalidDtypeError
        If an array is neither uint8 nor int8, or has another dtype and no scale is given.

    Notes
    -----
    Source: ONNX operator Concat, opset 13; Jacob et al. 2018, arXiv:1712.05877, appendix A.3.

    Examples
    --------
    >>> import numpy as np
    >>> parts = [np.uint8([[2, 4]]), np.uint8([[10]])]
    >>> concat(parts, scales=[1.0, 0.5], out_scale=0.5)
    array([[ 4,  8, 10]], dtype=uint8)
    """
    parts = [byte_array(f"arrays[{i}]", x) for i, x in enumerate(arrays)]
    if not parts:
        raise invalid("arrays", "at least one array", "none")
    first = parts[0].shape
    if not first:
        raise invalid("arrays[0]", "at least one dimension", "a scalar")
    axis = integer("axis", axis, -len(first), len(first) - 1)
    at = axis % len(first)
    for i, part in enumerate(parts):
        others = (*part.shape[:at], *part.shape[at + 1 :])
        if part.ndim != len(first) or others != (*first[:at], *first[at + 1 :]):
            expected = f"shape {first} of arrays[0] but for axis {axis}"
            raise invalid(f"arrays[{i}]", expected, f"shape {part.shape}")
    out = byte_dtype("dtype", parts[0].dtype if dtype is None else dtype)
    if (scales is None) != (out_scale is None):
        missing, given = ("scales", "out_scale") if scales is None else ("out_scale", "scales")
        raise invalid(missing, f"a value, because {given} is given", None)
    if scales is None or out_scale is None:
        if zero_points is not None:
            raise invalid("zero_points", "None without scales", repr(zero_points))
        for i, part in enumerate(parts):
            if part.dtype != out:
                raise wrong_dtype(f"arrays[{i}]", f"{out} (or scales, to convert)", part.dtype)
        return cast(Bytes, np.concatenate(parts, axis))
    zeros = [0] * len(parts) if zero_points is None else zero_points
    for name, values in (("scales", scales), ("zero_points", zeros)):
        if len(values) != len(parts):
            raise invalid(name, f"{len(parts)} values, one per array", f"{len(values)} values")
    own_zeros = [
        zero_point(f"zero_points[{i}]", z, byte_dtype("arrays", part.dtype))
        for i, (z, part) in enumerate(zip(zeros, parts, strict=True))
    ]
    factors = [scale_ratio(f"scales[{i}]", s, out_scale) for i, s in enumerate(scales)]
    zero = zero_point("out_zero_point", out_zero_point, out)
    shape = [*first]
    shape[at] = sum(part.shape[at] for part in parts)
    if 0 in shape:
        return cast(Bytes, np.empty(shape, out))
    args = (zero, *byte_range(out), out == "int8")
    outer = math.prod(first[:at])
    return _core.concat([contiguous(p) for p in parts], outer, own_zeros, factors, shape, *args)
