"""The operators ``torch.ops.octavo``.

They compute what the functions of the same names in `octavo` do, on CPU tensors, and take PyTorch's
order of axes: images are (n, c, h, w), best in channels-last memory, which is octavo's own layout;
others are copied. Scales and zero points are numbers. Results lie in new memory.

===================  ==============================================================================
operator             arguments
===================  ==============================================================================
quantize             x, scale, zero_point, dtype=uint8
dequantize           q, scale, zero_point
requantize           x, x_scale, x_zero_point, out_scale, out_zero_point, dtype=uint8
add                  a, b, a_scale, a_zero_point, b_scale, b_zero_point, out_scale, out_zero_point,
                     dtype=uint8, lo=None, hi=None
mul                  the same without lo and hi; b broadcasts to a
max_pool2d           x, kernel_size, stride, padding, dilation: lists of two integers
global_avg_pool      x, x_scale, x_zero_point, out_scale, out_zero_point, dtype=uint8
===================  ==============================================================================

``linear`` and ``conv2d`` are in `octavo.torch.layer_ops`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from numpy.typing import NDArray

import octavo
from octavo.torch import layer_ops
from octavo.torch.registry import operator
from octavo.torch.tensors import (
    CHANNELS_LAST,
    CONTIGUOUS,
    Tensor,
    byte_dtype,
    byte_name,
    empty,
    format_of,
    to_numpy,
    to_tensor,
)

__all__ = ["layer_ops"]

_BINARY = (
    "(Tensor a, Tensor b, float a_scale, int a_zero_point, float b_scale, int b_zero_point, "
    "float out_scale, int out_zero_point, ScalarType? dtype=None"
)


@operator("quantize(Tensor x, float scale, int zero_point, ScalarType? dtype=None) -> Tensor")
def _quantize(x: Tensor, scale: float, zero_point: int, dtype: torch.dtype | None = None) -> Tensor:
    layout = format_of(x)
    name = byte_name("dtype", dtype)
    q = octavo.quantize_linear(to_numpy(x, layout), scale, zero_point, dtype=name)
    return to_tensor(q, layout)


@_quantize.fake
def _(x: Tensor, dtype: torch.dtype | None) -> Tensor:
    return empty(x, byte_dtype("dtype", dtype), format_of(x))


@operator("dequantize(Tensor q, float scale, int zero_point) -> Tensor")
def _dequantize(q: Tensor, scale: float, zero_point: int) -> Tensor:
    layout = format_of(q)
    return to_tensor(octavo.dequantize_linear(to_numpy(q, layout), scale, zero_point), layout)


@_dequantize.fake
def _(q: Tensor) -> Tensor:
    return empty(q, torch.float32, format_of(q))


@operator(
    "requantize(Tensor x, float x_scale, int x_zero_point, float out_scale, int out_zero_point, "
    "ScalarType? dtype=None) -> Tensor"
)
def _requantize(
    x: Tensor,
    x_scale: float,
    x_zero_point: int,
    out_scale: float,
    out_zero_point: int,
    dtype: torch.dtype | None = None,
) -> Tensor:
    layout = format_of(x)
    params = (x_scale, x_zero_point, out_scale, out_zero_point)
    name = byte_name("dtype", dtype)
    return to_tensor(octavo.requantize_linear(to_numpy(x, layout), *params, dtype=name), layout)


@_requantize.fake
def _(x: Tensor, dtype: torch.dtype | None) -> Tensor:
    return empty(x, byte_dtype("dtype", dtype), format_of(x))


def _operands(a: Tensor, b: Tensor) -> tuple[NDArray[Any], NDArray[Any], torch.memory_format]:
    """Both in the layout of the first, and this layout."""
    layout = format_of(a) if b.dim() == 4 else CONTIGUOUS
    return to_numpy(a, layout), to_numpy(b, layout), layout


@operator(f"add{_BINARY}, float? lo=None, float? hi=None) -> Tensor")
def _add(
    a: Tensor,
    b: Tensor,
    a_scale: float,
    a_zero_point: int,
    b_scale: float,
    b_zero_point: int,
    out_scale: float,
    out_zero_point: int,
    dtype: torch.dtype | None = None,
    lo: float | None = None,
    hi: float | None = None,
) -> Tensor:
    left, right, layout = _operands(a, b)
    result = octavo.add(
        left,
        right,
        a_scale=a_scale,
        a_zero_point=a_zero_point,
        b_scale=b_scale,
        b_zero_point=b_zero_point,
        out_scale=out_scale,
        out_zero_point=out_zero_point,
        dtype=byte_name("dtype", dtype),
        activation=(-math.inf if lo is None else lo, math.inf if hi is None else hi),
    )
    return to_tensor(result, layout)


@_add.fake
def _(a: Tensor, b: Tensor, dtype: torch.dtype | None) -> Tensor:
    return _like_first(a, b, dtype)


@operator(f"mul{_BINARY}) -> Tensor")
def _mul(
    a: Tensor,
    b: Tensor,
    a_scale: float,
    a_zero_point: int,
    b_scale: float,
    b_zero_point: int,
    out_scale: float,
    out_zero_point: int,
    dtype: torch.dtype | None = None,
) -> Tensor:
    left, right, layout = _operands(a, b)
    result = octavo.mul(
        left,
        right,
        a_scale=a_scale,
        a_zero_point=a_zero_point,
        b_scale=b_scale,
        b_zero_point=b_zero_point,
        out_scale=out_scale,
        out_zero_point=out_zero_point,
        dtype=byte_name("dtype", dtype),
    )
    return to_tensor(result, layout)


@_mul.fake
def _(a: Tensor, b: Tensor, dtype: torch.dtype | None) -> Tensor:
    return _like_first(a, b, dtype)


def _like_first(a: Tensor, b: Tensor, dtype: torch.dtype | None) -> Tensor:
    return empty(a, byte_dtype("dtype", dtype), format_of(a) if b.dim() == 4 else CONTIGUOUS)


@operator(
    "max_pool2d(Tensor x, int[2] kernel_size, int[2] stride, int[2] padding=0, "
    "int[2] dilation=1) -> Tensor"
)
def _max_pool2d(
    x: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
) -> Tensor:
    y = octavo.max_pool2d(
        to_numpy(x, CHANNELS_LAST), kernel_size, stride=stride, padding=padding, dilation=dilation
    )
    return to_tensor(y, CHANNELS_LAST)


@_max_pool2d.fake
def _(
    x: Tensor,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    top, left = padding
    size = layer_ops.output_size(x.shape[2:], kernel_size, stride, (top, left, top, left), dilation)
    return x.new_empty((x.shape[0], *size, x.shape[1])).permute(0, 3, 1, 2)


@operator(
    "global_avg_pool(Tensor x, float x_scale, int x_zero_point, float out_scale, "
    "int out_zero_point, ScalarType? dtype=None) -> Tensor"
)
def _global_avg_pool(
    x: Tensor,
    x_scale: float,
    x_zero_point: int,
    out_scale: float,
    out_zero_point: int,
    dtype: torch.dtype | None = None,
) -> Tensor:
    y = octavo.global_avg_pool(
        to_numpy(x, CHANNELS_LAST),
        x_scale=x_scale,
        x_zero_point=x_zero_point,
        out_scale=out_scale,
        out_zero_point=out_zero_point,
        dtype=byte_name("dtype", dtype),
    )
    return to_tensor(y, CHANNELS_LAST)


@_global_avg_pool.fake
def _(x: Tensor, dtype: torch.dtype | None) -> Tensor:
    size = (x.shape[0], 1, 1, x.shape[1])
    return x.new_empty(size, dtype=byte_dtype("dtype", dtype)).permute(0, 3, 1, 2)
