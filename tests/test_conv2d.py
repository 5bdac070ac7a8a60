"""conv2d on every backend: geometry, borders, groups, depthwise, fusions."""

from typing import Any

import numpy as np
import pytest

import octavo
from layers import RANGES, check_conv2d, random_bytes, random_output

DTYPES = ["uint8", "int8"]


def check(rng: np.random.Generator, x: Any, w: Any, residual: Any = None, **given: Any) -> Any:
    """Compare requantized and int32 output; the geometry is in `given`."""
    k, n = int(np.prod(w.shape[1:])), w.shape[0]
    output = random_output(rng, k, n, a_dtype=str(x.dtype))
    got = check_conv2d(x, w, residual, **(output | given))
    kept = {"bias", "a_dtype", "a_zero_point", "weight_zero_point"}
    kept |= {"stride", "padding", "dilation", "groups"}
    integer = {key: value for key, value in (output | given).items() if key in kept}
    assert check_conv2d(x, w, **integer).dtype == np.int32
    return got


# Pointwise GEMM, strided pointwise, 3x3 on borders, 5x5, one row, one column, even kernels.
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [
        ((1, 1), 1, 0, 1),
        ((1, 1), 2, 0, 1),
        ((1, 1), 1, 1, 1),
        ((3, 3), 1, 1, 1),
        ((3, 3), 2, (0, 0, 1, 1), 1),
        ((3, 3), 1, 2, 2),
        ((5, 5), 1, 2, 1),
        ((1, 7), 1, (0, 3), 1),
        ((7, 1), (2, 1), (3, 0), 1),
        ((2, 2), 2, (1, 0, 0, 1), (1, 3)),
        ((3, 2), (1, 3), (0, 5, 4, 0), (3, 1)),
    ],
)
@pytest.mark.parametrize("channels", [(4, 16), (5, 7), (16, 65), (3, 33)])
def test_geometry(
    backend: str, rng: np.random.Generator, kernel: Any, stride: Any, padding: Any,
    dilation: Any, channels: tuple[int, int],
) -> None:  # fmt: skip
    inputs, outputs = channels
    for dtype in DTYPES:
        x = random_bytes(rng, (2, 9, 8, inputs), dtype)
        w = random_bytes(rng, (outputs, inputs, *kernel), "int8")
        check(rng, x, w, stride=stride, padding=padding, dilation=dilation)


@pytest.mark.parametrize("zero", [0, 1, 127, 128, 255])
@pytest.mark.parametrize("groups", [1, 2, 8])
def test_padding_is_the_zero_point(
    backend: str, rng: np.random.Generator, zero: int, groups: int
) -> None:
    # All pixels hold the zero point, so nothing but the bias may come out, border or not.
    w = random_bytes(rng, (8, 8 // groups, 3, 3), "int8")
    bias = np.arange(8, dtype=np.int32) - 4
    for dtype, z in (("uint8", zero), ("int8", zero - 128)):
        args = {"bias": bias, "a_zero_point": z, "a_dtype": dtype, "groups": groups}
        x = np.full((1, 4, 4, 8), z, dtype)
        got = check_conv2d(x, w, padding=2, **args)
        np.testing.assert_array_equal(got, np.broadcast_to(bias, got.shape))
        check_conv2d(random_bytes(rng, (1, 4, 5, 8), dtype), w, padding=(1, 2, 3, 0), **args)


@pytest.mark.parametrize("inputs", [1, 2, 3])
@pytest.mark.parametrize("size", [7, 14, 16])
def test_image_stems(backend: str, rng: np.random.Generator, inputs: int, size: int) -> None:
    for kernel, stride, padding in ((7, 2, 3), (3, 2, (0, 0, 1, 1)), (3, 1, 1), (4, 4, 0)):
        x = random_bytes(rng, (2, size, size + 1, inputs), "uint8")
        w = random_bytes(rng, (17, inputs, kernel, kernel), "int8")
        check(rng, x, w, stride=stride, padding=padding, activation="relu")


@pytest.mark.parametrize("channels", [1, 3, 8, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130])
def test_depthwise(backend: str, rng: np.random.Generator, channels: int) -> None:
    for kernel, stride, padding, dilation in (
        ((3, 3), 1, 1, 1), ((3, 3), 2, (0, 0, 1, 1), 1), ((5, 5), 1, 2, 1), ((1, 1), 1, 0, 1),
        ((3, 3), 1, 2, 2), ((2, 4), (2, 1), (1, 0, 0, 3), 1),
    ):  # fmt: skip
        for dtype in DTYPES:
            x = random_bytes(rng, (2, 6, 7, channels), dtype)
            w = random_bytes(rng, (channels, 1, *kernel), "int8")
            args = {"stride": stride, "padding": padding, "dilation": dilation}
            check(rng, x, w, groups=channels, **args)


@pytest.mark.parametrize(("inputs", "outputs", "groups"), [
    (4, 8, 2), (6, 6, 2), (12, 9, 3), (8, 64, 4), (5, 10, 5), (32, 130, 2), (40, 8, 8),
])  # fmt: skip
def test_groups(
    backend: str, rng: np.random.Generator, inputs: int, outputs: int, groups: int
) -> None:
    for kernel, padding in ((1, 0), (3, 1)):
        x = random_bytes(rng, (2, 5, 6, inputs), "uint8")
        w = random_bytes(rng, (outputs, inputs // groups, kernel, kernel), "int8")
        check(rng, x, w, groups=groups, padding=padding)


@pytest.mark.parametrize("groups", [1, 4, 12])
@pytest.mark.parametrize("residual_dtype", DTYPES)
@pytest.mark.parametrize("out_dtype", DTYPES)
def test_residual_and_relu(
    backend: str, rng: np.random.Generator, groups: int, residual_dtype: str, out_dtype: str
) -> None:
    for kernel, padding in ((1, 0), (3, 1)):
        x = random_bytes(rng, (2, 5, 7, 12), "int8")
        w = random_bytes(rng, (12, 12 // groups, kernel, kernel), "int8")
        residual = random_bytes(rng, (2, 5, 7, 12), residual_dtype)
        got = check(
            rng, x, w, residual, groups=groups, padding=padding, out_dtype=out_dtype,
            activation="relu", residual_dtype=residual_dtype, residual_zero_point=-3 % 128,
            residual_scale=7.0,
        )  # fmt: skip
        assert got.min() >= 20
        assert got.std() > 1


@pytest.mark.parametrize("groups", [1, 64])
def test_residual_of_every_pair_of_bytes(backend: str, groups: int) -> None:
    x = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None, None], (1, 256, 4, groups))
    residual = np.arange(256, dtype=np.uint8).reshape(4, 64)
    residual = np.broadcast_to(residual, (1, 256, 4, 64))
    check_conv2d(
        x, np.ones((64, 1, 1, 1), np.int8), residual, groups=groups, weight_scale=1.0, a_scale=0.3,
        a_zero_point=128, out_scale=1.0, out_zero_point=100, residual_scale=0.7,
        residual_zero_point=60,
    )  # fmt: skip


@pytest.mark.parametrize("groups", [1, 2, 6])
def test_weight_zero_points(backend: str, rng: np.random.Generator, groups: int) -> None:
    for kernel in (1, 3):
        for dtype in DTYPES:
            x = random_bytes(rng, (2, 5, 5, 6), dtype)
            w = random_bytes(rng, (6, 6 // groups, kernel, kernel), "int8")
            for zeros in (5, -128, 127, rng.integers(-128, 128, 6)):
                check(rng, x, w, weight_zero_point=zeros, groups=groups, padding=kernel // 2)


@pytest.mark.parametrize("a_dtype", DTYPES)
@pytest.mark.parametrize("groups", [1, 3])
def test_extremes(backend: str, a_dtype: str, groups: int) -> None:
    lo, hi = RANGES[a_dtype]
    for pair in ((127, 127), (-128, -128), (64, 65), (1, 127)):
        w = np.resize(np.int8(pair), (3, 3 // groups, 3, 3))
        for row in ([hi], [lo], [hi, lo], [lo, hi, hi]):
            x = np.resize(np.array(row, a_dtype), (1, 6, 6, 3))
            for zero in (lo, hi):
                args = {"a_dtype": a_dtype, "a_zero_point": zero, "groups": groups}
                check_conv2d(x, w, padding=1, **args)


def test_the_deepest_sum(backend: str) -> None:
    x = np.full((1, 2, 2, 16_384), 255, np.uint8)
    for weight in (127, -128):
        w = np.full((1, 16_384, 2, 2), weight, np.int8)
        assert check_conv2d(x, w)[0, 0, 0, 0] == 65_536 * 255 * weight


def test_a_pointwise_convolution_is_linear(backend: str, rng: np.random.Generator) -> None:
    x, w = random_bytes(rng, (2, 5, 6, 24), "uint8"), random_bytes(rng, (40, 24), "int8")
    output = random_output(rng, 24, 40)
    conv = octavo.conv2d(x, octavo.pack_conv2d(w[:, :, None, None], **output))
    np.testing.assert_array_equal(conv, octavo.linear(x, octavo.pack_linear(w, **output)))


def test_memory_layouts_and_batches(backend: str, rng: np.random.Generator) -> None:
    whole = random_bytes(rng, (4, 12, 12, 10), "uint8")
    w = np.asfortranarray(random_bytes(rng, (11, 5, 3, 3), "int8"))
    cases = [
        whole[:, :, :, :5], whole[:, ::2, :, ::2], whole[:, ::-1, :, 5:], whole[:0, :, :, :5],
        whole.transpose(0, 3, 1, 2)[:, :, :, :5], np.broadcast_to(whole[0, 0, 0, :5], (2, 4, 4, 5)),
    ]  # fmt: skip
    for x in cases:
        before = x.copy()
        check(rng, x, w, padding=1)
        np.testing.assert_array_equal(x, before)
    packed = octavo.pack_conv2d(w, padding=1)
    together = octavo.conv2d(whole[..., :5], packed)
    for i in range(4):
        alone = octavo.conv2d(whole[i : i + 1, ..., :5], packed)
        np.testing.assert_array_equal(alone[0], together[i])


def test_images_of_different_sizes_with_the_same_weights(
    backend: str, rng: np.random.Generator
) -> None:
    w = random_bytes(rng, (8, 3, 3, 3), "int8")
    packed = octavo.pack_conv2d(w, padding=1, stride=2)
    for h, w_ in ((1, 1), (1, 9), (32, 1), (17, 16)):
        got = octavo.conv2d(np.zeros((1, h, w_, 3), np.uint8), packed)
        assert got.shape == (1, *packed.output_size(h, w_), 8)
        assert not got.any()
