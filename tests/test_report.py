"""`octavo.analyze`: its numbers are those of brute force, in NumPy and float64."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import octavo
from graph_support import Array, Builder
from octavo.errors import CalibrationError, InvalidArgumentError, InvalidModelError
from octavo.report import Analysis, LayerAnalysis, analyze
from test_graph_transformer import encoder, tokens


def two_layers(
    rng: np.random.Generator, gain: Array | float = 1.0, width: int = 12
) -> onnx.ModelProto:
    """input - Gemm - Relu - Gemm; `gain` scales the channels between."""
    b = Builder(["N", width])
    w1 = np.float32(rng.standard_normal((width, 16)) * gain)
    w2 = np.float32(rng.standard_normal((16, 5)) / np.reshape(gain, (-1, 1)))
    first = b.node("Gemm", "input", b.constant(w1), b.constant(rng.standard_normal(16, np.float32)))
    return b.model(b.node("Gemm", b.node("Relu", first), b.constant(w2)))


@pytest.fixture
def data(rng: np.random.Generator) -> Array:
    return rng.standard_normal((48, 12), np.float32)


def constants(model: onnx.ModelProto) -> dict[str, Array]:
    return {c.name: numpy_helper.to_array(c) for c in model.graph.initializer}


def real_weights(model: onnx.ModelProto) -> list[Array]:
    """What the int8 weights stand for, layer by layer."""
    found = constants(model)
    gemms = [node for node in model.graph.node if node.op_type == "Gemm"]
    maker = {node.output[0]: node for node in model.graph.node}
    result = []
    for node in gemms:
        for name in node.input[1:]:
            q, scale, *_ = (found[n].astype(np.float64) for n in maker[name].input)
            result.append(q * scale)
    return result


def fake(x: Array, layer: LayerAnalysis) -> Array:
    assert layer.tensor is not None
    p = layer.tensor.params
    return (np.clip(np.rint(x / p.scale) + p.zero_point, 0, 255) - p.zero_point) * p.scale


def db(want: Array, found: Array) -> float:
    return 10 * math.log10(np.sum(want**2) / np.sum((want - found) ** 2))


def test_every_number_is_that_of_brute_force(rng: np.random.Generator, data: Array) -> None:
    model = two_layers(rng)
    int8 = octavo.quantize_model(model, data)
    found = analyze(model, int8, data, samples=16)
    assert found.samples == 16
    entry, hidden, last = found.layers
    assert [layer.ops for layer in found.layers] == [(), ("Gemm", "Relu"), ("Gemm",)]

    x = data[np.arange(16) * 48 // 16].astype(np.float64)
    w1, b1, w2 = (c.astype(np.float64) for c in constants(model).values())
    v1, c1, v2, c2 = real_weights(int8)  # bias correction gives the second Gemm a bias
    h, y = np.maximum(x @ w1 + b1, 0), np.maximum(x @ w1 + b1, 0) @ w2
    xq, hq = fake(x, entry), fake(h, hidden)
    h_alone = fake(np.maximum(xq @ v1 + c1, 0), hidden)
    y_alone = fake(hq @ v2 + c2, last)
    y_all = fake(h_alone @ v2 + c2, last)

    close = {"abs": 0.1}  # dB: a tie may be rounded the other way in float64
    assert entry.isolated == pytest.approx(db(x, xq), **close)
    assert entry.propagated == entry.isolated
    assert entry.on_outputs == pytest.approx(db(y, np.maximum(xq @ w1 + b1, 0) @ w2), **close)
    assert hidden.isolated == pytest.approx(db(h, h_alone), **close)
    assert hidden.propagated == pytest.approx(hidden.isolated, **close)
    assert hidden.on_outputs == pytest.approx(db(y, h_alone @ w2), **close)
    assert last.isolated == pytest.approx(db(y, y_alone), **close)
    assert last.on_outputs == pytest.approx(last.isolated, **close)
    assert last.propagated == pytest.approx(db(y, y_all), **close)
    assert found.outputs[last.name] == pytest.approx(last.propagated, **close)
    assert last.propagated < last.isolated


def test_ranges_and_shares_are_those_of_the_values(rng: np.random.Generator, data: Array) -> None:
    model = two_layers(rng)
    found = analyze(model, octavo.quantize_model(model, data[:8]), data, samples=48)
    tensor = found.layers[0].tensor
    assert tensor is not None
    x = data.astype(np.float64).ravel()
    p = tensor.params
    steps = np.rint(x / p.scale) + p.zero_point
    outside = np.mean((steps < 0) | (steps > 255))
    assert tensor.saturated == pytest.approx(outside, abs=1 / x.size)
    assert outside > 0
    assert tensor.levels == len(np.unique(np.clip(steps, 0, 255)))
    assert (tensor.lo, tensor.hi) == (-p.zero_point * p.scale, (255 - p.zero_point) * p.scale)
    assert tensor.ranges["max"] == (x.min(), x.max())
    assert tensor.noise == pytest.approx(np.mean((x - fake(x, found.layers[0])) ** 2), rel=0.01)
    reach = max(-tensor.lo, tensor.hi)
    assert tensor.crest == pytest.approx(reach / math.sqrt(np.mean(x * x)), rel=1e-3)
    channels = np.abs(data).max(axis=0)
    assert tensor.channel_spread == pytest.approx(channels.max() / np.median(channels), rel=1e-6)
    assert set(tensor.ranges) == set(octavo.calibrate.OBSERVERS)
    weights = found.layers[1].weights
    assert weights is not None
    w = constants(model)[model.graph.node[0].input[1]]
    assert np.array_equal(weights.low, w.min(axis=0))
    assert np.allclose(weights.int8_high, w.max(axis=0), atol=np.abs(w).max() / 127)


def test_equalized_channels_are_compared_in_their_own_size(
    rng: np.random.Generator, data: Array
) -> None:
    gain = 10.0 ** rng.uniform(-1.5, 1.5, 16)
    model = two_layers(rng, gain)
    int8, report = octavo.quantize.quantize_with_report(
        model, data, octavo.quantize.QuantizeOptions(equalize=True)
    )
    found = analyze(model, int8, data)
    assert found.equalized.keys() == report.equalized.keys()
    for name, ratio in report.equalized.items():
        assert found.equalized[name] == pytest.approx(ratio, rel=0.02)
    hidden = found.layers[1]
    assert hidden.isolated > 30
    assert hidden.weights is not None
    assert hidden.weights.equalized
    before = np.maximum(hidden.weights.high, -hidden.weights.low)
    after = np.maximum(hidden.weights.int8_high, -hidden.weights.int8_low)
    assert np.ptp(np.log(after)) < np.ptp(np.log(before)) / 2
    plain = analyze(model, octavo.quantize_model(model, data), data)
    assert plain.equalized == {}
    assert plain.layers[1].propagated > 30


def cause_of(layer: int, found: Analysis) -> str:
    return found.layers[layer].cause.code


def test_causes(rng: np.random.Generator, data: Array) -> None:
    model = two_layers(rng)
    few = octavo.quantize_model(model, data)
    assert cause_of(0, analyze(model, few, data)) == "rounding"
    assert cause_of(0, analyze(model, few, 4 * data)) == "saturation"
    assert cause_of(0, analyze(model, few, np.float32(0.02) * data)) == "unused range"
    coarse = np.rint(4 * data) / np.float32(4.1)
    few = octavo.quantize_model(model, coarse)
    assert cause_of(0, analyze(model, few, coarse)) == "few levels"
    wild = rng.standard_normal((512, 64), np.float32)
    wild[7, 3] = 200
    wide = two_layers(rng, width=64)
    with pytest.warns(octavo.errors.QuantizationWarning, match="OCT004"):
        outliers = octavo.quantize_model(wide, wild)
    found = analyze(wide, outliers, wild, samples=512)
    assert cause_of(0, found) == "outliers"
    assert "range is" in found.layers[0].cause.text
    channels = data * np.float32([30, *np.ones(11)])
    uneven = octavo.quantize_model(model, channels)
    assert cause_of(0, analyze(model, uneven, channels)) == "uneven channels"
    skewed = two_layers(rng, np.float32([200, *np.ones(15)]))
    shared = octavo.quantize_model(skewed, data, per_channel=False)
    assert cause_of(1, analyze(skewed, shared, data)) == "shared scale"


def test_the_worst_layer_comes_first(rng: np.random.Generator, data: Array) -> None:
    model = two_layers(rng)
    int8 = octavo.quantize_model(model, data)
    found = analyze(model, int8, data)
    assert found.worst() == sorted(found.layers, key=lambda layer: layer.on_outputs or math.nan)
    without = analyze(model, int8, data, on_outputs=False)
    assert all(layer.on_outputs is None for layer in without.layers)
    assert without.worst() == sorted(without.layers, key=lambda layer: layer.isolated)


def test_layers_left_in_float_and_progress(rng: np.random.Generator, data: Array) -> None:
    model = two_layers(rng)
    last = model.graph.node[-1].name
    int8 = octavo.quantize_model(model, data, exclude=[last])
    calls: list[tuple[str, int, int | None]] = []
    found = analyze(model, int8, data, progress=lambda *call: calls.append(call))
    end = found.layers[-1]
    assert (end.tensor, end.weights) == (None, None)
    assert end.propagated == pytest.approx(found.outputs[end.name])
    assert calls[-1] == ("one layer at a time", len(found.layers), len(found.layers))
    assert ("running both networks", 48, 48) in calls


@pytest.mark.parametrize("batch", ["N", 4])
def test_convolutions_and_fixed_batches(rng: np.random.Generator, batch: Any) -> None:
    b = Builder([batch, 3, 9, 9])
    x = b.node("Conv", "input", b.constant(rng.standard_normal((8, 3, 3, 3), np.float32)))
    x = b.node("Relu", x)
    y = b.node("Conv", x, b.constant(rng.standard_normal((8, 8, 1, 1), np.float32)))
    y = b.node("Relu", b.node("Add", y, x))
    model = b.model(b.node("GlobalAveragePool", y))
    images = rng.standard_normal((16, 3, 9, 9), np.float32)
    found = analyze(model, octavo.quantize_model(model, images), images, samples=8)
    assert found.samples == 8
    assert [layer.ops for layer in found.layers][:3] == [
        (),
        ("Conv", "Relu"),
        ("Conv", "Add", "Relu"),
    ]
    assert all(layer.isolated > 25 for layer in found.layers)
    assert found.layers[2].weights is not None


def test_other_tools_networks(rng: np.random.Generator, tmp_path: Any) -> None:
    quantization = pytest.importorskip("onnxruntime.quantization")
    b = Builder(["N", 3, 8, 8])
    x = b.node("Conv", "input", b.constant(rng.standard_normal((6, 3, 3, 3), np.float32)))
    x = b.node("GlobalAveragePool", b.node("Relu", x))
    model = b.model(b.node("Flatten", x))
    onnx.save(model, tmp_path / "float.onnx")
    images = rng.standard_normal((8, 3, 8, 8), np.float32)
    for form in ("QDQ", "QOperator"):
        batches = iter([{"input": images}])

        class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
            def get_next(self) -> Any:
                return next(batches, None)  # noqa: B023

        quantization.quantize_static(
            tmp_path / "float.onnx",
            tmp_path / f"{form}.onnx",
            Reader(),
            quant_format=quantization.QuantFormat[form],
            activation_type=quantization.QuantType.QUInt8,
        )
        found = analyze(model, tmp_path / f"{form}.onnx", images)
        assert len(found.layers) >= 3
        assert all(layer.propagated > 25 for layer in found.layers)
        assert sum(layer.weights is not None for layer in found.layers) == 1


def test_a_transformer(rng: np.random.Generator) -> None:
    model, x = encoder(rng), tokens(rng, 8)
    found = analyze(model, octavo.quantize_model(model, x), x)
    assert found.samples == 8
    ops = {op for layer in found.layers for op in layer.ops}
    assert {"MatMul", "Softmax", "LayerNormalization"} <= ops
    assert all(layer.isolated > 20 for layer in found.layers)
    assert all(math.isfinite(layer.on_outputs or math.nan) for layer in found.layers)


def test_bad_arguments(rng: np.random.Generator, data: Array) -> None:
    model = two_layers(rng)
    int8 = octavo.quantize_model(model, data)
    with pytest.raises(InvalidArgumentError, match="samples: expected"):
        analyze(model, int8, data, samples=0)
    with pytest.raises(InvalidModelError, match="int8_model has no QuantizeLinear"):
        analyze(model, model, data)
    with pytest.raises(octavo.UnsupportedModelError, match="already quantized"):
        analyze(int8, int8, data)
    other = onnx.ModelProto()
    other.CopyFrom(model)
    other.graph.output[0].name = other.graph.node[0].output[0]
    with pytest.raises(InvalidModelError, match="outputs of both networks differ"):
        analyze(other, int8, data)
    with pytest.raises(TypeError, match="Calibration"):
        analyze(model, int8, octavo.calibrate_model(model, data))  # type: ignore[arg-type]
    for wrong in ([], data[:0]):
        with pytest.raises(CalibrationError, match="empty"):
            analyze(model, int8, wrong)
    with pytest.raises(CalibrationError, match="NaN"):
        analyze(model, int8, np.full_like(data, np.nan))
