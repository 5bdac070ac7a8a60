"""Convolution: int8 with bias, requantization and ReLU, beside NumPy's float32 matrix product.

NumPy is given its im2col matrix ready-made, outside of the timing: a float convolution through
NumPy cannot be faster. Depthwise in float32 is one multiply-add per tap on whole images, which
is what NumPy can do without loops over pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

import octavo
from bench_common import BACKENDS, generator, layer_arguments, timed, weights
from octavo import reference


@dataclass(frozen=True)
class Conv:
    """A convolution of one image with "same" padding."""

    size: int
    channels: int
    outputs: int
    kernel: int
    stride: int = 1
    groups: int = 1

    @property
    def group(self) -> str:
        kind = "depthwise" if self.groups > 1 else "conv"
        shape = f"{self.size}x{self.size}x{self.channels} -> {self.outputs}"
        return f"{kind} {shape}, {self.kernel}x{self.kernel} stride {self.stride}"

    @property
    def out_size(self) -> int:
        return (self.size + 2 * (self.kernel // 2) - self.kernel) // self.stride + 1

    @property
    def depth(self) -> int:
        return self.kernel**2 * self.channels // self.groups

    @property
    def macs(self) -> int:
        return self.out_size**2 * self.outputs * self.depth


CONVS = [
    Conv(224, 3, 64, 7, stride=2),  # ResNet-50, from the stem down
    Conv(56, 64, 64, 3),
    Conv(56, 64, 256, 1),
    Conv(28, 128, 128, 3),
    Conv(14, 256, 256, 3),
    Conv(14, 1024, 256, 1),
    Conv(7, 512, 512, 3),
]
DEPTHWISE = [
    Conv(112, 32, 32, 3, groups=32),  # MobileNetV2
    Conv(56, 144, 144, 3, stride=2, groups=144),
    Conv(14, 384, 384, 3, groups=384),
    Conv(7, 960, 960, 3, groups=960),
]


@pytest.mark.parametrize("conv", CONVS + DEPTHWISE, ids=lambda conv: conv.group)
@pytest.mark.parametrize("backend", BACKENDS)
def test_int8(benchmark: BenchmarkFixture, backend: str, conv: Conv) -> None:
    rng = generator()
    x = rng.integers(0, 256, (1, conv.size, conv.size, conv.channels), np.uint8)
    weight = weights(rng, conv.outputs, conv.channels // conv.groups, conv.kernel, conv.kernel)
    arguments = layer_arguments(rng, conv.outputs, conv.depth) | {
        "stride": conv.stride,
        "padding": conv.kernel // 2,
        "groups": conv.groups,
    }
    with octavo.use_backend(backend):
        packed = octavo.pack_conv2d(weight, **arguments)
        expected = reference.conv2d(x, weight, **arguments)
        np.testing.assert_array_equal(octavo.conv2d(x, packed), expected)
        timed(benchmark, conv.group, lambda: octavo.conv2d(x, packed), conv.macs, "GMAC/s")


@pytest.mark.parametrize("conv", CONVS, ids=lambda conv: conv.group)
def test_float32_numpy(benchmark: BenchmarkFixture, conv: Conv) -> None:
    rng = generator()
    matrix = rng.standard_normal((conv.out_size**2, conv.depth), np.float32)
    weight = rng.standard_normal((conv.depth, conv.outputs), np.float32)
    out = np.empty((conv.out_size**2, conv.outputs), np.float32)
    timed(benchmark, conv.group, lambda: np.matmul(matrix, weight, out=out), conv.macs, "GMAC/s")
    exact = matrix.astype(np.float64) @ weight.astype(np.float64)
    np.testing.assert_allclose(out, exact, rtol=1e-3, atol=1e-3 * float(np.sqrt(conv.depth)))


@pytest.mark.parametrize("conv", DEPTHWISE, ids=lambda conv: conv.group)
def test_depthwise_float32_numpy(benchmark: BenchmarkFixture, conv: Conv) -> None:
    rng = generator()
    pad = conv.kernel // 2
    image = rng.standard_normal((conv.size, conv.size, conv.channels), np.float32)
    padded = np.pad(image, ((pad, pad), (pad, pad), (0, 0)))
    weight = rng.standard_normal((conv.kernel, conv.kernel, conv.channels), np.float32)
    span = (conv.out_size - 1) * conv.stride + 1
    taps = [
        (padded[i : i + span : conv.stride, j : j + span : conv.stride], weight[i, j])
        for i in range(conv.kernel)
        for j in range(conv.kernel)
    ]
    out = np.empty((conv.out_size, conv.out_size, conv.channels), np.float32)
    product = np.empty_like(out)

    def depthwise() -> None:
        np.multiply(*taps[0], out=out)
        for view, factor in taps[1:]:
            np.add(out, np.multiply(view, factor, out=product), out=out)

    timed(benchmark, conv.group, depthwise, conv.macs, "GMAC/s")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (conv.kernel, conv.kernel), (0, 1))
    strided = windows[:: conv.stride, :: conv.stride].astype(np.float64)
    exact = np.einsum("hwcij,ijc->hwc", strided, weight.astype(np.float64))
    np.testing.assert_allclose(out, exact, rtol=1e-4, atol=1e-4)
