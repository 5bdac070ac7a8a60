"""What runs a float network: ONNX Runtime where it is installed, else octavo's float32 path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Runner:
    """A loaded network: `run` maps input arrays by name to the list of outputs.

    `label` says which library runs it, with version (and backend, for octavo).
    """

    label: str
    run: Callable[[Mapping[str, Array]], list[Array]]


def octavo_runner(model: Any, threads: int | None) -> Runner:
    """Open `model` (path, bytes or ModelProto) with octavo on `threads` threads."""
    import octavo

    session = octavo.Session(model, threads=threads)
    return Runner(
        f"octavo {octavo.__version__}, {session.backend}", lambda feeds: session.run(None, feeds)
    )


def onnxruntime_runner(model: str | Path | bytes, threads: int | None) -> Runner | None:
    """Open `model` with ONNX Runtime, or return None where it is not installed."""
    try:
        ort = import_module("onnxruntime")
    except ImportError:
        return None
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors; its warnings are no part of a result
    if threads:
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
    source = model if isinstance(model, bytes) else str(model)
    session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    return Runner(
        f"ONNX Runtime {ort.__version__}", lambda feeds: list(session.run(None, dict(feeds)))
    )


def float_runner(model: str | Path | bytes, threads: int | None) -> Runner:
    """Open a float network with the best of what is installed; the label tells which."""
    return onnxruntime_runner(model, threads) or octavo_runner(model, threads)


@contextmanager
def blas_threads(count: int) -> Iterator[str]:
    """Limit NumPy's BLAS to `count` threads inside the block; yield what is known about it.

    Without threadpoolctl (scikit-learn brings it) nothing can be limited, and the text says so.
    """
    try:
        pools = import_module("threadpoolctl")
    except ImportError:
        yield f"NumPy {np.__version__}, BLAS threads not controlled (threadpoolctl is missing)"
        return
    with pools.threadpool_limits(count, user_api="blas"):
        found = {
            f"{pool['internal_api']} on {threads_text(pool['num_threads'])}"
            for pool in pools.threadpool_info()
            if pool["user_api"] == "blas"
        }
        names = ", ".join(sorted(found)) or "no BLAS found: threads not controlled"
        yield f"NumPy {np.__version__}, {names}"


def threads_text(count: int) -> str:
    """Return "1 thread", "2 threads"."""
    return f"{count} thread{'s' if count != 1 else ''}"
