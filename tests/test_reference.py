"""octavo.reference against exact rational arithmetic and naive loops over Python integers."""

import itertools
import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from layers import random_bytes
from octavo import reference

F32 = np.float32


def nearest_float32(x: Fraction) -> float:
    """Round an exact value to float32, halves to even, by integer arithmetic."""
    if x == 0:
        return 0.0
    exponent = math.floor(math.log2(abs(x))) - 23
    exponent += abs(x) >= Fraction(2) ** (exponent + 24)  # log2 is not exact.
    exponent -= abs(x) < Fraction(2) ** (exponent + 23)
    exponent = max(exponent, -149)
    mantissa = round(x / Fraction(2) ** exponent)
    if abs(mantissa) * Fraction(2) ** exponent >= Fraction(2) ** 128:
        return math.copysign(math.inf, mantissa)
    return math.ldexp(mantissa, exponent)


def exact_fma(a: NDArray[F32], b: NDArray[F32], c: NDArray[F32]) -> NDArray[F32]:
    triples = zip(a.tolist(), b.tolist(), c.tolist(), strict=True)
    return np.array(
        [nearest_float32(Fraction(x) * Fraction(y) + Fraction(z)) for x, y, z in triples], F32
    )


def test_fma_is_exact_on_random_values(rng: np.random.Generator) -> None:
    n = 4000
    a = (rng.standard_normal(n) * np.exp2(rng.integers(-70, 30, n))).astype(F32)
    b = (rng.standard_normal(n) * np.exp2(rng.integers(-75, 30, n))).astype(F32)
    c = (a * b * np.exp2(rng.integers(-60, 30, n))).astype(F32)
    np.testing.assert_array_equal(reference.fma(a, b, c), exact_fma(a, b, c))


def test_fma_is_exact_as_residuals_use_it(rng: np.random.Generator) -> None:
    r = np.repeat(np.arange(-255, 256), 8).astype(F32)
    m = np.exp2(rng.uniform(-20, 2, r.size)).astype(F32)
    v = (rng.uniform(-300, 300, r.size)).astype(F32)
    np.testing.assert_array_equal(reference.fma(r, m, v), exact_fma(r, m, v))


def test_fma_does_not_round_twice() -> None:
    # The product is half a step of c, plus or minus less than float64 can add to c.
    cases = []
    for sign, k, odd in itertools.product((1, -1), range(14, 23), (0, 1, 2, 3)):
        c = F32(1 + odd * 2.0**-23)
        a, b = F32(1 + 2.0**-k), F32((1 - 2.0**-k) * 2.0**-24)
        cases += [(sign * a, b, sign * c), (sign * a, -b, sign * c)]
        cases += [(sign * a, F32((1 + 2.0**-k) * 2.0**-24), sign * c)]
    a, b, c = (np.array(column, F32) for column in zip(*cases, strict=True))
    exact = exact_fma(a, b, c)
    np.testing.assert_array_equal(reference.fma(a, b, c), exact)
    naive = (a.astype(np.float64) * b + c).astype(F32)
    assert (naive != exact).any(), "the cases do not provoke double rounding"


def test_fma_of_extremes() -> None:
    big, tiny = np.finfo(F32).max, F32(2.0**-149)
    a = np.array([big, -big, big, tiny, tiny, 0.0, 2.0**-75, 3 * 2.0**-76], F32)
    b = np.array([big, big, 1.0, tiny, 0.5, 5.0, 2.0**-75, 2.0**-75], F32)
    c = np.array([1.0, 0.0, big, 0.0, tiny, 7.0, 0.0, 0.0], F32)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(reference.fma(a, b, c), exact_fma(a, b, c))
    assert reference.fma(1.0, 1.0, math.inf) == math.inf


def test_quantize_linear_rounds_halves_to_even_then_clamps() -> None:
    x = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 1e9, -1e9, np.inf, -np.inf, np.nan], F32)
    got = reference.quantize_linear(x, 1.0, 10)
    np.testing.assert_array_equal(got, np.uint8([8, 8, 10, 10, 12, 12, 255, 0, 255, 0, 0]))
    got = reference.quantize_linear(x, 1.0, 0, dtype="int8", narrow_range=True)
    np.testing.assert_array_equal(got, np.int8([-2, -2, 0, 0, 2, 2, 127, -127, 127, -127, -127]))


def test_quantize_linear_divides() -> None:
    # 7 * float32(1 / 0.1) rounds differently from 7 / float32(0.1) for some inputs.
    x = np.arange(1, 20_000, dtype=F32) * F32(0.05)
    got = reference.quantize_linear(x, 0.1, 0)
    scale = Fraction(float(F32(0.1)))
    exact = [round(nearest_float32(Fraction(v) / scale)) for v in x.tolist()]
    np.testing.assert_array_equal(got, np.minimum(exact, 255).astype(np.uint8))


def test_dequantize_linear_per_channel() -> None:
    q = np.int8([[-128, 127], [0, 5]])
    got = reference.dequantize_linear(q, [0.5, 2.0], [0, 1], axis=1)
    np.testing.assert_array_equal(got, F32([[-64, 252], [0, 8]]))


def test_requantize_by_hand() -> None:
    acc = np.int32([-3, -1, 1, 3, 5, 2**31 - 1, -(2**31)])
    got = reference.requantize(acc, 0.5, 3)
    np.testing.assert_array_equal(got, np.uint8([1, 3, 3, 5, 5, 255, 0]))
    residual = np.uint8([7, 7, 7, 7, 7, 0, 0])
    got = reference.requantize(
        acc, 0.5, 3, residual=residual, residual_multiplier=0.5, residual_zero_point=6, clamp=(3, 9)
    )
    np.testing.assert_array_equal(got, np.uint8([3, 3, 4, 5, 6, 9, 3]))


def naive_linear(
    a: Any, w: Any, a_zero: int, w_zero: list[int], bias: list[int]
) -> NDArray[np.int32]:
    def wrapped(x: int) -> int:
        return (x + 2**31) % 2**32 - 2**31

    sums = [
        [
            wrapped(sum((x - a_zero) * (y - z) for x, y in zip(row, col, strict=True)) + b)
            for col, z, b in zip(w.tolist(), w_zero, bias, strict=True)
        ]
        for row in a.tolist()
    ]
    return np.array(sums, np.int32)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_linear_is_the_sum(rng: np.random.Generator, dtype: str) -> None:
    a, w = random_bytes(rng, (3, 11), dtype), random_bytes(rng, (4, 11), "int8")
    zeros, bias = [0, 5, -128, 127], [2**31 - 1, -(2**31), 0, 77]
    got = reference.linear(a, w, bias=bias, a_zero_point=-7, weight_zero_point=zeros)
    np.testing.assert_array_equal(got, naive_linear(a, w, -7, zeros, bias))
    got = reference.matmul_integer(a, w.T, -7, zeros)
    np.testing.assert_array_equal(got, naive_linear(a, w, -7, zeros, [0] * 4))


def naive_window(
    x: NDArray[Any], top: int, left: int, size: tuple[int, int], dilation: tuple[int, int]
) -> dict[tuple[int, int], NDArray[Any]]:
    """The pixels (C,) of one image that a window meets, by kernel tap."""
    h, w, _ = x.shape
    at = {(i, j): (top + i * dilation[0], left + j * dilation[1]) for i, j in np.ndindex(size)}
    return {tap: x[p] for tap, p in at.items() if 0 <= p[0] < h and 0 <= p[1] < w}


@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize(
    ("stride", "padding", "dilation"),
    [(1, 0, 1), (2, 1, 1), ((1, 2), (2, 0), (2, 1)), ((3, 1), (0, 1, 2, 3), (1, 2))],
)
def test_conv2d_is_the_sum(
    rng: np.random.Generator, groups: int, stride: Any, padding: Any, dilation: Any
) -> None:
    x, w = (
        random_bytes(rng, (2, 6, 7, 4), "uint8"),
        random_bytes(rng, (8, 4 // groups, 3, 2), "int8"),
    )
    got = reference.conv2d(
        x, w, a_zero_point=9, weight_zero_point=3, stride=stride, padding=padding,
        dilation=dilation, groups=groups,
    )  # fmt: skip
    sh, sw = (stride, stride) if isinstance(stride, int) else stride
    spread = (dilation, dilation) if isinstance(dilation, int) else dilation
    pads = padding if not isinstance(padding, int) else (padding, padding)
    depth, per_group = 4 // groups, 8 // groups
    for b, i, j, o in np.ndindex(got.shape):
        window = naive_window(x[b], i * sh - pads[0], j * sw - pads[1], (3, 2), spread)
        first = o // per_group * depth
        exact = sum(
            (int(pixel[first + c]) - 9) * (int(w[(o, c, *tap)]) - 3)
            for tap, pixel in window.items()
            for c in range(depth)
        )
        assert got[b, i, j, o] == exact


def test_pools_are_the_maximum_and_the_mean(rng: np.random.Generator) -> None:
    x = random_bytes(rng, (2, 5, 6, 3), "int8")
    most = reference.max_pool2d(x, (3, 2), stride=2, padding=(1, 0, 0, 1))
    args = {"x_scale": 0.5, "x_zero_point": 4, "out_scale": 0.25, "out_zero_point": -1}
    mean = reference.avg_pool2d(x, (3, 2), stride=2, padding=(1, 0, 0, 1), dtype="int8", **args)
    for b, i, j, c in np.ndindex(most.shape):
        window = naive_window(x[b], 2 * i - 1, 2 * j, (3, 2), (1, 1))
        values = [int(pixel[c]) for pixel in window.values()]
        assert most[b, i, j, c] == max(values)
        v = F32(sum(values) - 4 * len(values)) * F32(2 / len(values))
        assert mean[b, i, j, c] == min(max(round(float(v)) - 1, -128), 127)
    whole = reference.global_avg_pool(x, dtype="int8", **args)
    expected = np.clip(np.rint((x - 4.0).sum((1, 2), keepdims=True) * F32(2 / 30)) - 1, -128, 127)
    np.testing.assert_array_equal(whole, expected)


def test_add_and_concat_by_hand() -> None:
    a, b = np.uint8([10, 11, 255]), np.int8([-2, -3, 127])
    got = reference.add(
        a, b, a_scale=0.5, a_zero_point=9, b_scale=1.0, b_zero_point=-3, out_scale=1.0,
        out_zero_point=4, activation="relu6",
    )  # fmt: skip
    np.testing.assert_array_equal(got, np.uint8([6, 5, 10]))
    got = reference.concat(
        [a, b],
        scales=[1.0, 0.5],
        zero_points=[1, 0],
        out_scale=0.5,
        out_zero_point=-1,
        dtype="int8",
    )
    np.testing.assert_array_equal(got, np.int8([17, 19, 127, -3, -4, 126]))
