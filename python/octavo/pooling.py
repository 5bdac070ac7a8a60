"""Pooling of quantized NHWC images.

Arrays are uint8 or int8, as in `octavo.functional`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from octavo import _core
from octavo._checks import (
    Bytes,
    BytesLike,
    IntOrPair,
    byte_array,
    byte_dtype,
    byte_range,
    contiguous,
    invalid,
    pads,
    pair,
    zero_point,
)
from octavo.requantization import scale_ratio

__all__ = ["global_avg_pool", "max_pool2d"]

#: 2**23 * 255 < 2**31: the sum of an image cannot wrap.
_MAX_PIXELS = 2**23


def _some_tap_inside(
    size: int, kernel: int, stride: int, dilation: int, before: int, n: int
) -> bool:
    """Whether each of n windows along one axis holds at least one of `size` pixels."""
    if dilation == 1:  # Those between the first and the last do if these two do.
        return before < kernel and (n - 1) * stride - before < size
    first = np.arange(n, dtype=np.int64) * stride - before
    # The first tap that is not left of the image must not be right of it, nor past the last tap.
    skipped = np.maximum(-(first // dilation), 0)
    return bool(np.all((skipped < kernel) & (first + skipped * dilation < size)))


def max_pool2d(
    x: BytesLike,
    kernel: IntOrPair,
    *,
    stride: IntOrPair | None = None,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
) -> Bytes:
    """Return the maximum of each window of NHWC images; padded pixels never win.

    Scale and zero point of the output are those of the input.

    Parameters
    ----------
    x : ndarray of uint8 or int8, shape (batch, h, w, c)
    kernel : int or (int, int)
        (h, w), as `stride` and `dilation`.
    stride : int or (int, int), optional
        The default is `kernel`.
    padding : int, (h, w) or (top, left, bottom, right), default 0
    dilation : int or (int, int), default 1

    Returns
    -------
    ndarray of uint8 or int8, shape (batch, oh, ow, c)
        ``oh = (h + top + bottom - dilation * (kernel - 1) - 1) // stride + 1``, ow likewise.

    Raises
    ------
    InvalidArgumentError
        If `x` has not 4 dimensions, the kernel does not fit the padded image, or a window holds
        nothing but padding.
    InvalidDtypeError
        If `x` is neither uint8 nor int8.

    Notes
    -----
    Source: ONNX operator MaxPool, opset 12, in NHWC and floor mode.

    Examples
    --------
    >>> import numpy as np
    >>> max_pool2d(np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1), 2)[0, :, :, 0]
    array([[ 5,  7],
           [13, 15]], dtype=uint8)
    """
    array = byte_array("x", x, ndim=4)
    size, spread = pair("kernel", kernel, 1), pair("dilation", dilation, 1)
    steps = size if stride is None else pair("stride", stride, 1)
    border = pads("padding", padding)
    batch, *image, channels = array.shape
    found = []
    for axis in (0, 1):
        reach = spread[axis] * (size[axis] - 1) + 1
        n = (image[axis] + border[axis] + border[axis + 2] - reach) // steps[axis] + 1
        if image[axis] == 0 or n < 1:
            expected = f"an image that fits kernel {size}, padding {border}, dilation {spread}"
            raise invalid("x", expected, f"{image[0]} x {image[1]} pixels")
        window = (image[axis], size[axis], steps[axis], spread[axis], border[axis], n)
        if not _some_tap_inside(*window):
            raise invalid("padding", "at least one pixel of the image in every window", border)
        found.append(n)
    if channels == 0:
        raise invalid("x", "at least one channel", f"shape {array.shape}")
    if batch == 0:
        return np.empty((0, *found, channels), array.dtype)
    return _core.max_pool2d(contiguous(array), size, steps, border, spread)


def global_avg_pool(
    x: BytesLike,
    *,
    x_scale: float,
    x_zero_point: int = 0,
    out_scale: float,
    out_zero_point: int = 0,
    dtype: DTypeLike = "uint8",
) -> Bytes:
    """Return the mean over height and width of NHWC images.

    ``clamp(rne(sum(x - x_zero_point) * float32(x_scale / out_scale / (h * w))) + out_zero_point)``

    Parameters
    ----------
    x : ndarray of uint8 or int8, shape (batch, h, w, c)
    x_scale, out_scale : float
        Finite and positive.
    x_zero_point, out_zero_point : int, default 0
        Within the range of the tensor's dtype.
    dtype : {"uint8", "int8"}, default "uint8"
        Of the output.

    Returns
    -------
    ndarray of uint8 or int8, shape (batch, 1, 1, c)

    Raises
    ------
    InvalidArgumentError
        If `x` has not 4 dimensions, h, w or c is 0, h * w exceeds 2**23, a scale is not finite
        and positive, or a zero point out of range.
    InvalidDtypeError
        If `x` is neither uint8 nor int8.

    Notes
    -----
    Source: ONNX operator GlobalAveragePool, opset 1, in NHWC; requantization as Jacob et al. 2018,
    arXiv:1712.05877, section 2.2.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.uint8([10, 20, 30, 40]).reshape(1, 2, 2, 1)
    >>> global_avg_pool(x, x_scale=1.0, out_scale=0.5)
    array([[[[50]]]], dtype=uint8)
    """
    array = byte_array("x", x, ndim=4)
    batch, h, w, channels = array.shape
    if not 1 <= h * w <= _MAX_PIXELS or channels == 0:
        raise invalid("x", f"1 to {_MAX_PIXELS} pixels, 1 channel or more", f"shape {array.shape}")
    zero = zero_point("x_zero_point", x_zero_point, byte_dtype("x", array.dtype))
    out = byte_dtype("dtype", dtype)
    out_zero = zero_point("out_zero_point", out_zero_point, out)
    factor = scale_ratio("x_scale", x_scale, out_scale)
    if batch == 0:
        return np.empty((0, 1, 1, channels), out)
    args = (zero, factor, out_zero, *byte_range(out), out == "int8")
    return _core.global_avg_pool(contiguous(array), *args)
