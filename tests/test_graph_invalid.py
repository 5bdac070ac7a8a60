"""Models whose nodes cannot be right, each refused by name with what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import octavo
from graph_support import Builder, unchecked
from octavo.errors import InvalidModelError, UnsupportedModelError

Build = Callable[[Builder], str]


def one(op: str, *constants: Any, **attrs: Any) -> Build:
    return lambda b: b.node(op, "input", *(b.constant(c) for c in constants), **attrs)


def ones(*shape: int) -> Any:
    return np.ones(shape, np.float32)


def norm(*values: Any, **attrs: Any) -> Build:
    return one("BatchNormalization", *values, **attrs)


def quantized_weight(scale: Any, zero: Any = None, **attrs: Any) -> Build:
    def build(b: Builder) -> str:
        w = b.weight(np.ones((4, 4, 1, 1), np.int8), scale, zero, **attrs)
        return b.qdq(b.node("Conv", b.qdq("input", 0.1, 0), w), 0.1, 0)

    return build


CASES: list[tuple[Build, type[Exception], str]] = [
    (one("Conv", ones(4, 4, 9, 9)), InvalidModelError, "does not fit the input"),
    (one("Conv", ones(4, 3, 1, 1)), InvalidModelError, "do not fit 4 input channels"),
    (one("Conv", ones(4, 4, 1)), InvalidModelError, "do not fit 2 spatial axes"),
    (one("Conv", ones(4, 4, 3, 3), kernel_shape=[2, 2]), InvalidModelError, "kernel_shape"),
    (one("Conv", ones(4, 4, 1, 1), group=3), InvalidModelError, "with 3 groups"),
    (one("Conv", ones(4, 4, 1, 1), group=0), InvalidModelError, "with 0 groups"),
    (one("Conv", ones(4, 4, 1, 1), strides=[0, 1]), InvalidModelError, "window extents"),
    (one("Conv", ones(4, 4, 1, 1), strides=[1]), InvalidModelError, "must have 2 entries"),
    (one("Conv", ones(4, 4, 1, 1), pads=[0, 0, 0, -1]), UnsupportedModelError, "pads must be"),
    (one("Conv", ones(4, 4, 1, 1), auto_pad="NO"), InvalidModelError, "auto_pad 'NO'"),
    (one("Conv", ones(4, 4, 1, 1), ones(3)), UnsupportedModelError, "a bias of shape"),
    (one("MaxPool"), InvalidModelError, "'kernel_shape' is missing"),
    (one("MaxPool", kernel_shape=[9, 9]), InvalidModelError, "does not fit the input"),
    (one("Gemm", ones(4, 4)), InvalidModelError, "needs matrices"),
    (one("MatMul", ones(7, 4)), InvalidModelError, "multiplies rows of 8"),
    (one("MatMul", ones(2, 8, 4)), UnsupportedModelError, "weights must be a matrix"),
    (one("Add", ones(3, 1, 1)), InvalidModelError, "does not broadcast"),
    (one("Softmax", axis=7), InvalidModelError, "axis 7 is out of range"),
    (one("Flatten", axis=9), InvalidModelError, "axis 9 is out of range"),
    (one("Reshape", np.int64([0, -1, -1])), InvalidModelError, "is not a shape"),
    (one("Reshape", np.int64([0, 3, -1])), InvalidModelError, "do not fit"),
    (one("Reshape", np.int64([0, 4, 8, 8, 0])), InvalidModelError, "which the input lacks"),
    (one("Reshape", np.int64([0, 0, -1]), allowzero=1), UnsupportedModelError, "allowzero"),
    (one("Squeeze", np.int64([1])), InvalidModelError, "are not all 1"),
    (one("Squeeze", np.int64([9])), InvalidModelError, "out of range"),
    (one("Unsqueeze", np.int64([1, 1])), InvalidModelError, "missing or repeated"),
    (one("Pad", np.int64([0] * 6)), InvalidModelError, "6 pads for 4 axes"),
    (one("Slice", np.int64([0]), np.int64([1, 2])), InvalidModelError, "one length"),
    (
        one("Slice", *(np.int64([v]) for v in (0, 5, 2, 0))),
        InvalidModelError,
        "steps not 0",
    ),
    (one("Clip", np.float32(np.nan)), InvalidModelError, "bounds are NaN"),
    (one("Clip", ones(2)), UnsupportedModelError, "constant scalars"),
    (lambda b: b.node("Clip", "input", "input"), UnsupportedModelError, "constant scalars"),
    (norm(ones(3), ones(3), ones(3), ones(3)), InvalidModelError, "has 3 channels"),
    (norm(ones(4), ones(4), ones(4), ones(3)), InvalidModelError, "vectors of one length"),
    (norm(ones(4), ones(4), ones(4), -ones(4)), InvalidModelError, "must be positive"),
    (norm(*[ones(4)] * 4, training_mode=1), UnsupportedModelError, "training mode"),
    (quantized_weight(ones(3)), InvalidModelError, r"\(3,\) scales do not fit axis 0"),
    (quantized_weight(ones(4), axis=4), InvalidModelError, "scales do not fit axis 4"),
    (one("QuantizeLinear", ones(4), np.zeros(4, np.uint8)), UnsupportedModelError, "one scale"),
    (one("QuantizeLinear", np.float32(1), np.int32(0)), UnsupportedModelError, "must be uint8"),
    (
        lambda b: b.node("QuantizeLinear", "input", b.node("Relu", "input")),
        UnsupportedModelError,
        "scale and zero point must be constant",
    ),
    (lambda b: b.node("Add", "input", "nowhere"), InvalidModelError, "nowhere"),
    (
        lambda b: b.node("Add", "input", b.node("MaxPool", "input", kernel_shape=[2, 2])),
        InvalidModelError,
        "do not broadcast",
    ),
    (
        lambda b: b.node("Mul", "input", b.node("Flatten", "input")),
        UnsupportedModelError,
        "mixes samples",
    ),
    (
        lambda b: b.node(
            "Reshape",
            "input",
            b.node("Mul", b.node("Shape", "input"), b.constant(np.int64([1, 1, 1, 1]))),
        ),
        UnsupportedModelError,
        "computes with the batch extent",
    ),
    (
        lambda b: b.node("Reshape", "input", b.node("Shape", "input", start=0, end=1)),
        UnsupportedModelError,
        "does not keep the 256 elements",
    ),
]


@pytest.mark.parametrize(("build", "error", "message"), CASES, ids=[m for _, _, m in CASES])
def test_invalid_nodes(build: Build, error: type[Exception], message: str) -> None:
    b = Builder(["N", 4, 8, 8])
    y = build(b)
    with pytest.raises(error, match=message):
        octavo.Session(unchecked(b, y))


def test_spatial_axes() -> None:
    b = Builder(["N", 2, 3, 4, 5])
    y = b.node("Conv", "input", b.constant(ones(2, 2, 1, 1, 1)))
    with pytest.raises(UnsupportedModelError, match="needs 1 or 2 spatial axes; the input has 3"):
        octavo.Session(unchecked(b, y))


@pytest.mark.parametrize("shape", [(), [0, 4]])
def test_inputs_without_a_batch(shape: Any) -> None:
    b = Builder(shape)
    with pytest.raises(UnsupportedModelError, match=r"no batch axis|a batch of 0"):
        octavo.Session(unchecked(b, b.node("Relu", "input")))


def test_inputs_of_other_types_and_different_batches() -> None:
    b = Builder(["N", 4], dtype="int64")
    with pytest.raises(UnsupportedModelError, match="input 'input' is int64; octavo takes"):
        octavo.Session(unchecked(b, b.node("Relu", "input")))
    b = Builder([2, 4])
    b.add_input("other", [3, 4])
    with pytest.raises(UnsupportedModelError, match="fix different extents"):
        octavo.Session(unchecked(b, b.node("Add", "input", "other")))


def test_output_that_is_a_constant() -> None:
    b = Builder(["N", 4])
    b.node("Relu", "input")
    y = b.node("Identity", b.constant(ones(1, 4)))
    with pytest.raises(UnsupportedModelError, match="is a constant"):
        octavo.Session(unchecked(b, y))
