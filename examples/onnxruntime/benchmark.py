"""Time ONNX Runtime with octavo's kernels beside ONNX Runtime with its own.

    python benchmark.py model.onnx --library build/liboctavo_onnxruntime.so

The model is quantized, QDQ or of QLinear operators. Outputs are compared first; then the two
sessions run in turn, and medians are printed. Last comes how long a run spends in each operator.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import rewrite

Feeds = dict[str, np.ndarray[Any, Any]]


def open_session(
    model: onnx.ModelProto, threads: int, library: Path | None, profile: Path | None = None
) -> ort.InferenceSession:
    """A session with all of ONNX Runtime's optimizations, which tunes both alike."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    if library is not None:
        options.register_custom_ops_library(str(library.resolve()))
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile / "profile")
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def random_feeds(session: ort.InferenceSession, batch: int) -> Feeds:
    """Noise for every input; free extents are the batch."""
    rng = np.random.default_rng(1)
    feeds: Feeds = {}
    for entry in session.get_inputs():
        shape = [extent if isinstance(extent, int) else batch for extent in entry.shape]
        if entry.type == "tensor(float)":
            feeds[entry.name] = rng.standard_normal(shape).astype(np.float32)
        else:
            low, high, dtype = {
                "tensor(uint8)": (0, 256, np.uint8),
                "tensor(int8)": (-128, 128, np.int8),
            }[entry.type]
            feeds[entry.name] = rng.integers(low, high, shape).astype(dtype)
    return feeds


def seconds(session: ort.InferenceSession, feeds: Feeds) -> float:
    """One run."""
    start = time.perf_counter()
    session.run(None, feeds)
    return time.perf_counter() - start


def per_operator(model: onnx.ModelProto, library: Path, threads: int, feeds: Feeds) -> Counter[str]:
    """Milliseconds of a run in each kind of operator, from ONNX Runtime's own profile."""
    runs = 20
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(model, threads, library, Path(folder))
        for _ in range(runs):
            session.run(None, feeds)
        events = json.loads(Path(session.end_profiling()).read_text())
    spent: Counter[str] = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            spent[event["args"]["op_name"]] += event["dur"] / 1000 / runs
    return spent


def main() -> int:
    """Compare, time, print; the exit status tells whether the outputs were equal."""
    parser = argparse.ArgumentParser(description="octavo in ONNX Runtime against its own kernels.")
    parser.add_argument("model", type=Path, help="quantized model")
    parser.add_argument("--library", type=Path, required=True, help="the built custom operators")
    parser.add_argument("--batch", type=int, default=1, help="samples, where that is free")
    parser.add_argument("--threads", type=int, default=1, help="of each session")
    parser.add_argument("--rounds", type=int, default=50, help="timed runs of each")
    arguments = parser.parse_args()

    model = onnx.load(arguments.model)
    rewritten, count = rewrite.rewrite(rewrite.fuse(model))
    own = open_session(model, arguments.threads, None)
    octavo = open_session(rewritten, arguments.threads, arguments.library)
    feeds = random_feeds(own, arguments.batch)
    expected, got = own.run(None, feeds), octavo.run(None, feeds)
    equal = all(np.array_equal(a, b) for a, b in zip(expected, got, strict=True))
    print(f"{count} operators replaced; outputs {'equal' if equal else 'DIFFERENT'}")

    times = [(seconds(own, feeds), seconds(octavo, feeds)) for _ in range(arguments.rounds)]
    for name, column in zip(
        ("its own kernels", "octavo's kernels"), zip(*times, strict=True), strict=True
    ):
        print(
            f"ONNX Runtime {ort.__version__}, {name:16}: {1e3 * statistics.median(column):.3f} ms"
        )
    ratio = statistics.median(a / b for a, b in times)
    print(f"octavo's are {ratio:.2f} times as fast (median of {arguments.rounds} pairs)")
    spent = per_operator(rewritten, arguments.library, arguments.threads, feeds)
    parts = ", ".join(f"{name} {ms:.3f}" for name, ms in spent.most_common())
    print(f"ms per operator with octavo, transposes included: {parts}")
    return 0 if equal else 1


if __name__ == "__main__":
    sys.exit(main())
