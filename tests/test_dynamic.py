"""Activations quantized at run time: bit-equal to ONNX's definition, close to ONNX Runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime.quantization as ortq
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization.shape_inference import quant_pre_process

import models  # bench/ is on the path
import octavo
from graph_support import Array, Builder, ort_run, steps
from octavo.errors import InvalidArgumentError, UnsupportedModelError
from test_quantize_model import residual_net

F32 = np.float32


def dynamic_params(x: Array) -> tuple[Array, Array]:
    """Scale and zero point of DynamicQuantizeLinear, over the last axis."""
    hi = np.maximum(0, x.max(axis=-1, keepdims=True))
    lo = np.minimum(0, x.min(axis=-1, keepdims=True))
    scale = np.where(hi == lo, F32(1), hi - lo) / F32(255)
    return scale, np.rint(np.clip(-lo / scale, 0, 255))


def defined(x: Array, w: Array, scale: Array, bias: Array | None, per_row: bool) -> Array:
    """DynamicQuantizeLinear, MatMulInteger, Cast, Mul, Mul, Add, one after the other."""
    s, z = dynamic_params(x if per_row else x.reshape(1, -1))
    s, z = (p if per_row else p.reshape(()) for p in (s, z))
    q = np.clip(np.rint(x / s) + z, 0, 255).astype(np.int64)
    total = (q - z.astype(np.int64)) @ w.astype(np.int64)
    y = total.astype(F32) * (s * scale)
    return np.asarray(y if bias is None else y + bias)


def dense(
    rng: np.random.Generator, shape: list[Any], k: int, n: int, bias: bool, op: str = "MatMul"
) -> onnx.ModelProto:
    b = Builder(shape)
    w, c = (rng.standard_normal(s).astype(F32) for s in ((k, n), (n,)))
    if op == "Gemm":
        inputs = [b.constant(w.T), *([b.constant(c)] if bias else [])]
        return b.model(b.node("Gemm", "input", *inputs, transB=1, alpha=0.5, beta=2.0))
    y = b.node("MatMul", "input", b.constant(w))
    return b.model(b.node("Add", y, b.constant(c)) if bias else y)


def constant(model: onnx.ModelProto, suffix: str) -> Array | None:
    found = [i for i in model.graph.initializer if i.name.endswith(suffix)]
    return numpy_helper.to_array(found[0]) if found else None


@pytest.mark.parametrize("per_row", [False, True])
@pytest.mark.parametrize(("per_channel", "bias"), [(True, True), (False, False)])
@pytest.mark.parametrize(("shape", "n"), [((5, 40), 33), ((3, 7, 130), 65), ((2, 1, 64), 1)])
def test_equal_to_the_definition(
    backend: str,
    rng: np.random.Generator,
    shape: tuple[int, ...],
    n: int,
    per_channel: bool,
    bias: bool,
    per_row: bool,
) -> None:
    model = dense(rng, ["N", *shape[1:]], shape[-1], n, bias)
    model = octavo.quantize_dynamic(model, per_channel=per_channel, per_row=per_row)
    w, scale = constant(model, ".weight"), constant(model, ".weight_scale")
    added = [numpy_helper.to_array(i) for i in model.graph.initializer if i.name.startswith("c")]
    assert w is not None
    assert scale is not None
    session = octavo.Session(model)
    for x in (rng.normal(0.5, 2, shape), np.abs(rng.normal(0, 1, shape)), np.zeros(shape)):
        x = x.astype(F32)
        want = defined(x, w, scale, added[0] if bias else None, per_row)
        (ours,) = session.run(None, {"input": x})
        np.testing.assert_array_equal(ours, want)
        (threaded,) = octavo.Session(model, threads=3).run(None, {"input": x})
        np.testing.assert_array_equal(threaded, want)


@pytest.mark.parametrize("op", ["MatMul", "Gemm"])
def test_one_step_per_layer_and_the_same_in_onnx_runtime(rng: np.random.Generator, op: str) -> None:
    model = octavo.quantize_dynamic(dense(rng, ["N", 48], 48, 20, True, op))
    onnx.checker.check_model(model, full_check=True)
    assert steps(model) == [
        "DynamicRange:float32",
        "DynamicQuantizeLinear:int8",
        "MatMul+Add:int8",
    ]
    x = rng.standard_normal((9, 48)).astype(F32)
    (ours,), (theirs,) = octavo.Session(model).run(None, {"input": x}), ort_run(model, {"input": x})
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def test_clamps_are_fused_and_readers_share_the_bytes(rng: np.random.Generator) -> None:
    b = Builder(["N", 32])
    ws = [b.constant(rng.standard_normal((32, 24)).astype(F32)) for _ in range(2)]
    a = b.node("Relu", b.node("MatMul", "input", ws[0]))
    y = b.node("Add", a, b.node("MatMul", "input", ws[1]))
    model = octavo.quantize_dynamic(b.model(y))
    found = steps(model)
    assert found.count("DynamicQuantizeLinear:int8") == 1
    assert "MatMul+Relu:int8" in found
    x = rng.standard_normal((4, 32)).astype(F32)
    (ours,), (theirs,) = octavo.Session(model).run(None, {"input": x}), ort_run(model, {"input": x})
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


def quantized_by_ort(model: onnx.ModelProto, folder: Path, **options: Any) -> onnx.ModelProto:
    onnx.save(model, folder / "float.onnx")
    paths = str(folder / "float.onnx"), str(folder / "float.onnx")
    quant_pre_process(*paths, skip_symbolic_shape=True)
    ortq.quantize_dynamic(folder / "float.onnx", folder / "int8.onnx", **options)
    return onnx.load(folder / "int8.onnx")


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("weight", [ortq.QuantType.QInt8, ortq.QuantType.QUInt8])
def test_transformer_quantized_by_onnx_runtime(
    tmp_path: Path, rng: np.random.Generator, per_channel: bool, weight: Any
) -> None:
    model = models.bert_layers(1, tokens=12, hidden=32, heads=4, ffn=64)
    x = rng.standard_normal((2, 12, 32)).astype(F32)
    model = quantized_by_ort(model, tmp_path, per_channel=per_channel, weight_type=weight)
    assert steps(model).count("MatMul+Add:int8") == 6
    (ours,), (theirs,) = octavo.Session(model).run(None, {"input": x}), ort_run(model, {"input": x})
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_convolutions_quantized_by_onnx_runtime(tmp_path: Path, rng: np.random.Generator) -> None:
    model = quantized_by_ort(
        residual_net(rng), tmp_path, weight_type=ortq.QuantType.QUInt8
    )  # its ConvInteger takes no int8 weights
    found = [s for s in octavo.Session(model).describe() if s.op == "Conv"]
    assert len(found) == 8
    assert all(s.dtype == "int8" for s in found)
    assert {s.fused[-1] for s in found} & {"Relu", "Clip"}
    x = rng.standard_normal((3, 3, 16, 16)).astype(F32)
    (ours,), (theirs,) = octavo.Session(model).run(None, {"input": x}), ort_run(model, {"input": x})
    # One byte more or less in a layer is a step in the next one.
    np.testing.assert_allclose(ours, theirs, atol=0.02 * np.ptp(theirs))


@pytest.mark.parametrize("group", [1, 4, 8])
@pytest.mark.parametrize("kernel", [1, 3])
def test_single_convolution(
    rng: np.random.Generator, group: int, kernel: int, backend: str
) -> None:
    """Padding is the zero point found at run time."""
    b = Builder(["N", 8, 6, 7])
    q = b.node("DynamicQuantizeLinear", "input", outputs=3)
    scale, zero = q.replace("t1", "t2"), q.replace("t1", "t3")
    w = rng.integers(0, 256, (8, 8 // group, kernel, kernel)).astype(np.uint8)
    inputs = [q, b.constant(w), zero, b.constant(np.uint8(120))]
    total = b.node("ConvInteger", *inputs, group=group, pads=[kernel // 2] * 4)
    unit = b.node("Mul", scale, b.constant(F32(0.01)))
    y = b.node("Mul", b.node("Cast", total, to=TensorProto.FLOAT), unit)
    bias = b.constant(rng.standard_normal((1, 8, 1, 1)).astype(F32))
    model = b.model(b.node("Add", y, bias))
    assert [s.fused for s in octavo.Session(model).describe() if s.op == "Conv"] == [
        ("Conv", "Add")
    ]
    x = rng.normal(1, 2, (2, 8, 6, 7)).astype(F32)
    (ours,), (theirs,) = octavo.Session(model).run(None, {"input": x}), ort_run(model, {"input": x})
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-4)


def test_fused_operator_of_onnx_runtime(rng: np.random.Generator) -> None:
    names = ["x", "w", "s", "z", "b"]
    w = rng.integers(-128, 128, (24, 10)).astype(np.int8)
    constants = [w, rng.uniform(0.01, 0.1, 10).astype(F32), np.zeros(10, np.int8)]
    constants.append(rng.standard_normal(10).astype(F32))
    node = helper.make_node("DynamicQuantizeMatMul", names, ["y"], domain="com.microsoft")
    x, y = (
        helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", k])
        for n, k in (("x", 24), ("y", 10))
    )
    tensors = [numpy_helper.from_array(v, n) for v, n in zip(constants, names[1:], strict=True)]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph([node], "g", [x], [y], tensors)
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    data = rng.standard_normal((5, 24)).astype(F32)
    (ours,), (theirs,) = octavo.Session(model).run(None, {"x": data}), ort_run(model, {"x": data})
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-4)


def test_integer_products_by_themselves(rng: np.random.Generator) -> None:
    """With static zero points: int32 results, returned or cast."""
    for dtype in ("uint8", "int8"):
        b = Builder(["N", 6, 40], dtype=dtype)
        w = rng.integers(-128, 128, (40, 9)).astype(np.int8)
        zeros = [b.constant(np.array(v, t)) for v, t in ((5, dtype), (-3, "int8"))]
        total = b.node("MatMulInteger", "input", b.constant(w), *zeros)
        model = b.model(total, b.node("Cast", total, to=1), dtypes=("int32", "float32"))
        x = rng.integers(0, 100, (2, 6, 40)).astype(dtype)
        ours = octavo.Session(model).run(None, {"input": x})
        want = (x.astype(np.int32) - 5) @ (w.astype(np.int32) + 3)
        np.testing.assert_array_equal(ours[0], want)
        assert ours[0].dtype == np.int32
        np.testing.assert_array_equal(ours[1], want.astype(F32))


def test_ranges_per_row_do_not_depend_on_the_batch(rng: np.random.Generator) -> None:
    model = octavo.quantize_dynamic(
        models.bert_layers(1, tokens=8, hidden=32, heads=2, ffn=64), per_row=True
    )
    x = rng.standard_normal((3, 8, 32)).astype(F32) * np.float32([[[1]], [[20]], [[0.1]]])
    session = octavo.Session(model)
    (whole,) = session.run(None, {"input": x})
    for i in range(3):
        (alone,) = session.run(None, {"input": x[i : i + 1]})
        np.testing.assert_array_equal(alone[0], whole[i])


def test_one_range_for_a_batch_larger_than_the_cache(rng: np.random.Generator) -> None:
    """However a program walks through a batch, a range per tensor is that of all samples."""
    model = octavo.quantize_dynamic(dense(rng, ["N", 64, 1024], 1024, 8, bias=False))
    w, scale = constant(model, ".weight"), constant(model, ".weight_scale")
    assert w is not None
    assert scale is not None
    x = rng.standard_normal((24, 64, 1024)).astype(F32)
    x *= np.linspace(0.1, 3, 24, dtype=F32)[:, np.newaxis, np.newaxis]
    (ours,) = octavo.Session(model).run(None, {"input": x})
    np.testing.assert_array_equal(ours, defined(x, w, scale, None, per_row=False))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 1e-45])
def test_extreme_inputs_give_results_not_crashes(rng: np.random.Generator, value: float) -> None:
    for per_row in (False, True):
        model = octavo.quantize_dynamic(dense(rng, ["N", 16], 16, 8, True), per_row=per_row)
        x = rng.standard_normal((4, 16)).astype(F32)
        x[1, 3], x[1, 5] = value, -value
        (ours,) = octavo.Session(model).run(None, {"input": x})
        assert ours.shape == (4, 8)
        if per_row:
            (clean,) = octavo.Session(model).run(None, {"input": x[2:]})
            np.testing.assert_array_equal(ours[2:], clean)


def test_exclude_and_refusals(rng: np.random.Generator) -> None:
    model = dense(rng, ["N", 16], 16, 8, True)
    with pytest.raises(InvalidArgumentError, match="no nodes named"):
        octavo.quantize_dynamic(model, exclude=["nothing"])
    with pytest.raises(UnsupportedModelError, match="nothing to quantize"):
        octavo.quantize_dynamic(model, exclude=[model.graph.node[0].name])
    b = Builder(["N", 4])
    q = b.node("DynamicQuantizeLinear", "input", outputs=3)
    model = b.model(b.dequantize(q, 0.1, 3), q.replace("t1", "t2"))
    with pytest.raises(UnsupportedModelError, match="scale and zero point"):
        octavo.Session(model)
