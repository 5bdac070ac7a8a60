"""What docs/threads.md claims, with 8 threads at once; without a GIL where Python has none."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import octavo
from core_network import network
from graph_support import Builder
from layers import random_bytes
from octavo.calibrate import TensorStatistics, create_observer
from test_threads import workloads

THREADS, ROUNDS = 8, 20
FREE_THREADED = not getattr(sys, "_is_gil_enabled", lambda: True)()


def at_once(work: Callable[[int], None], threads: int = THREADS) -> None:
    """Run work(0), work(1), ... in threads that begin together; raise what one of them raised."""
    start, failures = threading.Barrier(threads), []

    def run(index: int) -> None:
        try:
            start.wait()
            work(index)
        except BaseException as error:
            failures.append(error)

    workers = [threading.Thread(target=run, args=(index,)) for index in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]


@pytest.mark.parametrize("loop_threads", [1, 3])
def test_packed_weights_and_operators(rng: np.random.Generator, loop_threads: int) -> None:
    octavo.set_num_threads(loop_threads)
    calls = list(workloads(rng).values())
    expected = [call() for call in calls]

    def work(index: int) -> None:
        for i in range(ROUNDS):
            at = (i + index) % len(calls)
            np.testing.assert_array_equal(calls[at](), expected[at])

    at_once(work)


def test_packing_at_the_same_time(rng: np.random.Generator) -> None:
    weight, a = random_bytes(rng, (70, 90), "int8"), random_bytes(rng, (9, 90), "uint8")
    expected = octavo.matmul_integer(a, weight.T)

    def work(index: int) -> None:
        for _ in range(ROUNDS):
            packed = octavo.pack_linear(weight, bias=np.full(70, index, np.int32))
            np.testing.assert_array_equal(octavo.linear(a, packed), expected + index)

    at_once(work)


def test_a_program(rng: np.random.Generator) -> None:
    program, _ = network(rng)
    inputs = [rng.standard_normal((batch, 800)).astype(np.float32) for batch in range(1, 9)]
    expected = [program.run([x.reshape(-1)], len(x)) for x in inputs]

    def work(index: int) -> None:
        for i in range(ROUNDS):  # Batches are planned while others run.
            x, wanted = inputs[(index + i) % 8], expected[(index + i) % 8]
            for got, value in zip(program.run([x.reshape(-1)], len(x)), wanted, strict=True):
                np.testing.assert_array_equal(got, value)

    at_once(work)


def test_a_session_that_compiles_as_shapes_come(rng: np.random.Generator) -> None:
    b = Builder(["N", 3, "h", "w"])
    weight = rng.standard_normal((4, 3, 3, 3)).astype(np.float32)
    y = b.node("Relu", b.node("Conv", "input", b.constant(weight), pads=[1, 1, 1, 1]))
    model = b.model(y)
    inputs = [rng.standard_normal((2, 3, n, 5)).astype(np.float32) for n in range(3, 14)]
    expected = [octavo.Session(model).run(None, {"input": x})[0] for x in inputs]
    session = octavo.Session(model)

    def work(index: int) -> None:
        for i in range(ROUNDS):  # More shapes than programs are kept.
            at = (index * 3 + i) % len(inputs)
            np.testing.assert_array_equal(session.run(None, {"input": inputs[at]})[0], expected[at])

    at_once(work)


def test_the_backend_is_each_threads_own() -> None:
    names = octavo.backends()
    before = octavo.backend()
    barrier = threading.Barrier(THREADS)

    def work(index: int) -> None:
        assert octavo.backend() == before
        with octavo.use_backend(names[index % len(names)]) as name:
            for _ in range(ROUNDS):
                barrier.wait()
                assert octavo.backend() == name
            with octavo.use_backend("scalar"):
                barrier.wait()
                assert octavo.backend() == "scalar"
            assert octavo.backend() == name
        assert octavo.backend() == before

    at_once(work)
    assert octavo.backend() == before


def test_a_histogram_counts_for_all(rng: np.random.Generator) -> None:
    pieces = rng.standard_normal((THREADS, 64, 500)).astype(np.float32)
    shared, alone = octavo.calibrate.Histogram(), octavo.calibrate.Histogram()

    def work(index: int) -> None:
        for sample in pieces[index]:
            shared.update(sample[np.newaxis])

    at_once(work)
    alone.update(pieces.reshape(-1, 500))
    assert shared.summary == alone.summary
    for got, expected in zip(shared.keys(), alone.keys(), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_an_observer_per_thread_merges_to_the_same(rng: np.random.Generator) -> None:
    pieces = rng.standard_normal((THREADS, 32, 100)).astype(np.float32)
    parts: list[TensorStatistics] = [TensorStatistics() for _ in range(THREADS)]
    at_once(lambda index: parts[index].update(pieces[index]))
    whole, merged = TensorStatistics(), TensorStatistics()
    whole.update(pieces.reshape(-1, 100))
    for part in parts:
        merged.merge(part)
    for method in ("max", "mse", "moving_average"):
        observers = [create_observer(method, statistics=s) for s in (whole, merged)]
        assert observers[0].compute() == observers[1].compute()


def test_changing_the_number_of_threads(rng: np.random.Generator) -> None:
    call = workloads(rng)["conv2d"]
    expected = call()

    def work(index: int) -> None:
        for i in range(ROUNDS):
            octavo.set_num_threads(1 + (index + i) % 5)
            np.testing.assert_array_equal(call(), expected)

    at_once(work)


@pytest.mark.skipif(not FREE_THREADED, reason="this Python has a GIL")
def test_importing_octavo_leaves_the_gil_off() -> None:
    code = "import sys, octavo; sys.exit(sys._is_gil_enabled())"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


@pytest.mark.skipif(
    importlib.util.find_spec("_interpreters") is None, reason="needs Python 3.13's _interpreters"
)
def test_sub_interpreters_are_refused() -> None:
    code = (
        "import sys, _interpreters as i; new = i.create();"
        "failed = i.run_string(new, 'import octavo._core');"
        "i.destroy(new); import octavo; print(octavo.backend());"
        "sys.exit(0 if failed and 'ImportError' in str(failed.type.__name__) else str(failed))"
    )
    run: Any = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
