"""`octavo.onnx_backend`, and ONNX's own tests: those claimed pass, all others are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import octavo
import octavo.onnx_backend as backend
import onnx_claims
from octavo.errors import InvalidArgumentError, InvalidDtypeError, UnsupportedModelError

CLAIMED = frozenset(Path(__file__).with_name("onnx_claims.txt").read_text("utf-8").split())
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def cases() -> dict[str, onnx_claims.Case]:
    return {case.name: case for case in onnx_claims.cases()}


@pytest.mark.parametrize("name", sorted(CLAIMED))
def test_claimed(cases: dict[str, onnx_claims.Case], name: str) -> None:
    if name not in cases:
        pytest.skip("this version of onnx has no such test")
    assert onnx_claims.run(cases[name]) == ""


def test_all_quantization_operators_are_claimed() -> None:
    expected = {"convinteger_with_padding", "dynamicquantizelinear", "matmulinteger", "qlinearconv"}
    expected |= {f"qlinearmatmul_{d}D_{t}_float32" for d in (2, 3) for t in ("uint8", "int8")}
    for op in ("quantizelinear", "dequantizelinear"):
        expected |= {f"{op}{suffix}" for suffix in ("", "_axis", "_int16", "_uint16")}
    assert {f"test_{name}" for name in expected} <= CLAIMED


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_all_others_are_refused_with_a_reason(cases: dict[str, onnx_claims.Case]) -> None:
    """Neither a crash nor a wrong result; what would pass has to be claimed."""
    for case in (case for name, case in cases.items() if name not in CLAIMED):
        try:
            reason = onnx_claims.run(case)
        except Exception as error:
            pytest.fail(f"{case.name}: {type(error).__name__}: {error}")
        assert len(reason) > 20, f"{case.name}: {reason!r}; tools/onnx_claims.py claims it"


def test_the_page_lists_what_is_claimed() -> None:
    page = (ROOT / "docs" / "onnx.md").read_text("utf-8")
    assert f"octavo passes {len(CLAIMED)} and refuses" in page


def relu_model(shape: list[Any]) -> onnx.ModelProto:
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in "xy")
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def test_prepare_runs_again_and_again() -> None:
    prepared = backend.prepare(relu_model(["N", 3]), "CPU")
    for n in (1, 4):
        x = np.arange(-n, 2 * n, dtype=np.float32).reshape(n, 3)
        for inputs in ([x], (x,), x, {"x": x}):
            (y,) = prepared.run(inputs)
            np.testing.assert_array_equal(y, np.maximum(x, 0))


def test_constants_may_change_between_runs() -> None:
    node = helper.make_node("Gemm", ["a", "b"], ["y"])
    shapes = {"a": [2, 3], "b": [3, 4]}
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in shapes.items()]
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 4])
    graph = helper.make_graph([node], "g", infos, [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    prepared = backend.prepare(model)
    rng = np.random.default_rng(3)
    for _ in range(3):
        a, b = (rng.standard_normal(s).astype(np.float32) for s in ((2, 3), (3, 4)))
        np.testing.assert_allclose(prepared.run([a, b])[0], a @ b, rtol=1e-5, atol=1e-6)


def test_run_node() -> None:
    node = helper.make_node("Add", ["a", "b"], ["y"])
    a, b = np.float32([[1, 2]]), np.float32([[3, 4]])
    (y,) = backend.run_node(node, [a, b])
    np.testing.assert_array_equal(y, a + b)
    info = [(np.dtype(np.float32), (1, 2))]
    (y,) = backend.run_node(node, [a, b], outputs_info=info, opset_version=13)
    np.testing.assert_array_equal(y, a + b)
    with pytest.raises(InvalidArgumentError, match="the node reads"):
        backend.run_node(node, [a])


def test_devices_and_bad_arguments() -> None:
    assert backend.supports_device("CPU")
    assert not backend.supports_device("CUDA")
    model = relu_model(["N", 3])
    with pytest.raises(InvalidArgumentError, match="device"):
        backend.prepare(model, "CUDA:0")
    with pytest.raises(InvalidArgumentError, match="the model takes"):
        backend.run_model(model, [])
    with pytest.raises(InvalidArgumentError, match="the model takes"):
        backend.run_model(model, {"z": np.zeros((1, 3), np.float32)})
    with pytest.raises(InvalidDtypeError, match="float64"):
        backend.run_model(model, [np.zeros((1, 3))])
    with pytest.raises(octavo.InvalidArgumentError, match="shape"):
        backend.run_model(model, [np.zeros((1, 4), np.float32)])


def test_is_compatible() -> None:
    assert backend.is_compatible(relu_model([2, 3]))
    bad = relu_model([2, 3])
    bad.graph.node[0].op_type = "Det"
    assert not backend.is_compatible(bad)
    with pytest.raises(UnsupportedModelError, match="Det"):
        backend.prepare(bad)
