"""Functions of one byte, by table, and the row operators of transformers.

Arrays are uint8 or int8, as in `octavo.functional`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from octavo import _core
from octavo._activation_math import FUNCTIONS
from octavo._checks import (
    Bytes,
    BytesLike,
    byte_array,
    byte_dtype,
    byte_range,
    contiguous,
    float_array,
    invalid,
    scale,
    wrong_dtype,
    zero_point,
)

__all__ = ["activation_table", "layer_norm", "lookup", "softmax"]

_MAX_LAYER_NORM = 65_536


def activation_table(
    function: str | Callable[[NDArray[np.float64]], ArrayLike],
    *,
    x_scale: float,
    x_zero_point: int = 0,
    out_scale: float,
    out_zero_point: int = 0,
    x_dtype: DTypeLike = "uint8",
    dtype: DTypeLike = "uint8",
) -> Bytes:
    """Tabulate a function between two quantizations: every byte in, the byte out.

    In float64 throughout::

        real = x_scale * (x - x_zero_point)
        out  = clamp(rne(function(real) / out_scale) + out_zero_point)

    Parameters
    ----------
    function : str or callable
        "sigmoid", "tanh", "erf", "exp", "gelu" (with erf), "gelu_tanh", "silu", "hard_sigmoid"
        (slope 1/6), "hard_swish", "relu", or a function of a float64 array of shape (256,).
    x_scale, out_scale : float
        Finite and positive; rounded to float32 first.
    x_zero_point, out_zero_point : int, default 0
        Within the range of the dtype.
    x_dtype, dtype : {"uint8", "int8"}, default "uint8"
        Of the input and of the output.

    Returns
    -------
    ndarray of `dtype`, shape (256,)
        Entry i is for the i-th value of `x_dtype` from its least: 0, 1, ... or -128, -127, ...

    Raises
    ------
    InvalidArgumentError
        If the name is unknown, a scale is not finite and positive, a zero point out of range, or
        the function returns NaN or another shape.
    InvalidDtypeError
        If a dtype is neither uint8 nor int8, or `function` neither a string nor callable.

    Notes
    -----
    Source: Hendrycks and Gimpel 2016, arXiv:1606.08415 (GELU); Ramachandran et al. 2017,
    arXiv:1710.05941 (SiLU); Howard et al. 2019, arXiv:1905.02244 (hard-swish).

    Examples
    --------
    >>> table = activation_table("sigmoid", x_scale=0.1, x_zero_point=128, out_scale=1 / 256)
    >>> table[[0, 128, 138, 255]].tolist()
    [0, 128, 187, 255]
    """
    if isinstance(function, str):
        if function not in FUNCTIONS:
            raise invalid("function", f"one of {', '.join(FUNCTIONS)}", repr(function))
        function = FUNCTIONS[function]
    if not callable(function):
        raise wrong_dtype("function", "a name or a callable", type(function).__name__)
    source, out = byte_dtype("x_dtype", x_dtype), byte_dtype("dtype", dtype)
    x_zero = zero_point("x_zero_point", x_zero_point, source)
    out_zero = zero_point("out_zero_point", out_zero_point, out)
    lo, hi = byte_range(source)
    real = scale("x_scale", x_scale) * (np.arange(lo, hi + 1, dtype=np.float64) - x_zero)
    with np.errstate(all="ignore"):
        values = np.asarray(function(real), np.float64)
        if values.shape != real.shape or np.isnan(values).any():
            raise invalid("function", "256 values, none NaN", f"shape {values.shape}")
        steps = np.rint(values / scale("out_scale", out_scale)) + out_zero
    table: Bytes = np.clip(steps, *byte_range(out)).astype(out)
    return table


def lookup(x: BytesLike, table: BytesLike) -> Bytes:
    """Replace every byte by its entry in a table.

    Parameters
    ----------
    x : ndarray of uint8 or int8
    table : ndarray of uint8 or int8, shape (256,)
        Entry i is for the i-th value of the dtype of `x` from its least; see `activation_table`.

    Returns
    -------
    ndarray of the dtype of `table`, shape of `x`

    Raises
    ------
    InvalidArgumentError
        If `table` has another shape.
    InvalidDtypeError
        If an array is neither uint8 nor int8.

    Examples
    --------
    >>> import numpy as np
    >>> lookup(np.int8([-128, -1, 127]), np.arange(256, dtype=np.uint8))
    array([  0, 127, 255], dtype=uint8)
    """
    array, entries = byte_array("x", x), byte_array("table", table)
    if entries.shape != (256,):
        raise invalid("table", "shape (256,)", f"shape {entries.shape}")
    if array.size == 0:
        return cast(Bytes, np.empty(array.shape, entries.dtype))
    return _core.lookup(contiguous(array), contiguous(entries))


def _rows(x: BytesLike) -> Bytes:
    array = byte_array("x", x)
    if array.ndim == 0:
        raise invalid("x", "at least one dimension", "a scalar")
    return array


def softmax(
    x: BytesLike,
    *,
    x_scale: float,
    out_scale: float = 1 / 256,
    out_zero_point: int = 0,
    dtype: DTypeLike = "uint8",
) -> Bytes:
    """Return the softmax over the last axis.

    Exponentials become integers before they are summed, so that no order of summation matters.
    With ``d = max(row) - x`` and tables in float32, made in float64::

        high[i] = 2**23 * exp(-16 * i * x_scale)
        low[j]  = exp(-j * x_scale)
        e       = rne(high[d // 16] * low[d % 16])
        v       = float32(e) * (float32(1 / out_scale) / float32(sum(e)))
        out     = clamp(rne(v) + out_zero_point)

    Parameters
    ----------
    x : ndarray of uint8 or int8, shape (..., n)
        Its zero point has no influence.
    x_scale : float
        Finite and positive, as `out_scale`.
    out_scale : float, default 1/256
    out_zero_point : int, default 0
    dtype : {"uint8", "int8"}, default "uint8"
        Of the output.

    Returns
    -------
    ndarray of uint8 or int8, shape of `x`

    Raises
    ------
    InvalidArgumentError
        If `x` is a scalar, a scale is not finite and positive, or the zero point out of range.
    InvalidDtypeError
        If `x` is neither uint8 nor int8.

    Notes
    -----
    Source: ONNX operator Softmax, opset 13, axis -1.

    Examples
    --------
    >>> import numpy as np
    >>> softmax(np.uint8([[0, 0], [100, 107]]), x_scale=0.1)
    array([[128, 128],
           [ 85, 171]], dtype=uint8)
    """
    array = _rows(x)
    out = byte_dtype("dtype", dtype)
    zero = zero_point("out_zero_point", out_zero_point, out)
    steps = scale("out_scale", out_scale)
    if 1 / steps > float(np.finfo(np.float32).max):
        raise invalid("out_scale", "a scale whose inverse float32 can hold", out_scale)
    own = scale("x_scale", x_scale)
    if array.size == 0:
        return np.empty(array.shape, out)
    return _core.softmax(contiguous(array), own, steps, zero, *byte_range(out), out == "int8")


def _vector(name: str, values: ArrayLike, n: int, step: float) -> NDArray[np.float32]:
    """Check for n finite values; return them in steps of the output."""
    array: Any = float_array(name, values)
    if array.shape != (n,):
        raise invalid(name, f"shape ({n},)", f"shape {array.shape}")
    with np.errstate(over="ignore"):
        steps: NDArray[np.float32] = array / np.float32(step)
    if not np.isfinite(steps).all():
        raise invalid(name, "finite values, also when divided by out_scale", "others")
    return steps


def layer_norm(
    x: BytesLike,
    gamma: ArrayLike,
    beta: ArrayLike,
    *,
    x_scale: float,
    out_scale: float,
    out_zero_point: int = 0,
    epsilon: float = 1e-5,
    dtype: DTypeLike = "uint8",
) -> Bytes:
    """Normalize over the last axis: ``(x - mean) / sqrt(variance + epsilon) * gamma + beta``.

    Sums are integers; with s = sum(x), t = sum(x**2), g = gamma / out_scale, b = beta / out_scale
    and ``e = epsilon / x_scale**2`` (in float64)::

        r   = float32(1 / sqrt(float64(n * t - s * s) + e * n * n))
        out = clamp(rne(fma(float32(n * x - s) * r, g, b)) + out_zero_point)

    Parameters
    ----------
    x : ndarray of uint8 or int8, shape (..., n), 1 <= n <= 65536
        Its zero point has no influence.
    gamma, beta : array of float, shape (n,)
    x_scale, out_scale : float
        Finite and positive.
    out_zero_point : int, default 0
    epsilon : float, default 1e-5
        Positive; 2**-100 to 2**100 when divided by ``x_scale**2``.
    dtype : {"uint8", "int8"}, default "uint8"
        Of the output.

    Returns
    -------
    ndarray of uint8 or int8, shape of `x`

    Raises
    ------
    InvalidArgumentError
        If shapes do not match, n or epsilon is out of range, a scale is not finite and positive,
        gamma or beta not finite, or the zero point out of range.
    InvalidDtypeError
        If `x` is neither uint8 nor int8, or gamma or beta not floating.

    Notes
    -----
    Source: Ba et al. 2016, arXiv:1607.06450; ONNX operator LayerNormalization, opset 17, axis -1.

    Examples
    --------
    >>> import numpy as np
    >>> ones, zeros = np.ones(4, np.float32), np.zeros(4, np.float32)
    >>> layer_norm(
    ...     np.uint8([[1, 2, 3, 4]]), ones, zeros, x_scale=1.0, out_scale=0.01, out_zero_point=128
    ... )
    array([[  0,  83, 173, 255]], dtype=uint8)
    """
    array = _rows(x)
    n = array.shape[-1]
    if not 1 <= n <= _MAX_LAYER_NORM:
        raise invalid("x", f"1 to {_MAX_LAYER_NORM} elements in the last axis", n)
    out = byte_dtype("dtype", dtype)
    zero = zero_point("out_zero_point", out_zero_point, out)
    step = scale("out_scale", out_scale)
    g, b = _vector("gamma", gamma, n, step), _vector("beta", beta, n, step)
    own = scale("x_scale", x_scale)
    floor = float(epsilon) / own / own
    if not 2.0**-100 <= floor <= 2.0**100:
        raise invalid("epsilon", "2**-100 to 2**100 squared steps of x", f"{epsilon} ({floor})")
    if array.size == 0:
        return np.empty(array.shape, out)
    args = (floor, zero, *byte_range(out), out == "int8")
    return _core.layer_norm(contiguous(array), g, b, *args)
