"""Operators on quantized tensors: those that multiply, and all others by import.

Arrays are uint8 or int8: NumPy's, or any CPU array that has ``__dlpack__`` (PyTorch, JAX and other
array API libraries), read in place. Non-contiguous ones are copied first, but for the activations
of `linear`, whose rows may lie apart. Every result is a new NumPy array.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from octavo import _core
from octavo._checks import (
    Bytes,
    BytesLike,
    array_of,
    bound_k,
    byte_array,
    byte_dtype,
    byte_range,
    contiguous,
    integers,
    invalid,
    wrong_dtype,
    zero_point,
)
from octavo.backend import backend
from octavo.elementwise import add, concat
from octavo.packed import PackedConv2d, PackedLinear
from octavo.pooling import global_avg_pool, max_pool2d

__all__ = [
    "add",
    "concat",
    "conv2d",
    "global_avg_pool",
    "linear",
    "matmul_integer",
    "max_pool2d",
]


def _rows(x: Bytes) -> Bytes:
    """Return `x` as (m, k) with contiguous rows; rows that lie apart are not copied."""
    k = x.shape[-1]
    if x.ndim == 2 and x.strides[1] == 1 and x.strides[0] >= k:
        return x
    return contiguous(x).reshape(-1, k)


def _residual(
    residual: object, packed: PackedLinear | PackedConv2d, shape: tuple[int, ...]
) -> Bytes | None:
    if packed.residual_dtype is None:
        if residual is not None:
            raise invalid("residual", "None: packed without residual_scale", "an array")
        return None
    if residual is None:
        raise invalid("residual", f"an array of shape {shape}: packed with residual_scale", None)
    array = array_of("residual", residual, packed.residual_dtype)
    if array.shape != shape:
        raise invalid("residual", f"shape {shape}", f"shape {array.shape}")
    return contiguous(array)


def _activations(name: str, x: object, packed: PackedLinear | PackedConv2d) -> Bytes:
    array = byte_array(name, x)
    if array.dtype != packed.a_dtype:
        raise wrong_dtype(name, f"{packed.a_dtype}, as packed (a_dtype)", array.dtype)
    return array


def linear(
    a: BytesLike, packed: PackedLinear, *, residual: BytesLike | None = None
) -> NDArray[Any]:
    """Apply a fully connected layer; the formula is at `pack_linear`.

    Parameters
    ----------
    a : ndarray of uint8 or int8, shape (..., k)
        Of the dtype packed for. A 2-D array whose rows lie apart is not copied.
    packed : PackedLinear
    residual : ndarray of uint8 or int8, shape (..., n), optional
        Given exactly if packed with `residual_scale`.

    Returns
    -------
    ndarray of packed.out_dtype, shape (..., n)
        No rows in, no rows out.

    Raises
    ------
    InvalidArgumentError
        If a shape is wrong, or a residual missing or unexpected.
    InvalidDtypeError
        If a dtype is not the one packed for.
    BackendError
        If the weights were packed for a backend with another layout.

    Notes
    -----
    Source: ONNX operator QLinearMatMul, opset 10; Jacob et al. 2018, arXiv:1712.05877.

    Examples
    --------
    >>> import numpy as np
    >>> import octavo
    >>> weight = np.int8([[1, 2, 3], [-1, 0, 1]])
    >>> packed = octavo.pack_linear(weight, weight_scale=0.5, a_scale=1.0, out_scale=1.0)
    >>> octavo.linear(np.uint8([[10, 20, 30], [5, 0, 0]]), packed)
    array([[70, 10],
           [ 2,  0]], dtype=uint8)
    """
    if not isinstance(packed, PackedLinear):
        raise wrong_dtype("packed", "a PackedLinear (see pack_linear)", type(packed).__name__)
    array = _activations("a", a, packed)
    if array.ndim == 0 or array.shape[-1] != packed.k:
        raise invalid("a", f"shape (..., {packed.k})", f"shape {array.shape}")
    packed.require_backend(packed.layout)
    shape = (*array.shape[:-1], packed.n)
    added = _residual(residual, packed, shape)
    if array.size == 0:
        return np.empty(shape, packed.out_dtype)
    flat = None if added is None else added.reshape(-1, packed.n)
    return packed.core.run(_rows(array), flat).reshape(shape)


def conv2d(
    x: BytesLike, packed: PackedConv2d, *, residual: BytesLike | None = None
) -> NDArray[Any]:
    """Apply a 2-D convolution to NHWC images; the formula is at `pack_linear`.

    Parameters
    ----------
    x : ndarray of uint8 or int8, shape (batch, h, w, in)
        Of the dtype packed for.
    packed : PackedConv2d
    residual : ndarray of uint8 or int8, shape of the result, optional
        Given exactly if packed with `residual_scale`.

    Returns
    -------
    ndarray of packed.out_dtype, shape (batch, oh, ow, out)
        ``oh = (h + top + bottom - dilation * (kh - 1) - 1) // stride + 1``, ow likewise.

    Raises
    ------
    InvalidArgumentError
        If a shape is wrong, the kernel does not fit the padded image, or a residual is missing
        or unexpected.
    InvalidDtypeError
        If a dtype is not the one packed for.
    BackendError
        If the weights were packed for a backend with another layout.

    Notes
    -----
    Source: ONNX operator QLinearConv, opset 10, in NHWC; Jacob et al. 2018, arXiv:1712.05877.

    Examples
    --------
    >>> import numpy as np
    >>> import octavo
    >>> weight = np.ones((1, 1, 2, 2), np.int8)
    >>> packed = octavo.pack_conv2d(weight, weight_scale=1.0, a_scale=1.0, out_scale=4.0)
    >>> octavo.conv2d(np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1), packed)[0, :, :, 0]
    array([[2, 3],
           [5, 6]], dtype=uint8)
    """
    if not isinstance(packed, PackedConv2d):
        raise wrong_dtype("packed", "a PackedConv2d (see pack_conv2d)", type(packed).__name__)
    array = _activations("x", x, packed)
    if array.ndim != 4 or array.shape[3] != packed.in_channels:
        expected = f"shape (batch, h, w, {packed.in_channels})"
        raise invalid("x", expected, f"shape {array.shape}")
    packed.require_backend(packed.layout)
    batch, h, w, _ = array.shape
    shape = (batch, *packed.output_size(h, w), packed.out_channels)
    added = _residual(residual, packed, shape)
    if batch == 0:
        return np.empty(shape, packed.out_dtype)
    return packed.core.run(contiguous(array), added)


def matmul_integer(
    a: BytesLike, b: BytesLike, a_zero_point: int = 0, b_zero_point: ArrayLike = 0
) -> NDArray[np.int32]:
    """Multiply integer matrices exactly: ``(a - a_zero_point) @ (b - b_zero_point)``.

    `b` is packed anew on each call; for repeated use see `pack_linear`.

    Parameters
    ----------
    a : ndarray of uint8 or int8, shape (..., m, k) or (k,)
    b : ndarray of uint8 or int8, shape (k, n)
        k at most 65,536, or 33,025 if some zero point of `b` is not 0 as int8 (128 as uint8).
    a_zero_point : int, default 0
        Within the range of a's dtype.
    b_zero_point : int, or array of shape (n,), default 0
        Per tensor or per column, within the range of b's dtype.

    Returns
    -------
    ndarray of int32, shape (..., m, n) or (n,)

    Raises
    ------
    InvalidArgumentError
        If the shapes do not match, k is out of range, or a zero point is.
    InvalidDtypeError
        If an array is neither uint8 nor int8.

    Notes
    -----
    Source: ONNX operator MatMulInteger, opset 10.

    Examples
    --------
    >>> import numpy as np
    >>> import octavo
    >>> octavo.matmul_integer(np.uint8([[1, 2], [3, 4]]), np.int8([[1, -1], [0, 2]]), 1)
    array([[0, 2],
           [2, 4]], dtype=int32)
    """
    left, right = byte_array("a", a), byte_array("b", b, ndim=2)
    k, n = right.shape
    if left.ndim == 0 or left.shape[-1] != k:
        raise invalid("a", f"shape (..., {k}), to match b of shape {right.shape}", left.shape)
    zero = zero_point("a_zero_point", a_zero_point, byte_dtype("a", left.dtype))
    bounds = byte_range(byte_dtype("b", right.dtype))
    columns = integers("b_zero_point", b_zero_point, *bounds, n)
    weight = np.ascontiguousarray(right.T)
    if right.dtype == np.uint8:  # The same difference of int8 values: both move by 128.
        weight, columns = (weight ^ np.uint8(0x80)).view(np.int8), columns - np.int32(128)
    given = bool(columns.any())
    bound_k("b", k, zero_points=given)
    shape = (*left.shape[:-1], n)
    if left.size == 0 or n == 0:
        return np.empty(shape, np.int32)
    backend()  # A bad OCTAVO_BACKEND is a BackendError.
    core = _core.Linear(
        weight.astype(np.int8, copy=False),
        weight_zero_point=columns if given else None,
        a_signed=left.dtype == np.int8,
        a_zero_point=zero,
    )
    return core.run(_rows(left)).reshape(shape)
