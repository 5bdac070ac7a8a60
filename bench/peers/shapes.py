"""The lists of problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .elementwise import make_elementwise
from .problems import Conv, Elementwise, Gemm, Problem, make_conv, make_gemm

# m, n, k: square, BERT-base on 128 tokens, ResNet-50's convolutions as GEMM, few rows, one row
GEMMS = (
    (2048, 2048, 2048),
    (1024, 1024, 1024),
    (512, 512, 512),
    (128, 768, 768),
    (128, 3072, 768),
    (128, 768, 3072),
    (3136, 64, 576),
    (3136, 256, 64),
    (784, 512, 128),
    (49, 2048, 512),
    (16, 768, 768),
    (16, 3072, 768),
    (16, 4096, 4096),
    (4, 4096, 4096),
    (1, 768, 768),
    (1, 1000, 2048),
    (1, 3072, 768),
    (1, 4096, 4096),
)
QUICK_GEMMS = ((512, 512, 512), (128, 768, 768), (3136, 64, 576), (1, 4096, 4096))

# size, cin, cout, kernel, stride: every distinct convolution of ResNet-50 v1.5 at 224 x 224
RESNET50_CONVS = (
    (224, 3, 64, 7, 2),
    (56, 64, 64, 1, 1),
    (56, 64, 64, 3, 1),
    (56, 64, 256, 1, 1),
    (56, 256, 64, 1, 1),
    (56, 256, 128, 1, 1),
    (56, 128, 128, 3, 2),
    (28, 128, 512, 1, 1),
    (56, 256, 512, 1, 2),
    (28, 512, 128, 1, 1),
    (28, 128, 128, 3, 1),
    (28, 512, 256, 1, 1),
    (28, 256, 256, 3, 2),
    (14, 256, 1024, 1, 1),
    (28, 512, 1024, 1, 2),
    (14, 1024, 256, 1, 1),
    (14, 256, 256, 3, 1),
    (14, 1024, 512, 1, 1),
    (14, 512, 512, 3, 2),
    (7, 512, 2048, 1, 1),
    (14, 1024, 2048, 1, 2),
    (7, 2048, 512, 1, 1),
    (7, 512, 512, 3, 1),
)
QUICK_CONVS = (RESNET50_CONVS[0], RESNET50_CONVS[2], RESNET50_CONVS[3], RESNET50_CONVS[22])

# What ResNet-50 does not have: large kernels, dilation (DeepLab), groups (ResNeXt-50 32x4d,
# ShuffleNet) and padding on one side (TensorFlow's at stride 2).
GEOMETRIES: tuple[dict[str, Any], ...] = (
    {"size": 28, "cin": 64, "cout": 64, "kernel": 5, "stride": 1},
    {"size": 14, "cin": 128, "cout": 128, "kernel": 7, "stride": 1},
    {"size": 28, "cin": 128, "cout": 128, "kernel": 3, "stride": 1, "dilation": 2},
    {"size": 28, "cin": 256, "cout": 256, "kernel": 3, "stride": 1, "dilation": 4},
    {"size": 56, "cin": 128, "cout": 128, "kernel": 3, "stride": 1, "groups": 32},
    {"size": 56, "cin": 256, "cout": 256, "kernel": 3, "stride": 2, "groups": 32},
    {"size": 28, "cin": 256, "cout": 256, "kernel": 3, "stride": 1, "groups": 32},
    {"size": 14, "cin": 512, "cout": 512, "kernel": 3, "stride": 1, "groups": 32},
    {"size": 7, "cin": 1024, "cout": 1024, "kernel": 3, "stride": 1, "groups": 32},
    {"size": 28, "cin": 240, "cout": 240, "kernel": 1, "stride": 1, "groups": 3},
    {"size": 224, "cin": 3, "cout": 32, "kernel": 3, "stride": 2, "padding": (0, 1)},
    {"size": 56, "cin": 64, "cout": 128, "kernel": 3, "stride": 2, "padding": (0, 1)},
)
QUICK_GEOMETRIES = (GEOMETRIES[0], GEOMETRIES[3], GEOMETRIES[4], GEOMETRIES[11])

# size, channels, kernel, stride: every distinct depthwise layer of MobileNetV2, then 5x5 as in
# MobileNetV3 and EfficientNet
DEPTHWISE = (
    (112, 32, 3, 1),
    (112, 96, 3, 2),
    (56, 144, 3, 1),
    (56, 144, 3, 2),
    (28, 192, 3, 1),
    (28, 192, 3, 2),
    (14, 384, 3, 1),
    (14, 576, 3, 1),
    (14, 576, 3, 2),
    (7, 960, 3, 1),
    (28, 240, 5, 1),
    (56, 144, 5, 2),
    (14, 480, 5, 1),
    (14, 672, 5, 2),
)
QUICK_DEPTHWISE = (DEPTHWISE[1], DEPTHWISE[2], DEPTHWISE[7], DEPTHWISE[11])

# (n, h, w, c): a tensor inside L2, and one that no cache holds
MOVING_OPS = (
    "add",
    "mul",
    "quantize",
    "dequantize",
    "max_pool",
    "global_avg_pool",
    "concat",
    "gelu",
    "to_nhwc",
    "to_nchw",
)
IN_CACHE = (1, 28, 28, 128)
OUT_OF_CACHE = (32, 112, 112, 96)
# Where networks have them: MobileNetV3, then BERT-base on 128 tokens
ACTIVATIONS = (
    ("sigmoid", (1, 28, 28, 128)),
    ("silu", (1, 28, 28, 128)),
    ("hard_swish", (1, 28, 28, 128)),
    ("gelu", (1, 1, 128, 3072)),
    ("softmax", (1, 12, 128, 128)),
    ("layer_norm", (1, 1, 128, 768)),
)
Nhwc = tuple[int, int, int, int]
ELEMENTWISE: tuple[tuple[str, Nhwc], ...] = (
    *((op, IN_CACHE) for op in MOVING_OPS),
    *ACTIVATIONS,
    *((op, OUT_OF_CACHE) for op in MOVING_OPS),
)
QUICK_ELEMENTWISE = ELEMENTWISE[: len(MOVING_OPS) + len(ACTIVATIONS)]


class Suite(NamedTuple):
    """Problems are made one at a time: the large ones do not all fit in memory."""

    size: int
    problems: Callable[[], Iterator[Problem]]


def _gemms(quick: bool) -> Iterator[Gemm]:
    return (make_gemm(*shape) for shape in (QUICK_GEMMS if quick else GEMMS))


def _convs(quick: bool) -> Iterator[Conv]:
    for size, cin, cout, kernel, stride in QUICK_CONVS if quick else RESNET50_CONVS:
        name = f"{size}x{size}x{cin} -> {cout}, {kernel}x{kernel}/{stride}"
        yield make_conv(name, size, cin, cout, kernel, stride)


def _geometries(quick: bool) -> Iterator[Conv]:
    for shape in QUICK_GEOMETRIES if quick else GEOMETRIES:
        size, cin, cout, kernel = (shape[key] for key in ("size", "cin", "cout", "kernel"))
        name = f"{size}x{size}x{cin} -> {cout}, {kernel}x{kernel}/{shape['stride']}"
        for key in ("dilation", "groups", "padding"):
            name += f", {key} {shape[key]}" if key in shape else ""
        yield make_conv(name, **shape)


def _depthwise(quick: bool) -> Iterator[Conv]:
    for size, channels, kernel, stride in QUICK_DEPTHWISE if quick else DEPTHWISE:
        name = f"{size}x{size}x{channels}, {kernel}x{kernel}/{stride}"
        yield make_conv(name, size, channels, channels, kernel, stride, groups=channels)


def _elementwise(quick: bool) -> Iterator[Elementwise]:
    for op, shape in QUICK_ELEMENTWISE if quick else ELEMENTWISE:
        yield make_elementwise(op, shape)


_SUITES: dict[str, tuple[Callable[[bool], Iterator[Problem]], int, int]] = {
    "gemm": (_gemms, len(GEMMS), len(QUICK_GEMMS)),
    "conv": (_convs, len(RESNET50_CONVS), len(QUICK_CONVS)),
    "geometry": (_geometries, len(GEOMETRIES), len(QUICK_GEOMETRIES)),
    "depthwise": (_depthwise, len(DEPTHWISE), len(QUICK_DEPTHWISE)),
    "elementwise": (_elementwise, len(ELEMENTWISE), len(QUICK_ELEMENTWISE)),
}
OP_SUITES = tuple(_SUITES)


def suite(name: str, quick: bool) -> Suite:
    """The problems of one of OP_SUITES."""
    make, full, short = _SUITES[name]
    return Suite(short if quick else full, lambda: make(quick))
