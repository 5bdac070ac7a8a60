"""What `octavo.torch.quantize_` takes for data, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import octavo

torch = pytest.importorskip("torch")
import octavo.torch  # noqa: E402 - needs torch
from octavo.torch import quantize_  # noqa: E402
from torch_models import kinds, mobile_net, random_images, sqnr  # noqa: E402

nn = torch.nn


@pytest.fixture
def data() -> Any:
    return random_images()


def batches(data: Any) -> dict[str, tuple[Any, Any]]:
    pairs = [(x, 0) for x in data.split(32)]
    named = [{"x": x, "labels": 0} for x in data.split(32)]
    loader = torch.utils.data.DataLoader(list(zip(data, range(96), strict=True)), batch_size=32)
    call: Callable[[Any, Any], Any] = lambda model, item: model(item["image"])  # noqa: E731
    return {
        "tensors": (data.split(32), None),
        "generator": ((x for x in data.split(5)), None),
        "pairs": (pairs, None),
        "mappings": (named, None),
        "loader": (loader, None),
        "forward": ([{"image": x} for x in data.split(32)], call),
    }


@pytest.mark.parametrize("form", list(batches(torch.zeros(96, 1))))
def test_forms_of_data(data: Any, form: str) -> None:
    items, forward = batches(data)[form]
    seen: list[tuple[int, int | None]] = []
    model = mobile_net()
    quantize_(model, items, forward=forward, progress=lambda *state: seen.append(state))
    # The float layers may sum in another order for other batches: ranges differ by roundings.
    expected, got = quantize_(mobile_net(), data), model
    assert sqnr(expected(data), got(data)) > 30
    assert seen[-1] == ((20, None) if form == "generator" else (3, 3))


def test_progress_bar(data: Any) -> None:
    quantize_(mobile_net(), data, progress=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": nn.Linear(3, 3)}, "model: expected a model that contains layers"),
        ({"model": nn.Sequential(nn.ReLU())}, "model: expected at least one Linear or Conv2d"),
        ({"model": "model"}, "model: expected a torch.nn.Module, got str"),
        ({"model": mobile_net().double()}, "weight: expected float32 values on the CPU, got torch"),
        ({"model": mobile_net().to("meta")}, "float32 values on the CPU, got .* on meta"),
        ({"skip": ["nothing"]}, "skip: expected names or patterns of .*, got 'nothing'"),
        ({"skip": "*"}, "model: expected at least one Linear or Conv2d"),
        ({"method": "best"}, "method must be one of"),
        ({"percentile": 99.0}, "percentile: expected None"),
        ({"weight_method": "best"}, "weight_method: expected one of"),
        ({"weight_bits": 9}, r"weight_bits: expected an integer in 2\.\.8"),
        ({"data": []}, "data: at least one sample is needed"),
        ({"data": torch.zeros(0, 3, 20, 20)}, "data: at least one sample is needed"),
        ({"data": torch.tensor(1.0)}, "data: expected samples along axis 0"),
        ({"data": 5}, "data: expected a tensor, or an iterable of .*, got int"),
        ({"data": ["x"]}, "data: expected tensors, tuples that begin with one, .*, got str"),
        ({"data": torch.full((1, 3, 20, 20), torch.nan)}, "'stem.0 input' contains nan"),
    ],
)
def test_errors_leave_the_model_as_it_was(data: Any, change: dict[str, Any], message: str) -> None:
    arguments = {"model": mobile_net(), "data": data} | change
    before = kinds(arguments["model"]) if isinstance(arguments["model"], nn.Module) else None
    with pytest.raises(octavo.OctavoError, match=message):
        quantize_(arguments.pop("model"), arguments.pop("data"), **arguments)
    if before is not None and "model" in change:
        assert kinds(change["model"]) == before


def test_weights_that_are_not_finite(data: Any) -> None:
    for kind in ("weight", "bias"):
        model = mobile_net()
        with torch.no_grad():
            getattr(model.gate, kind)[0] = torch.inf
        expected = rf"model\.gate\.{kind}: expected finite values"
        with pytest.raises(octavo.InvalidArgumentError, match=expected):
            quantize_(model, data)
        assert "Int8Conv2d" not in kinds(model).values()


def test_bytes_are_not_taken_for_reals(data: Any) -> None:
    model = quantize_(mobile_net(), data)
    with pytest.raises(octavo.InvalidDtypeError, match=r"input: expected torch\.float32"):
        model.stem(data.to(torch.uint8))


def test_few_samples_are_a_warning(data: Any) -> None:
    with pytest.warns(octavo.errors.QuantizationWarning, match="OCT001.* 4;"):
        quantize_(mobile_net(), data[:4])
