"""linear and matmul_integer on every backend: tile edges, extremes, fusions."""

from typing import Any

import numpy as np
import pytest

import octavo
from layers import RANGES, check_linear, random_bytes, random_output
from octavo import reference

DTYPES = ["uint8", "int8"]
# Around multiples of the tile heights (4, 6, 12), panel widths (16, 64) and of 4 in depth.
ROWS = [1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 25]
COLS = [1, 7, 15, 16, 17, 31, 33, 48, 63, 64, 65, 79, 129]
DEPTHS = [1, 2, 3, 4, 5, 7, 8, 31, 64, 65]


@pytest.mark.parametrize("m", ROWS)
@pytest.mark.parametrize("a_dtype", DTYPES)
def test_every_tile_edge(backend: str, rng: np.random.Generator, m: int, a_dtype: str) -> None:
    for n in COLS:
        k = int(rng.choice(DEPTHS))
        a, w = random_bytes(rng, (m, k), a_dtype), random_bytes(rng, (n, k), "int8")
        output = random_output(rng, k, n, a_dtype=a_dtype)
        got = check_linear(a, w, **output)
        assert m * n < 50 or len(np.unique(got)) > 8, "the outputs do not tell rows apart"
        integer = {key: output[key] for key in ("bias", "a_dtype", "a_zero_point")}
        assert check_linear(a, w, **integer).dtype == np.int32


@pytest.mark.parametrize("k", [*range(1, 40), 127, 128, 129, 575, 576, 577])
def test_every_depth(backend: str, rng: np.random.Generator, k: int) -> None:
    a, w = random_bytes(rng, (7, k), "uint8"), random_bytes(rng, (17, k), "int8")
    check_linear(a, w, **random_output(rng, k, 17))


@pytest.mark.parametrize("a_dtype", DTYPES)
@pytest.mark.parametrize("pair", [(127, 127), (-128, -128), (64, 65), (1, 127), (127, -128)])
def test_pairs_that_saturate_int16(backend: str, a_dtype: str, pair: tuple[int, int]) -> None:
    lo, hi = RANGES[a_dtype]
    for k in (2, 4, 6, 64, 66):
        w = np.resize(np.int8(pair), (20, k))
        w[1::3] = w[1::3, ::-1]
        w[2::3] = -w[2::3] if -128 not in pair else w[2::3]
        for row in ([hi], [lo], [hi, lo], [lo, hi], [hi, 1], [hi - 1, hi]):
            a = np.broadcast_to(np.resize(np.array(row, a_dtype), k), (7, k))
            check_linear(a, w, a_dtype=a_dtype)


@pytest.mark.parametrize("a_dtype", DTYPES)
@pytest.mark.parametrize("weight", [127, -127, -128])
def test_the_deepest_sum(backend: str, a_dtype: str, weight: int) -> None:
    k = 65_536
    ends = RANGES[a_dtype]
    a = np.stack([np.full(k, end, a_dtype) for end in ends] + [np.resize(ends, k).astype(a_dtype)])
    w = np.full((2, k), weight, np.int8)
    for zero in ends:
        check_linear(a, w, a_dtype=a_dtype, a_zero_point=zero)
        check_linear(
            a, w, a_dtype=a_dtype, a_zero_point=zero, weight_scale=0.01, a_scale=0.01,
            out_scale=1e4, out_zero_point=100,
        )  # fmt: skip


def test_exact_ties_round_to_even(backend: str) -> None:
    # The sum is the activation minus 128 or its negative; half of it is a tie when odd.
    a = np.arange(256, dtype=np.uint8)[:, None]
    w = np.resize(np.int8([1, -1]), (18, 1))
    args: dict[str, Any] = {"weight_scale": 0.5, "a_scale": 1.0, "out_scale": 1.0}
    for zero in (0, 1, 64, 127):
        got = check_linear(a, w, a_zero_point=128, out_zero_point=zero, **args)
        half = np.rint((np.arange(256) - 128) / 2)
        np.testing.assert_array_equal(got[:, 0], np.clip(half + zero, 0, 255))
        np.testing.assert_array_equal(got[:, 1], np.clip(-half + zero, 0, 255))


def test_sums_wrap_around(backend: str, rng: np.random.Generator) -> None:
    # Bias near the limits: the folded terms wrap, whether or not the final sum fits.
    a, w = random_bytes(rng, (5, 9), "uint8"), random_bytes(rng, (21, 9), "int8")
    ends = [2**31 - 1, -(2**31), 2**31 - 5000, -(2**31) + 5000, 0]
    bias = np.resize(ends, 21).astype(np.int32)
    for zero in (0, 1, 128, 255):
        check_linear(a, w, bias=bias, a_zero_point=zero)
        scales = {"weight_scale": 2.0**-10, "a_scale": 2.0**-8, "out_scale": 2.0**6}
        check_linear(a, w, bias=bias, a_zero_point=zero, out_zero_point=99, **scales)


def test_scales_from_tiny_to_huge(backend: str, rng: np.random.Generator) -> None:
    a, w = random_bytes(rng, (9, 33), "uint8"), random_bytes(rng, (40, 33), "int8")
    scale = np.exp2(np.linspace(-20, 0, 40))
    for out_scale in (1e-3, 1.0, 100.0, 1e-30, 1e30):
        check_linear(a, w, weight_scale=scale, a_scale=0.1, out_scale=out_scale, out_zero_point=3)
    check_linear(a, w, weight_scale=3e38, a_scale=0.5, out_scale=1.0)
    check_linear(a, w, weight_scale=1e-38, a_scale=1e-38, out_scale=1e30)


@pytest.mark.parametrize("activation", [None, "relu", "relu6", (-1.3, 2.7), (0.5, 0.5), (-1e39, 9)])
@pytest.mark.parametrize("out_dtype", DTYPES)
def test_activations_clamp_to_quantized_reals(
    backend: str, rng: np.random.Generator, activation: Any, out_dtype: str
) -> None:
    a, w = random_bytes(rng, (8, 20), "uint8"), random_bytes(rng, (35, 20), "int8")
    output = random_output(rng, 20, 35, a_dtype="uint8", out_dtype=out_dtype)
    output |= {"weight_scale": 0.01, "out_scale": 0.05, "out_zero_point": 17}
    got = check_linear(a, w, activation=activation, **output)
    if activation == "relu":
        assert got.min() == 17
    if activation == "relu6":
        assert got.min() == 17
        assert got.max() == min(17 + 120, RANGES[out_dtype][1])


@pytest.mark.parametrize("residual_dtype", DTYPES)
@pytest.mark.parametrize("out_dtype", DTYPES)
@pytest.mark.parametrize("n", [1, 16, 63, 66, 129])
def test_residual(
    backend: str, rng: np.random.Generator, residual_dtype: str, out_dtype: str, n: int
) -> None:
    for m in (1, 6, 13):
        a, w = random_bytes(rng, (m, 19), "int8"), random_bytes(rng, (n, 19), "int8")
        residual = random_bytes(rng, (m, n), residual_dtype)
        output = random_output(rng, 19, n, a_dtype="int8", out_dtype=out_dtype, activation="relu")
        output |= {"residual_dtype": residual_dtype, "residual_zero_point": 11}
        output["residual_scale"] = float(output["out_scale"]) * float(rng.choice([0.5, 0.3, 1.7]))
        got = check_linear(a, w, residual, **output)
        assert got.min() >= 20


def test_residual_is_added_with_one_rounding(backend: str) -> None:
    # 205 * 10475530 = 2**31 + 2: the product exceeds half a step of 2.5 by a quarter of what
    # float64 can add to 2.5. Exactly summed it rounds to 3; rounded in between, to 2.
    args: dict[str, Any] = {"weight_scale": 0.5, "a_scale": 1.0, "out_scale": 1.0}
    args |= {"residual_scale": 10_475_530 * 2.0**-54, "out_zero_point": 100}
    a, w = np.full((7, 1), 5, np.uint8), np.resize(np.int8([1, -1]), (70, 1))
    got = check_linear(a, w, np.full((7, 70), 205, np.uint8), **args)
    assert got[0, :2].tolist() == [103, 98]
    args["residual_zero_point"] = 205
    got = check_linear(a, w, np.zeros((7, 70), np.uint8), **args)
    assert got[0, :2].tolist() == [102, 97]


def test_residual_of_every_pair_of_bytes(backend: str) -> None:
    a, w = np.arange(256, dtype=np.uint8)[:, None], np.ones((256, 1), np.int8)
    residual = np.broadcast_to(np.arange(256, dtype=np.uint8), (256, 256))
    for scales in ((0.3, 0.7), (0.7, 0.3), (1.1, 1e-3), (0.1, 0.9)):
        check_linear(
            a, w, residual, weight_scale=1.0, a_scale=scales[0], a_zero_point=128,
            out_scale=1.0, out_zero_point=100, residual_scale=scales[1], residual_zero_point=60,
        )  # fmt: skip


def test_weight_zero_points(backend: str, rng: np.random.Generator) -> None:
    for k in (1, 5, 64, 70):
        for m in (1, 7):
            a, w = random_bytes(rng, (m, k), "uint8"), random_bytes(rng, (37, k), "int8")
            for zeros in (3, -128, 127, rng.integers(-128, 128, 37), np.resize([0, 0, 1], 37)):
                args = random_output(rng, k, 37)
                check_linear(a, w, weight_zero_point=zeros, **args)
                check_linear(a, w, weight_zero_point=zeros, a_zero_point=255)


@pytest.mark.parametrize("a_dtype", DTYPES)
@pytest.mark.parametrize("b_dtype", DTYPES)
def test_matmul_integer(backend: str, rng: np.random.Generator, a_dtype: str, b_dtype: str) -> None:
    for shape in ((1, 1), (3, 65), (13, 7), (2, 3, 10), (9,)):
        a = random_bytes(rng, shape, a_dtype)
        for n in (1, 17, 64):
            b = random_bytes(rng, (shape[-1], n), b_dtype)
            lo, hi = RANGES[b_dtype]
            for b_zero in (0, lo, hi, rng.integers(lo, hi, n, endpoint=True)):
                a_zero = int(rng.integers(*RANGES[a_dtype], endpoint=True))
                got = octavo.matmul_integer(a, b, a_zero, b_zero)
                expected = reference.matmul_integer(a, b, a_zero, b_zero)
                assert got.dtype == np.int32
                np.testing.assert_array_equal(got, expected)


def test_memory_layouts_and_shapes(backend: str, rng: np.random.Generator) -> None:
    whole = random_bytes(rng, (14, 80), "uint8")
    w = random_bytes(rng, (18, 40), "int8")
    cases = [
        whole[:, :40], whole[::2, 20:60], whole[::-1, :40], whole[:, ::2], whole[:, 39::-1],
        np.asfortranarray(whole[:, :40]), np.broadcast_to(whole[0, :40], (9, 40)),
        whole.reshape(2, 7, 2, 40), whole.reshape(2, 7, 80)[:, :, 40:], whole[3, :40],
        whole[:0, :40], np.empty((2, 0, 40), np.uint8),
    ]  # fmt: skip
    for a in cases:
        before = a.copy()
        got = check_linear(a, w, **random_output(rng, 40, 18))
        assert got.shape == (*a.shape[:-1], 18)
        np.testing.assert_array_equal(a, before)
    strided = np.asfortranarray(random_bytes(rng, (80, 36), "int8"))[::2, ::2]
    check_linear(whole[:, :18], strided)
    residual = random_bytes(rng, (36, 14), "uint8").T[:, ::2]
    check_linear(whole[:, :40], w, residual, residual_scale=1.0, **random_output(rng, 40, 18))


def test_batches_do_not_matter(backend: str, rng: np.random.Generator) -> None:
    a, w = random_bytes(rng, (29, 70), "uint8"), random_bytes(rng, (67, 70), "int8")
    output = random_output(rng, 70, 67)
    packed = octavo.pack_linear(w, **output)
    whole = octavo.linear(a, packed)
    for m in (1, 2, 5, 6, 7, 28):
        parts = [octavo.linear(a[i : i + m], packed) for i in range(0, 29, m)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_weights_may_change_after_packing(backend: str) -> None:
    w, bias = np.ones((3, 4), np.int8), np.zeros(3, np.int32)
    packed = octavo.pack_linear(w, bias=bias)
    w[:], bias[:] = 5, 7
    assert octavo.linear(np.ones((1, 4), np.uint8), packed).tolist() == [[4, 4, 4]]
