"""Cross-layer equalization: the float network stays the same, weight ranges become equal."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

import octavo
from graph_support import Array, Builder, ort_run
from octavo.graph.ir import Graph
from octavo.graph.load import load_graph
from octavo.graph.passes.equalize import Pair, columns, find_pairs
from octavo.graph.session import Session
from octavo.quantize.equalization import equalize_layers


def uneven(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Weights whose output channels differ in size a thousandfold."""
    w = rng.standard_normal(shape) * 10.0 ** rng.uniform(-2, 1, (shape[0], *(1 for _ in shape[1:])))
    return np.float32(w)


def chain(rng: np.random.Generator) -> onnx.ModelProto:
    """Every kind of pair: ReLU, depthwise, pooling, a clamp without end, Gemm both ways round."""
    b = Builder(["N", 3, 12, 12])

    def conv(x: str, shape: tuple[int, ...], **attrs: Any) -> str:
        bias = b.constant(np.float32(rng.standard_normal(shape[0])))
        return b.node("Conv", x, b.constant(uneven(rng, shape)), bias, **attrs)

    y = b.node("Relu", conv("input", (8, 3, 3, 3)))
    y = b.node("Relu", conv(y, (8, 1, 3, 3), group=8, pads=[1] * 4))
    y = b.node("MaxPool", conv(y, (12, 4, 1, 1), group=2), kernel_shape=[2, 2])
    y = b.node("Clip", conv(y, (6, 12, 1, 1)), b.constant(np.float32(0)))
    y = b.node("GlobalAveragePool", conv(y, (10, 6, 3, 3)))
    y = b.node("Flatten", y)
    y = b.node("Gemm", y, b.constant(uneven(rng, (10, 7))), b.constant(np.float32([0.5])))
    y = b.node("Relu", y)
    return b.model(b.node("Gemm", y, b.constant(uneven(rng, (4, 7))), transB=1))


def run(graph: Graph, x: Array) -> Array:
    return Session.from_graph(graph, [graph.outputs[0].name]).run(None, {"input": x})[0]


def ranges(graph: Graph, pair: Pair) -> tuple[Array, Array]:
    (second,) = pair.second
    return (
        np.abs(columns(graph, pair.first)).max(axis=(2, 3)).reshape(-1),
        np.abs(columns(graph, second)).max(axis=(1, 3)).reshape(-1),
    )


def test_the_network_is_the_same_and_ranges_are_equal(rng: np.random.Generator) -> None:
    graph = load_graph(chain(rng))
    x = np.float32(rng.standard_normal((5, 3, 12, 12)))
    want = run(graph, x)
    assert len(find_pairs(graph)) == 5
    gains = equalize_layers(graph)
    assert len(gains) == 5
    assert max(float(gain.max() / gain.min()) for gain in gains.values()) > 100
    np.testing.assert_allclose(run(graph, x), want, rtol=1e-4, atol=1e-5 * np.abs(want).max())
    last = find_pairs(graph)[-1]  # no later pair has changed its second layer again
    first_range, second_range = ranges(graph, last)
    np.testing.assert_allclose(first_range, second_range, rtol=1e-5)


def test_what_breaks_a_pair(rng: np.random.Generator) -> None:
    """An upper clamp, an addition, an output, a name excluded, weights that are computed."""
    b = Builder(["N", 4, 6, 6])
    w = [b.constant(uneven(rng, (4, 4, 1, 1))) for _ in range(6)]
    y = b.node("Conv", "input", w[0])
    y = b.node("Clip", y, b.constant(np.float32(0)), b.constant(np.float32(6)))
    left = b.node("Conv", y, w[1])
    right = b.node("Conv", y, w[2])
    total = b.node("Conv", b.node("Add", left, right), w[3])
    last = b.node("Conv", b.node("Relu", b.node("Conv", total, w[4])), w[5])
    model = b.model(last, total)
    graph = load_graph(model)
    (pair,) = find_pairs(graph)  # the last two alone
    assert pair.second[0].output == last
    assert find_pairs(graph, frozenset({pair.first.name})) == []
    before = {name: value.copy() for name, value in graph.initializers.items()}
    equalize_layers(graph)
    for name in w[:4]:
        np.testing.assert_array_equal(graph.initializers[name], before[name])


def test_several_readers_and_shared_weights(rng: np.random.Generator) -> None:
    b = Builder(["N", 4, 6, 6])
    shared = b.constant(uneven(rng, (4, 4, 1, 1)))
    y = b.node("Relu", b.node("Conv", "input", shared))
    a = b.node("Conv", y, shared)
    c = b.node("Conv", y, b.constant(uneven(rng, (4, 4, 3, 3))), pads=[1] * 4)
    graph = load_graph(b.model(b.node("Add", a, c)))
    x = np.float32(rng.standard_normal((2, 4, 6, 6)))
    want = run(graph, x)
    assert len(equalize_layers(graph)) == 1
    np.testing.assert_allclose(run(graph, x), want, rtol=1e-4, atol=1e-5 * np.abs(want).max())


def test_channels_of_zeros_stay(rng: np.random.Generator) -> None:
    b = Builder(["N", 3, 4, 4])
    w1, w2 = uneven(rng, (4, 3, 1, 1)), uneven(rng, (2, 4, 1, 1))
    w1[0], w2[:, 1] = 0, 0
    y = b.node("Conv", b.node("Conv", "input", b.constant(w1)), b.constant(w2))
    graph = load_graph(b.model(y))
    (gain,) = equalize_layers(graph).values()
    assert np.all(gain[:2] == 1)
    assert np.all(np.isfinite(gain))


def test_equalized_int8_is_close_to_float(rng: np.random.Generator) -> None:
    b = Builder(["N", 4, 6, 6])
    sizes = np.float32(10.0 ** rng.uniform(-2, 1, (16, 1, 1, 1)))  # undone by the second layer
    w1, w2 = (np.float32(rng.standard_normal(s)) for s in ((16, 4, 3, 3), (4, 16, 1, 1)))
    y = b.node("Relu", b.node("Conv", "input", b.constant(w1 * sizes)))
    model = b.model(b.node("Conv", y, b.constant(w2 / sizes.reshape(1, 16, 1, 1))))
    x = np.float32(rng.standard_normal((64, 4, 6, 6)))
    (want,) = ort_run(model, {"input": x})

    def noise(**options: Any) -> float:
        quantized = octavo.quantize_model(model, x, bias_correction=False, **options)
        (found,) = octavo.Session(quantized).run(None, {"input": x})
        return float(np.mean((found - want) ** 2) / np.mean(want**2))

    for per_channel in (True, False):
        noise_before = noise(per_channel=per_channel)
        assert noise(equalize=True, per_channel=per_channel) < 0.1 * noise_before


def test_needs_data(rng: np.random.Generator) -> None:
    model = chain(rng)
    x = np.float32(rng.standard_normal((4, 3, 12, 12)))
    calibration = octavo.calibrate_model(model, x)
    with pytest.raises(octavo.errors.InvalidArgumentError, match="equalize=True needs samples"):
        octavo.quantize_model(model, calibration, equalize=True)
