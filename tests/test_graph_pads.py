"""Pad before a convolution or pooling: no step of its own, the same result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from graph_support import Array, Builder, both, step_distance, steps

S, Z = 0.02, 120


def image(rng: np.random.Generator) -> Array:
    return rng.standard_normal((3, 4, 9, 7)).astype(np.float32)


def pads(b: Builder, extents: list[int], value: float | None = None) -> list[str]:
    given = [] if value is None else [b.constant(np.float32(value))]
    return [b.constant(np.int64(extents)), *given]


def conv(b: Builder, x: str, rng: np.random.Generator, **attrs: Any) -> str:
    weight = rng.integers(-127, 128, (5, 4, 3, 3), dtype=np.int8)
    return b.node("Conv", x, b.weight(weight, np.float32(0.003)), **attrs)


def compare(b: Builder, y: str, x: Array, expected: list[str]) -> None:
    model = b.model(y, dtypes=["uint8"])
    (ours,), (theirs,) = both(model, input=x)
    assert step_distance(ours, theirs) <= 1
    assert np.mean(ours != theirs) < 0.02
    assert len(np.unique(theirs)) > 20
    assert [s for s in steps(model) if not s.startswith(("Quantize", "Transpose"))] == expected


@pytest.mark.parametrize("value", [None, 0.0])
@pytest.mark.parametrize("attrs", [{}, {"pads": [1, 0, 0, 2], "strides": [2, 2]}])
def test_pad_before_a_convolution_of_bytes(
    rng: np.random.Generator, value: float | None, attrs: dict[str, Any]
) -> None:
    b = Builder(["N", 4, 9, 7])
    x = b.qdq("input", S, Z)
    y = b.qdq(b.node("Pad", x, *pads(b, [0, 0, 1, 0, 0, 0, 2, 1], value)), S, Z)
    compare(b, b.quantize(conv(b, y, rng, **attrs), 0.05, 77), image(rng), ["Pad+Conv:int8"])


def test_pad_that_changes_parameters_leaves_that_change(rng: np.random.Generator) -> None:
    b = Builder(["N", 4, 9, 7])
    x = b.qdq("input", S, Z)
    y = b.qdq(b.node("Pad", x, *pads(b, [0, 0, 1, 1, 0, 0, 1, 1])), 0.03, 100)
    out = b.quantize(conv(b, y, rng), 0.05, 77)
    compare(b, out, image(rng), ["Requantize:int8", "Pad+Conv:int8"])


@pytest.mark.parametrize(
    ("extents", "value"),
    [
        ([0, 0, 1, 1, 0, 0, 1, 1], 0.5),  # no padding a convolution knows
        ([0, 1, 1, 0, 0, 0, 0, 0], None),  # channels
    ],
)
def test_pad_that_stays(rng: np.random.Generator, extents: list[int], value: float | None) -> None:
    b = Builder(["N", 4 - extents[1], 9, 7])
    x = b.qdq("input", S, Z)
    y = b.qdq(b.node("Pad", x, *pads(b, extents, value)), S, Z)
    out = b.quantize(conv(b, y, rng), 0.05, 77)
    compare(b, out, image(rng)[:, extents[1] :], ["Pad:int8", "Conv:int8"])


def test_pad_read_by_another_operator_stays(rng: np.random.Generator) -> None:
    b = Builder(["N", 4, 9, 7])
    x = b.qdq("input", S, Z)
    y = b.qdq(b.node("Pad", x, *pads(b, [0, 0, 1, 1, 0, 0, 1, 1])), S, Z)
    small = b.qdq(b.node("AveragePool", y, kernel_shape=[3, 3]), S, Z)
    wide = b.qdq(conv(b, y, rng), 0.05, 77)
    model = b.model(small, wide)
    assert sum(s.startswith("Pad") for s in steps(model)) == 1
    for ours, theirs in zip(*both(model, input=image(rng)), strict=True):
        assert np.abs(ours - theirs).max() < 0.051


@pytest.mark.parametrize(
    ("zero_point", "kernel", "folds"), [(0, 3, True), (0, 1, False), (120, 3, False)]
)
def test_pad_before_max_pool(
    rng: np.random.Generator, zero_point: int, kernel: int, folds: bool
) -> None:
    """Zero is the smallest byte of a tensor behind a ReLU; windows need a pixel of the image."""
    b = Builder(["N", 4, 9, 7])
    x = b.qdq("input", S, zero_point)
    y = b.qdq(b.node("Pad", x, *pads(b, [0, 0, 1, 1, 0, 0, 1, 1])), S, zero_point)
    pool = b.node("MaxPool", y, kernel_shape=[kernel, kernel], strides=[2, 2])
    model = b.model(b.qdq(pool, S, zero_point))
    assert any(s == "Pad:int8" for s in steps(model)) != folds
    (ours,), (theirs,) = both(model, input=image(rng))
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("folds", [True, False])
def test_pad_before_a_convolution_of_floats(rng: np.random.Generator, folds: bool) -> None:
    b = Builder(["N", 4, 9, 7])
    x = b.node("Pad", "input", *pads(b, [0, 0, 1, 2, 0, 0, 0, 1], 0.0 if folds else 0.5))
    weight = b.constant(rng.standard_normal((5, 4, 3, 3), np.float32))
    model = b.model(b.node("Relu", b.node("Conv", x, weight, auto_pad="VALID")))
    expected = "Pad+Conv+Relu:float32" if folds else "Conv+Relu:float32"
    assert expected in steps(model)
    (ours,), (theirs,) = both(model, input=image(rng))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)
