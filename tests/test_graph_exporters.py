"""Models as other tools place Q and DQ: PyTorch's quantization-aware training, NNCF."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import pytest

import octavo
from graph_support import Array, Builder, both, steps
from octavo.errors import UnsupportedModelError


def fake_quantize(b: Builder, x: str, scale: float, zero: int, top: int = 127) -> str:
    """As torch.onnx exports a FakeQuantize of a reduced range."""
    q = b.quantize(x, scale, zero)
    bounds = [b.constant(np.array(v, np.uint8)) for v in (0, top)]
    return b.dequantize(b.node("Clip", q, *bounds), scale, zero)


def torch_weight(b: Builder, w: Array) -> str:
    """A float constant behind Q and DQ per output channel."""
    scale = (np.abs(w).reshape(len(w), -1).max(axis=1) / 127).astype(np.float32)
    names = [b.constant(scale), b.constant(np.zeros(len(w), np.int8))]
    q = b.node("QuantizeLinear", b.constant(w), *names, axis=0)
    return b.node("DequantizeLinear", q, *names, axis=0)


def torch_net(rng: np.random.Generator) -> Any:
    b = Builder(["N", 3, 10, 10])
    x = fake_quantize(b, "input", 0.03, 64)
    ws = [
        rng.normal(0, 0.2, s).astype(np.float32) for s in ((8, 3, 3, 3), (8, 1, 3, 3), (6, 8, 1, 1))
    ]
    bias = b.constant(rng.normal(0, 0.1, 8).astype(np.float32))
    y = b.node("Conv", x, torch_weight(b, ws[0]), bias, pads=[1] * 4)
    y = b.node("Relu", fake_quantize(b, y, 0.02, 60))
    z = b.node("Conv", y, torch_weight(b, ws[1]), pads=[1] * 4, group=8)
    z = b.node("Relu", fake_quantize(b, z, 0.015, 62))
    y = fake_quantize(b, b.node("Add", y, z), 0.03, 2)
    y = fake_quantize(b, b.node("Conv", y, torch_weight(b, ws[2])), 0.03, 64)
    return b.model(y)


def test_torch_quantization_aware_training(rng: np.random.Generator) -> None:
    model = torch_net(rng)
    found = [step for step in steps(model) if not step.startswith("Transpose")]
    assert sum("Conv" in step and step.endswith("int8") for step in found) == 3
    assert "Add+Clip:int8" in found
    floats = {step.split(":")[0] for step in found if step.endswith("float32")}
    assert floats <= {"Clip", "DequantizeLinear"}  # of the input, and the output
    (ours,), (theirs,) = both(model, input=rng.standard_normal((2, 3, 10, 10)).astype(np.float32))
    assert np.abs(ours - theirs).max() <= 0.03 * 1.001  # one step
    assert np.mean(ours != theirs) < 0.02


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("op", ["Conv", "Gemm", "MatMul"])
def test_quantized_in_front_of_layers_only(rng: np.random.Generator, op: str, dtype: str) -> None:
    """NNCF quantizes what a layer reads; activations in between stay where they are."""
    rank4 = op == "Conv"
    b = Builder(["N", 8, 5, 5] if rank4 else ["N", 16])
    shape = (12, 8, 3, 3) if rank4 else (16, 12)
    axis = 0 if rank4 else 1
    scale = rng.uniform(0.005, 0.02, 12).astype(np.float32)
    weight = b.weight(rng.integers(-127, 128, shape).astype(np.int8), scale, axis=axis)
    attrs = {"pads": [1] * 4} if rank4 else {}
    y = b.node(op, b.qdq("input", 0.02, 3, dtype), weight, **attrs)
    y = b.qdq(b.node("Relu", y), 0.05, 0 if dtype == "uint8" else -128, dtype)
    head = rng.integers(-127, 128, (4, 12, 1, 1) if rank4 else (12, 4)).astype(np.int8)
    y = b.node(op, y, b.weight(head, rng.uniform(0.01, 0.02, 4), axis=axis))
    model = b.model(y)
    found = steps(model)
    assert sum(f"{op}+Relu:int8" in step for step in found) == 1
    assert f"{op}:float32" in found  # nothing quantizes its result
    x = rng.standard_normal((3, 8, 5, 5) if rank4 else (3, 16)).astype(np.float32)
    (ours,), (theirs,) = both(model, input=x)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=0.05 * 127 * 0.02 * 1.01)


def test_weights_with_zero_points_per_channel(rng: np.random.Generator) -> None:
    b = Builder(["N", 16])
    w = rng.integers(0, 256, (16, 6)).astype(np.uint8)
    zero = rng.integers(90, 160, 6)
    weight = b.weight(w, rng.uniform(0.005, 0.01, 6), zero, axis=1)
    y = b.qdq(b.node("MatMul", b.qdq("input", 0.02, 120), weight), 0.05, 128)
    model = b.model(y)
    assert "MatMul:int8" in steps(model)
    (ours,), (theirs,) = both(model, input=rng.standard_normal((9, 16)).astype(np.float32))
    assert np.abs(ours - theirs).max() <= 0.05 * 1.001


def test_clip_of_bytes_that_cannot_move(rng: np.random.Generator) -> None:
    """Bounds that are computed stay an error, not a wrong result."""
    b = Builder(["N", 4])
    q = b.quantize("input", 0.1, 3)
    y = b.dequantize(b.node("Clip", q, q), 0.1, 3)
    with pytest.raises(UnsupportedModelError, match="Clip"):
        octavo.Session(b.model(y))


@pytest.mark.parametrize(
    ("dtype", "scale", "zero"),
    [("int16", 1e-4, 0), ("uint16", 1e-4, 32000), ("int4", 0.3, -1), ("uint4", 0.25, 7)],
)
def test_activations_of_other_widths_are_simulated(
    rng: np.random.Generator, dtype: str, scale: float, zero: int
) -> None:
    b = Builder(["N", 16], opset=21)
    point = np.asarray(zero).astype(getattr(ml_dtypes, dtype, dtype))
    params = [b.constant(np.float32(scale)), b.constant(point)]
    w = b.constant(rng.standard_normal((16, 4)).astype(np.float32))
    x = b.node("DequantizeLinear", b.node("QuantizeLinear", "input", *params), *params)
    model = b.model(b.node("MatMul", x, w), x)
    model.ir_version = 10
    assert set(steps(model)) == {"FakeQuantize:float32", "MatMul:float32"}
    ours, theirs = both(model, input=rng.normal(0, 2, (9, 16)).astype(np.float32))
    np.testing.assert_array_equal(ours[1], theirs[1])
    np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("opset", [7, 9])
def test_attributes_that_became_inputs(rng: np.random.Generator, opset: int) -> None:
    """Clip, Pad and Slice of old exporters."""
    b = Builder(["N", 3, 6, 7], opset=opset)
    x = b.node("Clip", "input", min=-0.5, max=1.5)
    x = b.node("Pad", x, pads=[0, 0, 1, 2, 0, 0, 0, 1], value=0.25)
    model = b.model(b.node("Slice", x, axes=[2, 3], starts=[0, 1], ends=[5, -1]))
    (ours,), (theirs,) = both(model, input=rng.standard_normal((2, 3, 6, 7)).astype(np.float32))
    np.testing.assert_array_equal(ours, theirs)
