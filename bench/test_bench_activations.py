"""What transformers and MobileNetV3 need besides layers, beside NumPy in float32."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

import octavo
from bench_common import BACKENDS, generator, timed
from octavo import reference

UNIT = "Gelement/s"
SCALE, ZERO_POINT = 0.05, 120
OUT: dict[str, Any] = {"out_scale": 0.04, "out_zero_point": 100}
GELU = octavo.activation_table("gelu_tanh", x_scale=SCALE, x_zero_point=ZERO_POINT, **OUT)
HIDDEN, WIDTH, SCORES = (128, 3072), (128, 768), (12, 128, 128)

every_backend = pytest.mark.parametrize("backend", BACKENDS)


def _bytes(*shape: int) -> NDArray[np.uint8]:
    return generator().integers(0, 256, shape, np.uint8)


def _real(*shape: int) -> NDArray[np.float32]:
    return reference.dequantize_linear(_bytes(*shape), SCALE, ZERO_POINT)


def _title(op: str, shape: tuple[int, ...]) -> str:
    return f"{op} {'x'.join(map(str, shape))}"


def _compare(
    benchmark: BenchmarkFixture,
    backend: str,
    group: str,
    call: Callable[[], NDArray[np.uint8]],
    expected: NDArray[np.uint8],
) -> None:
    with octavo.use_backend(backend):
        np.testing.assert_array_equal(call(), expected)
        timed(benchmark, group, call, expected.size, UNIT)


@every_backend
def test_gelu(benchmark: BenchmarkFixture, backend: str) -> None:
    x = _bytes(*HIDDEN)
    group = _title("GELU", HIDDEN)
    _compare(benchmark, backend, group, lambda: octavo.lookup(x, GELU), reference.lookup(x, GELU))


def test_gelu_float32_numpy(benchmark: BenchmarkFixture) -> None:
    x = _real(*HIDDEN)

    def gelu() -> NDArray[np.float32]:
        inner = np.float32(np.sqrt(2 / np.pi)) * (x + np.float32(0.044715) * x * x * x)
        y: NDArray[np.float32] = x * np.float32(0.5) * (1 + np.tanh(inner))
        return y

    found = reference.quantize_linear(gelu(), OUT["out_scale"], OUT["out_zero_point"])
    distance = found.astype(int) - reference.lookup(_bytes(*HIDDEN), GELU)
    assert np.abs(distance).max() <= 1
    timed(benchmark, _title("GELU", HIDDEN), gelu, x.size, UNIT)


@every_backend
def test_softmax(benchmark: BenchmarkFixture, backend: str) -> None:
    x = _bytes(*SCORES)
    expected = reference.softmax(x, x_scale=SCALE)
    group = _title("softmax", SCORES)
    _compare(benchmark, backend, group, lambda: octavo.softmax(x, x_scale=SCALE), expected)


def test_softmax_float32_numpy(benchmark: BenchmarkFixture) -> None:
    x = _real(*SCORES)

    def softmax() -> NDArray[np.float32]:
        e: NDArray[np.float32] = np.exp(x - x.max(-1, keepdims=True))
        e /= e.sum(-1, keepdims=True)
        return e

    np.testing.assert_allclose(softmax().sum(-1), 1, rtol=1e-5)
    timed(benchmark, _title("softmax", SCORES), softmax, x.size, UNIT)


@every_backend
def test_layer_norm(benchmark: BenchmarkFixture, backend: str) -> None:
    x = _bytes(*WIDTH)
    rng = generator()
    gamma, beta = (rng.uniform(-1, 1, WIDTH[1]).astype(np.float32) for _ in range(2))
    expected = reference.layer_norm(x, gamma, beta, x_scale=SCALE, **OUT)
    group = _title("layer_norm", WIDTH)

    def call() -> NDArray[np.uint8]:
        return octavo.layer_norm(x, gamma, beta, x_scale=SCALE, **OUT)

    _compare(benchmark, backend, group, call, expected)


def test_layer_norm_float32_numpy(benchmark: BenchmarkFixture) -> None:
    x = _real(*WIDTH)

    def layer_norm() -> NDArray[np.float32]:
        centered = x - x.mean(-1, keepdims=True)
        variance = (centered * centered).mean(-1, keepdims=True)
        y: NDArray[np.float32] = centered / np.sqrt(variance + np.float32(1e-5))
        return y

    np.testing.assert_allclose(layer_norm().std(-1), 1, rtol=1e-3)
    timed(benchmark, _title("layer_norm", WIDTH), layer_norm, x.size, UNIT)


@every_backend
def test_mul(benchmark: BenchmarkFixture, backend: str) -> None:
    a, b = _bytes(*HIDDEN), _bytes(*HIDDEN)[::-1].copy()
    arguments = {"a_scale": SCALE, "a_zero_point": 3, "b_scale": 0.01, "b_zero_point": 9, **OUT}
    expected = reference.mul(a, b, **arguments)
    group = _title("mul", HIDDEN)
    _compare(benchmark, backend, group, lambda: octavo.mul(a, b, **arguments), expected)


def test_mul_float32_numpy(benchmark: BenchmarkFixture) -> None:
    x = _real(*HIDDEN)
    y = x[::-1].copy()
    assert (x * y).dtype == np.float32
    timed(benchmark, _title("mul", HIDDEN), lambda: x * y, x.size, UNIT)
