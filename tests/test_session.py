"""`octavo.Session` as a drop-in for ONNX Runtime's InferenceSession."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

import octavo
from graph_support import Array, Builder, ort_run, ort_session
from octavo.errors import InvalidArgumentError, InvalidDtypeError, UnsupportedModelError

IMAGE = ["N", 3, 6, 5]


def two_outputs(shape: list[Any]) -> onnx.ModelProto:
    b = Builder(shape)
    w = np.random.default_rng(1).standard_normal((4, 3, 3, 3)).astype(np.float32)
    y = b.node("Conv", "input", b.constant(w), pads=[1, 1, 1, 1])
    return b.model(y, b.node("GlobalAveragePool", y))


@pytest.fixture
def session() -> octavo.Session:
    return octavo.Session(two_outputs(IMAGE))


@pytest.fixture
def x(rng: np.random.Generator) -> NDArray[np.float32]:
    return rng.standard_normal((2, 3, 6, 5)).astype(np.float32)


def test_inputs_and_outputs_are_described_as_by_onnx_runtime(session: octavo.Session) -> None:
    theirs = ort_session(two_outputs(IMAGE))
    for ours, others in (
        (session.get_inputs(), theirs.get_inputs()),
        (session.get_outputs(), theirs.get_outputs()),
    ):
        assert [(a.name, a.shape, a.type) for a in ours] == [
            (a.name, a.shape, a.type) for a in others
        ]


def test_outputs_by_name(session: octavo.Session, x: Array) -> None:
    first, second = (output.name for output in session.get_outputs())
    whole = session.run(None, {"input": x})
    np.testing.assert_array_equal(session.run([second], {"input": x})[0], whole[1])
    swapped = session.run([second, first], {"input": x}, None)
    np.testing.assert_array_equal(swapped[1], whole[0])
    assert session.run([], {"input": x}) == []


def test_results_are_the_callers(session: octavo.Session, x: Array) -> None:
    first = session.run(None, {"input": x})[0]
    kept = first.copy()
    session.run(None, {"input": x * 2})
    np.testing.assert_array_equal(first, kept)
    first[:] = 0
    np.testing.assert_array_equal(session.run(None, {"input": x})[0], kept)


def test_steps_are_timed(session: octavo.Session, x: NDArray[np.float32]) -> None:
    seconds = session.time_steps({"input": x})
    assert len(seconds) == len(session.describe())
    assert all(s > 0 for s in seconds)
    with pytest.raises(InvalidArgumentError, match="misses"):
        session.time_steps({})


def test_memory_grows_with_the_batch_and_weights_do_not(session: octavo.Session, x: Array) -> None:
    one, four = session.memory(), session.memory(4)
    assert one.weights == four.weights > 0
    assert 3 * one.arena < four.arena <= 4 * one.arena
    free = octavo.Session(two_outputs(["N", 3, "H", "W"]))
    with pytest.raises(InvalidArgumentError, match="run it once"):
        free.memory()
    free.run(None, {"input": x})
    assert free.memory() == one
    for batch in (-1, 2**62, "4"):
        with pytest.raises(InvalidArgumentError, match="batch: "):
            session.memory(batch)  # type: ignore[arg-type]


def test_weights_are_kept_once(x: Array) -> None:
    """What was compiled for good lets go of the model; what may be compiled again keeps it."""
    fixed, free = (
        octavo.Session(two_outputs(IMAGE)),
        octavo.Session(two_outputs(["N", 3, "H", "W"])),
    )
    assert fixed._compiler is None
    assert free._compiler is not None
    assert free._compiler.graph.initializers
    assert [v.name for v in fixed.get_outputs()] == [v.name for v in free.get_outputs()]
    for mine, other in zip(*(s.run(None, {"input": x}) for s in (fixed, free)), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_any_memory_layout_is_taken(session: octavo.Session, x: Array) -> None:
    want = session.run(None, {"input": x})[0]
    wide = np.zeros((2, 3, 6, 10), np.float32)
    wide[..., ::2] = x
    read_only = x.copy()
    read_only.flags.writeable = False
    for given in (wide[..., ::2], np.asfortranarray(x), read_only, x[::-1][::-1]):
        np.testing.assert_array_equal(session.run(None, {"input": given})[0], want)


def test_loads_from_path_bytes_and_proto(tmp_path: Any, x: Array) -> None:
    model = two_outputs(IMAGE)
    onnx.save(model, tmp_path / "m.onnx")
    want = octavo.Session(model).run(None, {"input": x})
    for form in (tmp_path / "m.onnx", str(tmp_path / "m.onnx"), model.SerializeToString()):
        np.testing.assert_array_equal(octavo.Session(form).run(None, {"input": x})[0], want[0])


def test_free_spatial_extents_compile_per_shape(rng: np.random.Generator) -> None:
    model = two_outputs(["N", 3, "H", "W"])
    session = octavo.Session(model)
    with pytest.raises(InvalidArgumentError, match="run it once first"):
        session.describe()
    for side in (*range(3, 14), 3):
        given = rng.standard_normal((1, 3, side, side + 1)).astype(np.float32)
        ours, theirs = session.run(None, {"input": given}), ort_run(model, {"input": given})
        np.testing.assert_allclose(ours[0], theirs[0], atol=1e-5)
        shapes = {step.op: step.shape for step in session.describe()}
        assert shapes["Conv"] == ("N", 4, side, side + 1)


def test_fixed_batch_is_the_only_one(x: Array) -> None:
    session = octavo.Session(two_outputs([2, *IMAGE[1:]]))
    assert session.run(None, {"input": x})[0].shape[0] == 2
    with pytest.raises(InvalidArgumentError, match=r"shape \(1, 3, 6, 5\); the model takes \(2, 3"):
        session.run(None, {"input": x[:1]})


def test_reshape_that_bakes_in_a_batch_is_named() -> None:
    b = Builder(IMAGE)
    y = b.node("Reshape", "input", b.constant(np.int64([1, 90])))
    message = r"node 'reshape_\d+' \(Reshape\): its target \[1, 90\] bakes in a batch of 1"
    with pytest.raises(UnsupportedModelError, match=message):
        octavo.Session(b.model(y))


@pytest.mark.parametrize(
    ("feeds", "error", "message"),
    [
        ({}, InvalidArgumentError, r"misses \['input'\]; the model's inputs are \['input'\]"),
        ({"input": None, "x": None}, InvalidArgumentError, r"unknown names \['x'\]"),
        ({"input": np.zeros((2, 3, 6, 5))}, InvalidDtypeError, "float64; the model takes float32"),
        ({"input": np.zeros((2, 3, 6, 5), np.uint8)}, InvalidDtypeError, "has dtype uint8"),
        ({"input": np.zeros((2, 3, 6), "f4")}, InvalidArgumentError, r"takes \(N, 3, 6, 5\)"),
        ({"input": np.zeros((2, 3, 5, 6), "f4")}, InvalidArgumentError, r"shape \(2, 3, 5, 6\)"),
        ({"input": np.float32(1)}, InvalidArgumentError, r"shape \(\)"),
        ({"input": "text"}, InvalidDtypeError, "dtype <U4"),
        ([np.zeros((2, 3, 6, 5), np.float32)], InvalidDtypeError, "not list"),
    ],
)
def test_bad_feeds(
    session: octavo.Session, feeds: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        session.run(None, feeds)


def test_bad_arguments(session: octavo.Session, x: Array) -> None:
    with pytest.raises(InvalidArgumentError, match="no output 'nope'; the model has"):
        session.run(["nope"], {"input": x})
    for threads in (0, -1, True):
        with pytest.raises(InvalidArgumentError, match="threads must be a positive int"):
            octavo.Session(two_outputs(IMAGE), threads=threads)
    with pytest.raises(InvalidArgumentError, match="model must be a path"):
        octavo.Session(3)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgumentError, match=r"no such file: 'nope\.onnx'"):
        octavo.Session("nope.onnx")


def test_inputs_of_different_batch(x: Array) -> None:
    b = Builder(IMAGE)
    b.add_input("other", IMAGE)
    session = octavo.Session(b.model(b.node("Add", "input", "other")))
    with pytest.raises(InvalidArgumentError, match="differ in their batch"):
        session.run(None, {"input": x, "other": x[:1]})


def test_an_input_may_be_an_output(x: Array) -> None:
    b = Builder(IMAGE)
    model = b.model(b.node("Flatten", "input"))
    np.testing.assert_array_equal(
        octavo.Session(model).run(None, {"input": x})[0], x.reshape(2, -1)
    )


def test_one_session_in_several_threads(session: octavo.Session, rng: np.random.Generator) -> None:
    inputs = [rng.standard_normal((n, 3, 6, 5)).astype(np.float32) for n in (1, 2, 3, 4)]
    want = [session.run(None, {"input": v})[0] for v in inputs]
    wrong: list[int] = []

    def work(index: int) -> None:
        for _ in range(30):
            if not np.array_equal(session.run(None, {"input": inputs[index]})[0], want[index]):
                wrong.append(index)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_session_keeps_its_backend(x: Array) -> None:
    other = octavo.backends()[-1]
    with octavo.use_backend(other):
        session = octavo.Session(two_outputs(["N", 3, "H", "W"]))
    before = octavo.backend()
    session.run(None, {"input": x})
    assert session.backend == other
    assert octavo.backend() == before
    assert any(other in step.kernel for step in session.describe())
