"""quantize, dequantize, requantize on every backend, and the choice of parameters."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import octavo
from layers import RANGES, random_bytes
from octavo import QuantParams, choose_qparams, reference

F32 = np.float32
DTYPES = ["uint8", "int8"]
SIZES = [*range(70), 127, 128, 129, 1000]
EDGES = F32([-0.0, 2.0**-149, -(2.0**-127), 3.4e38, -3.4e38, np.inf, -np.inf, np.nan])
TIES = np.arange(-300, 300, dtype=F32) + F32(0.5)


@pytest.mark.parametrize("dtype", DTYPES)
def test_quantize_every_size(backend: str, rng: np.random.Generator, dtype: str) -> None:
    for n in SIZES:
        x = (rng.standard_normal(n) * 40).astype(F32)
        zero = int(rng.integers(*RANGES[dtype], endpoint=True))
        got = octavo.quantize_linear(x, 0.37, zero, dtype=dtype)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, reference.quantize_linear(x, 0.37, zero, dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1.0, 0.25, 0.1, 2.0**-126, 3.0e38, 2.0**-149])
def test_quantize_ties_and_extremes(backend: str, dtype: str, scale: float) -> None:
    with np.errstate(over="ignore", under="ignore"):
        x = np.concatenate([TIES * F32(scale), TIES, EDGES, -EDGES])
    lo, hi = RANGES[dtype]
    for zero in (lo, lo + 1, 0, 1, 127, hi):
        for narrow in (False, True):
            args = {"dtype": dtype, "narrow_range": narrow}
            got = octavo.quantize_linear(x, scale, zero, **args)
            np.testing.assert_array_equal(got, reference.quantize_linear(x, scale, zero, **args))
            assert got.min() == lo + narrow


def test_quantize_halves_to_even_by_hand(backend: str) -> None:
    x = np.tile(F32([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, np.nan, 1e30]), 9)
    got = octavo.quantize_linear(x, 1.0, 10).reshape(9, 8)
    np.testing.assert_array_equal(got, np.tile(np.uint8([8, 8, 10, 10, 12, 12, 0, 255]), (9, 1)))


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_per_channel(backend: str, rng: np.random.Generator, axis: int) -> None:
    x = (rng.standard_normal((3, 4, 5)) * 30).astype(F32)
    scale = np.exp2(rng.uniform(-20, 0, x.shape[axis])).astype(F32)
    zero = rng.integers(-128, 128, x.shape[axis])
    args: dict[str, Any] = {"dtype": "int8", "axis": axis}
    q = octavo.quantize_linear(x, scale, zero, **args)
    np.testing.assert_array_equal(q, reference.quantize_linear(x, scale, zero, **args))
    back = octavo.dequantize_linear(q, scale, zero, axis=axis)
    np.testing.assert_array_equal(back, reference.dequantize_linear(q, scale, zero, axis=axis))
    acc = rng.integers(-(2**31), 2**31, x.shape, dtype=np.int32)
    back = octavo.dequantize_linear(acc, scale, axis=axis)
    np.testing.assert_array_equal(back, reference.dequantize_linear(acc, scale, axis=axis))


@pytest.mark.parametrize("dtype", DTYPES)
def test_dequantize_every_value_and_zero_point(backend: str, dtype: str) -> None:
    lo, hi = RANGES[dtype]
    q = np.arange(lo, hi + 1).astype(dtype)
    for zero in (lo, lo + 1, 0, 1, 126, hi):
        for scale in (1.0, 0.1, 3.3e38, 2.0**-149):
            got = octavo.dequantize_linear(q, scale, zero)
            assert got.dtype == np.float32
            np.testing.assert_array_equal(got, reference.dequantize_linear(q, scale, zero))
    for n in SIZES:
        got = octavo.dequantize_linear(q[:n], 0.1, 3)
        np.testing.assert_array_equal(got, reference.dequantize_linear(q[:n], 0.1, 3))


def views(x: NDArray[Any]) -> list[NDArray[Any]]:
    return [
        x[::2],
        x[:, ::3],
        x.T,
        x[::-1],
        x[:, 1:],
        np.asfortranarray(x),
        x[:0],
        x[0, 0],
        np.asarray(x[0, 0]),
    ]


def test_any_memory_layout(backend: str, rng: np.random.Generator) -> None:
    x = (rng.standard_normal((8, 9)) * 30).astype(F32)
    q = random_bytes(rng, (8, 9), "int8")
    acc = rng.integers(-9999, 9999, (8, 9), dtype=np.int32)
    for v, w, a in zip(views(x), views(q), views(acc), strict=True):
        got: NDArray[Any] = octavo.quantize_linear(v, 0.5, 100)
        np.testing.assert_array_equal(got, reference.quantize_linear(v, 0.5, 100))
        assert got.shape == v.shape
        got = octavo.dequantize_linear(w, 0.5, 100)
        assert got.shape == w.shape
        np.testing.assert_array_equal(got, reference.dequantize_linear(w, 0.5, 100))
        got = octavo.requantize_linear(w, 0.5, 100, 0.3, 2)
        np.testing.assert_array_equal(got, reference.requantize_linear(w, 0.5, 100, 0.3, 2))
        got = octavo.requantize(a, 0.01, 5)
        np.testing.assert_array_equal(got, reference.requantize(a, 0.01, 5))
        assert got.shape == a.shape


def test_arrays_that_are_not_aligned(backend: str, rng: np.random.Generator) -> None:
    raw = rng.integers(0, 128, 41, dtype=np.uint8)
    x, acc = raw[1:].view(F32), raw[1:].view(np.int32)
    assert not x.flags.aligned
    expected = reference.quantize_linear(x, 0.1, 50)
    np.testing.assert_array_equal(octavo.quantize_linear(x, 0.1, 50), expected)
    expected = reference.requantize(acc, 1e-7, 5)
    np.testing.assert_array_equal(octavo.requantize(acc, 1e-7, 5), expected)
    swapped = acc.astype(">i4").astype("f4").astype(">f4")
    expected = reference.quantize_linear(swapped.astype(F32), 1e7, 5)
    np.testing.assert_array_equal(octavo.quantize_linear(swapped, 1e7, 5), expected)


def test_floats_of_other_widths_are_rounded_first(backend: str) -> None:
    x = np.linspace(-3, 3, 101)
    expected = reference.quantize_linear(x.astype(F32), 0.1, 50)
    np.testing.assert_array_equal(octavo.quantize_linear(x, 0.1, 50), expected)
    np.testing.assert_array_equal(octavo.quantize_linear(x.tolist(), 0.1, 50), expected)
    assert octavo.quantize_linear(1e300, 0.1) == 255
    half = x.astype(np.float16)
    expected = reference.quantize_linear(half.astype(F32), 0.1, 50)
    np.testing.assert_array_equal(octavo.quantize_linear(half, 0.1, 50), expected)


@pytest.mark.parametrize("source", DTYPES)
@pytest.mark.parametrize("target", DTYPES)
def test_requantize_linear(backend: str, source: str, target: str) -> None:
    lo, hi = RANGES[source]
    x = np.arange(lo, hi + 1).astype(source)
    for zero in (lo, 0, 77, hi):
        for out_scale in (0.5, 1.0, 0.3, 2.0, 1e-3, 1e30):
            got = octavo.requantize_linear(x, 1.0, zero, out_scale, 7, dtype=target)
            expected = reference.requantize_linear(x, 1.0, zero, out_scale, 7, dtype=target)
            np.testing.assert_array_equal(got, expected)
    for n in SIZES:
        got = octavo.requantize_linear(x[:n], 0.37, 3, 0.5, 7, dtype=target)
        expected = reference.requantize_linear(x[:n], 0.37, 3, 0.5, 7, dtype=target)
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", DTYPES)
def test_requantize_accumulators(backend: str, rng: np.random.Generator, dtype: str) -> None:
    ends = np.int32([-(2**31), 2**31 - 1, 0, 1, -1, 2**24 + 1, -(2**24) - 1, 3])
    for n in (1, 2, 15, 16, 17, 31, 33, 63, 64, 65, 130):
        acc = rng.integers(-(2**20), 2**20, (5, n), dtype=np.int32)
        acc[0] = np.resize(ends, n)
        multiplier = np.exp2(rng.uniform(-20, 0, n)).astype(F32)
        for zero, clamp in ((5, None), (-3 if dtype == "int8" else 250, (4, 100))):
            args: dict[str, Any] = {"dtype": dtype, "clamp": clamp}
            got = octavo.requantize(acc, multiplier, zero, **args)
            expected = reference.requantize(acc, multiplier, zero, **args)
            np.testing.assert_array_equal(got, expected)
    ties = np.arange(-600, 600, dtype=np.int32)
    got = octavo.requantize(ties, 0.5, 3, dtype=dtype)
    np.testing.assert_array_equal(got, np.clip(np.rint(ties / 2) + 3, *RANGES[dtype]))


def test_choose_qparams_by_hand() -> None:
    assert choose_qparams(0.0, 255.0) == QuantParams(1.0, 0)
    assert choose_qparams(-255.0, 0.0) == QuantParams(1.0, 255)
    assert choose_qparams(-128.0, 127.0, dtype="int8") == QuantParams(1.0, 0, "int8")
    assert choose_qparams(51.0, 127.5) == QuantParams(0.5, 0)
    assert choose_qparams(-254.0, 1.0, dtype="int8", symmetric=True) == QuantParams(2.0, 0, "int8")
    assert choose_qparams(-1.0, 254.0, symmetric=True) == QuantParams(2.0, 128)
    assert choose_qparams(0.0, 0.0) == QuantParams(1.0, 0)
    assert choose_qparams(0.0, 2.0**-149).scale == 2.0**-126
    assert choose_qparams(-3.4e38, 3.4e38).scale == pytest.approx(6.8e38 / 255)


def test_quant_params_are_normalised() -> None:
    params = QuantParams(0.1, np.uint8(3), np.dtype(np.uint8))  # type: ignore[arg-type]
    assert params == QuantParams(float(F32(0.1)), 3, "uint8")
    assert type(params.zero_point) is int
    with pytest.raises(AttributeError):
        params.scale = 1.0  # type: ignore[misc]
