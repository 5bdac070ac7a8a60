"""Calibration data in every form that users have them in: the result is the same."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import pytest

import octavo
from graph_support import Array, Builder
from octavo.calibrate import Calibration
from octavo.calibrate.data import items, total_of
from octavo.graph.load import load_graph

COUNT = 12


@pytest.fixture
def model(rng: np.random.Generator) -> onnx.ModelProto:
    b = Builder(["N", 3, 4])
    return b.model(b.node("MatMul", "input", b.constant(rng.standard_normal((4, 5), np.float32))))


@pytest.fixture
def two_inputs(rng: np.random.Generator) -> onnx.ModelProto:
    b = Builder(["N", 4])
    other = b.add_input("other", ["N", 5])
    y = b.node("MatMul", "input", b.constant(rng.standard_normal((4, 5), np.float32)))
    return b.model(b.node("Add", y, other))


@pytest.fixture
def x(rng: np.random.Generator) -> Array:
    return rng.standard_normal((COUNT, 3, 4), np.float32)


class Tensor:
    """What PyTorch's tensors have: on a device, part of a graph, no array until both are undone."""

    def __init__(self, array: Array, steps: tuple[str, ...] = ("detach", "cpu")) -> None:
        self._array, self._steps = array, steps
        self.shape, self.dtype = array.shape, array.dtype

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, index: int) -> Tensor:
        return Tensor(self._array[index], self._steps)

    def detach(self) -> Tensor:
        return Tensor(self._array, tuple(s for s in self._steps if s != "detach"))

    def cpu(self) -> Tensor:
        return Tensor(self._array, tuple(s for s in self._steps if s != "cpu"))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Array:
        if self._steps:
            raise TypeError(f"call {self._steps[0]} first")
        return self._array


class Indexed:
    """A dataset as PyTorch has it: a length and items by any index, no iteration."""

    def __init__(self, x: Array) -> None:
        self._x = x

    def __len__(self) -> int:
        return len(self._x)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return Tensor(self._x[index % len(self._x)]), index


class Stream:
    """A loader of a stream: it has __len__, which raises."""

    def __init__(self, x: Array) -> None:
        self._x = x

    def __len__(self) -> int:
        raise TypeError("of unknown length")

    def __iter__(self) -> Iterator[list[Any]]:
        yield from ([self._x[i : i + 5], np.arange(5)] for i in range(0, COUNT, 5))


FORMS = {
    "array": lambda x: x,
    "float64": lambda x: x.astype(np.float64),
    "tensor": Tensor,
    "mapping": lambda x: {"input": x},
    "samples": list,
    "generator": lambda x: iter(x),
    "batches": lambda x: [x[:5], x[5:]],
    "(x, y)": lambda x: [(sample, 3) for sample in x],
    "(x, y) batches": lambda x: [(x[:5], np.arange(5)), (x[5:], np.arange(7))],
    "[x, y] batches": lambda x: [[Tensor(x[:5]), Tensor(np.arange(5))], [x[5:], np.arange(7)]],
    "labelled mappings": lambda x: ({"input": Tensor(s), "label": 1, "labels": [1]} for s in x),
    "list of samples": lambda x: [list(x[:5]), list(x[5:])],
    "nested lists": lambda x: [sample.tolist() for sample in x],
    "dataset": Indexed,
    "stream": Stream,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_counts_the_same(model: onnx.ModelProto, x: Array, form: str) -> None:
    want = octavo.calibrate_model(model, x)
    found = octavo.calibrate_model(model, FORMS[form](x))
    assert found.samples == COUNT
    assert found.to_bytes() == want.to_bytes()


@pytest.mark.parametrize("form", ["tensor", "(x, y)", "[x, y] batches", "dataset", "stream"])
def test_quantize_and_analyze_take_them_too(model: onnx.ModelProto, x: Array, form: str) -> None:
    int8 = octavo.quantize_model(model, x)
    assert octavo.quantize_model(model, FORMS[form](x)).SerializeToString() == (
        int8.SerializeToString()
    )
    assert octavo.analyze(model, int8, FORMS[form](x)).outputs == (
        octavo.analyze(model, int8, x).outputs
    )


def test_tuples_are_in_the_order_of_the_inputs(
    two_inputs: onnx.ModelProto, rng: np.random.Generator
) -> None:
    a, b = rng.standard_normal((6, 4), np.float32), rng.standard_normal((6, 5), np.float32)
    want = octavo.calibrate_model(two_inputs, {"input": a, "other": b})
    for pairs in ([(a, b)], [(a, b, np.arange(6))], list(zip(a, b, strict=True)), [[a, b]]):
        assert octavo.calibrate_model(two_inputs, pairs).to_bytes() == want.to_bytes()
    with pytest.raises(octavo.CalibrationError, match=r"has arrays for \['input'\]"):
        octavo.calibrate_model(two_inputs, [(a,)])
    with pytest.raises(octavo.CalibrationError, match="give mappings of these names"):
        octavo.calibrate_model(two_inputs, [a])


def test_pytorch(model: onnx.ModelProto, x: Array) -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.data import DataLoader, TensorDataset

    tensor = torch.from_numpy(x)
    want = octavo.calibrate_model(model, x).to_bytes()
    dataset = TensorDataset(tensor, torch.arange(COUNT))
    for data in (
        tensor,
        tensor.clone().requires_grad_(),
        dataset,
        DataLoader(dataset, batch_size=5),
        DataLoader(dataset, batch_size=None, shuffle=True),
        ({"input": batch, "labels": y} for batch, y in DataLoader(dataset, batch_size=4)),
    ):
        assert octavo.calibrate_model(model, data).to_bytes() == want
    half = tensor.to(torch.bfloat16)
    rounded = octavo.calibrate_model(model, half.float().numpy())
    assert octavo.calibrate_model(model, half).to_bytes() == rounded.to_bytes()


def test_totals_are_known_where_they_can_be(model: onnx.ModelProto, x: Array) -> None:
    assert total_of(x) == total_of(list(x)) == total_of(Indexed(x)) == COUNT
    assert total_of(Stream(x)) is total_of(iter(x)) is total_of({"input": x}) is None
    inputs = load_graph(model).inputs
    assert sum(count for _, count in items(Indexed(x), inputs)) == COUNT


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (7, "must be an array, a mapping .* not int"),
        ("images.npz", "not str"),
        ([], "empty"),
        ([()], "shape"),
        ([(np.arange(12).reshape(3, 4), 1)], "has dtype int64"),
        ([(np.zeros((3, 5), np.float32), 1)], r"has shape \(3, 5\); expected"),
        ({"input": np.zeros((2, 3, 4), np.float32), "target": 1}, "arrays for"),
        ([(np.full((3, 4), np.inf, np.float32), 1)], "NaN or infinity"),
        (np.float32(1), "has shape"),
        ([[[1.0, 2.0], [3.0]]], "its parts differ in shape"),
    ],
)
def test_what_is_no_data_says_so(model: onnx.ModelProto, data: Any, message: str) -> None:
    with pytest.raises(octavo.CalibrationError, match=message):
        octavo.calibrate_model(model, data)


def test_a_calibration_of_pieces_is_that_of_the_whole(model: onnx.ModelProto, x: Array) -> None:
    parts = [octavo.calibrate_model(model, [(x[i], 0)]) for i in range(COUNT)]
    assert Calibration.merged(parts).to_bytes() == octavo.calibrate_model(model, x).to_bytes()
