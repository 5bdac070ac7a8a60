"""Tables, softmax, layer_norm and mul in NumPy; `octavo.reference` says what they are for."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from octavo._reference_math import F32, Array, byte_range, clamp_round, fma, ratio

_FUNCTIONS: dict[str, Callable[[float], float]] = {
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "erf": math.erf,
    "exp": math.exp,
    "gelu": lambda x: 0.5 * x * (1 + math.erf(x * math.sqrt(0.5))),
    "gelu_tanh": lambda x: (
        0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    ),
    "silu": lambda x: x / (1 + math.exp(-x)),
    "hard_sigmoid": lambda x: min(max(x / 6 + 0.5, 0.0), 1.0),
    "hard_swish": lambda x: x * min(max(x / 6 + 0.5, 0.0), 1.0),
    "relu": lambda x: max(x, 0.0),
}


def activation_table(
    function: str,
    *,
    x_scale: float,
    x_zero_point: int = 0,
    out_scale: float,
    out_zero_point: int = 0,
    x_dtype: DTypeLike = "uint8",
    dtype: DTypeLike = "uint8",
) -> Array:
    """Return ``clamp(rne(function(x_scale * (x - x_zp)) / out_scale) + out_zp)`` of every byte."""
    (lo, hi), (qmin, qmax) = byte_range(x_dtype), byte_range(dtype)
    step, out_step = float(F32(x_scale)), float(F32(out_scale))
    values = [_FUNCTIONS[function](step * (x - x_zero_point)) for x in range(lo, hi + 1)]
    steps = [round(min(max(v / out_step, -1e4), 1e4)) + out_zero_point for v in values]
    return np.array([min(max(q, qmin), qmax) for q in steps], dtype)


def lookup(x: Array, table: Array) -> Array:
    """Return the entry of every byte; the first is for the least value of the dtype of `x`."""
    lowest, _ = byte_range(x.dtype)
    return np.asarray(table[x.astype(np.int32) - lowest])


def softmax(
    x: Array,
    *,
    x_scale: float,
    out_scale: float = 1 / 256,
    out_zero_point: int = 0,
    dtype: DTypeLike = "uint8",
) -> Array:
    """Return the softmax over the last axis, by integer exponentials of 23 bits."""
    step = float(F32(x_scale))
    high = np.array([2.0**23 * math.exp(-16 * i * step) for i in range(16)], F32)
    low = np.array([math.exp(-j * step) for j in range(16)], F32)
    wide = x.astype(np.int32)
    d = wide.max(-1, keepdims=True) - wide
    e = np.rint(high[d // 16] * low[d % 16])
    total = e.astype(np.int64).sum(-1, keepdims=True).astype(F32)
    with np.errstate(over="ignore"):
        v = e * (F32(1 / float(F32(out_scale))) / total)
    return clamp_round(v, out_zero_point, *byte_range(dtype), dtype)


def layer_norm(
    x: Array,
    gamma: ArrayLike,
    beta: ArrayLike,
    *,
    x_scale: float,
    out_scale: float,
    out_zero_point: int = 0,
    epsilon: float = 1e-5,
    dtype: DTypeLike = "uint8",
) -> Array:
    """Return ``fma(float32(n * x - sum) * r, gamma / out_scale, beta / out_scale)`` requantized."""
    n, wide = x.shape[-1], x.astype(np.int64)
    s, t = wide.sum(-1, keepdims=True), (wide * wide).sum(-1, keepdims=True)
    floor = epsilon / float(F32(x_scale)) / float(F32(x_scale)) * float(n) * float(n)
    r = (1 / np.sqrt((n * t - s * s).astype(np.float64) + floor)).astype(F32)
    g, b = (np.asarray(v).astype(F32) / F32(out_scale) for v in (gamma, beta))
    v = fma((n * wide - s).astype(F32) * r, g, b)
    return clamp_round(v, out_zero_point, *byte_range(dtype), dtype)


def mul(
    a: Array,
    b: Array,
    *,
    a_scale: float,
    a_zero_point: int = 0,
    b_scale: float,
    b_zero_point: int = 0,
    out_scale: float,
    out_zero_point: int = 0,
    dtype: DTypeLike = "uint8",
) -> Array:
    """Return ``(a - a_zp) * (b - b_zp) * float32(a_scale * b_scale / out_scale)`` requantized."""
    product = (a.astype(np.int32) - a_zero_point) * (b.astype(np.int32) - b_zero_point)
    with np.errstate(all="ignore"):
        v = product.astype(F32) * ratio(a_scale, b_scale, out_scale)
    return clamp_round(v, out_zero_point, *byte_range(dtype), dtype)
