"""Forks, exits while threads run, and a host's floating-point environment, for whole networks."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import octavo
from core_network import images, network
from graph_support import Builder
from test_threads import ROUNDING, mxcsr, needs_mxcsr

TIMEOUT = 600  # for a child that hangs
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")

# A program as in core_network, large enough to be split over threads, and what it returns.
NETWORK = """
import os, sys, threading
import numpy as np
import octavo
from core_network import images, network

rng = np.random.default_rng(7)
program, _ = network(rng, side=64)
x = images(rng, 2, side=64).reshape(-1)
octavo.set_num_threads(3)
expected = [y.copy() for y in program.run([x], 2)]

def check(rounds, program=program):
    for _ in range(rounds):
        for got, want in zip(program.run([x], 2), expected):
            assert np.array_equal(got, want)
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run code after NETWORK, in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", NETWORK + textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
    )


@needs_fork
def test_children_run_what_the_parent_made() -> None:
    done = run("""
        for _ in range(3):
            child = os.fork()
            if child == 0:
                check(5)
                grandchild = os.fork()
                if grandchild == 0:
                    check(5)
                    os._exit(3)
                os._exit(os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))
            check(5)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        print("done")
    """)
    assert done.stdout == "done\n", done.stderr


@needs_fork
def test_forks_while_other_threads_run() -> None:
    """The pool's locks are held by threads that the child does not have; it has its own pool."""
    done = run("""
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # Python's, of forks beside threads
        unused, _ = network(np.random.default_rng(7), side=64)
        stop = threading.Event()
        def work():
            while not stop.is_set():
                check(1)
        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(10):
            child = os.fork()
            if child == 0:
                check(2, unused)
                os._exit(3)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        stop.set()
        for thread in threads:
            thread.join()
        print("done")
    """)
    assert done.stdout == "done\n", done.stderr


def test_exit_while_threads_run() -> None:
    """Neither a crash nor a hang: daemon threads are inside a run when the process ends."""
    done = run("""
        import time
        started = threading.Barrier(4)
        def work():
            started.wait()
            while True:
                check(1)
        for _ in range(3):
            threading.Thread(target=work, daemon=True).start()
        started.wait()
        time.sleep(0.2)
        os._exit(0)
    """)
    assert (done.returncode, done.stderr) == (0, "")


def test_exit_while_a_pool_of_threads_works() -> None:
    done = run("""
        from concurrent.futures import ThreadPoolExecutor
        pool = ThreadPoolExecutor(4)
        results = [pool.submit(check, 2) for _ in range(12)]
        import atexit
        atexit.register(lambda: print(all(r.exception() is None for r in results)))
    """)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


@needs_mxcsr
@pytest.mark.parametrize("mode", ROUNDING)
@pytest.mark.parametrize("threads", [1, 3])
def test_programs_in_the_hosts_environment(
    backend: str, rng: np.random.Generator, mode: str, threads: int
) -> None:
    program, _ = network(rng)
    x = images(rng, 5).reshape(-1)
    expected = program.run([x], 5, 1)
    with mxcsr(ROUNDING[mode]):
        got = program.run([x], 5, threads)
    for ours, want in zip(got, expected, strict=True):
        np.testing.assert_array_equal(ours, want)


@needs_mxcsr
@pytest.mark.parametrize("mode", ROUNDING)
def test_sessions_in_the_hosts_environment(rng: np.random.Generator, mode: str) -> None:
    """Float and int8 steps; subnormal results are kept."""
    b = Builder(["N", 3, 9, 9])
    weight = rng.standard_normal((8, 3, 3, 3)).astype(np.float32)
    y = b.node("Conv", b.qdq("input", 0.03, 128), b.constant(weight), pads=[1] * 4)
    y = b.node("GlobalAveragePool", b.node("Sigmoid", b.qdq(y, 0.1, 100)))
    model = b.model(b.node("Mul", y, b.constant(np.float32(1e-39))))
    x = {"input": rng.standard_normal((3, 3, 9, 9)).astype(np.float32)}
    session = octavo.Session(model)
    (expected,) = session.run(None, x)
    assert ((expected > 0) & (expected < np.finfo(np.float32).tiny)).all()
    with mxcsr(ROUNDING[mode]):
        (got,) = session.run(None, x)
    np.testing.assert_array_equal(got.view(np.uint32), expected.view(np.uint32))
