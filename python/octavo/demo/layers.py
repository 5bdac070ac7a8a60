"""A few ResNet-50 layers: int8 `octavo.conv2d` beside NumPy's float32 matrix product.

The float side is handed its im2col matrix ready-made, outside of the timing: only the matrix
product is timed, which is the best case for a float convolution through NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octavo.demo.runtimes import blas_threads
from octavo.demo.timing import interleaved, typical

A_SCALE, A_ZERO_POINT, WEIGHT_SCALE = 0.02, 3, 0.01


@dataclass(frozen=True)
class Layer:
    """A stride-1 convolution with "same" padding on one image, ReLU after it."""

    height: int
    channels: int
    outputs: int
    kernel: int

    @property
    def name(self) -> str:
        """For example ``56x56x64 -> 64, 3x3``."""
        h, k = self.height, self.kernel
        return f"{h}x{h}x{self.channels} -> {self.outputs}, {k}x{k}"

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one image."""
        return self.height**2 * self.kernel**2 * self.channels * self.outputs


RESNET50_LAYERS = (
    Layer(56, 64, 64, 3),
    Layer(28, 128, 128, 3),
    Layer(14, 1024, 256, 1),
    Layer(7, 512, 512, 3),
)


@dataclass(frozen=True)
class LayerTime:
    """Seconds per call; `numpy` and `octavo` say what ran, and on how many threads.

    They are medians of `runs` calls; `time_kind` is "elapsed" or "processor"
    (`octavo.demo.timing.typical`).
    """

    layer: Layer
    float32: float
    int8: float
    numpy: str
    octavo: str
    time_kind: str
    runs: int

    @property
    def speedup(self) -> float:
        """Float time over int8 time."""
        return self.float32 / self.int8


def int8_call(layer: Layer, rng: np.random.Generator) -> Callable[[], NDArray[np.uint8]]:
    """Pack the layer with random weights and return its call, after checking its every output.

    Raises
    ------
    RuntimeError
        If any output differs from `octavo.reference`, integer arithmetic in NumPy.
    """
    import octavo
    from octavo import reference

    x = rng.integers(0, 256, (1, layer.height, layer.height, layer.channels), np.uint8)
    shape = (layer.outputs, layer.channels, layer.kernel, layer.kernel)
    weight = rng.integers(-127, 128, shape).astype(np.int8)
    depth = layer.kernel**2 * layer.channels
    arguments = {
        "weight_scale": WEIGHT_SCALE,
        "bias": rng.integers(-1000, 1000, layer.outputs).astype(np.int32),
        "a_scale": A_SCALE,
        "a_zero_point": A_ZERO_POINT,
        "out_scale": A_SCALE * WEIGHT_SCALE * 100.0 * depth**0.5,  # few outputs saturate
        "activation": "relu",
        "padding": layer.kernel // 2,
    }
    packed = octavo.pack_conv2d(weight, **arguments)
    if not np.array_equal(octavo.conv2d(x, packed), reference.conv2d(x, weight, **arguments)):
        raise RuntimeError(f"layer {layer.name}: int8 result differs from octavo.reference")
    return lambda: octavo.conv2d(x, packed)


def time_layers(
    layers: Sequence[Layer] = RESNET50_LAYERS,
    *,
    repeat: int = 30,
    seconds: float = math.inf,
    advance: Callable[[], None] | None = None,
) -> list[LayerTime]:
    """Time every layer both ways on one thread each, interleaved.

    A layer is timed `repeat` times, or as often as `seconds` allow, and `advance` called each
    time. The number of threads octavo uses is restored afterwards.
    """
    import octavo

    rng = np.random.default_rng(0)
    before = octavo.get_num_threads()
    label = f"octavo {octavo.__version__}, {octavo.backend()}, 1 thread"
    octavo.set_num_threads(1)
    try:
        with blas_threads(1) as numpy_label:
            times = []
            for layer in layers:
                a = rng.standard_normal(
                    (layer.height**2, layer.kernel**2 * layer.channels), np.float32
                )
                b = rng.standard_normal((a.shape[1], layer.outputs), np.float32)
                calls = [_product(a, b), int8_call(layer, rng)]
                times += interleaved(calls, repeat=repeat, seconds=seconds, advance=advance)
    finally:
        octavo.set_num_threads(before)
    values, kind = typical(times, threads=1)
    return [
        LayerTime(layer, float32, int8, numpy_label, label, kind, len(runs.elapsed))
        for layer, float32, int8, runs in zip(
            layers, values[::2], values[1::2], times[::2], strict=True
        )
    ]


def _product(a: NDArray[np.float32], b: NDArray[np.float32]) -> Callable[[], object]:
    out = np.empty((a.shape[0], b.shape[1]), np.float32)
    return lambda: np.matmul(a, b, out=out)
