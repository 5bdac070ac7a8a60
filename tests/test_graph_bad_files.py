"""Damaged, hostile and unsupported models: a clear error, never a crash or a large allocation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

import octavo
from graph_support import Builder, unchecked
from octavo.errors import InvalidArgumentError, InvalidModelError, OctavoError
from octavo.errors import UnsupportedModelError as Unsupported

IMAGE = ["N", 4, 8, 8]


def small(**attrs: Any) -> onnx.ModelProto:
    b = Builder(IMAGE)
    w = b.constant(np.ones((4, 4, 3, 3), np.float32), "weight")
    y = b.node("Relu", b.node("Conv", "input", w, pads=[1, 1, 1, 1], **attrs))
    return b.model(b.qdq(y, 0.1, 3))


CONTENT = small().SerializeToString()


@pytest.mark.parametrize("content", [b"", b"\0", b"not a model", CONTENT[:50], CONTENT[:-20]])
def test_truncated_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    for model in (content, path):
        with pytest.raises(InvalidModelError):
            octavo.Session(model)
    with pytest.raises(InvalidModelError):
        octavo.quantize_model(content, np.zeros((1, 4, 8, 8), np.float32))


def large(dims: list[int], values: int) -> onnx.ModelProto:
    """A weight that is too large to be shown to the ONNX checker, of other dims than it has."""
    b = Builder(["N", 200])
    w = b.constant(np.ones((200, 200), np.float32), "weight")
    model = b.model(b.node("MatMul", "input", w))
    tensor = next(t for t in model.graph.initializer if t.name == w)
    tensor.dims[:] = dims
    tensor.raw_data = tensor.raw_data[: 4 * values]
    return model


def test_large_tensors_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    for dims, values in (([200, 200], 39_999), ([200, 201], 40_000), ([200, -200], 40_000)):
        path.write_bytes(large(dims, values).SerializeToString())
        for model in (path, path.read_bytes(), large(dims, values)):
            with pytest.raises(InvalidModelError):
                octavo.Session(model)


def test_a_large_tensor_may_also_be_an_input() -> None:
    """As models of ONNX IR version 3 declare them; the checker sees the name once."""
    model = large([200, 200], 40_000)
    name = model.graph.initializer[0].name
    model.graph.input.append(
        onnx.helper.make_tensor_value_info(name, TensorProto.FLOAT, [200, 200])
    )
    x = np.ones((3, 200), np.float32)
    np.testing.assert_array_equal(
        octavo.Session(model).run(None, {"input": x})[0], np.full((3, 200), 200, np.float32)
    )
    assert len(model.graph.initializer) == 1  # the caller's model is left alone
    assert len(model.graph.initializer[0].raw_data) == 160_000


@settings(deadline=None, max_examples=300)
@given(st.data())
def test_any_changed_bytes_are_an_error_or_a_model(data: st.DataObject) -> None:
    content = bytearray(CONTENT)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at] = data.draw(st.integers(0, 255))
    try:
        session = octavo.Session(bytes(content))
        shapes = [[n if isinstance(n, int) else 1 for n in i.shape] for i in session.get_inputs()]
        if all(np.prod(shape, dtype=float) < 1e6 for shape in shapes):
            inputs = session.get_inputs()
            kinds = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}
            kinds["tensor(int8)"] = np.int8
            feeds = {i.name: np.ones(s, kinds[i.type]) for i, s in zip(inputs, shapes, strict=True)}
            session.run(None, feeds)
    except OctavoError:
        pass


def test_directory_and_wrong_types(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="no such file"):
        octavo.Session(tmp_path)


def edited(edit: Callable[[onnx.ModelProto], None]) -> onnx.ModelProto:
    model = small()
    edit(model)
    return model


def weight_of(model: onnx.ModelProto) -> TensorProto:
    return next(t for t in model.graph.initializer if t.name == "weight")


def huge_dims(model: onnx.ModelProto) -> None:
    weight_of(model).dims[0] = 2**40


def huge_empty(model: onnx.ModelProto) -> None:
    weight_of(model).ClearField("raw_data")
    weight_of(model).dims[0] = 2**50


def negative_dims(model: onnx.ModelProto) -> None:
    weight_of(model).dims[0] = -4


def short_data(model: onnx.ModelProto) -> None:
    weight_of(model).raw_data = weight_of(model).raw_data[:-4]


def cycle(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = model.graph.node[1].output[0]


def twice(model: onnx.ModelProto) -> None:
    model.graph.node[1].output[0] = model.graph.node[0].output[0]


def unknown_input(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "nowhere"


def no_opset(model: onnx.ModelProto) -> None:
    del model.opset_import[:]


@pytest.mark.parametrize(
    "edit",
    [huge_dims, huge_empty, negative_dims, short_data, cycle, twice, unknown_input, no_opset],
)
def test_models_that_contradict_themselves(edit: Callable[[onnx.ModelProto], None]) -> None:
    with pytest.raises(InvalidModelError):
        octavo.Session(edited(edit))


@pytest.mark.parametrize("shape", [["N", 2**31, 2**31], ["N", 0, 4], ["N", 2**62]])
def test_input_extents_without_bound(shape: list[Any]) -> None:
    b = Builder(shape)
    with pytest.raises(InvalidArgumentError, match="elements per sample are possible"):
        octavo.Session(b.model(b.node("Relu", "input")))


def test_padding_without_bound() -> None:
    b = Builder(IMAGE)
    y = b.node("Pad", "input", b.constant(np.int64([0, 0, 0, 0, 0, 0, 2**40, 2**40])))
    with pytest.raises(InvalidArgumentError, match="elements per sample are possible"):
        octavo.Session(b.model(y))


def test_batch_without_bound() -> None:
    b = Builder(["N", 1])
    session = octavo.Session(
        b.model(b.node("Pad", "input", b.constant(np.int64([0, 0, 0, 2**30]))))
    )
    with pytest.raises(InvalidArgumentError, match="a batch of 16777216 cannot be run"):
        session.run(None, {"input": np.broadcast_to(np.float32(0), (2**24, 1))})


def test_constants_that_double_without_bound() -> None:
    b = Builder(IMAGE)
    y = b.constant(np.ones(1024, np.float32))
    for _ in range(40):
        y = b.node("Concat", y, y, axis=0)
    with pytest.raises(InvalidModelError, match="at most"):
        octavo.Session(unchecked(b, b.node("Add", "input", y)))


def test_deep_graphs_do_not_overflow_the_stack() -> None:
    b = Builder(["N", 4])
    y = "input"
    for _ in range(3000):
        y = b.node("Relu", b.node("Identity", y))
    x = np.float32([[-1, 0, 1, 2]])
    (result,) = octavo.Session(b.model(y)).run(None, {"input": x})
    np.testing.assert_array_equal(result, np.maximum(x, 0))


def one(op: str, *constants: Any, **attrs: Any) -> Callable[[Builder], str]:
    return lambda b: b.node(op, "input", *(b.constant(c) for c in constants), **attrs)


W = np.ones((4, 4, 3, 3), np.float32)
UNSUPPORTED: list[tuple[Callable[[Builder], str], str]] = [
    (one("Softplus"), r"\(Softplus\): operator Softplus is not supported; supported are Add, Ave"),
    (one("Pad", np.int64([0] * 8), mode="reflect"), r"mode 'reflect' is not supported"),
    (one("Pad", np.int64([1, *[0] * 7])), "pads the batch axis"),
    (one("Pad", np.int64([0, 0, -1, *[0] * 5])), "negative pads"),
    (one("Concat", axis=0), r"works along the batch axis \(0\)"),
    (one("Softmax", axis=0), "batch axis"),
    (one("Slice", np.int64([1]), np.int64([2]), np.int64([0])), "batch axis"),
    (one("Flatten", axis=2), "merges samples"),
    (one("Flatten", axis=0), "merges samples"),
    (one("Reshape", np.int64([-1, 8])), "does not keep the 256 elements"),
    (one("Add", np.ones((5, 4, 8, 8), np.float32)), "own batch axis"),
    (one("AveragePool", kernel_shape=[2, 2], pads=[0, 0, 5, 0]), "windows without any pixel"),
    (lambda b: b.node("Conv", "input", b.node("Relu", "input")), "weights .* must be constant"),
    (lambda b: b.node("MatMul", b.constant(W[0, 0]), "input"), "input 0 is constant"),
    (one("Transpose", perm=[1, 0, 2, 3]), r"moves the batch axis \(0\)"),
    (one("ReduceMean", axes=[1, 3]), "not adjacent"),
    (one("LayerNormalization", np.ones(8, np.float32), axis=0), "batch axis"),
    (one("Unsqueeze", np.int64([0])), "before the batch axis"),
    (one("Squeeze"), "batch axis"),
    (lambda b: b.node("MaxPool", "input", kernel_shape=[2, 2], outputs=2), "Indices"),
]


@pytest.mark.parametrize(("build", "message"), UNSUPPORTED, ids=[m for _, m in UNSUPPORTED])
def test_unsupported_is_named(build: Callable[[Builder], str], message: str) -> None:
    b = Builder(IMAGE)
    y = build(b)
    with pytest.raises(Unsupported, match=f"node '{b.nodes[-1].name}' .*{message}"):
        octavo.Session(unchecked(b, y))


def test_other_domains_old_opsets_and_types() -> None:
    model = small()
    model.graph.node[0].domain = "com.microsoft"
    model.opset_import.add(domain="com.microsoft", version=1)
    with pytest.raises(Unsupported, match=r"operators of domain 'com\.microsoft'"):
        octavo.Session(model)
    model = small()
    model.opset_import[0].version = 5
    with pytest.raises(Unsupported, match="opset 5; octavo reads 6 and later"):
        octavo.Session(model)
    b = Builder(IMAGE)
    w = b.constant(np.ones((4, 4, 1, 1), np.float64))
    y = b.node("Conv", "input", w)
    with pytest.raises(Unsupported, match="input 1 is float64; octavo computes in float32"):
        octavo.Session(b.model(y))


def test_types_that_do_not_fit() -> None:
    b = Builder(IMAGE)
    w = b.constant(np.ones((8, 3), np.int64))
    with pytest.raises(Unsupported, match="input 1 is int64; octavo computes in float32"):
        octavo.Session(unchecked(b, b.node("MatMul", "input", w)))
    b = Builder(IMAGE)
    with pytest.raises(InvalidModelError, match="declared float32; the model computes uint8"):
        octavo.Session(unchecked(b, b.quantize("input", 0.1, 0)))
    b = Builder(IMAGE)
    with pytest.raises(InvalidModelError, match="another type than its input"):
        octavo.Session(unchecked(b, b.dequantize(b.quantize("input", 0.1, 0), 0.1, 0, "int8")))
    b = Builder(IMAGE)
    with pytest.raises(InvalidModelError, match="pads must be integers, not float32"):
        octavo.Session(unchecked(b, b.node("Pad", "input", b.constant(np.zeros(8, np.float32)))))


@pytest.mark.parametrize("scale", [0.0, -1.0, np.nan, np.inf])
def test_scales_that_cannot_be(scale: float) -> None:
    b = Builder(IMAGE)
    with pytest.raises(InvalidModelError, match="scales must be finite and positive"):
        octavo.Session(b.model(b.qdq("input", scale, 0)))
    b = Builder(IMAGE)
    w = b.weight(np.ones((4, 4, 1, 1), np.int8), np.float32([1, scale, 1, 1]))
    y = b.node("Conv", b.qdq("input", 0.1, 0), w)
    with pytest.raises(InvalidModelError, match="scales must be finite and positive"):
        octavo.Session(b.model(b.qdq(y, 0.1, 0)))


def test_k_above_the_bound_runs_in_float() -> None:
    k = 65_537
    b = Builder(["N", k])
    w = b.weight(np.ones((k, 2), np.int8), np.float32(0.01))
    y = b.qdq(b.node("MatMul", b.qdq("input", 0.1, 0), w), 50.0, 0)
    found = [(s.op, s.dtype) for s in octavo.Session(b.model(y)).describe()]
    assert ("MatMul", "float32") in found
