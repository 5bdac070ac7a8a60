"""Run octavo for a long time in one process; results must not change, memory must not grow.

Threads call operators, run sessions, pack weights, compile models and make mistakes, all at once,
each call compared with the bytes that it returned at the start. Resident memory is sampled a
hundred times; over the second half it must grow by less than ``--growth`` MiB, by the line that
fits it best.

    python tools/soak.py --runs 1000000
    python tools/soak.py --seconds 3600 --log memory.csv
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import octavo

Call = Callable[[], Sequence[NDArray[Any]]]
PAGE = os.sysconf("SC_PAGE_SIZE")
SAMPLES = 100
RARE_EVERY = 500  # calls that pack, compile or load


def model(rng: np.random.Generator) -> bytes:
    """A float network with free image sizes: each size is a program of its own."""
    weight = numpy_helper.from_array(rng.standard_normal((8, 3, 3, 3)).astype(np.float32), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "h", "w"])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 8, 1, 1])
    graph = helper.make_graph(nodes, "soak", [x], [y], [weight])
    opset = [helper.make_opsetid("", 17)]
    content: bytes = helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    return content


def refused(call: Callable[[], object]) -> Call:
    """A call that must fail, and keep nothing."""

    def run() -> list[NDArray[Any]]:
        try:
            call()
        except octavo.OctavoError:
            return []
        raise AssertionError("a mistake was not refused")

    return run


def calls(rng: np.random.Generator) -> tuple[list[Call], list[Call]]:
    """Frequent calls, and rare ones that build things."""
    a, w = (rng.integers(-128, 128, shape, np.int8) for shape in ((5, 40), (24, 40)))
    x = rng.integers(0, 256, (1, 9, 11, 16), np.uint8)
    w3, dw = (rng.integers(-128, 128, shape, np.int8) for shape in ((12, 16, 3, 3), (16, 1, 3, 3)))
    output: dict[str, Any] = {"weight_scale": 0.01, "a_scale": 0.02, "out_scale": 0.4}
    linear = octavo.pack_linear(w, a_dtype="int8", **output)
    conv = octavo.pack_conv2d(w3, padding=1, **output)
    depthwise = octavo.pack_conv2d(dw, padding=1, groups=16, **output)
    real = rng.standard_normal((3, 100)).astype(np.float32)
    content = model(rng)
    session = octavo.Session(content)
    images = [rng.standard_normal((2, 3, 5, n)).astype(np.float32) for n in range(4, 14)]
    sizes = itertools.cycle(images[:4])
    new_sizes = itertools.cycle(images)  # More than a session keeps.
    fresh = [octavo.Session(content).run(None, {"x": image})[0] for image in images]
    expected = {image.shape: result for image, result in zip(images, fresh, strict=True)}

    def run_session(image: NDArray[np.float32]) -> list[NDArray[Any]]:
        (result,) = session.run(None, {"x": image})
        np.testing.assert_array_equal(result, expected[image.shape])
        return []

    frequent: list[Call] = [
        lambda: [octavo.linear(a, linear)],
        lambda: [octavo.conv2d(x, conv)],
        lambda: [octavo.conv2d(x, depthwise)],
        lambda: [octavo.matmul_integer(a, w.T)],
        lambda: [octavo.add(x, x, a_scale=0.5, b_scale=0.25, out_scale=0.5)],
        lambda: [octavo.max_pool2d(x, 2)],
        lambda: [octavo.quantize_linear(real, 0.05, 10)],
        lambda: run_session(next(sizes)),
        refused(lambda: octavo.linear(a[:, :7], linear)),
        refused(lambda: octavo.conv2d(x[0], conv)),
        refused(lambda: session.run(None, {"x": images[0][:, :2]})),
    ]
    rare: list[Call] = [
        lambda: run_session(next(new_sizes)),
        lambda: [octavo.linear(a, octavo.pack_linear(w, a_dtype="int8", **output))],
        lambda: octavo.Session(content).run(None, {"x": images[0]}),
        refused(lambda: octavo.Session(content[:-9])),
    ]
    return frequent, rare


@dataclass
class Sample:
    """Memory at one moment."""

    seconds: float
    runs: int
    rss: int


def resident() -> int:
    """Bytes of this process in memory (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


class Soak:
    """Threads that call, and what was seen of them."""

    def __init__(self, threads: int) -> None:
        self._frequent, self._rare = calls(np.random.default_rng(0))
        self._expected = {id(call): call() for call in (*self._frequent, *self._rare)}
        self._runs = [0] * threads
        self._stop = threading.Event()
        self.failures: list[BaseException] = []
        self.samples: list[Sample] = []

    @property
    def runs(self) -> int:
        """Calls made so far."""
        return sum(self._runs)

    def _work(self, thread: int) -> None:
        try:
            while not self._stop.is_set():
                i = self._runs[thread]
                if i % RARE_EVERY == 0:
                    call = self._rare[i // RARE_EVERY % len(self._rare)]
                else:
                    call = self._frequent[(i + thread) % len(self._frequent)]
                for got, expected in zip(call(), self._expected[id(call)], strict=True):
                    np.testing.assert_array_equal(got, expected)
                self._runs[thread] += 1
        except BaseException as error:
            self.failures.append(error)
            self._stop.set()

    def run(self, runs: int, seconds: float) -> None:
        """Call until there were that many runs or seconds."""
        workers = [threading.Thread(target=self._work, args=(t,)) for t in range(len(self._runs))]
        for worker in workers:
            worker.start()
        start, taken = time.monotonic(), 0.0
        while taken < 1 and not self._stop.wait(0.02):
            passed = time.monotonic() - start
            taken = max(passed / seconds, self.runs / runs)
            if taken * SAMPLES >= len(self.samples):
                self.samples.append(Sample(passed, self.runs, resident()))
        self._stop.set()
        for worker in workers:
            worker.join()


def growth(samples: list[Sample]) -> float:
    """Bytes that memory grew by over the second half, by the line that fits it best."""
    half = samples[len(samples) // 2 :]
    at = np.array([sample.runs for sample in half], np.float64)
    slope = np.polyfit(at, np.array([sample.rss for sample in half], np.float64), 1)[0]
    return float(slope * (at[-1] - at[0]))


def main() -> int:
    """Run, print, return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000_000, help="calls in all")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after these")
    parser.add_argument("--threads", type=int, default=4, help="Python threads that call")
    parser.add_argument("--growth", type=float, default=1.0, help="MiB allowed in the second half")
    parser.add_argument("--log", type=Path, help="write the samples as CSV")
    arguments = parser.parse_args()
    soak = Soak(arguments.threads)
    soak.run(arguments.runs, arguments.seconds)
    for error in soak.failures:
        print(f"a call failed: {error!r}", file=sys.stderr)
    if arguments.log:
        lines = [f"{s.seconds:.1f},{s.runs},{s.rss}" for s in soak.samples]
        arguments.log.write_text("\n".join(["seconds,runs,rss_bytes", *lines]) + "\n")
    grown = growth(soak.samples) / 2**20
    first, last = soak.samples[len(soak.samples) // 2], soak.samples[-1]
    print(
        f"{soak.runs} calls in {last.seconds:.0f} s by {arguments.threads} threads; resident "
        f"{first.rss / 2**20:.1f} MiB half way, {last.rss / 2**20:.1f} MiB at the end; "
        f"fitted growth over the second half {grown:+.2f} MiB"
    )
    return 1 if soak.failures or grown > arguments.growth else 0


if __name__ == "__main__":
    sys.exit(main())
