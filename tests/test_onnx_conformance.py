"""octavo's operators equal ONNX's definitions, as onnx.reference executes them."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import octavo
from layers import RANGES, random_bytes

onnx = pytest.importorskip("onnx", reason="conformance is checked against onnx.reference")
helper, numpy_helper = pytest.importorskip("onnx.helper"), pytest.importorskip("onnx.numpy_helper")
evaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator

DTYPES = ["uint8", "int8"]
F32 = np.float32


def run_onnx(op: str, inputs: list[NDArray[Any]], out: str, **attributes: Any) -> NDArray[Any]:
    """Execute one operator of opset 19."""
    names = [f"x{i}" for i in range(len(inputs))]
    infos = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
        for name, x in zip(names, inputs, strict=True)
    ]
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(out))
    result = helper.make_tensor_value_info("y", kind, [None] * inputs[0].ndim)
    node = helper.make_node(op, names, ["y"], **attributes)
    graph = helper.make_graph([node], op, infos, [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    onnx.checker.check_model(model)
    (y,) = evaluator(model).run(None, dict(zip(names, inputs, strict=True)))
    return np.asarray(y)


def scalar(value: int, dtype: str) -> NDArray[Any]:
    return np.array(value, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [1.0, 0.1, 2.0**-7])
def test_quantize_and_dequantize_linear(
    backend: str, rng: np.random.Generator, dtype: str, scale: float
) -> None:
    ties = (np.arange(-300, 300, dtype=F32) + F32(0.5)) * F32(scale)
    x = np.concatenate([ties, (rng.standard_normal(500) * 100 * scale).astype(F32)])
    for zero in (RANGES[dtype][0], 3, RANGES[dtype][1]):
        parameters = [np.array(scale, F32), scalar(zero, dtype)]
        q = octavo.quantize_linear(x, scale, zero, dtype=dtype)
        expected = run_onnx("QuantizeLinear", [x, *parameters], dtype)
        np.testing.assert_array_equal(q, expected)
        back = octavo.dequantize_linear(q, scale, zero)
        expected = run_onnx("DequantizeLinear", [q, *parameters], "float32")
        np.testing.assert_array_equal(back, expected)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_per_axis(backend: str, rng: np.random.Generator, axis: int) -> None:
    x = (rng.standard_normal((3, 4, 5)) * 20).astype(F32)
    scale = rng.uniform(0.01, 1, x.shape[axis]).astype(F32)
    zero = rng.integers(-128, 128, x.shape[axis]).astype(np.int8)
    q = octavo.quantize_linear(x, scale, zero, dtype="int8", axis=axis)
    expected = run_onnx("QuantizeLinear", [x, scale, zero], "int8", axis=axis)
    np.testing.assert_array_equal(q, expected)
    back = octavo.dequantize_linear(q, scale, zero, axis=axis)
    expected = run_onnx("DequantizeLinear", [q, scale, zero], "float32", axis=axis)
    np.testing.assert_array_equal(back, expected)


@pytest.mark.parametrize("a_dtype", DTYPES)
@pytest.mark.parametrize("b_dtype", DTYPES)
def test_matmul_integer(backend: str, rng: np.random.Generator, a_dtype: str, b_dtype: str) -> None:
    a, b = random_bytes(rng, (2, 7, 20), a_dtype), random_bytes(rng, (20, 33), b_dtype)
    got = octavo.matmul_integer(a, b, 9, 100)
    zeros = [scalar(9, a_dtype), scalar(100, b_dtype)]
    expected = run_onnx("MatMulInteger", [a, b, *zeros], "int32")
    np.testing.assert_array_equal(got, expected)
    assert got.dtype == expected.dtype


# Powers of two make the evaluator's float64 exact. It adds the output's zero point before it
# rounds, so that an even one keeps ties where the contract (and QuantizeLinear) has them.
@pytest.mark.parametrize("a_dtype", DTYPES)
@pytest.mark.parametrize("zero", [0, 64, 126])
def test_qlinear_matmul(backend: str, rng: np.random.Generator, a_dtype: str, zero: int) -> None:
    a, w = random_bytes(rng, (9, 12), a_dtype), random_bytes(rng, (33, 12), "int8")
    scales = [np.array(2.0**-e, F32) for e in (3, 9, 0)]
    packed = octavo.pack_linear(
        w, weight_scale=scales[1], a_scale=float(scales[0]), a_zero_point=50, a_dtype=a_dtype,
        out_scale=float(scales[2]), out_zero_point=zero, out_dtype=a_dtype,
    )  # fmt: skip
    expected = run_onnx(
        "QLinearMatMul",
        [
            a, scales[0], scalar(50, a_dtype), w.T, scales[1], scalar(0, "int8"),
            scales[2], scalar(zero, a_dtype),
        ],
        a_dtype,
    )  # fmt: skip
    np.testing.assert_array_equal(octavo.linear(a, packed), expected)


GEOMETRY: list[dict[str, Any]] = [
    {"stride": 1, "padding": (1, 1, 1, 1), "dilation": 1, "groups": 1},
    {"stride": 2, "padding": (0, 1, 2, 1), "dilation": 1, "groups": 2},
    {"stride": 1, "padding": (2, 2, 2, 2), "dilation": 2, "groups": 1},
    {"stride": 1, "padding": (1, 1, 1, 1), "dilation": 1, "groups": 6},
]


def onnx_geometry(geometry: dict[str, Any]) -> dict[str, Any]:
    return {
        "strides": [geometry["stride"]] * 2,
        "pads": list(geometry["padding"]),
        "dilations": [geometry["dilation"]] * 2,
        "group": geometry["groups"],
        "kernel_shape": [3, 3],
    }


@pytest.mark.parametrize("geometry", GEOMETRY)
@pytest.mark.parametrize("x_dtype", DTYPES)
def test_conv_integer(
    backend: str, rng: np.random.Generator, geometry: dict[str, Any], x_dtype: str
) -> None:
    x = random_bytes(rng, (2, 7, 8, 6), x_dtype)
    w = random_bytes(rng, (12, 6 // geometry["groups"], 3, 3), "int8")
    packed = octavo.pack_conv2d(w, a_dtype=x_dtype, a_zero_point=77, **geometry)
    expected = run_onnx(
        "ConvInteger",
        [x.transpose(0, 3, 1, 2), w, scalar(77, x_dtype)],
        "int32",
        **onnx_geometry(geometry),
    )
    np.testing.assert_array_equal(octavo.conv2d(x, packed), expected.transpose(0, 2, 3, 1))


@pytest.mark.parametrize("geometry", GEOMETRY)
@pytest.mark.parametrize("x_dtype", DTYPES)
def test_qlinear_conv(
    backend: str, rng: np.random.Generator, geometry: dict[str, Any], x_dtype: str
) -> None:
    x = random_bytes(rng, (2, 7, 8, 6), x_dtype)
    w = random_bytes(rng, (12, 6 // geometry["groups"], 3, 3), "int8")
    w_scale = np.exp2(-np.arange(12) % 5 - 8).astype(F32)
    bias = rng.integers(-500, 500, 12).astype(np.int32)
    packed = octavo.pack_conv2d(
        w, weight_scale=w_scale, bias=bias, a_scale=0.25, a_zero_point=77, a_dtype=x_dtype,
        out_scale=2.0, out_zero_point=40, out_dtype=x_dtype, **geometry,
    )  # fmt: skip
    expected = run_onnx(
        "QLinearConv",
        [
            x.transpose(0, 3, 1, 2), np.array(0.25, F32), scalar(77, x_dtype), w, w_scale,
            np.zeros(12, np.int8), np.array(2.0, F32), scalar(40, x_dtype), bias,
        ],
        x_dtype,
        **onnx_geometry(geometry),
    )  # fmt: skip
    np.testing.assert_array_equal(octavo.conv2d(x, packed), expected.transpose(0, 2, 3, 1))
