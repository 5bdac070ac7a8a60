"""Bias correction: the expected error of a layer, and what is left of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

import octavo
from graph_support import Array, Builder, ort_run
from octavo.graph.load import load_graph
from octavo.graph.passes import simplify
from octavo.graph.session import Session
from octavo.quantize.bias_correction import _float_outputs, shrunk_mean
from octavo.quantize.bytes_walk import ByteWalk
from octavo.quantize.sample import Sample
from octavo.quantize.writer import WrittenLayer
from test_quantize_model import residual_net


@pytest.fixture
def images(rng: np.random.Generator) -> Array:
    return rng.standard_normal((96, 3, 16, 16)).astype(np.float32)


@pytest.mark.parametrize(
    ("shape", "weight", "attrs"),
    [
        ((6, 9, 8), (4, 6, 3, 3), {}),
        ((6, 9, 8), (4, 6, 3, 3), {"pads": [0, 1, 2, 1], "strides": [2, 1]}),
        ((6, 9, 8), (4, 3, 3, 2), {"group": 2, "dilations": [2, 3], "pads": [2, 2, 2, 2]}),
        ((6, 9, 8), (6, 1, 5, 5), {"group": 6, "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
        ((6, 9, 8), (6, 1, 4, 4), {"group": 6, "auto_pad": "SAME_LOWER"}),
        ((6, 9), (4, 6, 3), {"pads": [1, 1], "strides": [2]}),
    ],
)
def test_means_of_a_convolution_without_running_it(
    rng: np.random.Generator,
    shape: tuple[int, ...],
    weight: tuple[int, ...],
    attrs: dict[str, Any],
) -> None:
    b = Builder(["N", *shape])
    w = rng.standard_normal(weight).astype(np.float32)
    model = b.model(b.node("Conv", "input", b.constant(w), **attrs))
    x = rng.standard_normal((5, *shape)).astype(np.float32)
    graph = load_graph(model)
    nothing = np.zeros(weight[0], np.float32)
    layer = WrittenLayer(
        "y", graph.nodes[0], "input", 0, w, w.astype(np.int8), nothing, nothing, "", nothing
    )
    (found,) = _float_outputs(graph, [layer], Sample({"input": x})).values()
    (want,) = ort_run(model, {"input": x})
    np.testing.assert_allclose(found, want.reshape(*want.shape[:2], -1).mean(2), atol=1e-5)


def skewed(rng: np.random.Generator) -> onnx.ModelProto:
    """Coarse activations of one sign and weights of one sign: roundings do not cancel."""
    b = Builder(["N", 3, 16, 16])
    y = "input"
    for cin, cout in ((3, 8), (8, 8), (8, 8)):
        w = np.abs(rng.standard_normal((cout, cin, 3, 3))).astype(np.float32) ** 6
        y = b.node("Conv", y, b.constant(w / w.sum(axis=(1, 2, 3), keepdims=True)), pads=[1] * 4)
        y = b.node("Relu", y)
    y = b.node("Flatten", b.node("GlobalAveragePool", y))
    return b.model(b.node("Gemm", y, b.constant(np.abs(rng.standard_normal((8, 4)).astype("f4")))))


def test_the_mean_error_goes_away(rng: np.random.Generator, images: Array) -> None:
    model = skewed(rng)
    x = np.abs(images) ** 3  # most of it within the first steps
    (want,) = ort_run(model, {"input": x})

    def error(correction: bool, data: Array) -> float:
        quantized = octavo.quantize_model(model, data, bias_correction=correction)
        (found,) = octavo.Session(quantized).run(None, {"input": x})
        return float(np.abs((found - want).mean(axis=0)).max())

    assert error(True, x) < 0.35 * error(False, x)
    assert error(True, x[::2]) < 0.5 * error(False, x[::2])  # also on images it has not seen


def test_noise_is_not_added(rng: np.random.Generator) -> None:
    errors = rng.standard_normal((64, 100))
    assert np.abs(shrunk_mean(errors)).max() < 0.3 * np.abs(errors.mean(axis=0)).max()
    shifted = errors + 1.0
    np.testing.assert_allclose(shrunk_mean(shifted), shifted.mean(axis=0), rtol=0.03)
    assert not np.any(shrunk_mean(errors[:1]))


def test_layer_by_layer_is_the_whole_network(rng: np.random.Generator, images: Array) -> None:
    quantized = octavo.quantize_model(residual_net(rng), images[:40], activation_dtype="int8")
    graph = load_graph(quantized)
    simplify(graph)
    names = [n.output for n in graph.nodes if n.op == "QuantizeLinear"]
    want = dict(zip(names, Session.from_graph(graph, names).run(None, {"input": images}), strict=1))
    walk, seen = ByteWalk(graph, {"input": images}), set()

    def check(node: Any) -> None:
        if node.op == "DequantizeLinear" and node.input(0) in want:
            np.testing.assert_array_equal(walk.value(node.input(0)), want[node.input(0)])
            seen.add(node.input(0))

    walk.run(check)
    assert seen == set(names)


def test_the_same_on_every_backend_and_twice(rng: np.random.Generator, images: Array) -> None:
    model = residual_net(rng)
    found = set()
    for backend in [*octavo.backends(), octavo.backend()]:
        with octavo.use_backend(backend):
            quantized = octavo.quantize_model(model, images, method="auto", equalize=True)
        found.add(quantized.SerializeToString(deterministic=True))
    assert len(found) == 1


def test_biases_are_added_and_matmul_biases_corrected(rng: np.random.Generator) -> None:
    b = Builder(["N", 5, 6])
    w = np.abs(rng.standard_normal((6, 6))).astype(np.float32)
    y = b.node("Add", b.node("MatMul", "input", b.constant(w)), b.constant(np.float32([0.5] * 6)))
    y = b.node("Flatten", b.node("Relu", y))
    model = b.model(b.node("Gemm", y, b.constant(rng.standard_normal((30, 4)).astype("f4"))))
    x = np.float32(rng.standard_normal((50, 5, 6)) ** 2)
    quantized = octavo.quantize_model(model, x)
    gemm = next(n for n in quantized.graph.node if n.op_type == "Gemm")
    assert len(gemm.input) == 3
    (want,), (ours,) = (
        ort_run(model, {"input": x}),
        octavo.Session(quantized).run(None, {"input": x}),
    )
    assert np.sqrt(np.mean((ours - want) ** 2) / np.mean(want**2)) < 0.02


def test_needs_samples(rng: np.random.Generator, images: Array) -> None:
    model = residual_net(rng)
    calibration = octavo.calibrate_model(model, images[:4])
    for options in ({"bias_correction": True}, {"method": "auto"}):
        with pytest.raises(octavo.errors.InvalidArgumentError, match="needs samples"):
            octavo.quantize_model(model, calibration, **options)
