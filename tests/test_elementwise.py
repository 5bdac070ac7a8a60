"""add and concat on every backend."""

import itertools
from typing import Any

import numpy as np
import pytest

import octavo
from layers import RANGES, random_bytes
from octavo import reference

DTYPES = ["uint8", "int8"]
SIZES = [*range(70), 127, 128, 129, 1000]


@pytest.mark.parametrize(("a_dtype", "b_dtype", "dtype"), [*itertools.product(DTYPES, repeat=3)])
def test_add_every_size(
    backend: str, rng: np.random.Generator, a_dtype: str, b_dtype: str, dtype: str
) -> None:
    for n in SIZES:
        a, b = random_bytes(rng, (n,), a_dtype), random_bytes(rng, (n,), b_dtype)
        args: dict[str, Any] = {
            "a_scale": 0.02, "a_zero_point": 3, "b_scale": 0.037, "b_zero_point": 100,
            "out_scale": 0.05, "out_zero_point": 7, "dtype": dtype,
        }  # fmt: skip
        got = octavo.add(a, b, **args)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, reference.add(a, b, **args))


@pytest.mark.parametrize("dtype", DTYPES)
def test_add_every_pair_of_bytes(backend: str, dtype: str) -> None:
    lo, hi = RANGES[dtype]
    a, b = (x.astype(dtype) for x in np.mgrid[lo : hi + 1, lo : hi + 1])
    for zeros in itertools.product((lo, hi), repeat=3):
        for scales in ((1.0, 1.0, 2.0), (0.3, 0.7, 1.0), (1e-3, 1.0, 0.5), (1e20, 1e-20, 1.0)):
            args: dict[str, Any] = {
                "a_scale": scales[0], "a_zero_point": zeros[0], "b_scale": scales[1],
                "b_zero_point": zeros[1], "out_scale": scales[2], "out_zero_point": zeros[2],
                "dtype": dtype,
            }  # fmt: skip
            np.testing.assert_array_equal(octavo.add(a, b, **args), reference.add(a, b, **args))


def test_add_halves_to_even_with_one_rounding(backend: str) -> None:
    a = np.arange(200, dtype=np.uint8)
    got = octavo.add(a, a[::-1] * 0, a_scale=0.5, b_scale=0.5, out_scale=1.0, out_zero_point=1)
    np.testing.assert_array_equal(got, np.rint(np.arange(200) / 2) + 1)
    # 205 * 10475530 = 2**31 + 2: b exceeds half a step of 2.5 by less than float64 can add.
    args: dict[str, Any] = {"a_scale": 0.5, "b_scale": 10_475_530 * 2.0**-54, "out_scale": 1.0}
    five, b = np.full(99, 5, np.uint8), np.full(99, 205, np.uint8)
    assert (octavo.add(five, b, **args) == 3).all()
    assert (octavo.add(five, b * 0, **args) == 2).all()


@pytest.mark.parametrize("activation", ["relu", "relu6", (-1.0, 2.0)])
def test_add_activation(backend: str, rng: np.random.Generator, activation: Any) -> None:
    a, b = random_bytes(rng, (5, 33), "int8"), random_bytes(rng, (5, 33), "int8")
    args: dict[str, Any] = {
        "a_scale": 0.05, "b_scale": 0.03, "out_scale": 0.04, "out_zero_point": 30,
        "activation": activation,
    }  # fmt: skip
    got = octavo.add(a, b, **args)
    np.testing.assert_array_equal(got, reference.add(a, b, **args))
    assert got.min() == (30 if isinstance(activation, str) else 5)


def test_add_any_memory_layout(backend: str, rng: np.random.Generator) -> None:
    args: dict[str, Any] = {"a_scale": 0.5, "b_scale": 0.25, "out_scale": 1.0}
    x, y = random_bytes(rng, (8, 9), "uint8"), random_bytes(rng, (9, 8), "uint8")
    for a, b in ((x[::2], y.T[::2]), (x[:, ::-1], y.T), (x[:0], x[:0]), (x[0, 0], y[0, 0])):
        got = octavo.add(a, b, **args)
        assert got.shape == a.shape
        np.testing.assert_array_equal(got, reference.add(a, b, **args))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_concat_joins_what_has_the_same_parameters(rng: np.random.Generator, axis: int) -> None:
    parts = [random_bytes(rng, (3, 3), "int8") for _ in range(3)]
    got = octavo.concat(parts, axis)
    assert got.dtype == np.int8
    np.testing.assert_array_equal(got, np.concatenate(parts, axis))
    assert not np.shares_memory(octavo.concat(parts[:1]), parts[0])


@pytest.mark.parametrize("dtype", DTYPES)
def test_concat_requantizes(backend: str, rng: np.random.Generator, dtype: str) -> None:
    parts = [
        random_bytes(rng, (2, 5, 3), "uint8"),
        random_bytes(rng, (2, 5, 17), "int8"),
        random_bytes(rng, (2, 5, 0), "int8"),
    ]
    args: dict[str, Any] = {
        "scales": [0.5, 0.3, 1.0], "zero_points": [128, -5, 0], "out_scale": 0.5,
        "out_zero_point": 0, "dtype": dtype,
    }  # fmt: skip
    got = octavo.concat(parts, **args)
    assert got.dtype == dtype
    np.testing.assert_array_equal(got, reference.concat(parts, **args))
