"""A small network as a `Program` and as the ops it is made of."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo import _core

F32, U8, S8 = np.float32, np.uint8, np.int8
SIDE, CHANNELS, CLASSES = 10, 8, 7
IMAGE = SIDE * SIDE * CHANNELS
POOLED = IMAGE // 4


def layers(
    rng: np.random.Generator, side: int = SIDE
) -> tuple[_core.Conv2d, _core.Conv2d, _core.Linear]:
    """Two convolutions, the second with a residual, and a classifier; for the current backend."""
    weight = rng.integers(-128, 128, (CHANNELS, CHANNELS, 3, 3), S8)
    factors = np.full(CHANNELS, 0.001, F32)
    options: dict[str, Any] = {"multiplier": factors, "a_zero_point": 9, "padding": (1, 1, 1, 1)}
    first = _core.Conv2d(weight, output=_core.OutputSpec(zero_point=9, qmin=9), **options)
    spec = _core.OutputSpec(
        zero_point=9, residual=True, residual_multiplier=0.5, residual_zero_point=9
    )
    second = _core.Conv2d(weight[::-1].copy(), output=spec, **options)
    head = _core.Linear(
        rng.integers(-128, 128, (CLASSES, side * side * CHANNELS // 4), S8),
        multiplier=np.full(CLASSES, 1e-4, F32),
    )
    return first, second, head


def network(
    rng: np.random.Generator, side: int = SIDE, cache_bytes: int = 0
) -> tuple[_core.Program, Callable[[NDArray[np.float32]], list[NDArray[Any]]]]:
    """A finished program, and the same computation op by op."""
    first, second, head = layers(rng, side)
    pixels = side * side * CHANNELS
    bias = rng.integers(0, 256, pixels // 4, U8)
    p = _core.Program()
    x, y = p.tensor("f32", pixels), p.tensor("f32", CLASSES)
    q, a, b = (p.tensor("u8", pixels) for _ in range(3))
    pooled, shifted = (p.tensor("u8", pixels // 4) for _ in range(2))
    scores = p.tensor("u8", CLASSES)
    constant = p.constant(bias)
    p.quantize(x, q, name="in", scale=0.02, zero_point=9)
    p.conv2d(q, a, first, name="first", height=side, width=side)
    p.conv2d(a, b, second, name="second", height=side, width=side, residual=q)
    p.max_pool2d(
        b, pooled, name="pool", height=side, width=side, channels=CHANNELS,
        kernel=(2, 2), stride=(2, 2), padding=(0, 0, 0, 0),
    )  # fmt: skip
    p.add(pooled, constant, shifted, name="shift", b_multiplier=0.5)
    p.linear(shifted, scores, head, name="head")
    p.dequantize(scores, y, name="out", scale=0.25, zero_point=0)
    p.finish([x], [y, b], cache_bytes)

    def by_op(values: NDArray[np.float32]) -> list[NDArray[Any]]:
        n = len(values)
        image = _core.quantize(values, 0.02, 9, 0, 255, False).reshape(n, side, side, CHANNELS)
        out = second.run(first.run(image), image)
        small = _core.max_pool2d(out, (2, 2), (2, 2), (0, 0, 0, 0), (1, 1)).reshape(n, pixels // 4)
        every = np.tile(bias, (n, 1))
        moved = _core.add(small, 0, 1.0, every, 0, 0.5, 0, 0, 255, False)
        return [_core.dequantize(head.run(moved), 0.25, 0).ravel(), out.ravel()]

    return p, by_op


def images(rng: np.random.Generator, n: int, side: int = SIDE) -> NDArray[np.float32]:
    return rng.standard_normal((n, side * side * CHANNELS)).astype(F32)
