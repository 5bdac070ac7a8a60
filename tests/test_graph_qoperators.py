"""Models in QOperator format: every QLinear operator beside ONNX Runtime, and whole networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime.quantization as ortq
import pytest
from onnx import TensorProto, helper, numpy_helper

import octavo
from graph_support import Array, ort_run, step_distance
from octavo.errors import InvalidModelError, UnsupportedModelError
from test_graph_ort_models import quantized_by_ort
from test_quantize_model import residual_net

MICROSOFT = "com.microsoft"
SHAPE = [3, 8, 6, 7]


class Bytes:
    """Collects the inputs of one operator on bytes; the first ones are the graph's."""

    def __init__(self, dtype: str, rng: np.random.Generator) -> None:
        self.dtype, self.rng = dtype, rng
        self.names: list[str] = []
        self.feeds: dict[str, Array] = {}
        self.constants: list[onnx.TensorProto] = []

    def tensor(self, shape: list[int]) -> str:
        limits = np.iinfo(self.dtype)
        name = f"x{len(self.feeds)}"
        values = self.rng.integers(limits.min, limits.max + 1, shape)
        self.feeds[name] = values.astype(self.dtype)
        return name

    def constant(self, value: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def params(self, scale: float, zero: int) -> list[str]:
        """Scale and zero point; `zero` counts from the dtype's least value."""
        point = np.iinfo(self.dtype).min + zero
        return [self.constant(np.float32(scale)), self.constant(np.array(point, self.dtype))]

    def model(
        self,
        op: str,
        inputs: list[str],
        domain: str = MICROSOFT,
        float_out: bool = False,
        **attrs: Any,
    ) -> onnx.ModelProto:
        node = helper.make_node(op, inputs, ["y"], "node", domain=domain, **attrs)
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(self.dtype))
        infos = [
            helper.make_tensor_value_info(name, kind, ["N", *x.shape[1:]])
            for name, x in self.feeds.items()
        ]
        out = TensorProto.FLOAT if float_out else kind
        rank = 2 if op == "QGemm" else next(iter(self.feeds.values())).ndim
        y = helper.make_tensor_value_info("y", out, ["N", *(None for _ in range(rank - 1))])
        graph = helper.make_graph([node], "g", infos, [y], self.constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)

    def check(self, model: onnx.ModelProto, distance: int = 1, share: float = 0.01) -> None:
        (ours,) = octavo.Session(model).run(None, self.feeds)
        (theirs,) = ort_run(model, self.feeds)
        assert ours.shape == theirs.shape
        assert len(np.unique(theirs)) > 20  # the parameters fit: not all of it saturates
        assert step_distance(ours, theirs) <= distance
        assert np.mean(ours != theirs) <= share
        found = [s.dtype for s in octavo.Session(model).describe() if s.op != "Transpose"]
        assert set(found) == {"int8"}


@pytest.fixture(params=["uint8", "int8"])
def b(request: pytest.FixtureRequest, rng: np.random.Generator) -> Bytes:
    return Bytes(request.param, rng)


@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
def test_binary(b: Bytes, op: str) -> None:
    a, c = (b.tensor(SHAPE) for _ in range(2))
    scale = {"QLinearAdd": 0.0507, "QLinearMul": 0.0207}[op]
    b.check(b.model(op, [a, *b.params(0.03, 120), c, *b.params(0.02, 99), *b.params(scale, 131)]))


@pytest.mark.parametrize(
    ("op", "out", "attrs"),
    [
        ("QLinearSigmoid", (1 / 256, 0), {}),
        ("QLinearLeakyRelu", (0.02, 30), {"alpha": 0.2}),
        ("QLinearGlobalAveragePool", (0.004, 125), {}),
        ("QLinearAveragePool", (0.0213, 125), {"kernel_shape": [3, 2], "pads": [1, 1, 1, 0]}),
        ("QLinearAveragePool", (0.0213, 125), {"kernel_shape": [2, 2], "strides": [2, 2]}),
        (
            "QLinearAveragePool",
            (0.0213, 125),
            {"kernel_shape": [3, 3], "pads": [1] * 4, "count_include_pad": 1, "ceil_mode": 1},
        ),
    ],
)
def test_unary(b: Bytes, op: str, out: tuple[float, int], attrs: dict[str, Any]) -> None:
    b.check(b.model(op, [b.tensor(SHAPE), *b.params(0.03, 120), *b.params(*out)], **attrs))


@pytest.mark.parametrize(("opset", "axis"), [(13, -1), (13, 3), (11, 3)])
def test_softmax(b: Bytes, opset: int, axis: int) -> None:
    inputs = [b.tensor([2, 3, 4, 64]), *b.params(0.01, 120), *b.params(1 / 4096, 0)]
    b.check(b.model("QLinearSoftmax", inputs, axis=axis, opset=opset), share=0.05)


def test_concat(b: Bytes) -> None:
    inputs = b.params(0.04, 128)
    for channels, scale, zero in ((3, 0.04, 128), (2, 0.0207, 100), (5, 0.0313, 7)):
        inputs += [b.tensor([2, channels, 5, 4]), *b.params(scale, zero)]
    b.check(b.model("QLinearConcat", inputs, axis=1))


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("weight", ["int8", "uint8"])
@pytest.mark.parametrize(("group", "bias"), [(1, True), (4, False), (8, True)])
def test_conv(b: Bytes, per_channel: bool, weight: str, group: int, bias: bool) -> None:
    if b.dtype == "int8" and weight == "uint8":
        pytest.skip("ONNX Runtime has no such kernel")
    limits = np.iinfo(weight)
    n = 16 if per_channel else 1
    w = b.rng.integers(limits.min, limits.max + 1, (16, 8 // group, 3, 3)).astype(weight)
    scale = b.rng.uniform(0.001, 0.01, n).astype(np.float32)
    zero = np.full(n, 128 if weight == "uint8" else 0, weight)
    inputs = [b.tensor(SHAPE), *b.params(0.03, 120), b.constant(w)]
    inputs += [b.constant(scale if per_channel else scale[0])]
    inputs += [b.constant(zero if per_channel else zero[0]), *b.params(0.1, 125)]
    if bias:
        inputs.append(b.constant(b.rng.integers(-4000, 4000, 16).astype(np.int32)))
    attrs = {"group": group, "pads": [1, 0, 2, 1], "strides": [2, 1], "kernel_shape": [3, 3]}
    b.check(b.model("QLinearConv", inputs, "", **attrs))


@pytest.mark.parametrize("per_column", [False, True])
@pytest.mark.parametrize("shape", [[5, 24], [2, 7, 24]])
def test_matmul_by_weights(b: Bytes, per_column: bool, shape: list[int]) -> None:
    w = b.rng.integers(-128, 128, (24, 33)).astype(np.int8)
    scale = b.rng.uniform(0.001, 0.01, 33).astype(np.float32)
    quant: list[Any] = [scale, np.zeros(33, np.int8)] if per_column else [scale[0], np.int8(3)]
    inputs = [b.tensor(shape), *b.params(0.03, 120), b.constant(w), *(map(b.constant, quant))]
    b.check(b.model("QLinearMatMul", [*inputs, *b.params(0.1, 125)], ""))


def test_matmul_of_two_tensors(b: Bytes) -> None:
    inputs = [b.tensor([3, 4, 6, 32]), *b.params(0.03, 120)]
    inputs += [b.tensor([3, 4, 32, 5]), *b.params(0.02, 131), *b.params(0.2, 125)]
    b.check(b.model("QLinearMatMul", inputs, ""))


@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize("alpha", [1.0, 0.5])
@pytest.mark.parametrize("per_column", [False, True])
def test_gemm(b: Bytes, transposed: int, alpha: float, per_column: bool) -> None:
    w = b.rng.integers(-128, 128, (24, 33)).astype(np.int8)
    scale = b.rng.uniform(0.001, 0.01, 33 if per_column else ()).astype(np.float32)
    quant = [scale, np.zeros(scale.shape, np.int8)]
    inputs = [b.tensor([5, 24]), *b.params(0.03, 120), b.constant(w.T if transposed else w)]
    inputs += [*(map(b.constant, quant)), b.constant(np.arange(33, dtype=np.int32) * 100)]
    b.check(b.model("QGemm", [*inputs, *b.params(0.1, 125)], transB=transposed, alpha=alpha))


def test_gemm_with_float_output(b: Bytes) -> None:
    w = b.rng.integers(-128, 128, (24, 33)).astype(np.int8)
    inputs = [b.tensor([5, 24]), *b.params(0.03, 120), b.constant(w)]
    inputs += [b.constant(np.float32(0.01)), b.constant(np.int8(0))]
    model = b.model("QGemm", inputs, float_out=True)
    (ours,), (theirs,) = octavo.Session(model).run(None, b.feeds), ort_run(model, b.feeds)
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("op", ["MaxPool", "Pad"])
def test_pools_and_pads_of_bytes(b: Bytes, op: str) -> None:
    """ONNX Runtime's quantizer puts them on bytes without any scale."""
    x = b.tensor(SHAPE)
    if op == "Pad":
        value = b.constant(np.array(7, b.dtype))
        model = b.model(op, [x, b.constant(np.array([0, 0, 1, 2, 0, 0, 3, 0])), value], "")
    else:
        model = b.model(op, [x], "", kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    b.check(model, distance=0, share=0)


OPTIONS: dict[str, dict[str, Any]] = {
    "u8, per channel": {"per_channel": True, "activation_type": ortq.QuantType.QUInt8},
    "s8": {"activation_type": ortq.QuantType.QInt8},
    "u8 weights": {
        "activation_type": ortq.QuantType.QUInt8,
        "weight_type": ortq.QuantType.QUInt8,
    },
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_residual_network(
    tmp_path: Path, rng: np.random.Generator, options: dict[str, Any]
) -> None:
    data = rng.standard_normal((24, 3, 16, 16)).astype(np.float32)
    options = {**options, "quant_format": ortq.QuantFormat.QOperator}
    model = quantized_by_ort(residual_net(rng), tmp_path, [data[:12], data[12:]], True, **options)
    assert {"QLinearConv", "QLinearAdd"} < {node.op_type for node in model.graph.node}
    found = [s for s in octavo.Session(model).describe() if s.op != "Transpose"]
    assert all(s.dtype == "int8" for s in found[1:-1])
    names = [node.output[0] for node in model.graph.node if node.op_type == "QLinearConv"]
    signed = options["activation_type"] == ortq.QuantType.QInt8
    kind = TensorProto.INT8 if signed else TensorProto.UINT8
    for name in names:
        info = helper.make_tensor_value_info(name, kind, ["N", None, None, None])
        model.graph.output.append(info)
    ours = octavo.Session(model).run(names, {"input": data})
    theirs = ort_run(model, {"input": data})[-len(names) :]
    for a, c in zip(ours, theirs, strict=True):
        assert step_distance(a, c) <= 2  # one step, and what a layer makes of the one before
        assert np.mean(a != c) < 0.03


def test_bad_qoperators(b: Bytes) -> None:
    x = b.tensor(SHAPE)
    with pytest.raises(InvalidModelError, match="required"):
        octavo.Session(b.model("QLinearAdd", [x, *b.params(0.1, 3), x]))
    with pytest.raises(InvalidModelError, match="3 per tensor"):
        octavo.Session(b.model("QLinearConcat", [*b.params(0.1, 3), x], axis=1))
    pool = [x, *b.params(0.1, 3), *b.params(0.1, 3)]
    with pytest.raises(UnsupportedModelError, match="channels_last"):
        octavo.Session(b.model("QLinearGlobalAveragePool", pool, channels_last=1))
    with pytest.raises(UnsupportedModelError, match="constant"):
        octavo.Session(b.model("QLinearSigmoid", [x, x, x, *b.params(0.1, 3)]))


def test_quantized_models_are_not_quantized_again(b: Bytes, rng: np.random.Generator) -> None:
    model = b.model("QLinearSigmoid", [b.tensor(SHAPE), *b.params(0.1, 3), *b.params(0.1, 3)])
    with pytest.raises(UnsupportedModelError, match="already quantized"):
        octavo.quantize_model(model, np.zeros(SHAPE, np.float32))
    dynamic = octavo.quantize_dynamic(residual_net(rng))
    with pytest.raises(UnsupportedModelError, match="already quantized"):
        octavo.quantize_model(dynamic, np.zeros((1, 3, 16, 16), np.float32))
    with pytest.raises(UnsupportedModelError, match="nothing to quantize"):
        octavo.quantize_dynamic(model)
