"""Control flow, and shapes that are not known before a run: errors that say what is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import octavo
import octavo.onnx_backend as backend
from octavo.errors import InvalidArgumentError, UnsupportedModelError

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
Load = Callable[[onnx.ModelProto], object]
LOADERS: list[Load] = [octavo.Session, backend.prepare, octavo.quantize_dynamic]


def info(name: str, shape: list[Any] | None, kind: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto] | None = None,
    output: list[Any] | None = None,
    **constants: Any,
) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    ins, outs = inputs or [info("x", ["N", 4])], [info("y", output or ["N", 4])]
    graph = helper.make_graph(nodes, "g", ins, outs, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def branch(name: str) -> onnx.GraphProto:
    node = helper.make_node("Relu", ["x"], [name])
    return helper.make_graph([node], name, [], [info(name, ["N", 4])])


def body() -> onnx.GraphProto:
    nodes = [helper.make_node("Identity", [f"{n}_in"], [f"{n}_out"]) for n in ("go", "v")]
    ins = [info("i", [], INT64), info("go_in", [], BOOL), info("v_in", ["N", 4])]
    return helper.make_graph(
        nodes, "body", ins, [info("go_out", [], BOOL), info("v_out", ["N", 4])]
    )


CONTROL_FLOW = {
    "If": model(
        [helper.make_node("If", ["go"], ["y"], then_branch=branch("a"), else_branch=branch("b"))],
        go=np.array(True),
    ),
    "Loop": model(
        [helper.make_node("Loop", ["n", "go", "x"], ["y"], body=body())],
        n=np.int64(3),
        go=np.array(True),
    ),
}


@pytest.mark.parametrize("load", LOADERS)
@pytest.mark.parametrize("op", CONTROL_FLOW)
def test_control_flow(op: str, load: Load) -> None:
    with pytest.raises(UnsupportedModelError, match=rf"\({op}\): control flow"):
        load(CONTROL_FLOW[op])


def test_control_flow_is_not_calibrated() -> None:
    with pytest.raises(UnsupportedModelError, match="control flow"):
        octavo.quantize_model(CONTROL_FLOW["Loop"], np.zeros((2, 4), np.float32))


def test_sequences_are_no_tensors() -> None:
    nodes = [
        helper.make_node("SequenceConstruct", ["x", "x"], ["s"]),
        helper.make_node("ConcatFromSequence", ["s"], ["y"], axis=1),
    ]
    with pytest.raises(UnsupportedModelError, match="SequenceConstruct"):
        octavo.Session(model(nodes, output=["N", 8]))


def test_shapes_that_depend_on_values() -> None:
    nodes = [
        helper.make_node("Cast", ["x"], ["target"], to=INT64),
        helper.make_node("Reshape", ["x", "target"], ["y"]),
    ]
    with pytest.raises(UnsupportedModelError, match=r"Cast|Reshape"):
        octavo.Session(model(nodes, [info("x", [2])], [1, 2]))
    with pytest.raises(UnsupportedModelError, match="NonZero"):
        octavo.Session(model([helper.make_node("NonZero", ["x"], ["y"])]))


def test_free_extents_are_compiled_when_seen() -> None:
    relu = [helper.make_node("Relu", ["x"], ["y"])]
    for shape in (["N", "height", "width"], [None, None, None], ["N", 3, "width"]):
        session = octavo.Session(model(relu, [info("x", shape)], shape))
        with pytest.raises(InvalidArgumentError, match="run it once first"):
            session.describe()
        for extents in ((1, 3, 5), (2, 3, 7)):
            x = np.full(extents, -1, np.float32)
            np.testing.assert_array_equal(session.run(None, {"x": x})[0], np.zeros(extents))
        with pytest.raises(InvalidArgumentError, match="shape"):
            session.run(None, {"x": np.zeros((2, 3), np.float32)})


def test_a_free_extent_must_fit_the_weights() -> None:
    matmul = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    free = model(matmul, [info("x", ["N", "k"])], ["N", 3], w=np.ones((4, 3), np.float32))
    session = octavo.Session(free)
    np.testing.assert_array_equal(session.run(None, {"x": np.ones((2, 4), np.float32)})[0], 4)
    with pytest.raises(octavo.OctavoError, match="rows of 5"):
        session.run(None, {"x": np.ones((2, 5), np.float32)})


def test_inputs_that_fix_different_batches() -> None:
    inputs = [info("x", [2, 4]), info("z", [1, 4])]
    add = model([helper.make_node("Add", ["x", "z"], ["y"])], inputs, [2, 4])
    with pytest.raises(UnsupportedModelError, match="axis 0"):
        octavo.Session(add)
    x, z = (np.arange(n * 4, dtype=np.float32).reshape(n, 4) for n in (2, 1))
    np.testing.assert_array_equal(backend.run_model(add, [x, z])[0], x + z)


def test_reading_along_the_batch() -> None:
    for op, attrs in (("Softmax", {"axis": 0}), ("Transpose", {"perm": [1, 0]})):
        node = helper.make_node(op, ["x"], ["y"], **attrs)
        with pytest.raises(UnsupportedModelError, match="batch"):
            octavo.Session(model([node]))
