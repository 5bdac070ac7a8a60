"""What `quantize_model` refuses, and in which words."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

import octavo
from graph_support import Array, Builder
from octavo.errors import (
    CalibrationError,
    InvalidArgumentError,
    InvalidDtypeError,
    UnsupportedModelError,
)
from test_quantize_model import IMAGE, residual_net


@pytest.fixture
def model(rng: np.random.Generator) -> onnx.ModelProto:
    return residual_net(rng)


@pytest.fixture
def images(rng: np.random.Generator) -> Array:
    return rng.standard_normal((4, 3, 16, 16)).astype(np.float32)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        ([], CalibrationError, "empty"),
        (np.zeros((0, 3, 16, 16), np.float32), CalibrationError, "empty"),
        (np.full((1, 3, 16, 16), np.nan, np.float32), CalibrationError, "'input' contains NaN"),
        ([np.zeros((3, 16, 15), np.float32)], CalibrationError, r"'input' has shape \(3, 16, 15\)"),
        (np.zeros((1, 3, 16, 16), np.uint8), CalibrationError, "dtype uint8; expected float32"),
        ([{"x": np.zeros(3)}], CalibrationError, r"arrays for \['x'\]; the inputs are"),
        (7, CalibrationError, "not int"),
        ("data.npz", CalibrationError, "not str"),
    ],
)
def test_bad_calibration_data(
    model: onnx.ModelProto, data: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        octavo.quantize_model(model, data)


def test_bad_arguments(model: onnx.ModelProto, images: Array) -> None:
    with pytest.raises(InvalidArgumentError, match=r"method must be one of \['auto'.*got 'min'"):
        octavo.quantize_model(model, images, method="min")
    with pytest.raises(InvalidDtypeError, match="activation_dtype"):
        octavo.quantize_model(model, images, activation_dtype="int16")
    with pytest.raises(InvalidArgumentError, match=r"no nodes named \['nope'\]"):
        octavo.quantize_model(model, images, exclude=["nope"])
    with pytest.raises(UnsupportedModelError, match="already quantized"):
        octavo.quantize_model(octavo.quantize_model(model, images), images)
    b = Builder(IMAGE)
    with pytest.raises(UnsupportedModelError, match="nothing to quantize"):
        octavo.quantize_model(b.model(b.node("Relu", "input")), images)


def test_overflow_while_calibrating_names_the_tensor(images: Array) -> None:
    b = Builder(IMAGE)
    w = b.constant(np.full((2, 3, 1, 1), 3e38, np.float32))
    model = b.model(b.node("Conv", "input", w))
    with pytest.raises(CalibrationError, match=f"tensor '{model.graph.output[0].name}' contains"):
        octavo.quantize_model(model, images * 100)
