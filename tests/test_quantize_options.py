"""Options of quantization, its report, its warnings, and which samples it keeps."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import numpy_helper

import octavo
from graph_support import Array, Builder, ort_run, steps
from octavo._integer_layer import FRACTIONS, quantize_layer
from octavo.errors import InvalidArgumentError, QuantizationWarning
from octavo.graph.load import load_graph
from octavo.quantize import QuantizeOptions, quantize_with_report
from octavo.quantize.notices import CODES
from octavo.quantize.sample import MAX_SAMPLES, draw_sample
from test_quantize_model import IMAGE, residual_net


@pytest.fixture
def model(rng: np.random.Generator) -> onnx.ModelProto:
    return residual_net(rng)


@pytest.fixture
def images(rng: np.random.Generator) -> Array:
    return rng.standard_normal((40, 3, 16, 16)).astype(np.float32)


def operators_of_onnxruntime(model: onnx.ModelProto) -> list[str]:
    """What ONNX Runtime makes of a model."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimized.onnx"
        options.optimized_model_filepath = str(path)
        ort.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        return [node.op_type for node in onnx.load(path).graph.node]


def test_placement_for_onnxruntime_leaves_it_no_float_convolution(
    model: onnx.ModelProto, images: Array
) -> None:
    convolutions = [n.op_type for n in model.graph.node].count("Conv")
    found = {}
    for placement in ("octavo", "onnxruntime"):
        quantized = octavo.quantize_model(model, images, placement=placement)
        found[placement] = operators_of_onnxruntime(quantized)
        (want,) = ort_run(model, {"input": images})
        (ours,) = octavo.Session(quantized).run(None, {"input": images})
        (theirs,) = ort_run(quantized, {"input": images})
        for result in (ours, theirs):
            assert np.sqrt(np.mean((result - want) ** 2) / np.mean(want**2)) < 0.06
    assert found["onnxruntime"].count("QLinearConv") == convolutions
    assert found["onnxruntime"].count("QLinearAdd") == 2
    assert found["octavo"].count("QLinearConv") < convolutions  # Conv-Add is float there
    shown = steps(octavo.quantize_model(model, images, placement="onnxruntime"))
    assert shown.count("Add+Relu:int8") == 2


def test_weights_by_squared_error(rng: np.random.Generator) -> None:
    weight = rng.standard_normal((8, 400)).astype(np.float32)
    weight[3] *= 100
    weight[:, 0] *= 4  # an outlier of every channel
    for per_channel in (True, False):
        errors = {}
        for method in ("max", "mse"):
            layer = quantize_layer(weight, 0, None, 0.1, per_channel, method)
            real = layer.weight * layer.scale.astype(np.float64)[:, None]
            errors[method] = np.sum((real - weight) ** 2, axis=1)
            ratio = layer.scale * 127 / np.abs(weight).max(axis=1)
            if method == "mse" and per_channel:
                steps_of = np.abs(ratio[:, None] - FRACTIONS).min(axis=1)
                np.testing.assert_allclose(steps_of, 0, atol=1e-6)
        if per_channel:
            assert np.all(errors["mse"] <= errors["max"])
        assert errors["mse"].sum() < errors["max"].sum()


def test_auto_leaves_an_outlier_out_where_nobody_needs_it(rng: np.random.Generator) -> None:
    """Channel 0 has an outlier. A layer with no weight for it clips it; one that reads it not."""
    x = rng.uniform(-1, 1, (64, 4, 8, 8)).astype(np.float32)
    x[0, 0, 0, 0] = 50
    chosen = {}
    for weight in (0.0, 1.0):
        b = Builder(["N", 4, 8, 8])
        w = rng.standard_normal((5, 4, 1, 1)).astype(np.float32)
        w[:, 0] *= weight
        model = b.model(b.node("Conv", "input", b.constant(w)))
        with pytest.warns(QuantizationWarning):
            quantized, report = quantize_with_report(model, x, QuantizeOptions(method="auto"))
        chosen[weight] = {t.name: t for t in report.tensors}["input"]
        (found,), (want,) = (
            octavo.Session(quantized).run(None, {"input": x}),
            ort_run(model, {"input": x}),
        )
        error = {
            method: np.mean(
                np.square(
                    octavo.Session(octavo.quantize_model(model, x, method=method)).run(
                        None, {"input": x}
                    )[0]
                    - want
                )
            )
            for method in ("max", "percentile", "mse", "entropy")
        }
        assert np.mean((found - want) ** 2) < 1.3 * min(error.values())
    assert chosen[0.0].method != "max"
    assert chosen[0.0].params.scale < 0.1
    assert chosen[1.0].params.scale > chosen[0.0].params.scale


def test_relu6_gives_the_clamp_and_the_range(rng: np.random.Generator) -> None:
    b = Builder(IMAGE)
    w = b.constant(np.float32(rng.standard_normal((8, 3, 3, 3))))
    y = b.node("Clip", b.node("Conv", "input", w), *(b.constant(np.float32(v)) for v in (0, 6)))
    x = 3 * rng.standard_normal((40, 3, 16, 16)).astype(np.float32)
    quantized, report = quantize_with_report(b.model(y), x)
    assert "Conv+Clip:int8" in steps(quantized)
    clipped = {t.name: t for t in report.tensors}[y]
    assert (clipped.lo, clipped.hi, clipped.params.zero_point) == (0.0, 6.0, 0)
    (found,) = octavo.Session(quantized).run(None, {"input": 100 * x})
    assert found.min() == 0.0
    assert abs(found.max() - 6.0) < 1e-5


def test_report_says_what_happened(model: onnx.ModelProto, images: Array) -> None:
    name = next(n.name for n in model.graph.node if n.op_type == "Gemm")
    seen: list[tuple[str, int, int | None]] = []
    quantized, report = quantize_with_report(
        model,
        images,
        QuantizeOptions(exclude=[name], equalize=True),
        progress=lambda *event: seen.append(event),
    )
    assert [(n.name, n.op, n.reason) for n in report.float_nodes] == [
        (name, "Gemm", "excluded by name")
    ]
    assert report.fused["Conv+Add+Relu"] == 2
    assert report.samples == 40
    assert len(report.corrected) == 8
    assert report.equalized
    assert [stage for stage, done, total in seen if done == total] == [
        "calibrating",
        "correcting biases",
        "measuring errors",
    ]
    tensors = {t.name: t for t in report.tensors}
    assert all(10 < t.sqnr < 80 for t in tensors.values() if t.name != "input" and t.sqnr)
    (output,) = report.output_sqnr.values()
    kept = np.arange(32) * 40 // 32
    (want,) = ort_run(model, {"input": images[kept]})
    (ours,) = octavo.Session(quantized).run(None, {"input": images[kept]})
    direct = 10 * np.log10(np.sum(want**2) / np.sum((ours - want) ** 2))
    np.testing.assert_allclose(output, direct, atol=0.01)


def few(model: onnx.ModelProto, x: Array) -> Any:
    return model, x[:3]


def unstable(model: onnx.ModelProto, x: Array) -> Any:
    return model, np.concatenate([x, 20 * x[:1]])


def outlier(model: onnx.ModelProto, x: Array) -> Any:
    x = x.copy()
    x[0, 0, 0, 0] = 60
    return model, x


def dead(model: onnx.ModelProto, x: Array) -> Any:
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    conv = next(n for n in changed.graph.node if n.op_type == "Conv")
    weight = next(t for t in changed.graph.initializer if t.name == conv.input[1])
    value = numpy_helper.to_array(weight).copy()
    value[2] = 0
    weight.CopyFrom(numpy_helper.from_array(value, weight.name))
    return changed, x


def free_extents(model: onnx.ModelProto, x: Array) -> Any:
    b = Builder(["N", 3, "H", "W"])
    w = b.constant(np.float32(np.random.default_rng(0).standard_normal((4, 3, 3, 3))))
    net = b.model(b.node("GlobalAveragePool", b.node("Relu", b.node("Conv", "input", w))))
    return net, [*x, x[0, :, :12]]


def calibrated(model: onnx.ModelProto, x: Array) -> Any:
    return model, octavo.calibrate_model(model, x)


def large_bias(model: onnx.ModelProto, x: Array) -> Any:
    b = Builder(IMAGE)
    w, c = np.full((4, 3, 1, 1), 1e-9, np.float32), np.float32([50] * 4)
    return b.model(b.node("Conv", "input", b.constant(w), b.constant(c))), x


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("OCT001", few),
        ("OCT002", unstable),
        ("OCT004", outlier),
        ("OCT005", dead),
        ("OCT006", free_extents),
        ("OCT007", calibrated),
        ("OCT008", large_bias),
    ],
)
def test_warnings_have_codes(model: onnx.ModelProto, images: Array, code: str, change: Any) -> None:
    network, data = change(model, images)
    with pytest.warns(QuantizationWarning, match=f"^{code} \\({CODES[code]}\\): "):
        octavo.quantize_model(network, data)


@pytest.mark.filterwarnings("error")
def test_no_warning_without_reason(model: onnx.ModelProto, images: Array) -> None:
    octavo.quantize_model(model, images)


def test_weights_that_are_not_finite_stay_float(model: onnx.ModelProto, images: Array) -> None:
    b = Builder(IMAGE)
    y = b.node("Conv", "input", b.constant(np.full((4, 3, 1, 1), 0.5, np.float32)))
    bad = np.zeros((2, 4, 1, 1), np.float32)
    bad[0, 0] = np.inf
    network = b.model(b.node("Conv", b.node("Relu", y), b.constant(bad)))
    with pytest.warns(QuantizationWarning, match=r"^OCT003 .*conv_"):
        _, report = quantize_with_report(network, np.abs(images))
    assert "its weights hold NaN or infinity" in [n.reason for n in report.float_nodes]


def test_which_samples_are_kept(model: onnx.ModelProto) -> None:
    graph = load_graph(model)
    x = np.zeros((1100, 3, 16, 16), np.float32)
    x[:, 0, 0, 0] = np.arange(1100)

    def kept(data: Any) -> list[float]:
        sample, rest = draw_sample(data, graph)
        assert sample is not None
        assert rest is data or sum(1 for _ in rest) == len(x)  # nothing is lost
        return sample.batch["input"][:, 0, 0, 0].tolist()

    spread = (np.arange(MAX_SAMPLES) * 1100 // MAX_SAMPLES).tolist()
    assert kept(x) == spread
    assert kept({"input": x}) == spread
    assert kept(list(x)) == spread
    assert kept([x[i : i + 16] for i in range(0, 1100, 16)]) == spread
    assert kept(iter(x)) == list(range(MAX_SAMPLES))


def test_percentile(model: onnx.ModelProto, images: Array) -> None:
    def scale(**options: Any) -> float:
        report = quantize_with_report(model, images, QuantizeOptions(**options))[1]
        return {t.name: t.params.scale for t in report.tensors}["input"]

    assert scale(method="percentile", percentile=99) < 0.9 * scale(method="percentile")
    assert scale(method="percentile", percentile=100) == scale(method="max")
    with pytest.raises(InvalidArgumentError, match="percentile: expected None, for method 'max'"):
        octavo.quantize_model(model, images, percentile=99.9)


def test_bad_options(model: onnx.ModelProto, images: Array) -> None:
    for name, value in (
        ("weight_method", "min"),
        ("rounding", "up"),
        ("placement", "tflite"),
        ("method", "best"),
    ):
        with pytest.raises(InvalidArgumentError, match=f"{name} must be one of .* got '{value}'"):
            octavo.quantize_model(model, images, **{name: value})
