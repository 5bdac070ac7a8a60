"""The float-bit histogram against NumPy; the state of a tensor's statistics is exact."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import octavo
from octavo.calibrate import Histogram, TensorStatistics
from octavo.errors import InvalidArgumentError, InvalidDtypeError

ANY_FLOAT = st.floats(width=32, allow_nan=True, allow_infinity=True)
FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
ARRAYS = hnp.arrays(np.float32, st.integers(1, 60), elements=ANY_FLOAT)


def histogram_of(*parts: Any) -> Histogram:
    histogram = Histogram()
    for part in parts:
        histogram.update(part)
    return histogram


def activations(rng: np.random.Generator, n: int) -> Any:
    """Values of many magnitudes, both signs, half of them zeros, some equal."""
    x = rng.standard_normal(n) * np.exp2(rng.integers(-12, 4, n))
    x[rng.random(n) < 0.5] = 0.0
    x[rng.random(n) < 0.05] = 6.0
    return x.astype(np.float32)


@settings(deadline=None)
@given(ARRAYS)
def test_keys_are_those_of_numpy(values: np.ndarray) -> None:
    histogram = histogram_of(values)
    finite = values[np.isfinite(values)]
    keys, counts = np.unique(finite[finite != 0].view(np.uint32) >> 13, return_counts=True)
    np.testing.assert_equal(octavo.reference.float_histogram(values), (keys, counts))
    found_keys, found_counts = histogram.keys()
    np.testing.assert_array_equal(found_keys, keys)
    np.testing.assert_array_equal(found_counts, counts)
    summary = histogram.summary
    assert summary[:4] == (
        np.count_nonzero(values == 0),
        np.count_nonzero(np.isnan(values)),
        np.count_nonzero(np.isposinf(values)),
        np.count_nonzero(np.isneginf(values)),
    )
    assert histogram.count == finite.size
    if finite.size:
        assert (summary.min, summary.max) == (finite.min(), finite.max())


def test_bins_are_those_of_np_histogram(rng: np.random.Generator) -> None:
    values = activations(rng, 100_000)
    bins = histogram_of(values).bins()
    assert np.all(bins.low <= bins.high)
    assert np.all(bins.high[:-1] < bins.low[1:])
    edges = np.append(bins.low, np.nextafter(np.float32(bins.high[-1]), np.float32(np.inf)))
    np.testing.assert_array_equal(bins.counts, np.histogram(values, edges)[0])
    assert (bins.low[0], bins.high[-1]) == (values.min(), values.max())
    width = (bins.high - bins.low) / np.maximum(np.abs(bins.center), 1e-30)
    assert np.all(width < 2.0**-10)


@settings(deadline=None)
@given(hnp.arrays(np.float32, st.integers(1, 60), elements=FINITE), st.floats(0, 1), st.booleans())
def test_quantile_bounds_that_of_numpy(values: np.ndarray, q: float, descending: bool) -> None:
    low, high = histogram_of(values).quantile(q, descending=descending)
    if descending:
        exact = -np.quantile(-values, q, method="inverted_cdf")
    else:
        exact = np.quantile(values, q, method="inverted_cdf")
    assert low <= exact <= high
    assert high - low <= abs(exact) * 2.0**-10 + 2.0**-136
    if q in (0, 1):
        assert low == exact == high


@pytest.mark.parametrize("percentile", [50.0, 99.0, 99.9, 99.99, 99.999, 100.0])
@pytest.mark.parametrize("n", [1, 99, 10_000, 123_457])
def test_percentiles_in_use(rng: np.random.Generator, percentile: float, n: int) -> None:
    values = activations(rng, n)
    low, high = histogram_of(values).quantile(percentile / 100)
    exact = np.quantile(values, percentile / 100, method="inverted_cdf")
    assert low <= exact <= high
    low, high = histogram_of(values).magnitudes().quantile(percentile / 100)
    assert low <= np.quantile(np.abs(values), percentile / 100, method="inverted_cdf") <= high


@pytest.mark.parametrize("values", [[-3.0, -1.0], [2.0, 0.0], [-1.0, 4.0, np.inf, -np.inf], []])
def test_magnitudes(values: list[float]) -> None:
    array = np.float32(values)
    assert histogram_of(array).magnitudes() == histogram_of(np.abs(array))


@settings(deadline=None)
@given(ARRAYS, st.data())
def test_state_does_not_depend_on_split_order_or_merging(
    values: np.ndarray, data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(values)))
    order = data.draw(st.permutations(range(len(values))))
    whole, shuffled, first, second = (TensorStatistics() for _ in range(4))
    whole.update(values)
    shuffled.update(values[list(order)])
    first.update(values[:cut])
    second.update(values[cut:])
    second.merge(first)
    assert whole == shuffled == second
    assert pickle.loads(pickle.dumps(whole)) == whole
    assert pickle.dumps(whole) == pickle.dumps(second)


def test_state_does_not_depend_on_threads_or_backend(rng: np.random.Generator) -> None:
    values = activations(rng, 600_000).reshape(4, -1)
    states = []
    before = octavo.get_num_threads()
    for name in octavo.backends():
        for threads in (1, 3):
            octavo.set_num_threads(threads)
            with octavo.use_backend(name):
                states.append(TensorStatistics())
                states[-1].update(values)
    octavo.set_num_threads(before)
    assert all(state == states[0] for state in states)


def test_threads_may_share_a_histogram(rng: np.random.Generator) -> None:
    parts = [activations(rng, 50_000) for _ in range(8)]
    shared = Histogram()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(shared.update, parts))
    assert shared == histogram_of(*parts)


@settings(deadline=None)
@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 7)), elements=FINITE))
def test_mean_extremes_are_exact(values: np.ndarray) -> None:
    statistics = TensorStatistics()
    statistics.update(values)
    for found, extremes in zip(
        statistics.mean_extremes(), (values.min(axis=1), values.max(axis=1)), strict=True
    ):
        exact = sum((Fraction(float(x)) for x in extremes), Fraction(0)) / len(values)
        assert found == float(exact)


def test_samples_without_finite_values_are_left_out_of_the_means() -> None:
    statistics = TensorStatistics()
    statistics.update(np.float32([[np.nan, np.inf], [1.0, np.nan], [3.0, -2.0]]))
    assert (statistics.samples, statistics.mean_extremes()) == (2, (-0.5, 2.0))


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 1, 3), (0, 3), (3, 0)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    lows, highs = Histogram().update(np.ones(shape, np.float32))
    assert lows.shape == highs.shape == (shape[:1] or (1,))


def test_other_floats_are_rounded_and_strides_do_not_matter() -> None:
    x = np.linspace(-1, 1, 999)
    assert histogram_of(x) == histogram_of(x.astype(np.float32))
    assert histogram_of(x[::-3]) == histogram_of(np.ascontiguousarray(x[::-3]))
    assert histogram_of(np.float16(x)) == histogram_of(np.float16(x).astype(np.float32))
    with np.errstate(all="raise"):
        assert histogram_of(np.float64([1e300])).summary.positive_infinities == 1


def test_refuses_what_it_cannot_count() -> None:
    with pytest.raises(InvalidDtypeError, match="array: expected an array of float32"):
        Histogram().update(np.arange(3))
    with pytest.raises(InvalidArgumentError, match=r"q: expected a value in 0\.\.1, got 1\.5"):
        histogram_of(np.ones(1)).quantile(1.5)
    with pytest.raises(InvalidArgumentError, match="an empty one"):
        Histogram().quantile(0.5)
    empty = Histogram()
    with pytest.raises(ValueError, match="keys of finite values"):
        empty.add(np.uint32([0x3FC00]), np.uint64([1]), empty.summary)


def test_counts_beyond_32_bits() -> None:
    histogram = histogram_of(np.float32([1.0, -2.0]))
    for _ in range(40):
        histogram.merge(histogram)
    assert histogram.count == 2**41
    assert histogram.quantile(0.5)[0] == -2.0
