"""`quantize_model`: what it writes, how close it stays to float, what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import octavo
from graph_support import Array, Builder, expose_bytes, ort_run, step_distance, steps
from octavo.errors import CalibrationError

IMAGE = ["N", 3, 16, 16]


def norm(b: Builder, x: str, channels: int, rng: np.random.Generator) -> str:
    values = [rng.uniform(0.5, 1.5, channels), rng.normal(0, 0.3, channels)]
    values += [rng.normal(0, 0.3, channels), rng.uniform(0.5, 1.5, channels)]
    return b.node("BatchNormalization", x, *(b.constant(np.float32(v)) for v in values))


def conv(b: Builder, x: str, shape: tuple[int, ...], rng: np.random.Generator, **attrs: Any) -> str:
    w = rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))
    side = shape[-1] // 2
    y = b.node("Conv", x, b.constant(np.float32(w)), pads=[side] * 4, **attrs)
    return norm(b, y, shape[0], rng)


def residual_net(rng: np.random.Generator, opset: int = 17) -> onnx.ModelProto:
    """A stem, two residual blocks (one with a projection), a depthwise block, a linear head."""
    b = Builder(IMAGE, opset=opset)
    stem = b.node("Relu", conv(b, "input", (8, 3, 3, 3), rng))
    y = b.node("Relu", conv(b, stem, (8, 8, 3, 3), rng))
    stem = b.node("Relu", b.node("Add", conv(b, y, (8, 8, 3, 3), rng), stem))
    y = b.node("Relu", conv(b, stem, (16, 8, 3, 3), rng, strides=[2, 2]))
    shortcut = conv(b, stem, (16, 8, 1, 1), rng, strides=[2, 2])
    y = b.node("Relu", b.node("Add", shortcut, conv(b, y, (16, 16, 3, 3), rng)))
    six = [b.constant(np.float32(v)) for v in (0, 6)]
    y = b.node("Clip", conv(b, y, (16, 1, 3, 3), rng, group=16), *six)
    y = b.node("MaxPool", conv(b, y, (12, 16, 1, 1), rng), kernel_shape=[2, 2], strides=[2, 2])
    y = b.node("Flatten", b.node("GlobalAveragePool", y))
    w, c = (np.float32(rng.standard_normal(s)) for s in ((5, 12), (5,)))
    return b.model(b.node("Gemm", y, b.constant(w), b.constant(c), transB=1))


@pytest.fixture
def model(rng: np.random.Generator) -> onnx.ModelProto:
    return residual_net(rng)


@pytest.fixture
def images(rng: np.random.Generator) -> Array:
    return rng.standard_normal((20, 3, 16, 16)).astype(np.float32)


def close_to_float(quantized: onnx.ModelProto, model: onnx.ModelProto, x: Array) -> None:
    (want,) = ort_run(model, {"input": x})
    (ours,) = octavo.Session(quantized).run(None, {"input": x})
    (theirs,) = ort_run(quantized, {"input": x})
    noise = float(np.sqrt(np.mean((ours - want) ** 2) / np.mean(want**2)))
    assert noise < 0.06
    assert np.abs(ours - theirs).max() < np.ptp(want) * 0.05


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_close_to_float_in_both_runtimes(
    model: onnx.ModelProto, images: Array, dtype: str, per_channel: bool
) -> None:
    quantized = octavo.quantize_model(
        model, images, activation_dtype=dtype, per_channel=per_channel
    )
    onnx.checker.check_model(quantized, full_check=True)
    close_to_float(quantized, model, images)


def test_whole_network_runs_on_bytes(model: onnx.ModelProto, images: Array) -> None:
    found = steps(octavo.quantize_model(model, images))
    assert [s for s in found if not s.startswith("Transpose")] == [
        "QuantizeLinear:int8",
        "Conv+Relu:int8",
        "Conv+Relu:int8",
        "Conv+Add+Relu:int8",
        "Conv+Relu:int8",
        "Conv:int8",
        "Conv+Add+Relu:int8",
        "Conv+Clip:int8",
        "Conv:int8",
        "MaxPool:int8",
        "GlobalAveragePool:int8",
        "Gemm:int8",
        "DequantizeLinear:float32",
    ]


def constants(model: onnx.ModelProto) -> dict[str, Array]:
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


def test_integers_are_what_the_numeric_contract_says(model: onnx.ModelProto, images: Array) -> None:
    quantized = octavo.quantize_model(model, images)
    assert {e.domain: e.version for e in quantized.opset_import} == {"": 17}
    values = constants(quantized)
    makers = {n.output[0]: n for n in quantized.graph.node}
    layers = [n for n in quantized.graph.node if n.op_type in ("Conv", "Gemm")]
    assert len(layers) == 9
    for layer in layers:
        a, w, bias = (makers[name] for name in layer.input)
        weight, scale = values[w.input[0]], values[w.input[1]]
        assert (weight.dtype, int(np.abs(weight.astype(int)).max())) == (np.int8, 127)
        rows = np.abs(weight.reshape(len(weight), -1).astype(int)).max(axis=1)
        assert np.all(rows == 127)  # symmetric, per channel
        assert scale.shape == (len(weight),)
        assert not values[w.input[2]].any()
        assert values[bias.input[0]].dtype == np.int32
        a_scale = values[a.input[1]]
        np.testing.assert_array_equal(
            values[bias.input[1]], np.float32(np.float64(a_scale) * np.float64(scale))
        )
    for node in quantized.graph.node:  # nothing is rounded between Conv and its Add
        if node.op_type == "Add":
            assert sorted(makers[i].op_type for i in node.input) == ["Conv", "DequantizeLinear"]


def test_batch_norm_is_folded_exactly(rng: np.random.Generator, images: Array) -> None:
    b = Builder(IMAGE)
    plain = b.model(conv(b, "input", (8, 3, 3, 3), rng))
    quantized = octavo.quantize_model(plain, images)
    assert "BatchNormalization" not in [n.op_type for n in quantized.graph.node]
    close_to_float(quantized, plain, images)


def test_the_given_model_is_not_changed(model: onnx.ModelProto, images: Array) -> None:
    before = model.SerializeToString(deterministic=True)
    octavo.quantize_model(model, images)
    assert model.SerializeToString(deterministic=True) == before


def test_data_forms_give_the_same_model(model: onnx.ModelProto, images: Array) -> None:
    want = octavo.quantize_model(model, images).SerializeToString(deterministic=True)
    forms: list[Any] = [
        list(images),
        [images[:7], images[7:]],
        ({"input": images[i : i + 3]} for i in range(0, 20, 3)),
        {"input": images},
        images.astype(np.float64),
    ]
    for data in forms:
        found = octavo.quantize_model(model, data)
        assert found.SerializeToString(deterministic=True) == want


def test_path_and_proto_are_equal(tmp_path: Any, model: onnx.ModelProto, images: Array) -> None:
    onnx.save(model, tmp_path / "m.onnx")
    a = octavo.quantize_model(tmp_path / "m.onnx", images)
    assert a == octavo.quantize_model(model, images)


def test_progress(model: onnx.ModelProto, images: Array) -> None:
    seen: list[tuple[int, int | None]] = []
    octavo.quantize_model(model, images, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (20, 20)
    seen.clear()
    octavo.quantize_model(model, iter(images), progress=lambda d, t: seen.append((d, t)))
    assert seen == [(i, None) for i in range(1, 21)]


def test_excluded_nodes_stay_float(model: onnx.ModelProto, images: Array) -> None:
    name = next(n.name for n in model.graph.node if n.op_type == "Conv")
    quantized = octavo.quantize_model(model, images, exclude=[name])
    assert steps(quantized)[1] == "Conv+Relu:float32"
    close_to_float(quantized, model, images)


@pytest.mark.parametrize("opset", [11, 15, 21])
def test_opsets(rng: np.random.Generator, images: Array, opset: int) -> None:
    model = residual_net(rng, opset)
    quantized = octavo.quantize_model(model, images)
    assert quantized.opset_import[0].version == max(opset, 17)
    close_to_float(quantized, model, images)


def test_free_spatial_extents(rng: np.random.Generator) -> None:
    b = Builder(["N", 3, "H", "W"])
    y = b.node("Relu", conv(b, "input", (8, 3, 3, 3), rng))
    model = b.model(b.node("GlobalAveragePool", y))
    data = [rng.standard_normal((3, n, n + 1)).astype(np.float32) for n in (8, 12, 9)]
    quantized = octavo.quantize_model(model, data)
    session = octavo.Session(quantized)
    for x in data:
        (ours,) = session.run(None, {"input": x[None]})
        (theirs,) = ort_run(quantized, {"input": x[None]})
        np.testing.assert_allclose(ours, theirs, atol=0.01)


@pytest.mark.parametrize("fixed", [1, 4])
def test_fixed_batch(rng: np.random.Generator, images: Array, fixed: int) -> None:
    b = Builder([fixed, *IMAGE[1:]])
    y = b.node("Reshape", conv(b, "input", (8, 3, 3, 3), rng), b.constant(np.int64([fixed, -1])))
    model = b.model(y)
    quantized = octavo.quantize_model(model, images)
    close_to_float(quantized, model, images[:fixed])
    if fixed == 4:
        with pytest.raises(CalibrationError, match="batches of 4 samples; 3 are left over"):
            octavo.quantize_model(model, images[:11])


def zero_rows(w: Array, bias: Array) -> None:
    w[1] = 0
    w[2] = 0
    bias[2] = 0


def tiny_rows(w: Array, bias: Array) -> None:
    w[1] *= 1e-12
    w[2] *= 1e-38


def all_zero(w: Array, bias: Array) -> None:
    w[:] = 0


@pytest.mark.parametrize("change", [zero_rows, tiny_rows, all_zero])
@pytest.mark.parametrize("per_channel", [True, False])
def test_channels_of_zeros_and_large_biases(
    rng: np.random.Generator, change: Callable[[Array, Array], None], per_channel: bool
) -> None:
    """The bias of a channel whose weights vanish is kept to a fraction of an output step."""
    w = rng.standard_normal((4, 6)).astype(np.float32)
    bias = np.float32([0.1, 0.73, -0.9, 2.5])
    change(w, bias)
    b = Builder(["N", 6])
    model = b.model(b.node("Gemm", "input", b.constant(w), b.constant(bias), transB=1))
    x = rng.standard_normal((50, 6)).astype(np.float32)
    quantized = octavo.quantize_model(model, x, per_channel=per_channel)
    (want,) = ort_run(model, {"input": x})
    (ours,) = octavo.Session(quantized).run(None, {"input": x})
    step = np.ptp(want) / 255
    np.testing.assert_allclose(ours[:, 1:3], want[:, 1:3], atol=step)
    assert step_distance(*bytes_of_both(quantized, x)) <= 1


def bytes_of_both(model: onnx.ModelProto, x: Array) -> tuple[Array, Array]:
    exposed, names = expose_bytes(model)
    ours = octavo.Session(exposed).run(names[-1:], {"input": x})[0]
    return ours, ort_run(exposed, {"input": x})[-1]


def test_matmul_bias_and_two_inputs(rng: np.random.Generator) -> None:
    b = Builder(["N", 6])
    b.add_input("other", ["N", 6])
    w, c = (np.float32(rng.standard_normal(s)) for s in ((6, 5), (5,)))
    first = b.node("Add", b.node("MatMul", "input", b.constant(w)), b.constant(c))
    second = b.node("MatMul", "other", b.constant(w))
    model = b.model(b.node("Relu", b.node("Add", first, second)))
    data = {n: rng.standard_normal((40, 6)).astype(np.float32) for n in ("input", "other")}
    quantized = octavo.quantize_model(model, data)
    assert steps(quantized)[-3:] == [
        "MatMul+Add:int8",
        "MatMul+Add+Relu:int8",
        "DequantizeLinear:float32",
    ]
    (want,), (ours,) = ort_run(model, data), octavo.Session(quantized).run(None, data)
    assert np.sqrt(np.mean((ours - want) ** 2) / np.mean(want**2)) < 0.02
