"""Peak memory of one peer on one file: `python -m bench.peers.memory PEER FILE THREADS SHAPE...`.

A process of its own loads nothing but NumPy and the peer. Two figures are read from it: what was
resident at most, and the same before the file was opened (the library itself).
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

CALLS = 3
ROOT = Path(__file__).resolve().parents[2]


def why_missing(package: str) -> str | None:
    """None if the package can be imported."""
    try:
        importlib.import_module(package)
    except ImportError as error:
        return str(error)
    return None


def peak_bytes() -> int:
    """Most memory this process ever had resident.

    Linux carries getrusage's figure over from the parent across exec; VmHWM starts anew.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def measure(peer: str, file: Path, shape: tuple[int, ...], threads: int) -> dict[str, int] | None:
    """Run a peer in a process of its own; None if that failed."""
    command = [sys.executable, "-m", "bench.peers.memory", peer, str(file), str(threads)]
    done = subprocess.run(
        [*command, *map(str, shape)], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        return None
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(peer: str, file: str, threads: str, *shape: str) -> None:
    """Open, call, print the two figures as JSON."""
    from .network import PEERS

    importlib.import_module(PEERS[peer].package)
    library = peak_bytes()
    x = np.random.default_rng(0).standard_normal(tuple(map(int, shape)), np.float32)
    run = PEERS[peer].open(file, int(threads))
    for _ in range(CALLS):
        run(x)
    sys.stdout.write(json.dumps({"peak": peak_bytes(), "library": library}) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
