"""GEMM c[m, n] = a[m, k] b[k, n]: int8 with bias, requantization and ReLU, beside float32."""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import octavo
from bench_common import A_ZERO_POINT, BACKENDS, generator, layer_arguments, timed, weights
from octavo import reference

SHAPES = [
    (1024, 1024, 1024),
    (128, 768, 768),  # BERT-base, 128 tokens: attention projections,
    (128, 768, 3072),  # first and
    (128, 3072, 768),  # second layer of the feed-forward block
    (3136, 576, 64),  # ResNet-50 as matrix products
    (784, 128, 512),
    (49, 512, 2048),
    (1, 4096, 4096),  # one row: as fast as memory gives the weights
]
IDS = ["x".join(map(str, shape)) for shape in SHAPES]


def group(m: int, k: int, n: int) -> str:
    return f"gemm m={m} k={k} n={n}"


@pytest.mark.parametrize(("m", "k", "n"), SHAPES, ids=IDS)
@pytest.mark.parametrize("backend", BACKENDS)
def test_int8(benchmark: BenchmarkFixture, backend: str, m: int, k: int, n: int) -> None:
    rng = generator()
    a, weight = rng.integers(0, 256, (m, k), np.uint8), weights(rng, n, k)
    arguments = layer_arguments(rng, n, k)
    with octavo.use_backend(backend):
        packed = octavo.pack_linear(weight, **arguments)
        expected = reference.linear(a, weight, **arguments)
        np.testing.assert_array_equal(octavo.linear(a, packed), expected)
        timed(benchmark, group(m, k, n), lambda: octavo.linear(a, packed), m * k * n, "GMAC/s")


@pytest.mark.parametrize(("m", "k", "n"), SHAPES[:2], ids=IDS[:2])
@pytest.mark.parametrize("backend", BACKENDS)
def test_int32(benchmark: BenchmarkFixture, backend: str, m: int, k: int, n: int) -> None:
    rng = generator()
    a, weight = rng.integers(0, 256, (m, k), np.uint8), weights(rng, n, k)
    with octavo.use_backend(backend):
        packed = octavo.pack_linear(weight, a_zero_point=A_ZERO_POINT)
        expected = reference.matmul_integer(a, weight.T, A_ZERO_POINT)
        np.testing.assert_array_equal(octavo.linear(a, packed), expected)
        timed(benchmark, group(m, k, n), lambda: octavo.linear(a, packed), m * k * n, "GMAC/s")


@pytest.mark.parametrize(("m", "k", "n"), SHAPES, ids=IDS)
def test_float32_numpy(benchmark: BenchmarkFixture, m: int, k: int, n: int) -> None:
    rng = generator()
    a, b = rng.standard_normal((m, k), np.float32), rng.standard_normal((k, n), np.float32)
    out = np.empty((m, n), np.float32)
    timed(benchmark, group(m, k, n), lambda: np.matmul(a, b, out=out), m * k * n, "GMAC/s")
    exact = a.astype(np.float64) @ b.astype(np.float64)
    np.testing.assert_allclose(out, exact, rtol=1e-3, atol=1e-3 * float(np.sqrt(k)))
