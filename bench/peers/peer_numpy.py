"""NumPy in float32: BLAS where there are weights, expressions elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info, threadpool_limits

from .elementwise import POOL_KERNEL, POOL_PADDING, POOL_STRIDE
from .problems import Array, Conv, Elementwise, Gemm, Problem, windows
from .timing import Runner

_F32 = np.float32


class NumPy:
    """Arrays are float32 from input to output; u8 appears only where the op is about it."""

    def __init__(self, threads: int) -> None:
        # Not a with block: the limit holds for the life of the process.
        threadpool_limits(threads, user_api="blas")
        pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
        kernels = {f"{pool['internal_api']} {pool.get('architecture', '')}" for pool in pools}
        self.note = "float32, " + (", ".join(sorted(kernels)) or "no BLAS found")

    def runner(self, p: Problem) -> Runner | None:
        """Prepare one problem."""
        if isinstance(p, Elementwise):
            return _elementwise(p)
        if isinstance(p, Conv) and p.groups > 1 and not p.depthwise:
            return None
        call = _gemm(p) if isinstance(p, Gemm) else _depthwise(p) if p.depthwise else _conv(p)
        return Runner(call, lambda: p.quantized(call()), self.note)


def _gemm(p: Gemm) -> Callable[[], Array]:
    a, bias = p.real(p.a), p.bias_f32
    weight = np.ascontiguousarray((p.weight * p.weight_scale[:, None]).T)
    out = np.empty(p.expected.shape, _F32)

    def call() -> Array:
        np.matmul(a, weight, out=out)
        return np.add(out, bias, out=out)

    return call


def _conv(p: Conv) -> Callable[[], Array]:
    """im2col by slicing, then BLAS; a 1x1 with stride 1 needs no copy."""
    x, bias = p.real(p.a), p.bias_f32
    o, c, kh, kw = p.weight.shape
    weight = np.ascontiguousarray((p.weight * p.weight_scale[:, None, None, None]).reshape(o, -1).T)
    out = np.empty((int(np.prod(p.out_shape[:3])), o), _F32)

    def call() -> Array:
        pixels = kh * kw == p.stride
        columns = x if pixels else windows(x, (kh, kw), p.stride, p.padding, 0, p.dilation)
        np.matmul(columns.reshape(-1, c * kh * kw), weight, out=out)
        return np.add(out, bias, out=out).reshape(p.out_shape)

    return call


def _depthwise(p: Conv) -> Callable[[], Array]:
    """One multiply and add of whole images per tap."""
    x, bias = p.real(p.a), p.bias_f32
    weight = p.weight[:, 0] * p.weight_scale[:, None, None]
    taps = np.ascontiguousarray(weight.transpose(1, 2, 0))
    kernel: tuple[int, int] = (taps.shape[0], taps.shape[1])
    out, product = np.empty(p.out_shape, _F32), np.empty(p.out_shape, _F32)

    def call() -> Array:
        view = windows(x, kernel, p.stride, p.padding, 0, p.dilation)
        out[...] = bias
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                np.multiply(view[..., i, j], taps[i, j], out=product)
                np.add(out, product, out=out)
        return out

    return call


def _to_u8(real: Array, p: Elementwise) -> Array:
    steps = np.rint(real / _F32(p.out_scale)) + _F32(p.out_zero_point)
    return np.asarray(np.clip(steps, 0, 255), np.uint8)


def _elementwise(p: Elementwise) -> Runner | None:
    """The float op, or the conversion itself; None where NumPy has no form worth timing."""
    x: Any = p.inputs
    zero, scale = _F32(p.zero_points[0]), _F32(p.scales[0])
    order = (0, 2, 3, 1) if p.op == "to_nhwc" else (0, 3, 1, 2)
    calls: dict[str, Callable[[], Array]] = {
        "quantize": lambda: _to_u8(x[0], p),
        "dequantize": lambda: (x[0] - zero) * scale,
        "to_nhwc": lambda: np.ascontiguousarray(x[0].transpose(order)),
        "to_nchw": lambda: np.ascontiguousarray(x[0].transpose(order)),
        "max_pool": lambda: _max_pool(x[0]),
    }
    if p.op in calls:
        return Runner(calls[p.op], calls[p.op], "float32")
    triples = zip(p.inputs, p.scales, p.zero_points, strict=False)
    real = [((q - _F32(z)) * _F32(s)).astype(_F32) for q, s, z in triples]
    floats: dict[str, Callable[[], Array]] = {
        "add": lambda: np.asarray(real[0] + real[1]),
        "global_avg_pool": lambda: np.asarray(real[0].mean((1, 2), keepdims=True)),
    }
    if p.op not in floats:
        return None
    call = floats[p.op]
    return Runner(call, lambda: _to_u8(call(), p), "float32")


def _max_pool(x: Array) -> Array:
    view = windows(x, (POOL_KERNEL, POOL_KERNEL), POOL_STRIDE, (POOL_PADDING, POOL_PADDING), 0)
    best = view[..., 0, 0].copy()
    for i in range(1, POOL_KERNEL * POOL_KERNEL):
        np.maximum(best, view[..., i // POOL_KERNEL, i % POOL_KERNEL], out=best)
    return np.asarray(best)
