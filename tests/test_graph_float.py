"""Float operators, one model each, against ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import octavo
from graph_support import Array, Builder, both, steps

IMAGE = ["N", 4, 9, 7]


def weights(shape: tuple[int, ...], seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def image(rng: np.random.Generator, shape: tuple[int, ...] = (3, 4, 9, 7)) -> Array:
    return rng.standard_normal(shape).astype(np.float32)


def compare(builder: Builder, output: str, x: Array, tolerance: float = 2e-6) -> None:
    (ours,), (theirs,) = both(builder.model(output), input=x)
    scale = max(float(np.abs(theirs).max()), 1.0)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * 10 * scale)


CONVS: list[dict[str, Any]] = [
    {},
    {"pads": [1, 1, 1, 1]},
    {"pads": [0, 1, 2, 0], "strides": [2, 1]},
    {"strides": [2, 2], "dilations": [2, 1]},
    {"auto_pad": "SAME_UPPER", "strides": [2, 2]},
    {"auto_pad": "SAME_LOWER", "strides": [2, 3]},
    {"auto_pad": "VALID"},
    {"group": 2, "pads": [1, 1, 1, 1]},
    {"group": 4, "pads": [1, 1, 1, 1], "strides": [2, 2]},
    {"kernel_shape": [3, 3]},
]


@pytest.mark.parametrize("attrs", CONVS, ids=str)
@pytest.mark.parametrize("bias", [False, True])
def test_conv(rng: np.random.Generator, attrs: dict[str, Any], bias: bool) -> None:
    b = Builder(IMAGE)
    group = attrs.get("group", 1)
    inputs = [b.constant(weights((8, 4 // group, 3, 3)))]
    if bias:
        inputs.append(b.constant(weights((8,), 1)))
    compare(b, b.node("Conv", "input", *inputs, **attrs), image(rng))


def test_conv_of_one_spatial_axis(rng: np.random.Generator) -> None:
    b = Builder(["N", 4, 11])
    out = b.node("Conv", "input", b.constant(weights((5, 4, 3))), pads=[1, 2], strides=[2])
    compare(b, out, image(rng, (2, 4, 11)))


@pytest.mark.parametrize("clamp", ["Relu", "Clip"])
def test_conv_norm_clamp_is_one_step(rng: np.random.Generator, clamp: str) -> None:
    b = Builder(IMAGE)
    y = b.node("Conv", "input", b.constant(weights((8, 4, 3, 3))))
    stats = [b.constant(np.abs(weights((8,), i)) + 0.5) for i in range(4)]
    y = b.node("BatchNormalization", y, *stats)
    bounds = [b.constant(np.float32(0)), b.constant(np.float32(6))] if clamp == "Clip" else []
    y = b.node(clamp, y, *bounds)
    compare(b, y, image(rng))
    assert steps(b.model(y)) == ["Transpose:float32", f"Conv+{clamp}:float32", "Transpose:float32"]


@pytest.mark.parametrize("shape", [("N", 4), ("N", 4, 5), ("N", 4, 5, 6)])
def test_batch_norm_alone(rng: np.random.Generator, shape: tuple[Any, ...]) -> None:
    b = Builder(shape)
    stats = [b.constant(np.abs(weights((4,), i)) + 0.5) for i in range(4)]
    y = b.node("BatchNormalization", "input", *stats, epsilon=1e-3)
    compare(b, y, image(rng, (3, *shape[1:])))


def test_gemm_folds_batch_norm(rng: np.random.Generator) -> None:
    b = Builder(["N", 6])
    w, c = b.constant(weights((6, 5))), b.constant(weights((5,), 1))
    y = b.node("Gemm", "input", w, c, alpha=0.5, beta=2.0)
    stats = [b.constant(np.abs(weights((5,), i)) + 0.5) for i in range(4)]
    y = b.node("BatchNormalization", y, *stats)
    compare(b, y, image(rng, (3, 6)))
    assert steps(b.model(y)) == ["Gemm:float32"]


@pytest.mark.parametrize("trans", [0, 1])
@pytest.mark.parametrize("bias", [None, (), (1,), (5,), (1, 5)], ids=str)
def test_gemm(rng: np.random.Generator, trans: int, bias: tuple[int, ...] | None) -> None:
    b = Builder(["N", 6])
    inputs = [b.constant(weights((5, 6) if trans else (6, 5)))]
    if bias is not None:
        inputs.append(b.constant(weights(bias, 2)))
    y = b.node("Gemm", "input", *inputs, transB=trans, alpha=0.5, beta=1.5)
    compare(b, y, image(rng, (3, 6)))


@pytest.mark.parametrize("shape", [("N", 6), ("N", 5, 6), ("N", 2, 3, 6)])
@pytest.mark.parametrize("first", [False, True])
def test_matmul_with_bias_and_relu(
    rng: np.random.Generator, shape: tuple[Any, ...], first: bool
) -> None:
    b = Builder(shape)
    y = b.node("MatMul", "input", b.constant(weights((6, 5))))
    bias = b.constant(weights((5,), 1))
    y = b.node("Relu", b.node("Add", *((bias, y) if first else (y, bias))))
    compare(b, y, image(rng, (3, *shape[1:])))
    assert steps(b.model(y)) == ["MatMul+Add+Relu:float32"]


@pytest.mark.parametrize(
    "constant", [(), (1,), (4, 1, 1), (1, 4, 1, 1), (7,), (9, 7), (4, 9, 7), (1, 1, 9, 1)], ids=str
)
@pytest.mark.parametrize("after", [None, "Conv", "Relu"])
def test_add_constant(
    rng: np.random.Generator, constant: tuple[int, ...], after: str | None
) -> None:
    b = Builder(IMAGE)
    y = b.node("Add", "input", b.constant(weights(constant)))
    if after == "Conv":
        y = b.node("Conv", y, b.constant(weights((2, 4, 1, 1), 1)))
    elif after == "Relu":
        y = b.node("Relu", y)
    compare(b, y, image(rng))


def test_add_of_tensors_in_different_orders(rng: np.random.Generator) -> None:
    b = Builder(IMAGE)
    y = b.node("Conv", "input", b.constant(weights((4, 4, 1, 1))))
    for pair in ((y, "input"), ("input", y)):
        compare(b, b.node("Add", *pair), image(rng))
        b.nodes.pop()
    compare(b, b.node("Add", y, y), image(rng))


POOLS: list[dict[str, Any]] = [
    {"kernel_shape": [2, 2], "strides": [2, 2]},
    {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]},
    {"kernel_shape": [3, 2], "pads": [0, 1, 1, 0]},
    {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
    {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "pads": [1, 0, 1, 1]},
    {"kernel_shape": [3, 3], "auto_pad": "SAME_UPPER", "strides": [2, 2]},
    {"kernel_shape": [1, 1], "strides": [2, 2]},
]


@pytest.mark.parametrize("attrs", [*POOLS, {"kernel_shape": [2, 2], "dilations": [2, 3]}], ids=str)
def test_max_pool(rng: np.random.Generator, attrs: dict[str, Any]) -> None:
    b = Builder(IMAGE)
    compare(b, b.node("MaxPool", "input", **attrs), image(rng))


@pytest.mark.parametrize("attrs", POOLS, ids=str)
@pytest.mark.parametrize("include", [0, 1])
def test_average_pool(rng: np.random.Generator, attrs: dict[str, Any], include: int) -> None:
    b = Builder(IMAGE)
    compare(b, b.node("AveragePool", "input", count_include_pad=include, **attrs), image(rng))


Build = Callable[[Builder], str]
SIMPLE: dict[str, Build] = {
    "global": lambda b: b.node("GlobalAveragePool", "input"),
    "relu": lambda b: b.node("Relu", "input"),
    "clip": lambda b: b.node("Clip", "input", b.constant(np.float32(-0.5))),
    "clip upper": lambda b: b.node("Clip", "input", "", b.constant(np.float32(0.5))),
    "flatten": lambda b: b.node("Flatten", "input"),
    "reshape": lambda b: b.node("Reshape", "input", b.constant(np.int64([0, -1, 2]))),
    "reshape -1": lambda b: b.node("Reshape", "input", b.constant(np.int64([-1, 63, 4]))),
    "unsqueeze": lambda b: b.node("Unsqueeze", "input", b.constant(np.int64([2]))),
    "squeeze": lambda b: b.node(
        "Squeeze", b.node("GlobalAveragePool", "input"), b.constant(np.int64([2, -1]))
    ),
    "concat 1": lambda b: b.node("Concat", "input", b.node("Relu", "input"), axis=1),
    "concat -1": lambda b: b.node("Concat", "input", b.node("Relu", "input"), axis=-1),
    "pad": lambda b: b.node(
        "Pad", "input", b.constant(np.int64([0, 1, 2, 0, 0, 0, 1, 3])), b.constant(np.float32(1.5))
    ),
    "slice": lambda b: b.node(
        "Slice",
        "input",
        *(b.constant(np.int64(v)) for v in ([1, -1], [2**62, -(2**62)], [2, 3], [2, -3])),
    ),
    "softmax": lambda b: b.node("Softmax", "input"),
    "softmax 1": lambda b: b.node("Softmax", "input", axis=1),
    "softmax 2": lambda b: b.node("Softmax", "input", axis=2),
    "dropout": lambda b: b.node("Relu", b.node("Dropout", "input")),
    "identity": lambda b: b.node("Identity", b.node("Identity", "input")),
    "identity of relu": lambda b: b.node("Identity", b.node("Relu", "input")),
    "constant node": lambda b: b.node("Add", "input", b.node("Constant", value_floats=[2.0])),
}


@pytest.mark.parametrize("build", SIMPLE.values(), ids=SIMPLE)
@pytest.mark.parametrize("between", [False, True])
def test_simple_operators(rng: np.random.Generator, build: Build, between: bool) -> None:
    """Also between convolutions, where tensors lie in another order."""
    b = Builder(IMAGE)
    if between:
        b.nodes.append(_named_conv(b))
    y = build(_Renamed(b) if between else b)
    compare(b, y, image(rng))


class _Renamed(Builder):
    """The same builder, with the convolution's output in the place of the input."""

    def __init__(self, inner: Builder) -> None:
        self._inner = inner

    def node(self, op: str, *inputs: str, outputs: int = 1, **attrs: Any) -> str:
        renamed = ["features" if name == "input" else name for name in inputs]
        return self._inner.node(op, *renamed, outputs=outputs, **attrs)

    def constant(self, value: Any, name: str = "") -> str:
        return self._inner.constant(value, name)


def _named_conv(b: Builder) -> Any:
    b.node("Conv", "input", b.constant(weights((4, 4, 3, 3))), pads=[1, 1, 1, 1])
    node = b.nodes.pop()
    node.output[0] = "features"
    return node


@pytest.mark.parametrize("axis", [1, 2, 3])
def test_softmax_before_opset_13_flattens(rng: np.random.Generator, axis: int) -> None:
    b = Builder(IMAGE, opset=12)
    compare(b, b.node("Softmax", "input", axis=axis), image(rng))


def test_axes_as_attributes_before_opset_13(rng: np.random.Generator) -> None:
    b = Builder(IMAGE, opset=11)
    y = b.node("Squeeze", b.node("GlobalAveragePool", "input"), axes=[2, 3])
    y = b.node("MatMul", y, b.constant(weights((4, 3))))
    y = b.node("Unsqueeze", y, axes=[1, 3])
    compare(b, y, image(rng))
    quantized = octavo.quantize_model(b.model(y), image(rng))
    assert "MatMul:int8" in steps(quantized)
    assert both(quantized, input=image(rng))[0][0].shape == (3, 1, 3, 1)


@pytest.mark.parametrize("opset", [11, 13, 15, 17, 18, 21])
def test_opsets(rng: np.random.Generator, opset: int) -> None:
    b = Builder(IMAGE, opset=opset)
    y = b.node("Conv", "input", b.constant(weights((8, 4, 3, 3))))
    stats = [b.constant(np.abs(weights((8,), i)) + 0.5) for i in range(4)]
    y = b.node("BatchNormalization", y, *stats)
    y = b.node("Clip", y, b.constant(np.float32(0)), b.constant(np.float32(6)))
    pads = [b.constant(np.int64([0, 0, 1, 1, 0, 0, 1, 1])), b.constant(np.float32(0))]
    y = b.node("Pad", y, *pads)
    y = b.node("MaxPool", y, kernel_shape=[2, 2])
    y = b.node("Flatten", b.node("GlobalAveragePool", y))
    y = b.node("Softmax", b.node("Gemm", y, b.constant(weights((8, 3)))))
    compare(b, y, image(rng))


def test_pad_with_axes(rng: np.random.Generator) -> None:
    b = Builder(IMAGE, opset=18)
    inputs = [b.constant(np.int64([1, 0, 2, 1])), "", b.constant(np.int64([-1, 1]))]
    compare(b, b.node("Pad", "input", *inputs), image(rng))


def test_shape_arithmetic_ends_in_a_reshape(rng: np.random.Generator) -> None:
    """What an exporter writes for x.view(x.size(0), -1)."""
    b = Builder(IMAGE)
    shape = b.node("Shape", "input")
    batch = b.node("Gather", shape, b.constant(np.int64(0)), axis=0)
    batch = b.node("Unsqueeze", batch, b.constant(np.int64([0])))
    channels = b.node("Gather", shape, b.constant(np.int64([1])), axis=0)
    doubled = b.node("Mul", channels, b.constant(np.int64([3])))
    target = b.node("Concat", batch, b.constant(np.int64([-1])), doubled, axis=0)
    y = b.node("Reshape", "input", target)
    compare(b, y, image(rng))


def test_batch_varies_and_samples_do_not_mix(rng: np.random.Generator) -> None:
    b = Builder(IMAGE)
    y = b.node("Conv", "input", b.constant(weights((8, 4, 3, 3))), pads=[1, 1, 1, 1])
    y = b.node("Flatten", b.node("MaxPool", y, kernel_shape=[2, 2]))
    session = octavo.Session(b.model(y))
    x = image(rng, (7, 4, 9, 7))
    (whole,) = session.run(None, {"input": x})
    for size in (1, 2, 7):
        parts = [session.run(None, {"input": x[i : i + size]})[0] for i in range(0, 7, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert session.run(None, {"input": x[:0]})[0].shape == (0, *whole.shape[1:])
