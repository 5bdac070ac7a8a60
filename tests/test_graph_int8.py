"""Quantized operators, one QDQ model each, against ONNX Runtime: at most one step apart.

Where the two differ: ONNX Runtime computes some of these in float32 from dequantized values, or
with a multiplier split differently, so a value within rounding error of .5 may fall either way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import octavo
from graph_support import Array, Builder, both, step_distance, steps

IMAGE = ["N", 4, 9, 7]
S_IN, Z_IN = 0.02, 120
S_OUT, Z_OUT = 0.05, 77


def image(rng: np.random.Generator, shape: tuple[int, ...] = (3, 4, 9, 7)) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


def int8(rng: np.random.Generator, *shape: int) -> Array:
    return rng.integers(-128, 128, shape, dtype=np.int8)


def compare(builder: Builder, x: Array, expected: list[str], q: str, dtype: str = "uint8") -> None:
    """`q` is the byte tensor; `expected` the steps besides Q, DQ and transposes."""
    model = builder.model(q, dtypes=[dtype])
    (ours,), (theirs,) = both(model, input=x)
    assert step_distance(ours, theirs) <= 1
    assert np.mean(ours != theirs) < 0.02
    assert len(np.unique(theirs)) > 3
    plain = ("QuantizeLinear:int8", "Transpose:int8", "Transpose:float32")
    assert [s for s in steps(model) if s not in plain] == expected


def signed(value: int, dtype: str) -> int:
    return value - 128 if dtype == "int8" else value


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("clamp", [None, "Relu", "Clip"])
@pytest.mark.parametrize("bias", [None, "int32", "float32"])
@pytest.mark.parametrize("group", [1, 2, 4])
def test_conv(
    rng: np.random.Generator, dtype: str, clamp: str | None, bias: str | None, group: int
) -> None:
    b = Builder(IMAGE)
    x = b.qdq("input", S_IN, signed(Z_IN, dtype), dtype)
    scale = rng.uniform(0.001, 0.004, 8).astype(np.float32)
    inputs = [b.weight(int8(rng, 8, 4 // group, 3, 3), scale)]
    values = rng.integers(-3000, 3000, 8).astype(np.int32)
    unit = (np.float32(S_IN) * scale).astype(np.float32)
    if bias == "int32":
        inputs.append(b.weight(values, unit))
    elif bias == "float32":
        inputs.append(b.constant((values * unit).astype(np.float32)))
    y = b.node("Conv", x, *inputs, group=group, pads=[1, 1, 1, 1], strides=[2, 1])
    fused = ["Conv"]
    if clamp:
        limits = [b.constant(np.float32(0)), b.constant(np.float32(2))] if clamp == "Clip" else []
        y, fused = b.node(clamp, y, *limits), ["Conv", clamp]
    q = b.quantize(y, S_OUT, signed(Z_OUT, dtype), dtype)
    compare(b, image(rng), ["+".join(fused) + ":int8"], q, dtype)


@pytest.mark.parametrize("form", ["uint8", "uint8 per channel", "zero point", "per tensor"])
def test_conv_weight_forms(rng: np.random.Generator, form: str) -> None:
    b = Builder(IMAGE)
    x = b.qdq("input", S_IN, Z_IN)
    values = int8(rng, 8, 4, 3, 3)
    scale = np.full(8, 0.003, np.float32)
    if form == "uint8":
        w = b.weight(values.view(np.uint8), np.float32(0.003), np.uint8(128))
    elif form == "uint8 per channel":
        w = b.weight(values.view(np.uint8), scale, np.full(8, 128, np.uint8))
    elif form == "zero point":
        w = b.weight(values, scale, rng.integers(-20, 20, 8).astype(np.int8))
    else:
        w = b.weight(values, np.float32(0.003))
    q = b.quantize(b.node("Conv", x, w, pads=[1, 1, 1, 1]), S_OUT, Z_OUT)
    compare(b, image(rng), ["Conv:int8"], q)


@pytest.mark.parametrize("clamp", [None, "Relu"])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("group", [1, 4])
def test_conv_add(rng: np.random.Generator, clamp: str | None, first: bool, group: int) -> None:
    b = Builder(IMAGE)
    x = b.qdq("input", S_IN, Z_IN)
    w = b.weight(int8(rng, 4, 4 // group, 3, 3), np.full(4, 0.003, np.float32))
    y = b.node("Conv", x, w, pads=[1, 1, 1, 1], group=group)
    y = b.node("Add", *((x, y) if first else (y, x)))
    y = b.node(clamp, y) if clamp else y
    fused = "+".join(["Conv", "Add", *([clamp] if clamp else [])])
    compare(b, image(rng), [f"{fused}:int8"], b.quantize(y, S_OUT, Z_OUT))


@pytest.mark.parametrize("trans", [0, 1])
@pytest.mark.parametrize("bias", [False, True])
def test_gemm(rng: np.random.Generator, trans: int, bias: bool) -> None:
    b = Builder(["N", 20])
    x = b.qdq("input", S_IN, Z_IN)
    shape = (9, 20) if trans else (20, 9)
    scale = rng.uniform(0.001, 0.004, 9).astype(np.float32)
    inputs = [b.weight(int8(rng, *shape), scale, axis=0 if trans else 1)]
    if bias:
        values = rng.integers(-3000, 3000, 9).astype(np.int32)
        inputs.append(b.weight(values, np.float32(S_IN) * scale))
    y = b.node("Gemm", x, *inputs, transB=trans)
    compare(b, image(rng, (30, 20)), ["Gemm:int8"], b.quantize(y, S_OUT, Z_OUT))


@pytest.mark.parametrize("shape", [(20,), (3, 20), (2, 3, 20)])
@pytest.mark.parametrize("residual", [False, True])
def test_matmul(rng: np.random.Generator, shape: tuple[int, ...], residual: bool) -> None:
    b = Builder(["N", *shape])
    x = b.qdq("input", S_IN, Z_IN)
    y = b.node("MatMul", x, b.weight(int8(rng, 20, 20), np.full(20, 0.003, np.float32), axis=1))
    y = b.node("Add", y, b.constant(rng.standard_normal(20).astype(np.float32)))
    expected = ["MatMul", "Add"]
    if residual:
        y = b.node("Add", x, y)
        expected.append("Add")
    q = b.quantize(b.node("Relu", y), S_OUT, 10)
    compare(b, image(rng, (5, *shape)), ["+".join([*expected, "Relu"]) + ":int8"], q)


@pytest.mark.parametrize("clamp", [None, "Relu"])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_add(rng: np.random.Generator, clamp: str | None, dtype: str) -> None:
    b = Builder(IMAGE)
    b.add_input("other", IMAGE)
    x = b.qdq("input", S_IN, signed(Z_IN, dtype), dtype)
    y = b.node("Add", x, b.qdq("other", 0.03, signed(100, dtype), dtype))
    y = b.node(clamp, y) if clamp else y
    q = b.quantize(y, S_OUT, signed(Z_OUT, dtype), dtype)
    model = b.model(q, dtypes=[dtype])
    (ours,), (theirs,) = both(model, input=image(rng), other=image(rng))
    assert step_distance(ours, theirs) <= 1
    assert steps(model)[-1] == ("Add+Relu:int8" if clamp else "Add:int8")


@pytest.mark.parametrize("shape", [(), (4, 1, 1), (1, 4, 9, 7), (7,)], ids=str)
def test_add_quantized_constant(rng: np.random.Generator, shape: tuple[int, ...]) -> None:
    b = Builder(IMAGE)
    x = b.qdq("input", S_IN, Z_IN)
    y = b.node("Add", x, b.weight(int8(rng, *shape).reshape(shape), np.float32(0.02), np.int8(5)))
    compare(b, image(rng), ["Add:int8"], b.quantize(y, S_OUT, Z_OUT))


MOVES: dict[str, tuple[str, list[Any], dict[str, Any]]] = {
    "max": ("MaxPool", [], {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "strides": [2, 2]}),
    "max ceil": ("MaxPool", [], {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    "average": ("AveragePool", [], {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1]}),
    "average padded": (
        "AveragePool",
        [],
        {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "count_include_pad": 1},
    ),
    "global": ("GlobalAveragePool", [], {}),
    "flatten": ("Flatten", [], {}),
    "reshape": ("Reshape", [np.int64([0, -1, 2])], {}),
    "slice": ("Slice", [np.int64([1]), np.int64([8]), np.int64([2]), np.int64([2])], {}),
    "pad": ("Pad", [np.int64([0, 1, 0, 2, 0, 0, 1, 0])], {}),
    "pad value": ("Pad", [np.int64([0, 1, 0, 2, 0, 0, 1, 0]), np.float32(0.7)], {}),
    "relu": ("Relu", [], {}),
}


@pytest.mark.parametrize("op", MOVES)
@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_operators_without_weights(
    rng: np.random.Generator, op: str, same: bool, dtype: str
) -> None:
    name, constants, attrs = MOVES[op]
    b = Builder(IMAGE)
    x = b.qdq("input", S_IN, signed(Z_IN, dtype), dtype)
    y = b.node(name, x, *(b.constant(c) for c in constants), **attrs)
    scale, zero = (S_IN, Z_IN) if same else (S_OUT, Z_OUT)
    q = b.quantize(y, scale, signed(zero, dtype), dtype)
    expected = [] if name in ("Flatten", "Reshape") else [f"{name}:int8"]
    if not same and name not in ("Relu", "AveragePool", "GlobalAveragePool"):
        expected.insert(0 if name == "Pad" else len(expected), "Requantize:int8")
    model = b.model(q, dtypes=[dtype])
    (ours,), (theirs,) = both(model, input=image(rng))
    assert step_distance(ours, theirs) <= 1
    if same and "Average" not in name:
        np.testing.assert_array_equal(ours, theirs)
    found = [s.replace("Relu:", "Relu:") for s in steps(model)]
    skipped = ("QuantizeLinear:int8", "Transpose:int8")
    assert [s for s in found if s not in skipped] == expected


@pytest.mark.parametrize("axis", [1, 2, -1])
@pytest.mark.parametrize("after_conv", [False, True])
def test_concat(rng: np.random.Generator, axis: int, after_conv: bool) -> None:
    b = Builder(IMAGE)
    x = b.qdq("input", S_IN, Z_IN)
    other = b.node("Relu", x)
    if after_conv:
        w = b.weight(int8(rng, 4, 4, 1, 1), np.full(4, 0.003, np.float32))
        other = b.node("Conv", x, w)
    y = b.node("Concat", x, b.qdq(other, 0.03, 90), axis=axis)
    q = b.quantize(y, 0.03, 90)
    made = "Conv:int8" if after_conv else "Relu:int8"
    compare(b, image(rng), [made, "Requantize:int8", "Concat:int8"], q)


def test_every_backend_gives_the_same_bytes(rng: np.random.Generator) -> None:
    b = Builder(IMAGE)
    x = b.qdq("input", S_IN, Z_IN)
    w = b.weight(int8(rng, 8, 4, 3, 3), np.full(8, 0.003, np.float32))
    y = b.qdq(b.node("Relu", b.node("Conv", x, w, pads=[1, 1, 1, 1])), S_OUT, 0)
    y = b.qdq(b.node("GlobalAveragePool", y), 0.01, 3)
    w = b.weight(int8(rng, 5, 8), np.full(5, 0.004, np.float32))
    q = b.quantize(b.node("Gemm", b.node("Flatten", y), w, transB=1), S_OUT, Z_OUT)
    model, data = b.model(q, dtypes=["uint8"]), image(rng)
    results = []
    for name in octavo.backends():
        for threads in (1, 3):
            with octavo.use_backend(name):
                session = octavo.Session(model, threads=threads)
            assert session.backend == name
            results.append(session.run(None, {"input": data})[0])
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])
