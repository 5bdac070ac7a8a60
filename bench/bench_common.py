"""What the benchmarks share: the backends to time, seeded data, and how a rate is recorded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytest_benchmark.fixture import BenchmarkFixture

import octavo

# Every backend this CPU runs; the scalar one only where there is no other, because at these sizes
# it would take most of the time and nobody chooses it for speed.
BACKENDS = [name for name in octavo.backends() if name != "scalar"] or ["scalar"]

A_SCALE, A_ZERO_POINT, WEIGHT_SCALE = 0.02, 3, 0.01


def generator() -> np.random.Generator:
    """Return the generator every benchmark starts from: the same data in every run."""
    return np.random.default_rng(0)


def weights(rng: np.random.Generator, *shape: int) -> NDArray[np.int8]:
    """Return weights in -127..127."""
    return rng.integers(-127, 128, shape).astype(np.int8)


def out_scale(depth: int) -> float:
    """Return an output scale at which few sums of `depth` random products saturate."""
    return A_SCALE * WEIGHT_SCALE * 100.0 * float(np.sqrt(depth))


def layer_arguments(rng: np.random.Generator, outputs: int, depth: int) -> dict[str, Any]:
    """Return the quantization of a layer with bias and ReLU, as packing and reference take it."""
    return {
        "weight_scale": WEIGHT_SCALE * rng.uniform(0.5, 1.0, outputs).astype(np.float32),
        "bias": rng.integers(-1000, 1000, outputs).astype(np.int32),
        "a_scale": A_SCALE,
        "a_zero_point": A_ZERO_POINT,
        "out_scale": out_scale(depth),
        "activation": "relu",
    }


def timed(
    benchmark: BenchmarkFixture, group: str, call: Callable[[], object], work: float, unit: str
) -> None:
    """Time `call` in `group`; extra_info gets its rate at the median, `work` per call in `unit`."""
    benchmark.group = group
    benchmark(call)
    if benchmark.stats is not None:  # None with --benchmark-disable
        benchmark.extra_info[unit] = round(work / benchmark.stats.stats.median / 1e9, 2)
