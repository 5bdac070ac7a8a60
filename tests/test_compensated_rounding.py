"""Weights rounded so that errors cancel: the covariances it rests on, and what it gains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import numpy_helper

import octavo
from graph_support import Array, Builder, ort_run
from octavo._rounding import BLOCK, round_compensated
from octavo.graph.load import load_graph
from octavo.quantize.moments import MIN_ROWS, covariances
from octavo.quantize.sample import Sample


def correlated(rng: np.random.Generator, groups: int, k: int) -> Array:
    mixing = rng.standard_normal((groups, k, k)) * np.linspace(0.1, 2, k)
    return mixing @ mixing.transpose(0, 2, 1) / k


def cost(errors: Array, covariance: Array) -> Array:
    return np.einsum("gnk,gkl,gnl->gn", errors, covariance, errors)


@pytest.mark.parametrize(("groups", "n", "k"), [(1, 24, 40), (1, 8, 2 * BLOCK + 5), (6, 1, 9)])
def test_errors_cancel(rng: np.random.Generator, groups: int, n: int, k: int) -> None:
    w = rng.standard_normal((groups, n, k))
    scale = np.abs(w).max(axis=2, keepdims=True) / 127
    covariance = correlated(rng, groups, k)
    found = round_compensated(w, scale, covariance, 127)
    assert np.all(np.abs(found) <= 127)
    assert np.all(found == np.rint(found))
    nearest = np.rint(w / scale)
    ratio = cost(found * scale - w, covariance) / cost(nearest * scale - w, covariance)
    assert np.mean(ratio) < 0.7
    assert np.abs(found - w / scale).max() < 20  # nearby still


def test_independent_inputs_are_rounded_to_nearest(rng: np.random.Generator) -> None:
    w = rng.standard_normal((1, 5, 30))
    scale = np.abs(w).max(axis=2, keepdims=True) / 127
    covariance = np.diag(rng.uniform(0.1, 9, 30))[np.newaxis]
    np.testing.assert_array_equal(round_compensated(w, scale, covariance, 127), np.rint(w / scale))
    np.testing.assert_array_equal(  # inputs that never change
        round_compensated(w, scale, 0 * covariance, 127), np.rint(w / scale)
    )


@pytest.mark.parametrize(
    ("shape", "weight", "attrs"),
    [
        ((4, 9, 8), (5, 4, 3, 3), {"pads": [1, 1, 0, 2], "strides": [2, 1]}),
        ((4, 9, 8), (8, 2, 2, 3), {"group": 2, "dilations": [2, 1]}),
        ((4, 9, 8), (4, 1, 3, 3), {"group": 4, "auto_pad": "SAME_UPPER"}),
        ((4, 9), (5, 4, 3), {}),
    ],
)
def test_covariance_predicts_the_variance_of_results(
    rng: np.random.Generator, shape: tuple[int, ...], weight: tuple[int, ...], attrs: dict[str, Any]
) -> None:
    """w' C w is the variance of the convolution, over all positions of all samples."""
    b = Builder(["N", *shape])
    w = rng.standard_normal(weight).astype(np.float32)
    model = b.model(b.node("Conv", "input", b.constant(w), **attrs))
    x = np.float32(rng.standard_normal((20, *shape)) + 1)
    graph = load_graph(model)
    (c,) = covariances(graph, graph.nodes, Sample({"input": x})).values()
    assert 20 * np.prod(shape[1:]) < MIN_ROWS  # so none was left out
    (y,) = ort_run(model, {"input": x})
    rows = w.reshape(len(c), len(w) // len(c), -1).astype(np.float64)
    want = y.swapaxes(0, 1).reshape(len(w), -1).var(axis=1)
    np.testing.assert_allclose(cost(rows, c).reshape(-1), want, rtol=1e-3)


def test_sums_of_a_quantized_network_get_closer(rng: np.random.Generator) -> None:
    """64 inputs that are made of 6."""
    b = Builder(["N", 64])
    w = rng.standard_normal((64, 16)).astype(np.float32)
    model = b.model(b.node("Gemm", "input", b.constant(w, "w"), b.constant(np.zeros(16, "f4"))))
    x = np.float32(rng.standard_normal((400, 6)) @ rng.standard_normal((6, 64)))

    def noise(rounding: str) -> float:
        quantized = octavo.quantize_model(model, x[:100], rounding=rounding)
        found = {t.name: numpy_helper.to_array(t) for t in quantized.graph.initializer}
        errors = x @ (found["w.q"] * found["w.scale"] - w)
        return float(np.mean(errors.var(axis=0)))

    assert noise("compensated") < 0.2 * noise("nearest")


def test_needs_samples(rng: np.random.Generator) -> None:
    b = Builder(["N", 6])
    model = b.model(b.node("MatMul", "input", b.constant(np.eye(6, dtype=np.float32))))
    calibration = octavo.calibrate_model(model, rng.standard_normal((40, 6)).astype(np.float32))
    with pytest.raises(octavo.errors.InvalidArgumentError, match="needs samples"):
        octavo.quantize_model(model, calibration, rounding="compensated")
