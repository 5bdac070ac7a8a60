"""ResNet-18, ResNet-50 (stride in the 3x3) and MobileNetV2, with random weights.

Convolutions start from He's variance, 2 / (fan in of what follows a ReLU), and BatchNorm stays a
node with statistics near the identity, so that activations keep their size from layer to layer.
"""

from __future__ import annotations

import math

import onnx

from .builder import GraphBuilder

CLASSES = 1000
_RESIDUAL_GAMMA = (
    0.5  # of a branch that ends in an Add: its variance adds a quarter, not as much again
)


def _conv(
    g: GraphBuilder,
    x: str,
    channels: tuple[int, int],
    kernel: int,
    *,
    stride: int = 1,
    groups: int = 1,
    activation: str | None = "Relu",
    gamma: float = 1.0,
) -> str:
    """Conv, BatchNormalization and the activation: "Relu", "Relu6" or None."""
    inputs, outputs = channels
    fan_in = inputs // groups * kernel * kernel
    shape = (outputs, inputs // groups, kernel, kernel)
    pad = kernel // 2
    y = g.node(
        "Conv",
        [x, g.normal(shape, math.sqrt(2 / fan_in), "weight")],
        kernel_shape=[kernel, kernel],
        strides=[stride, stride],
        pads=[pad] * 4,
        group=groups,
    )
    y = g.node(
        "BatchNormalization",
        [
            y,
            g.uniform((outputs,), 0.8 * gamma, 1.2 * gamma, "gamma"),
            g.normal((outputs,), 0.1, "beta"),
            g.normal((outputs,), 0.1, "mean"),
            g.uniform((outputs,), 0.8, 1.2, "var"),
        ],
        epsilon=1e-5,
    )
    if activation == "Relu":
        return g.node("Relu", [y])
    if activation == "Relu6":
        return g.node("Clip", [y, g.scalar(0), g.scalar(6)])
    return y


def _classifier(g: GraphBuilder, x: str, features: int, image: int) -> onnx.ModelProto:
    y = g.node("Flatten", [g.node("GlobalAveragePool", [x])], axis=1)
    weight = g.normal((CLASSES, features), math.sqrt(1 / features), "weight")
    y = g.node("Gemm", [y, weight, g.normal((CLASSES,), 0.1, "bias")], transB=1)
    return g.model(("batch", 3, image, image), y, ("batch", CLASSES))


def _basic_block(g: GraphBuilder, x: str, inputs: int, width: int, stride: int) -> str:
    y = _conv(g, x, (inputs, width), 3, stride=stride)
    y = _conv(g, y, (width, width), 3, activation=None, gamma=_RESIDUAL_GAMMA)
    if stride != 1 or inputs != width:
        x = _conv(g, x, (inputs, width), 1, stride=stride, activation=None)
    return g.node("Relu", [g.node("Add", [y, x])])


def _bottleneck(g: GraphBuilder, x: str, inputs: int, width: int, stride: int) -> str:
    outputs = 4 * width
    y = _conv(g, x, (inputs, width), 1)
    y = _conv(g, y, (width, width), 3, stride=stride)
    y = _conv(g, y, (width, outputs), 1, activation=None, gamma=_RESIDUAL_GAMMA)
    if stride != 1 or inputs != outputs:
        x = _conv(g, x, (inputs, outputs), 1, stride=stride, activation=None)
    return g.node("Relu", [g.node("Add", [y, x])])


def _resnet(
    name: str, depths: tuple[int, ...], bottleneck: bool, image: int, seed: int
) -> onnx.ModelProto:
    g = GraphBuilder(name, seed)
    block, expansion = (_bottleneck, 4) if bottleneck else (_basic_block, 1)
    x = _conv(g, "input", (3, 64), 7, stride=2)
    x = g.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    inputs = 64
    for stage, depth in enumerate(depths):
        width = 64 << stage
        for i in range(depth):
            x = block(g, x, inputs, width, 2 if stage > 0 and i == 0 else 1)
            inputs = expansion * width
    return _classifier(g, x, inputs, image)


def resnet18(image: int = 224, seed: int = 18) -> onnx.ModelProto:
    """Build ResNet-18: input (batch, 3, image, image), output (batch, 1000)."""
    return _resnet("resnet18", (2, 2, 2, 2), False, image, seed)


def resnet50(image: int = 224, seed: int = 50) -> onnx.ModelProto:
    """Build ResNet-50 v1.5: input (batch, 3, image, image), output (batch, 1000)."""
    return _resnet("resnet50", (3, 4, 6, 3), True, image, seed)


# expansion, channels, blocks, stride of the first
MOBILENET_V2_BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def mobilenet_v2(image: int = 224, seed: int = 2) -> onnx.ModelProto:
    """Build MobileNetV2 of width 1: input (batch, 3, image, image), output (batch, 1000)."""
    g = GraphBuilder("mobilenet_v2", seed)
    x = _conv(g, "input", (3, 32), 3, stride=2, activation="Relu6")
    inputs = 32
    for expansion, outputs, blocks, first_stride in MOBILENET_V2_BLOCKS:
        for i in range(blocks):
            stride = first_stride if i == 0 else 1
            residual = stride == 1 and inputs == outputs
            hidden = expansion * inputs
            y = x
            if expansion != 1:
                y = _conv(g, y, (inputs, hidden), 1, activation="Relu6")
            y = _conv(g, y, (hidden, hidden), 3, stride=stride, groups=hidden, activation="Relu6")
            gamma = _RESIDUAL_GAMMA if residual else 1.0
            y = _conv(g, y, (hidden, outputs), 1, activation=None, gamma=gamma)
            x = g.node("Add", [y, x]) if residual else y
            inputs = outputs
    x = _conv(g, x, (inputs, 1280), 1, activation="Relu6")
    return _classifier(g, x, 1280, image)
