"""Observers: exact, independent of how the data are cut, mergeable; each method against its own
definition written out.
"""

from __future__ import annotations

import itertools
import math
import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import octavo
from octavo.calibrate import OBSERVERS, MaxObserver, Observer, PercentileObserver
from octavo.calibrate.search import Levels, divergences, entropy_grid, mse_range, squared_errors
from octavo.errors import CalibrationError, InvalidArgumentError

FLOATS = st.floats(-(2.0**100), 2.0**100, width=32)
METHODS = sorted(OBSERVERS)
SCHEMES = [("uint8", False), ("int8", False), ("int8", True), ("uint8", True)]


def observer_of(method: str, *parts: Any) -> Observer:
    observer = OBSERVERS[method]("x")
    for part in parts:
        observer.update(part)
    return observer


def heavy_tailed(rng: np.random.Generator, n: int = 40_000) -> Any:
    return (rng.standard_t(2.5, n) * 0.7).astype(np.float32)


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None, max_examples=40)
@given(values=hnp.arrays(np.float32, st.integers(1, 40), elements=FLOATS), data=st.data())
def test_result_does_not_depend_on_the_split(
    method: str, values: np.ndarray, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(values)))
    whole = observer_of(method, values)
    first, second = observer_of(method, values[:cut]), observer_of(method, values[cut:][::-1])
    second.merge(first)
    for dtype, symmetric in SCHEMES:
        expected = whole.compute(dtype, symmetric)
        assert second.compute(dtype, symmetric) == expected
        assert pickle.loads(pickle.dumps(second)).compute(dtype, symmetric) == expected


@pytest.mark.parametrize("method", METHODS)
@settings(deadline=None, max_examples=40)
@given(values=hnp.arrays(np.float32, st.integers(1, 40), elements=FLOATS))
def test_range_lies_within_what_was_seen_and_holds_zero(method: str, values: np.ndarray) -> None:
    for dtype, symmetric in SCHEMES:
        lo, hi = observer_of(method, values).range(dtype, symmetric)
        assert min(values.min(), 0) <= lo <= 0 <= hi <= max(values.max(), 0)


@settings(deadline=None, max_examples=40)
@given(hnp.arrays(np.float32, st.integers(1, 40), elements=FLOATS))
def test_every_value_seen_is_in_the_range_of_max(values: np.ndarray) -> None:
    observer = observer_of("max", values)
    assert observer.range() == (min(values.min(), 0), max(values.max(), 0))
    for dtype in ("uint8", "int8"):
        params = observer.compute(dtype)
        limits = np.iinfo(dtype)
        low = (limits.min - params.zero_point) * params.scale
        high = (limits.max - params.zero_point) * params.scale
        slack = params.scale * 0.51
        assert low - slack <= min(float(values.min()), 0.0)
        assert max(float(values.max()), 0.0) <= high + slack


def test_symmetric_and_dtype() -> None:
    observer = observer_of("max", np.float32([-2, 1]))
    params = observer.compute("int8", symmetric=True)
    assert (params.zero_point, params.scale) == (0, np.float32(2 / 127))
    assert observer.compute("int8").dtype == "int8"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_by_name(method: str, bad: float) -> None:
    observer = OBSERVERS[method]("conv_3")
    observer.update(np.float32([1, 2]))
    message = r"tensor 'conv_3' contains -?(nan|inf) \(1 times\)"
    with pytest.raises(CalibrationError, match=message):
        observer.update(np.float32([0, bad, 1]))
    with pytest.raises(CalibrationError, match=message):
        observer.compute()


@pytest.mark.parametrize("method", METHODS)
def test_nothing_seen_and_nothing_but_zeros(method: str) -> None:
    observer = OBSERVERS[method]("conv_3")
    observer.update(np.zeros((0, 4), np.float32))
    with pytest.raises(CalibrationError, match="no values of tensor 'conv_3'"):
        observer.compute()
    observer.update(np.zeros((3, 4), np.float32))
    for dtype, symmetric in SCHEMES:
        assert observer.compute(dtype, symmetric).scale == 1.0


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("value", [3.0, -0.25, 1e-30, 3e38])
def test_constant_tensor(method: str, value: float) -> None:
    lo, hi = observer_of(method, np.full((5, 7), value, np.float32)).range()
    assert (lo, hi) == (min(np.float32(value), 0), max(np.float32(value), 0))


def test_registry() -> None:
    assert OBSERVERS["max"] is MaxObserver
    assert all(kind.method == method for method, kind in OBSERVERS.items())


@pytest.mark.parametrize("percentile", [99.0, 99.9, 99.99, 100.0])
def test_percentile_covers_that_of_numpy_closely(
    rng: np.random.Generator, percentile: float
) -> None:
    values = heavy_tailed(rng)
    observer = PercentileObserver(percentile=percentile)
    observer.update(values)
    hi = np.quantile(values, percentile / 100, method="inverted_cdf")
    lo = -np.quantile(-values, percentile / 100, method="inverted_cdf")
    reach = np.quantile(np.abs(values), percentile / 100, method="inverted_cdf")
    for exact, found in ((-lo, -observer.range()[0]), (hi, observer.range()[1])):
        assert exact <= found <= exact * (1 + 2.0**-10)
        assert percentile < 100 or exact == found
    low, high = observer.range("int8", symmetric=True)
    assert reach <= max(-low, high) <= reach * (1 + 2.0**-10)


@pytest.mark.parametrize("percentile", [49.0, 100.1, math.nan])
def test_percentile_is_checked(percentile: float) -> None:
    with pytest.raises(InvalidArgumentError, match=r"percentile: expected a value in 50\.\.100"):
        PercentileObserver(percentile=percentile)


def test_moving_average_weighs_samples_equally(rng: np.random.Generator) -> None:
    samples = rng.standard_normal((10, 50)).astype(np.float32)
    observer = observer_of("moving_average", samples[:7], samples[7:])
    lo, hi = observer.range()
    assert lo == pytest.approx(samples.min(axis=1).mean(dtype=np.float64), rel=1e-12)
    assert hi == pytest.approx(samples.max(axis=1).mean(dtype=np.float64), rel=1e-12)


# ---- entropy ------------------------------------------------------------------------------------


def kl_by_hand(grid: Any, candidate: int) -> float:
    """KL(P || Q) bin by bin."""
    first, last = int(grid.first[candidate]), int(grid.last[candidate])
    p = [float(count) for count in grid.counts[first:last]]
    total_inside = sum(p)
    cuts = [first, *grid.cuts[candidate].tolist(), last]
    outside = (float(grid.counts[:first].sum()), float(grid.counts[last:].sum()))
    shares = list(p)
    p[0] += outside[0]
    p[-1] += outside[1]
    q = [0.0] * len(p)
    for begin, end in itertools.pairwise(cuts):
        members = [i for i in range(begin - first, end - first) if p[i] > 0]
        for i in members:
            share = sum(shares[begin - first : end - first])
            q[i] = share / len(members) / total_inside
    total = sum(p)
    if any(a > 0 and b == 0 for a, b in zip(p, q, strict=True)):
        return math.inf
    return sum(a / total * math.log(a / total / b) for a, b in zip(p, q, strict=True) if a > 0)


def entropy_cases(rng: np.random.Generator) -> dict[str, Any]:
    x = heavy_tailed(rng)
    return {
        "two sides": x,
        "relu": np.maximum(x, 0),
        "negative": -np.abs(x),
        "relu6": np.clip(x * 3, 0, 6),
        "lopsided": np.where(x < 0, x / 40, x),
        "sparse": x[:60],
        "outlier": np.append(x, np.float32(300)),
    }


@pytest.mark.parametrize("case", list(entropy_cases(np.random.default_rng(0))))
@pytest.mark.parametrize("levels", [Levels(0, 255, False), Levels(-128, 127, True)])
def test_divergence_equals_brute_force(rng: np.random.Generator, case: str, levels: Levels) -> None:
    values = entropy_cases(rng)[case]
    bins = observer_of("max", values).statistics.histogram.bins()
    lo, hi = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    grid = entropy_grid(bins, lo, hi, levels)
    assert grid.counts.sum() == pytest.approx(np.count_nonzero(values), rel=1e-12)
    found = divergences(grid)
    tried = range(0, len(found), 9)
    expected = [kl_by_hand(grid, i) for i in tried]
    np.testing.assert_allclose(found[tried], expected, rtol=1e-7, atol=1e-10)
    assert math.isfinite(found[0])
    assert len(found) > 100  # one candidate would be "max"


def test_entropy_cuts_outliers_and_keeps_what_is_dense(rng: np.random.Generator) -> None:
    dense = rng.uniform(0, 1, 100_000).astype(np.float32)
    assert observer_of("entropy", dense).range() == (0.0, dense.max())
    bell = np.abs(rng.standard_normal(100_000)).astype(np.float32)
    lo, hi = observer_of("entropy", bell, np.float32([30.0])).range()
    assert lo == 0.0
    assert 3.0 < hi < 5.0


# ---- mean squared error -------------------------------------------------------------------------


@pytest.mark.parametrize(("dtype", "symmetric"), SCHEMES)
def test_squared_error_is_that_of_quantizing(
    rng: np.random.Generator, dtype: str, symmetric: bool
) -> None:
    values = heavy_tailed(rng)
    observer = observer_of("max", values)
    bins = observer.statistics.histogram.bins()
    for lo, hi in ((-2.0, 3.0), (-30.0, 1.0), (0.0, 8.0)):
        params = octavo.choose_qparams(lo, hi, dtype=dtype, symmetric=symmetric)

        def loss(x: Any, p: octavo.QuantParams = params) -> Any:
            q = octavo.quantize_linear(x, p.scale, p.zero_point, dtype=p.dtype)
            back = octavo.dequantize_linear(q, p.scale, p.zero_point)
            return np.subtract(x, back, dtype=np.float64) ** 2

        centers = bins.center.astype(np.float32)
        by_bins = np.average(loss(centers), weights=bins.counts.astype(np.float64))
        assert observer.error(params) == pytest.approx(by_bins, rel=1e-5)
        assert observer.error(params) == pytest.approx(np.mean(loss(values)), rel=0.02)


@pytest.mark.parametrize("case", list(entropy_cases(np.random.default_rng(0))))
@pytest.mark.parametrize("levels", [Levels(0, 255, False), Levels(-128, 127, True)])
def test_mse_is_near_the_best_of_an_exhaustive_search(
    rng: np.random.Generator, case: str, levels: Levels
) -> None:
    values = entropy_cases(rng)[case]
    bins = observer_of("max", values).statistics.histogram.bins()
    lo, hi = min(float(values.min()), 0.0), max(float(values.max()), 0.0)

    def loss(low: Any, high: Any) -> Any:
        return squared_errors(bins, *levels.parameters(low, high), levels)

    steps = np.linspace(0.02, 1.0, 60)
    low, high = (a.ravel() for a in np.meshgrid(steps * lo, steps * hi))
    best = float(loss(low, high).min())
    found_low, found_high = mse_range(bins, lo, hi, levels)
    found = float(loss(np.array([found_low]), np.array([found_high]))[0])
    assert found <= best * 1.02
    assert found <= float(loss(np.array([lo]), np.array([hi]))[0])
