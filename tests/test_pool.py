"""max_pool2d and global_avg_pool on every backend."""

from typing import Any

import numpy as np
import pytest

import octavo
from layers import RANGES, random_bytes
from octavo import reference

DTYPES = ["uint8", "int8"]
CHANNELS = [1, 3, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130]


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_max_pool(backend: str, rng: np.random.Generator, channels: int, dtype: str) -> None:
    x = random_bytes(rng, (2, 9, 8, channels), dtype)
    for kernel, args in (
        (2, {}),
        (3, {"stride": 2, "padding": 1}),
        ((1, 1), {"stride": 1}),
        ((3, 2), {"stride": (1, 2), "padding": (2, 0, 0, 1)}),
        (2, {"stride": 1, "dilation": (3, 2), "padding": 1}),
        ((9, 8), {}),
    ):
        pool: dict[str, Any] = dict(args)
        got = octavo.max_pool2d(x, kernel, **pool)
        assert got.dtype == dtype
        np.testing.assert_array_equal(got, reference.max_pool2d(x, kernel, **pool))


@pytest.mark.parametrize("dtype", DTYPES)
def test_padding_never_wins(backend: str, dtype: str) -> None:
    lowest, _ = RANGES[dtype]
    x = np.full((1, 3, 3, 20), lowest, dtype)
    got = octavo.max_pool2d(x, 3, stride=1, padding=1)
    np.testing.assert_array_equal(got, x)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize(("x_dtype", "dtype"), [("uint8", "int8"), ("int8", "uint8")])
def test_global_average(
    backend: str, rng: np.random.Generator, channels: int, x_dtype: str, dtype: str
) -> None:
    for size in ((1, 1), (1, 2), (2, 2), (7, 7), (5, 3)):
        x = random_bytes(rng, (2, *size, channels), x_dtype)
        for zero in (RANGES[x_dtype][0], 3, RANGES[x_dtype][1]):
            args: dict[str, Any] = {
                "x_scale": 0.1, "x_zero_point": zero, "out_scale": 0.07, "out_zero_point": 12,
                "dtype": dtype,
            }  # fmt: skip
            got = octavo.global_avg_pool(x, **args)
            assert got.shape == (2, 1, 1, channels)
            assert got.dtype == dtype
            np.testing.assert_array_equal(got, reference.global_avg_pool(x, **args))


def test_global_average_halves_to_even(backend: str) -> None:
    x = np.zeros((1, 2, 1, 256), np.uint8)
    x[0, 0, 0] = np.arange(256)
    got = octavo.global_avg_pool(x, x_scale=1.0, out_scale=1.0)
    np.testing.assert_array_equal(got[0, 0, 0], np.rint(np.arange(256) / 2))


def test_global_average_of_many_pixels(backend: str) -> None:
    x = np.full((1, 512, 300, 2), 255, np.uint8)
    x[0, ::2, :, 1] = 0
    args: dict[str, Any] = {"x_scale": 1.0, "x_zero_point": 255, "out_scale": 1.0}
    got = octavo.global_avg_pool(x, out_zero_point=255, **args)
    assert got.ravel().tolist() == [255, 127]


def test_any_memory_layout(backend: str, rng: np.random.Generator) -> None:
    whole = random_bytes(rng, (4, 10, 6, 8), "uint8")
    args: dict[str, Any] = {"x_scale": 0.5, "out_scale": 0.4}
    cases = [whole[:, :, :, ::2], whole[::-1, ::2], whole.transpose(0, 3, 1, 2), whole[:0]]
    for x in cases:
        np.testing.assert_array_equal(octavo.max_pool2d(x, 2), reference.max_pool2d(x, 2))
        got = octavo.global_avg_pool(x, **args)
        np.testing.assert_array_equal(got, reference.global_avg_pool(x, **args))
