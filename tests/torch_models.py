"""PyTorch networks for tests, and the weights of an ONNX file in one of them."""

from __future__ import annotations

from typing import Any

import onnx
import pytest
from onnx import numpy_helper

import octavo

torch = pytest.importorskip("torch")
nn, F = torch.nn, torch.nn.functional
torch.set_num_threads(1)  # PyTorch's threads spin where others need the CPUs.


class Block(nn.Module):  # type: ignore[misc, name-defined]
    """Two convolutions and a shortcut without weights (He et al. 2015, option A)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.stride = outputs // inputs
        self.conv1 = nn.Conv2d(inputs, outputs, 3, self.stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)

    def forward(self, x: Any) -> Any:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        more = (y.shape[1] - x.shape[1]) // 2
        return F.relu(y + F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, more, more)))


class ResNet(nn.Module):  # type: ignore[misc, name-defined]
    """ResNet-20 for CIFAR-10."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        blocks = [
            Block(16 * 2 ** max(stage - (i == 0), 0), 16 * 2**stage)
            for stage in range(3)
            for i in range(3)
        ]
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(64, 10)

    def forward(self, x: Any) -> Any:
        x = self.blocks(F.relu(self.bn1(self.conv1(x))))
        return self.linear(x.mean((2, 3)))


def resnet20(file: onnx.ModelProto) -> ResNet:
    """The network with the weights of the ONNX file; its layers are in the same order."""
    model = ResNet().eval()
    constants = {t.name: numpy_helper.to_array(t) for t in file.graph.initializer}
    kinds = {"Conv": nn.Conv2d, "BatchNormalization": nn.BatchNorm2d, "Gemm": nn.Linear}
    for op, kind in kinds.items():
        nodes = [node for node in file.graph.node if node.op_type == op]
        modules = [module for module in model.modules() if type(module) is kind]
        assert len(nodes) == len(modules) > 0
        for node, module in zip(nodes, modules, strict=True):
            values = [torch.from_numpy(constants[name].copy()) for name in node.input[1:]]
            targets = [module.weight, module.bias]
            if op == "BatchNormalization":
                targets += [module.running_mean, module.running_var]
            with torch.no_grad():
                for target, value in zip(targets, values, strict=False):
                    assert target.shape == value.shape
                    target.copy_(value)
    return model


class MobileNet(nn.Module):  # type: ignore[misc, name-defined]
    """Inverted residuals, a branch, a layer of each kind, random weights."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = self._step(3, 16, 3, 2)
        self.body = nn.Sequential(
            self._step(16, 48, 1),
            self._step(48, 48, 3, groups=48),
            nn.Conv2d(48, 16, 1, bias=False),
            nn.BatchNorm2d(16),
        )
        self.same = nn.Conv2d(16, 24, (3, 2), padding="same", dilation=2)
        self.norm = nn.BatchNorm2d(24, affine=False)
        self.act = nn.ReLU()
        self.gate = nn.Conv2d(24, 24, 1)
        self.head = nn.Sequential(nn.Linear(24, 40), nn.ReLU(), nn.Dropout(), nn.Linear(40, 10))

    def forward(self, x: Any) -> Any:
        x = self.stem(x)
        x = self.act(self.norm(self.same(x + self.body(x))))
        x = self.act(self.gate(x) + x)
        return self.head(x.mean((2, 3)))

    @staticmethod
    def _step(inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> Any:
        conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU6())


def mobile_net(seed: int = 0) -> MobileNet:
    """A MobileNet whose BatchNorms have statistics of their own."""
    torch.manual_seed(seed)
    model = MobileNet().eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            if module.affine:
                nn.init.normal_(module.weight, 1, 0.3)
                nn.init.normal_(module.bias, 0, 0.3)
    return model


def random_images() -> Any:
    torch.manual_seed(1)
    return torch.randn(96, 3, 20, 20)


def kinds(model: Any) -> dict[str, str]:
    """The types of the innermost modules."""
    return {name: type(m).__name__ for name, m in model.named_modules() if not list(m.children())}


def sqnr(exact: Any, got: Any) -> float:
    return octavo.measure_errors(exact.detach().numpy(), got.detach().numpy()).sqnr
