"""activation_table, lookup, softmax, layer_norm and mul on every backend."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import octavo
from layers import RANGES, random_bytes
from octavo import InvalidArgumentError, InvalidDtypeError, reference

DTYPES = ["uint8", "int8"]
FUNCTIONS = [
    "sigmoid", "tanh", "erf", "exp", "gelu", "gelu_tanh", "silu", "hard_sigmoid", "hard_swish",
    "relu",
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("x_dtype", "dtype"), [*itertools.product(DTYPES, repeat=2)])
def test_tables_of_named_functions(function: str, x_dtype: str, dtype: str) -> None:
    for x_scale, x_zero, out_scale, out_zero in (
        (0.05, 3, 1 / 128, 0), (0.031, 100, 0.02, 17), (1e-6, 0, 1e-6, 0), (40.0, 64, 0.5, -0),
    ):  # fmt: skip
        args: dict[str, Any] = {
            "x_scale": x_scale, "x_zero_point": x_zero, "out_scale": out_scale,
            "out_zero_point": out_zero, "x_dtype": x_dtype, "dtype": dtype,
        }  # fmt: skip
        if function in {"exp", "sigmoid", "silu"} and x_scale > 1:
            continue  # math.exp overflows where NumPy's gives infinity, tested below
        table = octavo.activation_table(function, **args)
        assert table.dtype == dtype
        np.testing.assert_array_equal(table, reference.activation_table(function, **args))


def test_tables_of_infinite_values_and_of_callables() -> None:
    table = octavo.activation_table("exp", x_scale=40.0, x_zero_point=128, out_scale=1.0)
    assert table[[0, 128, 129, 255]].tolist() == [0, 1, 255, 255]
    table = octavo.activation_table("silu", x_scale=40.0, x_zero_point=128, out_scale=1.0)
    assert table[[0, 128, 129, 255]].tolist() == [0, 0, 40, 255]
    halves = octavo.activation_table(lambda x: x / 2, x_scale=1.0, out_scale=1.0)
    np.testing.assert_array_equal(halves, np.rint(np.arange(256) / 2))


@pytest.mark.parametrize(("x_dtype", "dtype"), [*itertools.product(DTYPES, repeat=2)])
def test_lookup(backend: str, rng: np.random.Generator, x_dtype: str, dtype: str) -> None:
    table = random_bytes(rng, (256,), dtype)
    for shape in ((0,), (), (1,), (63,), (64,), (65,), (3, 50, 7), (300, 1000)):
        x = random_bytes(rng, shape, x_dtype)
        got = octavo.lookup(x, table)
        assert got.dtype == dtype
        assert got.shape == shape
        np.testing.assert_array_equal(got, reference.lookup(x, table))
    x = random_bytes(rng, (6, 40), x_dtype)
    np.testing.assert_array_equal(octavo.lookup(x.T[::2], table), reference.lookup(x.T[::2], table))


@pytest.mark.parametrize(("x_dtype", "dtype"), [*itertools.product(DTYPES, repeat=2)])
def test_softmax(backend: str, rng: np.random.Generator, x_dtype: str, dtype: str) -> None:
    for n in (1, 2, 7, 8, 15, 16, 17, 63, 64, 65, 127, 128, 197, 1000, 5000):
        x = random_bytes(rng, (2, 3, n), x_dtype)
        for x_scale, out_scale, zero in ((0.05, 1 / 256, 0), (1e-3, 1e-3, 7), (3.0, 0.01, 100)):
            args: dict[str, Any] = {
                "x_scale": x_scale, "out_scale": out_scale, "out_zero_point": zero, "dtype": dtype,
            }  # fmt: skip
            got = octavo.softmax(x, **args)
            assert got.dtype == dtype
            np.testing.assert_array_equal(got, reference.softmax(x, **args))


def test_softmax_is_within_half_a_step(backend: str, rng: np.random.Generator) -> None:
    x = random_bytes(rng, (40, 300), "uint8")
    real = np.exp(0.03 * x.astype(np.float64))
    real /= real.sum(-1, keepdims=True)
    got = octavo.softmax(x, x_scale=0.03, out_scale=1e-4)
    assert np.abs(got - np.minimum(real / 1e-4, 255)).max() < 0.501


@pytest.mark.parametrize(("x_dtype", "dtype"), [*itertools.product(DTYPES, repeat=2)])
def test_layer_norm(backend: str, rng: np.random.Generator, x_dtype: str, dtype: str) -> None:
    for n in (1, 2, 7, 8, 31, 32, 33, 64, 65, 384, 768, 1030):
        x = random_bytes(rng, (3, 2, n), x_dtype)
        x[0, 0] = RANGES[x_dtype][1]
        gamma, beta = rng.normal(1, 0.3, n), rng.normal(0, 0.5, n).astype(np.float32)
        args: dict[str, Any] = {
            "x_scale": 0.04, "out_scale": 0.03, "out_zero_point": 20, "dtype": dtype,
        }  # fmt: skip
        for epsilon in (1e-12, 1e-5, 10.0):
            got = octavo.layer_norm(x, gamma, beta, epsilon=epsilon, **args)
            assert got.dtype == dtype
            expected = reference.layer_norm(x, gamma, beta, epsilon=epsilon, **args)
            np.testing.assert_array_equal(got, expected)


def test_layer_norm_of_the_longest_row(backend: str) -> None:
    x = np.full((1, 65536), 255, np.uint8)
    x[0, ::2] = 0
    ones, zeros = np.ones(65536, np.float32), np.zeros(65536, np.float32)
    args: dict[str, Any] = {"x_scale": 1.0, "out_scale": 0.01, "out_zero_point": 128}
    got = octavo.layer_norm(x, ones, zeros, **args)
    np.testing.assert_array_equal(got, np.where(x == 0, 28, 228))


@pytest.mark.parametrize(("a_dtype", "b_dtype", "dtype"), [*itertools.product(DTYPES, repeat=3)])
def test_mul(
    backend: str, rng: np.random.Generator, a_dtype: str, b_dtype: str, dtype: str
) -> None:
    args: dict[str, Any] = {
        "a_scale": 0.02, "a_zero_point": 3, "b_scale": 1 / 256, "b_zero_point": 100,
        "out_scale": 0.015, "out_zero_point": 7, "dtype": dtype,
    }  # fmt: skip
    for a_shape, b_shape in (
        ((), ()), ((0, 3), (0, 3)), ((70,), (70,)), ((5, 33), (5, 33)), ((5, 33), (33,)),
        ((5, 33), (5, 1)), ((5, 33), ()), ((2, 7, 9, 40), (2, 1, 1, 40)),
        ((2, 7, 9, 40), (1, 1, 1, 40)), ((2, 7, 9, 40), (2, 1, 9, 1)), ((1, 7, 9, 3), (1, 1, 1, 3)),
        ((1, 70, 9, 16), (1, 1, 1, 16)),
    ):  # fmt: skip
        a, b = random_bytes(rng, a_shape, a_dtype), random_bytes(rng, b_shape, b_dtype)
        got = octavo.mul(a, b, **args)
        assert got.dtype == dtype
        assert got.shape == a_shape
        np.testing.assert_array_equal(got, reference.mul(a, b, **args))


Q = np.zeros((2, 3), np.uint8)
T = np.zeros(256, np.uint8)
ONES = np.ones(3, np.float32)
NORM: dict[str, Any] = {"x_scale": 1.0, "out_scale": 1.0}
MUL: dict[str, Any] = {"a_scale": 1.0, "b_scale": 1.0, "out_scale": 1.0}


def table(function: Any = "tanh", **more: Any) -> Callable[[], object]:
    return lambda: octavo.activation_table(function, **(NORM | more))


def norm(x: Any = Q, gamma: Any = ONES, beta: Any = ONES, **more: Any) -> Callable[[], object]:
    return lambda: octavo.layer_norm(x, gamma, beta, **(NORM | more))


@pytest.mark.parametrize(
    ("call", "error", "match"),
    [
        (table("swish"), InvalidArgumentError, "function: expected one of sigmoid"),
        (table(3), InvalidDtypeError, "function"),
        (table(lambda x: x[:3]), InvalidArgumentError, "function"),
        (table(lambda x: x * math.nan), InvalidArgumentError, "function"),
        (table(x_scale=0.0), InvalidArgumentError, "x_scale"),
        (table(out_scale=math.inf), InvalidArgumentError, "out_scale"),
        (table(x_zero_point=256), InvalidArgumentError, "x_zero_point"),
        (table(dtype="int16"), InvalidDtypeError, "dtype"),
        (lambda: octavo.lookup(Q, T[:9]), InvalidArgumentError, "table"),
        (lambda: octavo.lookup(Q, T.astype(np.int32)), InvalidDtypeError, "table"),
        (lambda: octavo.lookup(ONES, T), InvalidDtypeError, "x"),
        (lambda: octavo.softmax(np.uint8(3), x_scale=1.0), InvalidArgumentError, "x"),
        (lambda: octavo.softmax(ONES, x_scale=1.0), InvalidDtypeError, "x"),
        (lambda: octavo.softmax(Q, x_scale=-1.0), InvalidArgumentError, "x_scale"),
        (lambda: octavo.softmax(Q, x_scale=1.0, out_scale=1e-40), InvalidArgumentError, "out_sca"),
        (
            lambda: octavo.softmax(Q, x_scale=1.0, out_zero_point=-1),
            InvalidArgumentError,
            "out_zero_point",
        ),
        (norm(Q[:, :0]), InvalidArgumentError, "x"),
        (norm(np.broadcast_to(Q[:, :1], (2, 65537))), InvalidArgumentError, "x"),
        (norm(gamma=ONES[:2]), InvalidArgumentError, "gamma"),
        (norm(gamma=np.arange(3)), InvalidDtypeError, "gamma"),
        (norm(beta=ONES * np.nan), InvalidArgumentError, "beta"),
        (norm(beta=ONES * 1e38, out_scale=0.01), InvalidArgumentError, "beta"),
        (norm(epsilon=0.0), InvalidArgumentError, "epsilon"),
        (norm(epsilon=math.nan), InvalidArgumentError, "epsilon"),
        (lambda: octavo.mul(Q, Q.T, **MUL), InvalidArgumentError, "b"),
        (lambda: octavo.mul(Q[:1], Q, **MUL), InvalidArgumentError, "b"),
        (lambda: octavo.mul(Q, Q, **(MUL | {"b_scale": 0.0})), InvalidArgumentError, "b_scale"),
        (
            lambda: octavo.mul(Q, Q, **(MUL | {"a_scale": 1e30, "b_scale": 1e30})),
            InvalidArgumentError,
            "a_scale",
        ),
        (lambda: octavo.mul(Q, ONES, **MUL), InvalidDtypeError, "b"),
    ],
)
def test_wrong_arguments_are_named(
    call: Callable[[], object], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        call()
