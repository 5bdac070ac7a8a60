"""MobileNetV2 and ResNet-18 for 224 x 224 images, with random weights: for timing."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def step(
    inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, act: bool = True
) -> nn.Sequential:
    """A convolution, its BatchNorm and its activation."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), *([nn.ReLU()] if act else []))


class InvertedResidual(nn.Module):
    """Expand, convolve channel by channel, project (Sandler et al. 2018)."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int) -> None:
        super().__init__()
        width = inputs * expand
        self.shortcut = stride == 1 and inputs == outputs
        self.body = nn.Sequential(
            *([step(inputs, width, 1)] if expand > 1 else []),
            step(width, width, 3, stride, groups=width),
            step(width, outputs, 1, act=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.shortcut else self.body(x)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions and a shortcut (He et al. 2015)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            step(inputs, outputs, 3, stride), step(outputs, outputs, 3, act=False)
        )
        self.shortcut = (
            nn.Identity()
            if stride == 1 and inputs == outputs
            else step(inputs, outputs, 1, stride, act=False)
        )
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.body(x) + self.shortcut(x))


def mobilenet_v2() -> nn.Module:
    """300 million products per image."""
    rows = [
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
        (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ]  # fmt: skip
    layers: list[nn.Module] = [step(3, 32, 3, 2)]
    inputs = 32
    for expand, outputs, repeats, stride in rows:
        for i in range(repeats):
            layers.append(InvertedResidual(inputs, outputs, stride if i == 0 else 1, expand))
            inputs = outputs
    layers += [step(320, 1280, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000)]
    return settled(nn.Sequential(*layers))


def resnet18() -> nn.Module:
    """1.8 billion products per image."""
    layers: list[nn.Module] = [step(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)]
    for inputs, outputs in ((64, 64), (64, 128), (128, 256), (256, 512)):
        stride = 1 if inputs == outputs else 2
        layers += [BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1)]
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 1000)]
    return settled(nn.Sequential(*layers))


def settled(model: nn.Module) -> nn.Module:
    """Give BatchNorms the statistics of random images, so that activations keep their size."""
    with torch.no_grad():
        for _ in range(4):
            model.train()(torch.randn(4, 3, 224, 224))
    return model.eval()


NETWORKS = {"mobilenet_v2": mobilenet_v2, "resnet18": resnet18}
