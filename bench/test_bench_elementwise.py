"""Quantize, dequantize, add and pooling on a ResNet-50 tensor, beside NumPy in float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

import octavo
from bench_common import A_SCALE, A_ZERO_POINT, BACKENDS, generator, timed
from octavo import reference

SHAPE = (1, 56, 56, 256)
SIZE = int(np.prod(SHAPE))
UNIT = "Gelement/s"
TEXT = "x".join(map(str, SHAPE))

every_backend = pytest.mark.parametrize("backend", BACKENDS)


@every_backend
def test_quantize(benchmark: BenchmarkFixture, backend: str) -> None:
    x = generator().standard_normal(SHAPE, np.float32)
    with octavo.use_backend(backend):
        found = octavo.quantize_linear(x, A_SCALE, A_ZERO_POINT)
        np.testing.assert_array_equal(found, reference.quantize_linear(x, A_SCALE, A_ZERO_POINT))
        timed(
            benchmark,
            f"quantize {TEXT}",
            lambda: octavo.quantize_linear(x, A_SCALE, A_ZERO_POINT),
            SIZE,
            UNIT,
        )


@every_backend
def test_dequantize(benchmark: BenchmarkFixture, backend: str) -> None:
    q = generator().integers(0, 256, SHAPE, np.uint8)
    with octavo.use_backend(backend):
        found = octavo.dequantize_linear(q, A_SCALE, A_ZERO_POINT)
        np.testing.assert_array_equal(found, reference.dequantize_linear(q, A_SCALE, A_ZERO_POINT))
        timed(
            benchmark,
            f"dequantize {TEXT}",
            lambda: octavo.dequantize_linear(q, A_SCALE, A_ZERO_POINT),
            SIZE,
            UNIT,
        )


@every_backend
def test_add(benchmark: BenchmarkFixture, backend: str) -> None:
    rng = generator()
    a, b = rng.integers(0, 256, SHAPE, np.uint8), rng.integers(0, 256, SHAPE, np.uint8)
    arguments: dict[str, Any] = {
        "a_scale": A_SCALE,
        "a_zero_point": A_ZERO_POINT,
        "b_scale": 0.03,
        "b_zero_point": 120,
        "out_scale": 0.04,
        "out_zero_point": 0,
        "dtype": "uint8",
        "activation": "relu",
    }
    with octavo.use_backend(backend):
        expected = reference.add(a, b, **arguments)
        np.testing.assert_array_equal(octavo.add(a, b, **arguments), expected)
        timed(benchmark, f"add {TEXT}", lambda: octavo.add(a, b, **arguments), SIZE, UNIT)


@every_backend
def test_max_pool(benchmark: BenchmarkFixture, backend: str) -> None:
    x = generator().integers(0, 256, (1, 112, 112, 64), np.uint8)
    arguments: dict[str, Any] = {"stride": 2, "padding": 1}
    with octavo.use_backend(backend):
        expected = reference.max_pool2d(x, 3, **arguments)
        np.testing.assert_array_equal(octavo.max_pool2d(x, 3, **arguments), expected)
        group = "max pool 1x112x112x64, 3x3 stride 2"
        timed(benchmark, group, lambda: octavo.max_pool2d(x, 3, **arguments), x.size, UNIT)


def test_quantize_numpy(benchmark: BenchmarkFixture) -> None:
    x = generator().standard_normal(SHAPE, np.float32)

    def quantize() -> NDArray[Any]:
        v = np.rint(x / np.float32(A_SCALE)) + np.float32(A_ZERO_POINT)
        clipped: NDArray[np.uint8] = np.clip(v, 0, 255).astype(np.uint8)
        return clipped

    expected = reference.quantize_linear(x, A_SCALE, A_ZERO_POINT)
    np.testing.assert_array_equal(quantize(), expected)
    timed(benchmark, f"quantize {TEXT}", quantize, SIZE, UNIT)


def test_dequantize_numpy(benchmark: BenchmarkFixture) -> None:
    q = generator().integers(0, 256, SHAPE, np.uint8)

    def dequantize() -> NDArray[Any]:
        x: NDArray[np.float32] = q.astype(np.float32) - np.float32(A_ZERO_POINT)
        x *= np.float32(A_SCALE)
        return x

    expected = reference.dequantize_linear(q, A_SCALE, A_ZERO_POINT)
    np.testing.assert_array_equal(dequantize(), expected)
    timed(benchmark, f"dequantize {TEXT}", dequantize, SIZE, UNIT)


def test_add_float32_numpy(benchmark: BenchmarkFixture) -> None:
    rng = generator()
    a, b = rng.standard_normal(SHAPE, np.float32), rng.standard_normal(SHAPE, np.float32)

    def add() -> NDArray[Any]:
        total = a + b
        np.maximum(total, 0, out=total)
        return total

    assert add().min() == 0
    timed(benchmark, f"add {TEXT}", add, SIZE, UNIT)
