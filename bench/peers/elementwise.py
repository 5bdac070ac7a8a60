"""Elementwise problems: operands and the exact result of each op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .problems import Array, Elementwise, windows

SCALES, ZERO_POINTS = (0.02, 0.03), (121, 96)
OUT_SCALE, OUT_ZERO_POINT = 0.035, 117
POOL_KERNEL, POOL_STRIDE, POOL_PADDING = 3, 2, 1
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


_EXPECTED: dict[str, Callable[..., Array]] = {
    "add": _add,
    "quantize": _quantize,
    "dequantize": _dequantize,
    "max_pool": _max_pool,
    "global_avg_pool": _global_avg_pool,
    "concat": _concat,
    "to_nhwc": lambda q: np.ascontiguousarray(q.transpose(0, 2, 3, 1)),
    "to_nchw": lambda q: np.ascontiguousarray(q.transpose(0, 3, 1, 2)),
}
_BINARY = {"add", "concat"}


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
        "out_scale": float(_F32(OUT_SCALE)),
        "out_zero_point": OUT_ZERO_POINT,
    }
    name = f"{op} {'x'.join(map(str, shape))}"
    return Elementwise(name, op, inputs, _EXPECTED[op](*inputs), **fields)
