"""The operators ``torch.ops.octavo.linear`` and ``conv2d``.

Their arguments, common to both:

x
    Bytes, or float32, which is quantized to uint8 first. (..., k), or images (n, c, h, w).
weight, weight_scale, bias
    int8 of shape (n, k) or (out, in / groups, kh, kw); float32 of shape (n,) or (1,); int32 of
    shape (n,) in steps of x_scale * weight_scale, or None.
x_scale, x_zero_point, out_scale, out_zero_point
out_dtype
    uint8 (the default) or int8; or float32: the uint8 result, dequantized.
lo, hi
    The interval of reals that an activation clamps the output to, or None.

`conv2d` also takes stride (h, w), padding (top, left, bottom, right), dilation (h, w) and groups.
The formulas are those of `octavo.pack_linear`. Weights are packed on the first call, see
`octavo.torch.cache`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray

import octavo
from octavo._checks import invalid, wrong_dtype
from octavo.packed import PackedConv2d, PackedLinear
from octavo.torch.cache import packed_once
from octavo.torch.registry import operator
from octavo.torch.tensors import (
    CHANNELS_LAST,
    CONTIGUOUS,
    Format,
    Tensor,
    byte_dtype,
    byte_name,
    format_of,
    to_numpy,
    to_tensor,
)

_LAYER = (
    "(Tensor x, Tensor weight, Tensor weight_scale, Tensor? bias, float x_scale, "
    "int x_zero_point, float out_scale, int out_zero_point, ScalarType? out_dtype=None, "
    "float? lo=None, float? hi=None"
)


@operator(f"linear{_LAYER}) -> Tensor")
def _linear(
    x: Tensor,
    weight: Tensor,
    weight_scale: Tensor,
    bias: Tensor | None,
    x_scale: float,
    x_zero_point: int,
    out_scale: float,
    out_zero_point: int,
    out_dtype: torch.dtype | None = None,
    lo: float | None = None,
    hi: float | None = None,
) -> Tensor:
    a = _bytes(x, x_scale, x_zero_point, CONTIGUOUS)
    output = (out_scale, out_zero_point, _stored(out_dtype), lo, hi)
    parameters = (x_scale, x_zero_point, _name(x), *output)
    packed = packed_once(_pack_linear, (weight, weight_scale, bias), parameters)
    y = octavo.linear(a, packed)
    return _result(y, out_scale, out_zero_point, out_dtype, CONTIGUOUS)


@_linear.fake
def _(x: Tensor, weight: Tensor, out_dtype: torch.dtype | None) -> Tensor:
    if weight.dim() != 2 or x.dim() < 1 or x.shape[-1] != weight.shape[1]:
        raise invalid("x", f"shape (..., k), k as in weight {tuple(weight.shape)}", tuple(x.shape))
    return x.new_empty((*x.shape[:-1], weight.shape[0]), dtype=_out_dtype(out_dtype))


@operator(
    f"conv2d{_LAYER}, int[2] stride=1, int[4] padding=0, int[2] dilation=1, int groups=1) -> Tensor"
)
def _conv2d(
    x: Tensor,
    weight: Tensor,
    weight_scale: Tensor,
    bias: Tensor | None,
    x_scale: float,
    x_zero_point: int,
    out_scale: float,
    out_zero_point: int,
    out_dtype: torch.dtype | None = None,
    lo: float | None = None,
    hi: float | None = None,
    stride: Sequence[int] = (1, 1),
    padding: Sequence[int] = (0, 0, 0, 0),
    dilation: Sequence[int] = (1, 1),
    groups: int = 1,
) -> Tensor:
    if x.dim() != 4:
        raise invalid("x", "images (n, c, h, w)", f"shape {tuple(x.shape)}")
    a = _bytes(x, x_scale, x_zero_point, CHANNELS_LAST)
    output = (out_scale, out_zero_point, _stored(out_dtype), lo, hi)
    geometry = (tuple(stride), tuple(padding), tuple(dilation), groups)
    parameters = (x_scale, x_zero_point, _name(x), *output, *geometry)
    packed = packed_once(_pack_conv2d, (weight, weight_scale, bias), parameters)
    y = octavo.conv2d(a, packed)
    return _result(y, out_scale, out_zero_point, out_dtype, CHANNELS_LAST)


@_conv2d.fake
def _(
    x: Tensor,
    weight: Tensor,
    out_dtype: torch.dtype | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int,
) -> Tensor:
    if x.dim() != 4 or weight.dim() != 4 or x.shape[1] != weight.shape[1] * groups:
        expected = f"images (n, c, h, w), c as in weight {tuple(weight.shape)}, groups {groups}"
        raise invalid("x", expected, f"shape {tuple(x.shape)}")
    size = output_size(x.shape[2:], weight.shape[2:], stride, padding, dilation)
    dtype = _out_dtype(out_dtype)
    return x.new_empty((x.shape[0], *size, weight.shape[0]), dtype=dtype).permute(0, 3, 1, 2)


def output_size(
    size: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> tuple[int, int]:
    """Return height and width of what a window that slides over an image makes of it."""
    top, left, bottom, right = padding
    padded = (size[0] + top + bottom, size[1] + left + right)
    h, w = ((n - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i, n in enumerate(padded))
    return h, w


def _out_dtype(out_dtype: torch.dtype | None) -> torch.dtype:
    return out_dtype if out_dtype == torch.float32 else byte_dtype("out_dtype", out_dtype)


def _stored(out_dtype: torch.dtype | None) -> str:
    return "uint8" if out_dtype == torch.float32 else byte_name("out_dtype", out_dtype)


def _bytes(x: Tensor, scale: float, zero_point: int, layout: Format) -> NDArray[Any]:
    """Return the input's bytes; reals are quantized as they lie: bytes are cheaper to rearrange."""
    if x.dtype == torch.float32:
        own = format_of(x)
        q = octavo.quantize_linear(to_numpy(x, own), scale, zero_point)
        return q if own is layout else to_numpy(to_tensor(q, own), layout)
    if x.dtype not in (torch.uint8, torch.int8):
        raise wrong_dtype("x", "torch.float32, torch.uint8 or torch.int8", x.dtype)
    return to_numpy(x, layout)


def _name(x: Tensor) -> str:
    """Of the dtype of the bytes; NumPy takes long to name one."""
    return "int8" if x.dtype == torch.int8 else "uint8"


def _result(
    y: NDArray[Any], scale: float, zero_point: int, dtype: torch.dtype | None, layout: Format
) -> Tensor:
    if dtype == torch.float32:
        y = octavo.dequantize_linear(y, scale, zero_point)
    return to_tensor(y, layout)


def _packing(
    scale: Tensor,
    bias: Tensor | None,
    x_scale: float,
    x_zero_point: int,
    x_dtype: str,
    out_scale: float,
    out_zero_point: int,
    out_dtype: str,
    lo: float | None,
    hi: float | None,
) -> dict[str, Any]:
    return {
        "weight_scale": to_numpy(scale),
        "bias": None if bias is None else to_numpy(bias),
        "a_scale": x_scale,
        "a_zero_point": x_zero_point,
        "a_dtype": x_dtype,
        "out_scale": out_scale,
        "out_zero_point": out_zero_point,
        "out_dtype": out_dtype,
        "activation": (-math.inf if lo is None else lo, math.inf if hi is None else hi),
    }


def _pack_linear(
    weight: Tensor, scale: Tensor, bias: Tensor | None, *parameters: Any
) -> PackedLinear:
    return octavo.pack_linear(to_numpy(weight), **_packing(scale, bias, *parameters))


def _pack_conv2d(
    weight: Tensor, scale: Tensor, bias: Tensor | None, *parameters: Any
) -> PackedConv2d:
    *layer, stride, padding, dilation, groups = parameters
    return octavo.pack_conv2d(
        to_numpy(weight),
        **_packing(scale, bias, *layer),
        stride=stride,
        padding=padding,
        dilation=dilation,
        groups=groups,
    )
