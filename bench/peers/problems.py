"""What is computed: the data, the exact result by the definition, and the work it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
U8: TypeAlias = NDArray[np.uint8]


def requantize(acc: NDArray[np.float64], multiplier: NDArray[np.float32], zero_point: int) -> U8:
    """clamp(rne(float(acc) * multiplier) + zero_point), the definition all peers are held to."""
    scaled = np.rint(acc.astype(np.float32) * multiplier)
    return np.asarray(np.clip(scaled + zero_point, 0, 255), np.uint8)


def windows(
    x: Array,
    kernel: tuple[int, int],
    stride: int,
    padding: tuple[int, int],
    fill: float,
    dilation: int = 1,
) -> Array:
    """NHWC to (n, oh, ow, c, kh, kw), a view of the array padded before and after its rows."""
    padded = np.pad(x, ((0, 0), padding, padding, (0, 0)), constant_values=fill)
    reach = (dilation * (kernel[0] - 1) + 1, dilation * (kernel[1] - 1) + 1)
    view = np.lib.stride_tricks.sliding_window_view(padded, reach, axis=(1, 2))
    return view[:, ::stride, ::stride, :, ::dilation, ::dilation]


@dataclass(frozen=True)
class Weighted:
    """u8 activations, s8 weights with a scale per output channel, int32 bias, u8 output."""

    name: str
    a: U8
    weight: NDArray[np.int8]
    bias: NDArray[np.int32]
    a_scale: float
    a_zero_point: int
    weight_scale: NDArray[np.float32]
    out_scale: float
    out_zero_point: int

    @property
    def multiplier(self) -> NDArray[np.float32]:
        """a_scale * weight_scale / out_scale, rounded once to float32."""
        product = np.float64(self.a_scale) * self.weight_scale.astype(np.float64)
        return np.asarray(product / self.out_scale, np.float32)

    @property
    def bias_scale(self) -> NDArray[np.float32]:
        """Scale of the int32 bias, as ONNX wants it."""
        return np.asarray(np.float64(self.a_scale) * self.weight_scale, np.float32)

    @property
    def bias_f32(self) -> NDArray[np.float32]:
        """The bias in real units, for peers that take it so."""
        return np.asarray(self.bias * self.bias_scale.astype(np.float64), np.float32)

    def real(self, q: Array) -> NDArray[np.float32]:
        """Activations in real units, for float peers."""
        steps = q.astype(np.float32) - np.float32(self.a_zero_point)
        return np.asarray(steps * np.float32(self.a_scale), np.float32)

    def quantized(self, real: Array) -> U8:
        """A float peer's output on the steps of the int8 output."""
        steps = np.rint(real / np.float32(self.out_scale)) + self.out_zero_point
        return np.asarray(np.clip(steps, 0, 255), np.uint8)


@dataclass(frozen=True)
class Gemm(Weighted):
    """(m, k) x (n, k)^T -> (m, n)."""

    @property
    def macs(self) -> int:
        """Multiply-adds."""
        return int(self.a.shape[0]) * self.weight.size

    @property
    def bytes_moved(self) -> int:
        """Each tensor once."""
        return self.a.size + self.weight.size + int(self.a.shape[0] * self.weight.shape[0])

    @cached_property
    def expected(self) -> U8:
        """Exact: integers below 2^53 in float64."""
        acc = (self.a.astype(np.float64) - self.a_zero_point) @ self.weight.astype(np.float64).T
        return requantize(acc + self.bias, self.multiplier, self.out_zero_point)


@dataclass(frozen=True)
class Conv(Weighted):
    """NHWC activations, (out, in / groups, kh, kw) weights, square kernel."""

    stride: int
    padding: tuple[int, int]  # before and after, in both directions
    groups: int
    dilation: int

    @property
    def depthwise(self) -> bool:
        """Whether every channel has a filter of its own."""
        return bool(self.groups == self.a.shape[3] == len(self.weight) > 1)

    @property
    def out_shape(self) -> tuple[int, int, int, int]:
        """NHWC."""
        n, h, w, _ = self.a.shape
        o, _, kh, kw = self.weight.shape
        reach = (self.dilation * (kh - 1), self.dilation * (kw - 1))
        oh, ow = (
            (x + sum(self.padding) - r - 1) // self.stride + 1
            for x, r in zip((h, w), reach, strict=True)
        )
        return n, oh, ow, o

    @property
    def macs(self) -> int:
        """Multiply-adds, those on padding included as everyone counts them."""
        n, oh, ow, _ = self.out_shape
        return n * oh * ow * self.weight.size

    @property
    def bytes_moved(self) -> int:
        """Each tensor once."""
        return self.a.size + self.weight.size + int(np.prod(self.out_shape))

    @cached_property
    def expected(self) -> U8:
        """Exact: integers below 2^53 in float64."""
        acc = conv_sums(self, self.a.astype(np.float64) - self.a_zero_point, np.float64)
        return requantize(acc + self.bias, self.multiplier, self.out_zero_point)


def conv_sums(problem: Conv, x: Array, dtype: type[np.floating[Any]]) -> Array:
    """Convolution of x with the problem's integer weights through im2col, in `dtype`."""
    _, channels, kh, kw = problem.weight.shape
    view = windows(x, (kh, kw), problem.stride, problem.padding, 0, problem.dilation)
    weight = problem.weight.astype(dtype)
    if problem.depthwise:
        return np.asarray(np.einsum("nhwcij,cij->nhwc", view, weight[:, 0]))
    groups = [
        view[:, :, :, g * channels : (g + 1) * channels].reshape(-1, weight[0].size)
        @ w.reshape(len(w), -1).T
        for g, w in enumerate(np.split(weight, problem.groups))
    ]
    return np.concatenate(groups, axis=1).reshape(problem.out_shape)


@dataclass(frozen=True)
class Elementwise:
    """One of OPS on tensors of one shape; scales as in `make_elementwise`."""

    name: str
    op: str
    inputs: tuple[Array, ...]
    expected: Array
    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    out_scale: float
    out_zero_point: int

    @property
    def macs(self) -> int:
        """Nothing is multiplied and added: the measure is bytes."""
        return 0

    @property
    def bytes_moved(self) -> int:
        """Each tensor once."""
        return sum(x.nbytes for x in self.inputs) + self.expected.nbytes


Problem: TypeAlias = Gemm | Conv | Elementwise


def _weighted(
    name: str, a: U8, weight: NDArray[np.int8], random: np.random.Generator
) -> dict[str, Any]:
    """Scales so that the outputs fill the u8 range with a few of them clipped."""
    channels, taps = weight.shape[0], weight[0].size
    a_scale = float(np.float32(0.02))
    weight_scale = np.asarray(random.uniform(0.5e-3, 2e-3, channels), np.float32)
    deviation = 74 * 73 * math.sqrt(taps) * a_scale * float(weight_scale.mean())
    return {
        "name": name,
        "a": a,
        "weight": weight,
        "bias": random.integers(-2000, 2001, channels, dtype=np.int32),
        "a_scale": a_scale,
        "a_zero_point": 121,
        "weight_scale": weight_scale,
        "out_scale": float(np.float32(deviation / 45)),
        "out_zero_point": 117,
    }


def make_gemm(m: int, n: int, k: int) -> Gemm:
    """Random data in the full range of both types."""
    random = np.random.default_rng([m, n, k])
    a = random.integers(0, 256, (m, k), dtype=np.uint8)
    weight = random.integers(-127, 128, (n, k), dtype=np.int8)
    return Gemm(**_weighted(f"{m}x{n}x{k}", a, weight, random))


def make_conv(
    name: str,
    size: int,
    cin: int,
    cout: int,
    kernel: int,
    stride: int,
    groups: int = 1,
    dilation: int = 1,
    padding: tuple[int, int] | None = None,
) -> Conv:
    """Random data in the full range of both types, "same" padding unless given."""
    random = np.random.default_rng([size, cin, cout, kernel, stride])
    a = random.integers(0, 256, (1, size, size, cin), dtype=np.uint8)
    shape = (cout, cin // groups, kernel, kernel)
    weight = random.integers(-127, 128, shape, dtype=np.int8)
    fields = _weighted(name, a, weight, random)
    same = dilation * (kernel // 2)
    return Conv(
        **fields,
        stride=stride,
        padding=(same, same) if padding is None else padding,
        groups=groups,
        dilation=dilation,
    )
