"""What octavo writes runs on int8 kernels elsewhere, at an opset that has all it says."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import helper

import models  # bench/ is on the path
import octavo
from graph_support import Array, Builder, both
from octavo.graph.ir import Graph, Node, Value
from octavo.graph.save import save_graph
from test_quantize_model import residual_net

F32 = np.dtype(np.float32)


def optimized(model: onnx.ModelProto, folder: Path) -> Counter[str]:
    """The operators of the graph ONNX Runtime executes."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return Counter(node.op_type for node in onnx.load(folder / "optimized.onnx").graph.node)


@pytest.mark.parametrize("per_channel", [True, False])
def test_onnx_runtime_runs_networks_in_int8(
    tmp_path: Path, rng: np.random.Generator, per_channel: bool
) -> None:
    data = rng.standard_normal((8, 3, 16, 16)).astype(np.float32)
    model = octavo.quantize_model(residual_net(rng), data, per_channel=per_channel)
    found = optimized(model, tmp_path)
    # It has no kernel for what is quantized once, behind the sum with a residual.
    assert found["QLinearConv"] == 6
    assert found["FusedConv"] == 2
    assert found["QGemm"] == 1
    assert found["QLinearGlobalAveragePool"] == 1
    assert not {"Gemm", "GlobalAveragePool", "MaxPool"} & set(found)


def test_onnx_runtime_runs_transformers_in_int8(tmp_path: Path, rng: np.random.Generator) -> None:
    data = rng.standard_normal((4, 8, 32)).astype(np.float32)
    model = models.bert_layers(1, tokens=8, hidden=32, heads=4, ffn=64)
    found = optimized(octavo.quantize_model(model, data), tmp_path)
    assert found["QLinearMatMul"] + found["MatMulIntegerToFloat"] == 8
    assert not found["MatMul"]


def test_onnx_runtime_fuses_dynamic_layers(tmp_path: Path, rng: np.random.Generator) -> None:
    model = models.bert_layers(1, tokens=8, hidden=32, heads=4, ffn=64)
    found = optimized(octavo.quantize_dynamic(model), tmp_path)
    assert found["DynamicQuantizeMatMul"] + found["MatMulIntegerToFloat"] == 6
    assert not found["MatMulInteger"]


def dequantized(values: Array, **attrs: int) -> Graph:
    """x times a quantized constant."""
    scale = np.full((4, 3) if "block_size" in attrs else 4, 0.5, np.float32)
    zero = np.zeros(scale.shape, values.dtype)
    nodes = [
        Node("DequantizeLinear", "dq", ["w", "s", "z"], ["real"], {"axis": 0, **attrs}),
        Node("MatMul", "mul", ["x", "real"], ["y"]),
    ]
    inputs, outputs = [Value("x", F32, ("N", 4))], [Value("y", F32, ("N", 3))]
    return Graph(nodes, {"w": values, "s": scale, "z": zero}, inputs, outputs, 13)


@pytest.mark.parametrize(
    ("dtype", "opset"),
    [
        (np.int8, 17),
        (np.uint8, 17),
        (np.int16, 21),
        (np.uint16, 21),
        (ml_dtypes.int4, 21),
        (ml_dtypes.uint4, 21),
        (ml_dtypes.int2, 25),
        (ml_dtypes.uint2, 25),
    ],
)
def test_the_opset_has_the_type(rng: np.random.Generator, dtype: type, opset: int) -> None:
    values = rng.integers(0, 2, (4, 3)).astype(dtype)
    model = save_graph(dequantized(values))
    assert model.opset_import[0].version == opset
    x = rng.standard_normal((2, 4)).astype(np.float32)
    (y,) = octavo.Session(model).run(None, {"x": x})
    np.testing.assert_allclose(y, x @ (values.astype(np.float32) * 0.5), rtol=1e-5, atol=1e-5)
    if opset <= 21:
        both(model, x=x)


def test_blocks_need_opset_21(rng: np.random.Generator) -> None:
    graph = dequantized(rng.integers(-9, 9, (4, 3)).astype(np.int8), block_size=1)
    assert save_graph(graph).opset_import[0].version == 21


def test_four_bit_weights_run_in_int8(rng: np.random.Generator) -> None:
    """Per output channel; the products are exact."""
    b = Builder(["N", 16], opset=21)
    w = rng.integers(-8, 8, (16, 5)).astype(ml_dtypes.int4)
    x = b.qdq("input", 0.05, 120)
    y = b.node("MatMul", x, b.weight(w, rng.uniform(0.1, 0.2, 5), axis=1))
    model = b.model(b.qdq(y, 0.1, 130))
    model.ir_version = 10
    found = [f"{s.op}:{s.dtype}" for s in octavo.Session(model).describe()]
    assert "MatMul:int8" in found
    (ours,), (theirs,) = both(model, input=rng.standard_normal((3, 16)).astype(np.float32))
    np.testing.assert_allclose(ours, theirs, atol=0.11)


def test_ir_version_fits_the_opset(rng: np.random.Generator) -> None:
    model = save_graph(dequantized(rng.integers(0, 2, (4, 3)).astype(ml_dtypes.int4)))
    assert model.ir_version >= helper.find_min_ir_version_for(model.opset_import, True)
