"""Packed weights: rearranged once for the kernels of one backend, then used any number of times."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from octavo import _core
from octavo._checks import (
    Activation,
    IntOrPair,
    byte_dtype,
    integer,
    invalid,
    pads,
    pair,
    zero_point,
)
from octavo._dlpack import SupportsDLPack
from octavo._layer import layer_bias, layer_output, layer_weights, weight_zero_points
from octavo._packed_types import PackedConv2d, PackedLinear
from octavo.backend import backend

__all__ = ["PackedConv2d", "PackedLinear", "pack_conv2d", "pack_linear"]


def pack_linear(
    weight: NDArray[np.int8] | SupportsDLPack,
    *,
    weight_scale: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    a_scale: float | None = None,
    a_zero_point: int = 0,
    a_dtype: DTypeLike = "uint8",
    weight_zero_point: ArrayLike = 0,
    out_scale: float | None = None,
    out_zero_point: int = 0,
    out_dtype: DTypeLike = "uint8",
    activation: Activation = None,
    residual_scale: float | None = None,
    residual_zero_point: int = 0,
    residual_dtype: DTypeLike | None = None,
) -> PackedLinear:
    """Pack the weights of a fully connected layer for `linear`, on the backend in use.

    The layer computes, exactly in int32 and then in float32::

        acc = (a - a_zero_point) @ (weight - weight_zero_point).T + bias
        v   = float(acc) * float32(a_scale * weight_scale / out_scale)
        v   = fma(float(r - residual_zero_point), float32(residual_scale / out_scale), v)
        out = clamp(rne(v) + out_zero_point)

    The third line is for layers with a residual r; without `out_scale` the output is acc.

    Parameters
    ----------
    weight : ndarray of int8, shape (n, k)
        k at most 65,536; 33,025 with weight zero points. All of -128..127 is exact.
    weight_scale : float, or array of shape (n,)
        Per tensor or per output; optional without `out_scale`.
    bias : array of int32, shape (n,), optional
        In steps of ``a_scale * weight_scale``.
    a_scale : float
        Of the activations; optional without `out_scale`.
    a_zero_point : int, default 0
    a_dtype : {"uint8", "int8"}, default "uint8"
    weight_zero_point : int, or array of shape (n,), default 0
        -128..127. Other values than 0 are exact but slower.
    out_scale : float, optional
        None: the output is int32, and there is no activation and no residual.
    out_zero_point : int, default 0
    out_dtype : {"uint8", "int8"}, default "uint8"
    activation : {"relu", "relu6"} or (float, float), optional
        Clamps the output to this interval of reals, each end quantized first.
    residual_scale : float, optional
        Given if `linear` will get a residual, which is added before the activation.
    residual_zero_point : int, default 0
    residual_dtype : {"uint8", "int8"}, optional
        The default is `out_dtype`.

    Returns
    -------
    PackedLinear

    Raises
    ------
    InvalidArgumentError
        For a scale that is not finite and positive, a zero point out of range, a wrong shape, an
        empty axis, or k too large.
    InvalidDtypeError
        For a wrong dtype; `weight` must be int8.

    Notes
    -----
    Source: ONNX operator QLinearMatMul, opset 10; Jacob et al. 2018, arXiv:1712.05877, section
    2.4. Rounding is that of the default floating-point environment at the time of packing.

    Examples
    --------
    >>> import numpy as np
    >>> weight = np.int8([[1, 2, 3], [-1, 0, 1]])
    >>> packed = pack_linear(weight, weight_scale=0.5, a_scale=1.0, out_scale=1.0)
    >>> packed.n, packed.k, packed.out_dtype
    (2, 3, 'uint8')
    """
    w = layer_weights(weight, "n, k", 2)
    n, k = w.shape
    a_type = byte_dtype("a_dtype", a_dtype)
    output = layer_output(
        n, weight_scale, a_scale, out_scale, out_zero_point, out_dtype, activation,
        residual_scale, residual_zero_point, residual_dtype,
    )  # fmt: skip
    name = backend()
    core = _core.Linear(
        w,
        bias=layer_bias(bias, n),
        multiplier=output.multiplier,
        weight_zero_point=weight_zero_points(weight_zero_point, n, k),
        a_signed=a_type == "int8",
        a_zero_point=zero_point("a_zero_point", a_zero_point, a_type),
        output=output.spec,
    )
    return PackedLinear(a_type, output.dtype, output.residual_dtype, name, core)


def pack_conv2d(
    weight: NDArray[np.int8] | SupportsDLPack,
    *,
    weight_scale: ArrayLike | None = None,
    bias: ArrayLike | None = None,
    a_scale: float | None = None,
    a_zero_point: int = 0,
    a_dtype: DTypeLike = "uint8",
    weight_zero_point: ArrayLike = 0,
    out_scale: float | None = None,
    out_zero_point: int = 0,
    out_dtype: DTypeLike = "uint8",
    activation: Activation = None,
    residual_scale: float | None = None,
    residual_zero_point: int = 0,
    residual_dtype: DTypeLike | None = None,
    stride: IntOrPair = 1,
    padding: IntOrPair = 0,
    dilation: IntOrPair = 1,
    groups: int = 1,
) -> PackedConv2d:
    """Pack the weights of a 2-D convolution for `conv2d`, on the backend in use.

    The formula is that of `pack_linear`, with ``n = out`` and ``k = in / groups * kh * kw``.
    Padded pixels hold the zero point (real 0).

    Parameters
    ----------
    weight : ndarray of int8, shape (out, in / groups, kh, kw)
        The order of ONNX and PyTorch.
    weight_scale, bias, a_scale, a_zero_point, a_dtype, weight_zero_point : see `pack_linear`
        Per-channel ones have shape (out,).
    out_scale, out_zero_point, out_dtype, activation : see `pack_linear`
    residual_scale, residual_zero_point, residual_dtype : see `pack_linear`
        The residual has the shape of the output.
    stride : int or (int, int), default 1
        (h, w), as `dilation`.
    padding : int, (h, w) or (top, left, bottom, right), default 0
    dilation : int or (int, int), default 1
    groups : int, default 1
        Divides the channels of input and output; ``groups == in == out`` is a depthwise
        convolution.

    Returns
    -------
    PackedConv2d

    Raises
    ------
    InvalidArgumentError
        As `pack_linear`, and for a stride, dilation or group count below 1, negative padding, or
        groups that do not divide the output channels.
    InvalidDtypeError
        For a wrong dtype; `weight` must be int8.

    Notes
    -----
    Source: ONNX operators QLinearConv and ConvInteger, opset 10.

    Examples
    --------
    >>> import numpy as np
    >>> weight = np.ones((8, 3, 3, 3), np.int8)
    >>> packed = pack_conv2d(weight, weight_scale=0.5, a_scale=1.0, out_scale=1.0, stride=2)
    >>> packed.in_channels, packed.out_channels, packed.output_size(9, 9)
    (3, 8, (4, 4))
    """
    w = layer_weights(weight, "out, in / groups, kh, kw", 4)
    out, depth, kh, kw = w.shape
    groups = integer("groups", groups, 1, 2**20)
    if out % groups:
        raise invalid("groups", f"a divisor of the {out} output channels", groups)
    steps, spread = pair("stride", stride, 1), pair("dilation", dilation, 1)
    border = pads("padding", padding)
    a_type = byte_dtype("a_dtype", a_dtype)
    output = layer_output(
        out, weight_scale, a_scale, out_scale, out_zero_point, out_dtype, activation,
        residual_scale, residual_zero_point, residual_dtype,
    )  # fmt: skip
    name = backend()
    core = _core.Conv2d(
        w,
        bias=layer_bias(bias, out),
        multiplier=output.multiplier,
        weight_zero_point=weight_zero_points(weight_zero_point, out, depth * kh * kw),
        a_signed=a_type == "int8",
        a_zero_point=zero_point("a_zero_point", a_zero_point, a_type),
        stride=steps,
        padding=border,
        dilation=spread,
        groups=groups,
        output=output.spec,
    )
    return PackedConv2d(
        a_type, output.dtype, output.residual_dtype, name, core, (kh, kw), steps, border, spread,
        groups,
    )  # fmt: skip
