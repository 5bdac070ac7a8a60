"""Elementwise problems: operands and the exact result of each op."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from octavo import reference

from .problems import Array, Elementwise, windows

SCALES, ZERO_POINTS = (0.02, 0.03), (121, 96)
OUT_SCALE, OUT_ZERO_POINT = 0.035, 117
PROBABILITY_SCALE = 1 / 256  # of outputs in 0..1, zero point 0
POOL_KERNEL, POOL_STRIDE, POOL_PADDING = 3, 2, 1
EPSILON = 1e-5
_F32 = np.float32


def _to_u8(steps: Array) -> Array:
    return np.asarray(np.clip(np.rint(steps) + OUT_ZERO_POINT, 0, 255), np.uint8)


def _shifted(q: Array, i: int) -> Array:
    return np.asarray(q.astype(_F32) - _F32(ZERO_POINTS[i]))


def _ratio(i: int) -> Any:
    return _F32(float(_F32(SCALES[i])) / float(_F32(OUT_SCALE)))


def _add(a: Array, b: Array) -> Array:
    """A fused multiply-add, one rounding: exact in float64, whose product and sum have room."""
    product = _F32(_ratio(0) * _shifted(a, 0))
    exact = _shifted(b, 1).astype(np.float64) * np.float64(_ratio(1)) + product
    return _to_u8(exact.astype(_F32))


def _quantize(x: Array) -> Array:
    return _to_u8(x / _F32(OUT_SCALE))


def _dequantize(q: Array) -> Array:
    return np.asarray(_shifted(q, 0) * _F32(SCALES[0]))


def _max_pool(q: Array) -> Array:
    view = windows(q, (POOL_KERNEL, POOL_KERNEL), POOL_STRIDE, (POOL_PADDING, POOL_PADDING), 0)
    return np.asarray(view.max((4, 5)))


def _global_avg_pool(q: Array) -> Array:
    total = q.sum((1, 2), dtype=np.int64, keepdims=True)
    area = q.shape[1] * q.shape[2]
    multiplier = _F32(float(_F32(SCALES[0])) / float(_F32(OUT_SCALE)) / area)
    return _to_u8((total - area * ZERO_POINTS[0]).astype(_F32) * multiplier)


def _concat(a: Array, b: Array) -> Array:
    parts = [_to_u8(_shifted(q, i) * _ratio(i)) for i, q in enumerate((a, b))]
    return np.concatenate(parts, axis=-1)


def _mul(a: Array, b: Array) -> Array:
    multiplier = _F32(float(_F32(SCALES[0])) * float(_F32(SCALES[1])) / float(_F32(OUT_SCALE)))
    return _to_u8(_shifted(a, 0) * _shifted(b, 1) * multiplier)


def _softmax(q: Array) -> Array:
    return reference.softmax(q, x_scale=float(_F32(SCALES[0])), out_scale=PROBABILITY_SCALE)


def layer_norm_vectors(channels: int) -> tuple[Array, Array]:
    """Return gamma and beta."""
    return np.linspace(0.5, 1.5, channels, dtype=_F32), np.linspace(-1, 1, channels, dtype=_F32)


def _layer_norm(q: Array) -> Array:
    gamma, beta = layer_norm_vectors(q.shape[-1])
    return reference.layer_norm(
        q,
        gamma,
        beta,
        x_scale=float(_F32(SCALES[0])),
        epsilon=EPSILON,
        out_scale=float(_F32(OUT_SCALE)),
        out_zero_point=OUT_ZERO_POINT,
    )


# In float64, of one value each.
FUNCTIONS: dict[str, Callable[[float], float]] = {
    "gelu": lambda x: x / 2 * (1 + math.erf(x / math.sqrt(2))),
    "silu": lambda x: x / (1 + math.exp(-x)),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "hard_swish": lambda x: x * min(max(x / 6 + 0.5, 0), 1),
}


def _out(op: str) -> tuple[float, int]:
    if op in {"softmax", "sigmoid"}:
        return PROBABILITY_SCALE, 0
    return float(_F32(OUT_SCALE)), OUT_ZERO_POINT


def _table(op: str) -> Callable[[Array], Array]:
    def expected(q: Array) -> Array:
        scale, zero_point = _out(op)
        reals = [float(_F32(SCALES[0])) * (i - ZERO_POINTS[0]) for i in range(256)]
        steps = np.rint([FUNCTIONS[op](x) / scale for x in reals]) + zero_point
        return np.asarray(np.clip(steps, 0, 255).astype(np.uint8)[q])

    return expected


_EXPECTED: dict[str, Callable[..., Array]] = {
    "add": _add,
    "quantize": _quantize,
    "dequantize": _dequantize,
    "max_pool": _max_pool,
    "global_avg_pool": _global_avg_pool,
    "concat": _concat,
    "mul": _mul,
    "softmax": _softmax,
    "layer_norm": _layer_norm,
    **{op: _table(op) for op in FUNCTIONS},
    "to_nhwc": lambda q: np.ascontiguousarray(q.transpose(0, 2, 3, 1)),
    "to_nchw": lambda q: np.ascontiguousarray(q.transpose(0, 3, 1, 2)),
}
_BINARY = {"add", "concat", "mul"}


def _inputs(op: str, shape: tuple[int, int, int, int]) -> tuple[Array, ...]:
    random = np.random.default_rng(sum(shape))
    n, h, w, c = shape
    if op == "quantize":
        return (random.standard_normal(shape, np.float32) * _F32(1.5),)
    if op == "to_nhwc":
        shape = (n, c, h, w)
    count = 2 if op in _BINARY else 1
    return tuple(random.integers(0, 256, shape, dtype=np.uint8) for _ in range(count))


def make_elementwise(op: str, shape: tuple[int, int, int, int]) -> Elementwise:
    """Random operands of NHWC `shape` (NCHW where that is the input's order)."""
    inputs = _inputs(op, shape)
    fields: dict[str, Any] = {
        "scales": tuple(float(_F32(s)) for s in SCALES),
        "zero_points": ZERO_POINTS,
        "out_scale": _out(op)[0],
        "out_zero_point": _out(op)[1],
    }
    name = f"{op} {'x'.join(map(str, shape))}"
    return Elementwise(name, op, inputs, _EXPECTED[op](*inputs), **fields)
