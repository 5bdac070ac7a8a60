"""octavo's functional API: the result is a new array, as a user gets it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import octavo
from octavo import _core

from .elementwise import (
    EPSILON,
    FUNCTIONS,
    POOL_KERNEL,
    POOL_PADDING,
    POOL_STRIDE,
    layer_norm_vectors,
)
from .problems import Array, Conv, Elementwise, Gemm, Problem, Weighted
from .timing import Runner


def _quantization(p: Weighted) -> dict[str, Any]:
    return {
        "weight_scale": p.weight_scale,
        "bias": p.bias,
        "a_scale": p.a_scale,
        "a_zero_point": p.a_zero_point,
        "out_scale": p.out_scale,
        "out_zero_point": p.out_zero_point,
    }


def _runner(call: Callable[[], Array], note: str) -> Runner:
    return Runner(call, call, note)


class Octavo:
    """The backend in use: the best of this CPU, or the one that OCTAVO_BACKEND names."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        octavo.set_num_threads(threads)

    def runner(self, p: Problem) -> Runner:
        """Prepare one problem."""
        backend = octavo.backend()
        if isinstance(p, Gemm):
            packed = octavo.pack_linear(p.weight, **_quantization(p))
            return _runner(lambda: octavo.linear(p.a, packed), backend)
        if isinstance(p, Conv):
            geometry: dict[str, Any] = {
                "stride": p.stride,
                "padding": (p.padding[0], p.padding[0], p.padding[1], p.padding[1]),
                "dilation": p.dilation,
                "groups": p.groups,
            }
            filters = octavo.pack_conv2d(p.weight, **_quantization(p), **geometry)
            return _runner(lambda: octavo.conv2d(p.a, filters), backend)
        if p.op in {"to_nhwc", "to_nchw"}:
            return _transpose(p, self.threads)
        return _runner(_elementwise(p), backend)


def _elementwise(p: Elementwise) -> Callable[[], Array]:
    x, scales, zeros = p.inputs, p.scales, p.zero_points
    out: dict[str, Any] = {"out_scale": p.out_scale, "out_zero_point": p.out_zero_point}
    first: dict[str, Any] = {"x_scale": scales[0], "x_zero_point": zeros[0]}
    pair: dict[str, Any] = {
        "a_scale": scales[0],
        "a_zero_point": zeros[0],
        "b_scale": scales[1],
        "b_zero_point": zeros[1],
    }
    if p.op in FUNCTIONS:
        table = octavo.activation_table(p.op, **first, **out)
        return lambda: octavo.lookup(x[0], table)
    gamma, beta = layer_norm_vectors(x[0].shape[-1])
    pool: dict[str, Any] = {"stride": POOL_STRIDE, "padding": POOL_PADDING}
    calls: dict[str, Callable[[], Array]] = {
        "add": lambda: octavo.add(x[0], x[1], **pair, **out),
        "mul": lambda: octavo.mul(x[0], x[1], **pair, **out),
        "softmax": lambda: octavo.softmax(x[0], x_scale=scales[0], **out),
        "layer_norm": lambda: octavo.layer_norm(
            x[0], gamma, beta, x_scale=scales[0], epsilon=EPSILON, **out
        ),
        "quantize": lambda: octavo.quantize_linear(x[0], p.out_scale, p.out_zero_point),
        "dequantize": lambda: octavo.dequantize_linear(x[0], scales[0], zeros[0]),
        "max_pool": lambda: octavo.max_pool2d(x[0], POOL_KERNEL, **pool),
        "global_avg_pool": lambda: octavo.global_avg_pool(x[0], **first, **out),
        "concat": lambda: octavo.concat(
            x, -1, scales=scales, zero_points=zeros, dtype="uint8", **out
        ),
    }
    return calls[p.op]


def _transpose(p: Elementwise, threads: int) -> Runner:
    """A step that only networks have, so it runs as a network of one step."""
    batch, rows, *columns = p.inputs[0].shape
    shape = (rows, int(np.prod(columns)))
    if p.op == "to_nchw":
        shape = (p.inputs[0].shape[1] * p.inputs[0].shape[2], p.inputs[0].shape[3])
    flat = p.inputs[0].reshape(-1)
    program = _core.Program()
    source, target = (program.tensor("u8", shape[0] * shape[1]) for _ in range(2))
    program.transpose(source, target, name="transpose", rows=shape[0], cols=shape[1])
    program.finish([source], [target])

    def run() -> Array:
        return program.run([flat], batch, threads)[0].reshape(p.expected.shape)

    return _runner(run, program.backend)
