"""Schemes against the formulas written out, error measures, and the page that shows them."""

from __future__ import annotations

import doctest
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import octavo
from octavo import Scheme, choose_scales, fake_quantize, measure_errors
from octavo.calibrate import MaxObserver, MseObserver, create_observer
from octavo.errors import InvalidArgumentError, InvalidDtypeError
from octavo.schemes import INTEGER_RANGES

FLOATS = st.floats(-(2.0**60), 2.0**60, width=32)
ARRAYS = hnp.arrays(np.float32, st.tuples(st.integers(1, 5), st.integers(1, 9)), elements=FLOATS)
TYPES = list(INTEGER_RANGES)
BITS = {"uint8": 8, "int8": 8, "int16": 16, "uint4": 4, "int4": 4, "uint2": 2, "int2": 2}
SCHEMES = [
    Scheme(dtype, symmetric=symmetric, per=per, axis=1, group_size=4)
    for dtype in TYPES
    for symmetric in (False, True)
    for per in ("tensor", "channel", "row", "group")
]


def parts(x: Any, scheme: Scheme) -> list[tuple[Any, ...]]:
    """Index of every part of a matrix that shares a scale, in the order of the scales."""
    rows, cols = range(x.shape[0]), range(x.shape[1])
    if scheme.per == "tensor":
        return [(slice(None), slice(None))]
    if scheme.per == "channel":
        return [(slice(None), j) for j in cols]
    if scheme.per == "row":
        return [(i, slice(None)) for i in rows]
    size = scheme.group_size
    return [(i, slice(j, j + size)) for i in rows for j in range(0, x.shape[1], size)]


@pytest.mark.parametrize("scheme", SCHEMES, ids=lambda s: f"{s.dtype}-{s.symmetric}-{s.per}")
@settings(max_examples=20, deadline=None)
@given(x=ARRAYS)
def test_quantize_is_the_formula_for_every_part(scheme: Scheme, x: np.ndarray) -> None:
    result = scheme.quantize(x)
    qmin, qmax = INTEGER_RANGES[scheme.dtype]
    half = 2 ** (BITS[scheme.dtype] - 1)
    back = result.dequantize()
    scales, zeros = result.scale.ravel().tolist(), result.zero_point.ravel().tolist()
    for index, scale, zero in zip(parts(x, scheme), scales, zeros, strict=True):
        part = x[index]
        lo, hi = min(float(part.min()), 0.0), max(float(part.max()), 0.0)
        span = max(-lo, hi) / (half - 1) if scheme.symmetric else (hi - lo) / (qmax - qmin)
        assert scale == (max(np.float32(span), np.finfo(np.float32).tiny) if span > 0 else 1.0)
        if scheme.symmetric:
            assert zero == (0 if qmin < 0 else half)
        else:
            assert zero == min(max(qmin + round(-lo / scale), qmin), qmax)
        lowest = -half + 1 if scheme.symmetric and qmin < 0 else qmin
        steps = np.rint(part / np.float32(scale)).astype(np.float64)
        np.testing.assert_array_equal(result.values[index], np.clip(steps + zero, lowest, qmax))
        expected = (result.values[index].astype(np.float32) - zero) * np.float32(scale)
        np.testing.assert_array_equal(back[index], expected)
        assert np.all(back[index][part == 0] == 0)
        assert np.all(np.abs(back[index] - part) <= scale * 1.0001)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("symmetric", [False, True])
@settings(deadline=None)
@given(limits=st.tuples(FLOATS, FLOATS).map(sorted))
def test_choose_scales_agrees_with_choose_qparams(
    dtype: str, symmetric: bool, limits: list[float]
) -> None:
    params = octavo.choose_qparams(*limits, dtype=dtype, symmetric=symmetric)
    scale, zero = choose_scales(*limits, dtype=dtype, symmetric=symmetric)
    assert (float(scale), int(zero)) == (params.scale, params.zero_point)


@settings(deadline=None)
@given(ARRAYS)
def test_eight_bits_are_those_of_the_kernels(x: np.ndarray) -> None:
    result = Scheme("uint8").quantize(x)
    q = octavo.quantize_linear(x, result.scale, result.zero_point)
    np.testing.assert_array_equal(result.values, q)
    back = octavo.dequantize_linear(q, result.scale, result.zero_point)
    np.testing.assert_array_equal(result.dequantize(), back)
    np.testing.assert_array_equal(fake_quantize(x, Scheme("uint8")), back)


def test_more_axes_and_given_ranges(rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 3, 4, 10)).astype(np.float32)
    shapes = {"tensor": (), "channel": (3,), "row": (2, 3, 4), "group": (2, 3, 4, 3)}
    for per, shape in shapes.items():
        scheme = Scheme("int4", per=per, axis=-3, group_size=4)
        low, high = scheme.ranges(x)
        assert low.shape == high.shape == scheme.quantize(x).scale.shape == shape
        np.testing.assert_array_equal(
            scheme.quantize_to(x, low, high).values, scheme.quantize(x).values
        )
    clipped = Scheme("uint4").quantize_to([-1.0, 0.5, 9.0], 0.0, 1.5)
    np.testing.assert_array_equal(clipped.values, [0, 5, 15])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: Scheme("int5"), InvalidDtypeError, "dtype: expected one of uint8"),
        (lambda: Scheme(None), InvalidDtypeError, "dtype"),
        (lambda: Scheme(per="token"), InvalidArgumentError, "per: expected one of"),
        (lambda: Scheme(per="group", group_size=0), InvalidArgumentError, "group_size"),
        (lambda: Scheme().quantize([]), InvalidArgumentError, "x: expected at least one element"),
        (lambda: Scheme().quantize([np.nan]), InvalidArgumentError, "finite values, got nan"),
        (lambda: Scheme().quantize([1]), InvalidDtypeError, "x: expected an array of float32"),
        (lambda: Scheme(per="row").quantize(1.0), InvalidArgumentError, "a scalar"),
        (lambda: Scheme(per="channel", axis=2).quantize([[1.0]]), InvalidArgumentError, "axis"),
        (lambda: choose_scales(1.0, 0.0), InvalidArgumentError, "lo: expected as many values"),
        (lambda: choose_scales([0.0], [np.inf]), InvalidArgumentError, "hi: expected finite"),
        (lambda: measure_errors([1.0], [1.0, 2.0]), InvalidArgumentError, "y: expected the shape"),
        (lambda: measure_errors([], []), InvalidArgumentError, "not empty"),
    ],
)
def test_bad_arguments(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_numpy_dtypes_are_names_too() -> None:
    assert Scheme(np.int16).dtype == Scheme(np.dtype("int16")).dtype == "int16"


def test_measures(rng: np.random.Generator) -> None:
    x = rng.standard_normal((30, 40))
    y = x + rng.standard_normal((30, 40)) * 0.1
    found = measure_errors(x, y)
    assert found.mse == pytest.approx(np.mean((x - y) ** 2))
    assert found.sqnr == pytest.approx(20 * np.log10(np.linalg.norm(x) / np.linalg.norm(x - y)))
    cosine = np.vdot(x, y) / np.linalg.norm(x) / np.linalg.norm(y)
    assert found.cosine == pytest.approx(cosine)
    assert found.max_error == np.abs(x - y).max()
    assert found.sum_of_absolute_errors == pytest.approx(np.abs(x - y).sum())


def test_measures_of_nothing_to_lose() -> None:
    same = measure_errors([0.0, 0.0], [0.0, 0.0])
    assert (same.sqnr, same.cosine) == (math.inf, 1.0)
    lost = measure_errors([0.0, 0.0], [1.0, 0.0])
    assert (lost.sqnr, lost.cosine, lost.mse) == (-math.inf, 0.0, 0.5)
    assert measure_errors([1.0], [0.0]).cosine == 0.0


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("method", ["max", "percentile", "entropy", "mse", "moving_average"])
def test_observers_give_ranges_for_every_type(
    rng: np.random.Generator, dtype: str, symmetric: bool, method: str
) -> None:
    x = rng.standard_normal((20, 500)).astype(np.float32)
    observer = create_observer(method)
    observer.update(x)
    lo, hi = observer.range(dtype, symmetric)
    assert x.min() <= lo < 0 < hi <= x.max()


def test_fewer_bits_want_narrower_ranges(rng: np.random.Generator) -> None:
    x = rng.standard_normal(50_000).astype(np.float32)
    observer = MseObserver(statistics=MaxObserver().statistics)
    observer.update(x)
    reach = [observer.range(dtype)[1] for dtype in ("int2", "int4", "int8")]
    assert reach == sorted(reach)
    lo, hi = observer.range("int4")
    scheme = Scheme("int4")
    best = measure_errors(x, scheme.quantize_to(x, lo, hi).dequantize()).mse
    assert best < 0.8 * measure_errors(x, fake_quantize(x, scheme)).mse


def test_the_page_about_schemes_shows_what_is_computed() -> None:
    page = Path(__file__).parents[1] / "docs" / "schemes.md"
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, tried = doctest.testfile(str(page), module_relative=False, optionflags=flags)
    assert (failed, tried > 15) == (0, True)
