"""What becomes one step, what stays on bytes, what falls back to float32."""

from __future__ import annotations

import numpy as np
import pytest

import octavo
from graph_support import Array, Builder, both, ort_run, step_distance, steps
from octavo import _core

IMAGE = ["N", 4, 8, 8]


def image(rng: np.random.Generator) -> Array:
    return rng.standard_normal((2, 4, 8, 8)).astype(np.float32)


def conv(b: Builder, x: str, rng: np.random.Generator, out: int = 4) -> str:
    w = rng.integers(-127, 128, (out, 4, 3, 3), dtype=np.int8)
    return b.node("Conv", x, b.weight(w, np.full(out, 0.003, np.float32)), pads=[1, 1, 1, 1])


def computing(b: Builder, *outputs: str) -> list[str]:
    return [s for s in steps(b.model(*outputs)) if not s.startswith("Transpose")]


def test_flatten_and_pool_without_their_own_qdq_run_on_bytes(rng: np.random.Generator) -> None:
    """A tool may leave operators that only move values in float between two quantized layers."""
    b = Builder(IMAGE)
    x = b.qdq("input", 0.02, 128)
    y = b.node("MaxPool", b.qdq(b.node("Relu", conv(b, x, rng)), 0.02, 0), kernel_shape=[2, 2])
    y = b.node("Reshape", b.node("Flatten", y), b.constant(np.int64([0, 49, 4])))
    w = rng.integers(-127, 128, (4, 3), dtype=np.int8)
    y = b.node("MatMul", y, b.weight(w, np.full(3, 0.003, np.float32), axis=1))
    out = b.qdq(y, 0.02, 100)
    expected = ["QuantizeLinear:int8", "Conv+Relu:int8", "MaxPool:int8", "MatMul:int8"]
    assert computing(b, out) == [*expected, "DequantizeLinear:float32"]


def test_quantize_moves_up_past_reshape_and_concat(rng: np.random.Generator) -> None:
    b = Builder(IMAGE)
    x = b.qdq("input", 0.02, 128)
    y = b.node("Concat", b.node("Relu", conv(b, x, rng)), conv(b, x, rng), axis=1)
    y = b.node("Flatten", b.node("MaxPool", y, kernel_shape=[2, 2]))
    q = b.quantize(y, 0.02, 100)
    model = b.model(q, dtypes=["uint8"])
    (ours,), (theirs,) = both(model, input=image(rng))
    assert step_distance(ours, theirs) <= 1
    found = [s for s in steps(model) if not s.startswith("Transpose")]
    expected = ["QuantizeLinear:int8", "Conv+Relu:int8", "Conv:int8", "Concat:int8"]
    assert found == [*expected, "MaxPool:int8"]


def test_conv_read_twice_is_not_swallowed(rng: np.random.Generator) -> None:
    b = Builder(IMAGE)
    x = b.qdq("input", 0.02, 128)
    y = conv(b, x, rng)
    q = b.qdq(b.node("Relu", y), 0.02, 0)
    (ours, raw), (theirs, their_raw) = both(b.model(q, y), input=image(rng))
    np.testing.assert_allclose(raw, their_raw, atol=1e-4)
    np.testing.assert_allclose(ours, theirs, atol=0.0201)
    assert "Conv:float32" in computing(b, q, y)


def test_equal_quantizes_are_one(rng: np.random.Generator) -> None:
    b = Builder(IMAGE)
    x = b.qdq("input", 0.02, 128)
    y = b.node("Relu", conv(b, x, rng))
    first, second = conv(b, b.qdq(y, 0.02, 0), rng), conv(b, b.qdq(y, 0.02, 0), rng)
    out = b.qdq(b.node("Add", first, b.qdq(second, 0.05, 128)), 0.05, 128)
    found = computing(b, out)
    assert found.count("Conv+Relu:int8") == 1
    assert "Conv+Add:int8" in found
    assert all(s.endswith("int8") for s in found[:-1])


def test_operator_without_int8_form_runs_in_float_between_bytes(rng: np.random.Generator) -> None:
    b = Builder(IMAGE)
    x = b.qdq("input", 0.02, 128)
    y = b.qdq(b.node("Softmax", b.qdq(conv(b, x, rng), 0.02, 128), axis=1), 1 / 255, 0)
    out = b.qdq(conv(b, y, rng), 0.01, 128)
    assert computing(b, out) == [
        "QuantizeLinear:int8",
        "Conv:int8",
        "DequantizeLinear:float32",
        "Softmax:float32",
        "QuantizeLinear:int8",
        "Conv:int8",
        "DequantizeLinear:float32",
    ]
    (ours,), (theirs,) = both(b.model(out), input=image(rng))
    np.testing.assert_allclose(ours, theirs, atol=0.0101)


def test_float_bias_too_large_for_int32_runs_in_float(rng: np.random.Generator) -> None:
    b = Builder(IMAGE)
    x = b.qdq("input", 1e-4, 128)
    w = b.weight(rng.integers(-127, 128, (4, 4, 1, 1), dtype=np.int8), np.full(4, 1e-7, np.float32))
    y = b.node("Conv", x, w, b.constant(np.full(4, 0.5, np.float32)))
    out = b.qdq(y, 0.01, 0)
    assert "Conv:float32" in computing(b, out)
    x_data = image(rng)
    (ours,) = octavo.Session(b.model(out)).run(None, {"input": x_data})
    # Not optimised: ONNX Runtime's own conversion of the bias overflows here.
    (theirs,) = ort_run(b.model(out), {"input": x_data}, optimize=False)
    np.testing.assert_allclose(ours, theirs, atol=0.0101)


@pytest.mark.parametrize("bias", [2**31 - 1, -(2**31), 2**31 - 255 * 127 * 4])
def test_bias_with_which_int32_could_wrap_runs_in_float(
    rng: np.random.Generator, bias: int
) -> None:
    b = Builder(IMAGE)
    unit = np.float32(np.float32(0.02) * np.float32(0.003))
    w = b.weight(np.full((2, 4, 1, 1), 127, np.int8), np.full(2, 0.003, np.float32))
    y = b.node("Conv", b.qdq("input", 0.02, 0), w, b.weight(np.int32([5, bias]), np.full(2, unit)))
    out = b.qdq(y, 1000.0, 128)
    fits = bias == 2**31 - 255 * 127 * 4
    assert ("Conv:int8" in computing(b, out)) == (fits and bias + 255 * 127 * 4 <= 2**31 - 1)
    x = image(rng)
    (ours,) = octavo.Session(b.model(out)).run(None, {"input": x})
    (theirs,) = ort_run(b.model(out), {"input": x}, optimize=False)  # optimised, it wraps
    np.testing.assert_allclose(ours, theirs, atol=1000.1)


def test_bias_too_fine_for_the_accumulator_runs_in_float(rng: np.random.Generator) -> None:
    """Rounded to steps of input scale x weight scale it would vanish."""
    b = Builder(IMAGE)
    w = b.weight(rng.integers(-127, 128, (4, 4, 1, 1), dtype=np.int8), np.full(4, 10, np.float32))
    y = b.node("Conv", b.qdq("input", 1.0, 128), w, b.constant(np.full(4, 3.0, np.float32)))
    out = b.qdq(y, 1.0, 128)
    assert "Conv:float32" in computing(b, out)
    x = image(rng)
    (ours,) = octavo.Session(b.model(out)).run(None, {"input": x})
    (theirs,) = ort_run(b.model(out), {"input": x}, optimize=False)  # optimised, it vanishes
    np.testing.assert_allclose(ours, theirs, atol=1.01)


def test_quantized_parameters_of_float_operators(rng: np.random.Generator) -> None:
    """Some tools quantize Clip's bounds and Pad's value too."""
    b = Builder(IMAGE)
    x = b.qdq("input", 0.02, 128)
    limits = [b.weight(np.array(v, np.int8), np.float32(0.01)) for v in (-50, 100)]
    pads = b.constant(np.int64([0, 0, 1, 1, 0, 0, 1, 1]))
    value = b.weight(np.array(70, np.int8), np.float32(0.01))
    y = b.node("Pad", b.node("Clip", conv(b, x, rng), *limits), pads, value)
    out = b.qdq(b.node("Pad", b.qdq(y, 0.01, 99), pads, value), 0.01, 99)
    (ours,), (theirs,) = both(b.model(out), input=image(rng))
    np.testing.assert_allclose(ours, theirs, atol=0.0101)


def test_clamps_in_a_row_and_clamps_of_bytes(rng: np.random.Generator) -> None:
    b = Builder(IMAGE)
    x = b.qdq("input", 0.02, 128)
    limits = [b.constant(np.float32(v)) for v in (-0.3, 0.7)]
    y = b.node("Clip", b.node("Relu", b.node("Clip", x, *limits)), b.constant(np.float32(0.1)))
    q = b.quantize(y, 0.01, 7)
    model = b.model(q, dtypes=["uint8"])
    (ours,), (theirs,) = both(model, input=image(rng))
    np.testing.assert_array_equal(ours, theirs)
    assert steps(model) == ["QuantizeLinear:int8", "Clip+Relu+Clip:int8"]


def test_requantize_between_two_scales(rng: np.random.Generator) -> None:
    b = Builder(IMAGE)
    q = b.quantize(b.qdq("input", 0.02, 128), 0.033, 99)
    model = b.model(q, dtypes=["uint8"])
    (ours,), (theirs,) = both(model, input=image(rng))
    assert step_distance(ours, theirs) <= 1
    assert steps(model) == ["QuantizeLinear:int8", "Requantize:int8"]


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_byte_inputs_and_outputs(rng: np.random.Generator, dtype: str) -> None:
    b = Builder(IMAGE, dtype=dtype)
    zero = 128 if dtype == "uint8" else 0
    q = b.quantize(conv(b, b.dequantize("input", 0.02, zero, dtype), rng), 0.02, zero, dtype)
    out = b.node("Reshape", q, b.constant(np.int64([0, -1])))
    limits = np.iinfo(dtype)
    x = rng.integers(limits.min, limits.max + 1, (2, 4, 8, 8), dtype=dtype)
    (ours,), (theirs,) = both(b.model(out, dtypes=[dtype]), input=x)
    assert step_distance(ours, theirs) <= 1


def test_describe_lists_every_step(rng: np.random.Generator) -> None:
    b = Builder(IMAGE)
    out = b.qdq(b.node("Relu", conv(b, b.qdq("input", 0.02, 128), rng, out=6)), 0.02, 0)
    table = octavo.Session(b.model(out)).describe()
    step = next(s for s in table if s.op == "Conv")
    assert step.name.startswith("conv_")
    assert step.fused == ("Conv", "Relu")
    assert step.dtype == "int8"
    assert step.shape == ("N", 6, 8, 8)
    assert step.kernel in _core.backend_info(octavo.backend())["kernels"]
    lines = str(table).splitlines()
    assert lines[0].split() == ["op", "name", "fused", "dtype", "kernel", "shape"]
    assert len(lines) == len(table) + 2
    assert "Conv+Relu" in str(table)


def test_images_change_their_order_while_they_are_quantized(rng: np.random.Generator) -> None:
    """No step of their own: NCHW floats to NHWC bytes, and back behind the last operator."""
    b = Builder(["N", 4, 9, 7])
    x = b.qdq("input", 0.02, 120)
    weight = b.weight(rng.integers(-128, 128, (5, 4, 3, 3), np.int8), np.float32(0.003))
    y = b.qdq(b.node("Conv", x, weight, kernel_shape=[3, 3]), 0.05, 77)
    model = b.model(y)
    assert steps(model) == ["QuantizeLinear:int8", "Conv:int8", "DequantizeLinear:float32"]
    (ours,), (theirs,) = both(model, input=rng.standard_normal((3, 4, 9, 7), np.float32))
    assert np.abs(ours - theirs).max() <= 0.0501


def test_bytes_read_in_both_orders_are_not_turned(rng: np.random.Generator) -> None:
    b = Builder(["N", 4, 5, 3])
    x = b.qdq("input", 0.02, 120)
    pooled = b.qdq(b.node("MaxPool", x, kernel_shape=[2, 2]), 0.02, 120)
    flat = b.qdq(b.node("Reshape", x, b.constant(np.array([0, -1], np.int64))), 0.02, 120)
    model = b.model(pooled, flat)
    x = rng.standard_normal((2, 4, 5, 3), np.float32)
    for ours, theirs in zip(*both(model, input=x), strict=True):
        np.testing.assert_array_equal(ours, theirs)
