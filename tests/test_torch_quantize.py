"""`octavo.torch.quantize_`: int8 modules in place of float ones."""

from __future__ import annotations

import copy
import io
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import octavo
import real_networks

torch = pytest.importorskip("torch")
import octavo.torch  # noqa: E402 - needs torch
from octavo.torch import Int8Conv2d, Int8Linear, load_quantized_, quantize_  # noqa: E402
from torch_models import kinds, mobile_net, random_images, resnet20, sqnr  # noqa: E402

nn, F = torch.nn, torch.nn.functional
needs_data = pytest.mark.skipif(not real_networks.AVAILABLE, reason="OCTAVO_DATA is not set")


@pytest.fixture
def data() -> Any:
    return random_images()


def test_layers_norms_and_activations_become_one(data: Any) -> None:
    model = mobile_net()
    expected = model(data)
    assert quantize_(model, data) is model
    assert not model.training
    left = {name: kind for name, kind in kinds(model).items() if kind != "Identity"}
    assert left == {
        "stem.0": "Int8Conv2d",
        "body.0.0": "Int8Conv2d",
        "body.1.0": "Int8Conv2d",
        "body.2": "Int8Conv2d",
        "same": "Int8Conv2d",
        "act": "ReLU",  # It is called behind an addition, too.
        "gate": "Int8Conv2d",
        "head.0": "Int8Linear",
        "head.2": "Dropout",
        "head.3": "Int8Linear",
    }
    passed = [
        n for n, m in model.named_modules() if getattr(m, "params", None) and m.params.returns_bytes
    ]
    assert passed == ["body.0.0", "body.1.0"]
    assert model.stem[0].params.activation == (0.0, 6.0)
    assert sqnr(expected, model(data)) > 25


def test_one_layer_is_what_octavo_computes(data: Any) -> None:
    conv = nn.Conv2d(3, 8, 3, stride=2, padding=1)
    model = quantize_(nn.Sequential(conv, nn.ReLU()), data)
    layer = model[0]
    x, out = layer.params.x, layer.params.out
    real = F.relu(conv(data)).detach()
    assert x == octavo.choose_qparams(float(data.min()), float(data.max()))
    assert out == octavo.choose_qparams(0.0, float(real.max()))
    largest = conv.weight.detach().abs().amax((1, 2, 3))
    torch.testing.assert_close(layer.weight_scale, largest / 127)
    packed = octavo.pack_conv2d(
        layer.weight.numpy(),
        weight_scale=layer.weight_scale.numpy(),
        bias=layer.bias.numpy(),
        a_scale=x.scale,
        a_zero_point=x.zero_point,
        out_scale=out.scale,
        out_zero_point=out.zero_point,
        activation="relu",
        stride=2,
        padding=1,
    )
    q = octavo.quantize_linear(data.numpy().transpose(0, 2, 3, 1), x.scale, x.zero_point)
    y = octavo.dequantize_linear(octavo.conv2d(q, packed), out.scale, out.zero_point)
    np.testing.assert_array_equal(model(data).numpy().transpose(0, 2, 3, 1), y)


def test_bytes_between_layers_change_nothing(data: Any) -> None:
    model = mobile_net()
    apart = quantize_(copy.deepcopy(model), data, pass_bytes=False)
    assert not any(m.params.takes_bytes for m in apart.modules() if isinstance(m, Int8Conv2d))
    assert torch.equal(quantize_(model, data)(data), apart(data))


def test_memory_format_changes_nothing(data: Any) -> None:
    model = quantize_(mobile_net(), data)
    last = data.contiguous(memory_format=torch.channels_last)
    assert torch.equal(model(last), model(data))


def test_state_dict(data: Any, tmp_path: Path) -> None:
    model = quantize_(mobile_net(), data)
    torch.save(model.state_dict(), tmp_path / "model.pt")
    state = torch.load(tmp_path / "model.pt", weights_only=True)
    loaded = load_quantized_(mobile_net(seed=5), state)
    assert kinds(loaded) == kinds(model)
    assert torch.equal(loaded(data), model(data))
    other = quantize_(mobile_net(seed=7), data)
    assert not torch.equal(other(data), model(data))
    other.load_state_dict(state)
    assert torch.equal(other(data), model(data))
    with pytest.raises(octavo.InvalidArgumentError, match="state: expected the state dict of a q"):
        load_quantized_(mobile_net(), mobile_net().state_dict())
    with pytest.raises(octavo.InvalidArgumentError, match=r"model: .* named 'stem\.0'"):
        load_quantized_(nn.Sequential(nn.Linear(2, 2)), state)


def test_pickled_and_copied_models(data: Any) -> None:
    model = quantize_(mobile_net(), data)
    buffer = io.BytesIO()
    torch.save(model, buffer)
    buffer.seek(0)
    for other in (torch.load(buffer, weights_only=False), copy.deepcopy(model)):
        assert torch.equal(other(data), model(data))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own, within its compiler.
def test_compile_and_export(data: Any, tmp_path: Path) -> None:
    model = quantize_(mobile_net(), data)
    expected = model(data)
    for compiler in ("aot_eager", "inductor"):
        torch._dynamo.reset()
        compiled = torch.compile(model, fullgraph=True, backend=compiler)
        for batch in (len(data), 7, 1):
            got = compiled(data[:batch])
            # The float mean in between may be summed in another order.
            torch.testing.assert_close(got, expected[:batch], atol=1e-5, rtol=1e-5)
    shapes = {"x": {0: torch.export.Dim("n", min=1, max=512)}}
    program = torch.export.export(model, (data,), dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "model.pt2")
    loaded = torch.export.load(tmp_path / "model.pt2").module()
    assert torch.equal(loaded(data), expected)
    assert torch.equal(loaded(data[:3]), model(data[:3]))


class Untraceable(nn.Module):  # type: ignore[misc, name-defined]
    """Control flow that depends on data, and what may not be fused."""

    def __init__(self) -> None:
        super().__init__()
        self.known = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.conv, self.norm = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)
        self.unused = nn.Linear(3, 3)

    def forward(self, x: Any) -> Any:
        y = self.known(x)
        if y.mean() > 1e9:
            return y
        z = self.conv(y)
        return self.norm(z) + z


def test_models_that_cannot_be_traced(data: Any) -> None:
    model = Untraceable().eval()
    expected = model(data)
    with pytest.warns(octavo.errors.QuantizationWarning, match=r"OCT009.*: unused$"):
        quantize_(model, data)
    assert kinds(model) == {
        "known.0": "Int8Conv2d",
        "known.1": "Identity",
        "known.2": "Identity",
        "conv": "Int8Conv2d",
        "norm": "BatchNorm2d",
        "unused": "Linear",
    }
    assert sqnr(expected, model(data)) > 30


class Shared(nn.Module):  # type: ignore[misc, name-defined]
    """One layer in two places, one result with two readers, a layer called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.act = nn.Linear(6, 6), nn.ReLU()
        self.again = self.first
        self.read, self.twice = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x: Any) -> Any:
        x = self.again(self.act(self.first(x)))
        y = self.read(x)
        return self.twice(self.twice(input=F.relu(y))) + y + x


def test_shared_modules_and_results() -> None:
    torch.manual_seed(3)
    model, x = Shared(), torch.randn(64, 6)
    expected = model(x)
    quantize_(model, x)
    assert model.first is model.again
    assert type(model.first) is Int8Linear
    assert type(model.act) is nn.ReLU
    assert model.first.params.activation is None
    assert model.read.params.activation is None
    assert not model.twice.params.takes_bytes
    assert sqnr(expected, model(x)) > 25


def test_attention_reads_its_weights_itself() -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.Sequential(layer, nn.Linear(8, 4)).eval()
    x = torch.randn(40, 5, 8)
    quantize_(model, x)
    assert type(model[0].linear1) is nn.Linear
    assert type(model[1]) is Int8Linear
    assert model(x).shape == (40, 5, 4)


def test_skip_and_weight_bits(data: Any) -> None:
    model = mobile_net()
    expected = model(data)
    part = quantize_(copy.deepcopy(model), data, skip=["head.*", "stem.0"])
    assert kinds(part)["head.0"] == kinds(part)["head.3"] == "Linear"
    assert kinds(part)["stem.1"] == "BatchNorm2d"
    errors = []
    for bits in (8, 6, 4):
        quantized = quantize_(copy.deepcopy(model), data, weight_bits=bits)
        assert int(quantized.same.weight.abs().max()) == 2 ** (bits - 1) - 1
        errors.append(sqnr(expected, quantized(data)))
    assert errors == sorted(errors, reverse=True)
    whole = quantize_(copy.deepcopy(model), data, per_channel=False)
    assert len(set(whole.same.weight_scale.tolist())) == 1
    mse = quantize_(copy.deepcopy(model), data, method="mse", weight_method="mse")
    assert mse.stem[0].params.x != part.body[0][0].params.x


@needs_data
def test_accuracy_of_a_real_network() -> None:
    file = onnx.load(real_networks.FOLDER / "cifar_resnet20.onnx")
    images, labels = real_networks.cifar("test")
    calibration, _ = real_networks.cifar("calib")
    x, calibration = torch.from_numpy(images), calibration[:256]
    model = resnet20(file)

    def accuracy(logits: Any) -> float:
        return float((np.asarray(logits).argmax(1) == labels).mean())

    with torch.no_grad():
        exact = accuracy(model(x))
        quantize_(model, torch.from_numpy(calibration))
        ours = accuracy(model(x))
    layers = [m for m in model.modules() if isinstance(m, (Int8Conv2d, Int8Linear))]
    assert len(layers) == 20
    assert not any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    session = octavo.Session(octavo.quantize_model(file, calibration, bias_correction=False))
    whole = accuracy(session.run(None, {"input": images})[0])
    assert abs(exact - 0.9164) < 0.001
    assert ours > exact - 0.01
    assert abs(ours - whole) < 0.01
