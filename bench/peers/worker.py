"""One suite on one number of threads, in a process of its own: `python -m bench.peers.worker`.

Standard input is a JSON object {"suite", "threads", "repeats", "peers", "quick", ...}; every step
done is a line on standard output, and the last line is "result " and the suite's JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_STEP, _RESULT = "step ", "result "


# What holds each library to AVX2. ONNX Runtime and FBGEMM have no such switch.
_AVX2 = {
    "OCTAVO_BACKEND": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ATEN_CPU_CAPABILITY": "avx2",
    "OPENBLAS_CORETYPE": "Haswell",
}


def environment(suite: str, threads: int, avx2: bool) -> dict[str, str]:
    """Set thread counts before any library starts, and undo what would cap one of them.

    Single ops return new arrays. Freed memory stays with the process (glibc), so that nobody is
    charged page faults that a network with its preallocated buffers does not have.
    """
    env = {
        k: v for k, v in os.environ.items() if k not in {"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"}
    }
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        env[name] = str(threads)
    env["OCTAVO_NUM_THREADS"] = str(threads)
    if suite != "network":
        env |= {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}
    return env | (_AVX2 if avx2 else {})


def start(request: dict[str, Any], advance: Callable[[str], None]) -> dict[str, Any]:
    """Run one request in a new process and return its result."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.peers.worker"],
        cwd=ROOT,
        env=environment(request["suite"], request["threads"], request["avx2"]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        process.stdin.write(json.dumps(request))
        process.stdin.close()
        result = None
        for line in process.stdout:
            if line.startswith(_STEP):
                advance(line.removeprefix(_STEP).strip())
            elif line.startswith(_RESULT):
                result = json.loads(line.removeprefix(_RESULT))
    if process.returncode != 0 or result is None:
        raise RuntimeError(
            f"the {request['suite']} suite ended with exit code {process.returncode}"
        )
    found: dict[str, Any] = result
    return found


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> None:
    """Serve the request on standard input."""
    request = json.loads(sys.stdin.read())
    from . import machine

    cpus = machine.pin(request["threads"])

    def advance(step: str) -> None:
        _say(_STEP + step)

    suite = request.pop("suite")
    if suite == "network":
        from .network import run_networks

        result = run_networks(**request, advance=advance)
    else:
        from .suites import run_suite

        result = run_suite(suite, **request, advance=advance)
    _say(_RESULT + json.dumps({**result, "cpus": cpus}))


if __name__ == "__main__":
    main()
