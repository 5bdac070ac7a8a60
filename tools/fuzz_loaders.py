"""Feed damaged files to octavo's loaders: ONNX models, .calib files, octavo programs.

A loader may return what the file says, which is then used, or raise an error of octavo's own.
Anything else is a finding: another exception, a crash, more memory or CPU time than it is given.
Checksums are set right after the damage, so that it gets past them.

    python tools/fuzz_loaders.py --seconds 600 onnx
    python tools/fuzz_loaders.py --seconds 60             # all three
    python tools/fuzz_loaders.py --case 1234 onnx         # one again, in this process
"""

from __future__ import annotations

import argparse
import contextlib
import os
import resource
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import octavo
from fuzz_mutations import change_bytes, change_calib, change_onnx, change_program
from fuzz_seeds import calib_seeds, onnx_seeds, program_seeds
from octavo.calibrate import Calibration, calib_file

Random = np.random.Generator

MIB = 2**20
MAX_BYTES = 64 * MIB  # what loaders are told
MEMORY = 1024 * MIB  # what a process may allocate on top of what it starts with
CPU_SECONDS = 20
MAX_RUN = 4 * MIB  # activations of networks that are run
TYPES = {
    "tensor(float)": np.float32,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
    "tensor(int32)": np.int32,
}


def use_session(content: bytes) -> None:
    """Load a network; run it where that is a small thing."""
    session = octavo.Session(content, threads=1, max_bytes=MAX_BYTES)
    feeds = {}
    for value in session.get_inputs():
        shape = [n if isinstance(n, int) else 2 for n in value.shape]
        if np.prod(shape, dtype=float) > MAX_RUN:
            return
        feeds[value.name] = np.ones(shape, TYPES[value.type])
    session.run(None, feeds)
    session.describe()


def use_calib(content: bytes) -> None:
    """Read a calibration and ask it for ranges; written and read again it must be the same."""
    read = calib_file.decode(content, "file")
    calibration = Calibration(read.fingerprint, read.samples, read.tensors)
    written = calibration.to_bytes()
    if calib_file.encode(calib_file.decode(written, "file")) != written:
        raise AssertionError("written and read again it is another calibration")
    for name in calibration.tensors:
        with contextlib.suppress(octavo.CalibrationError):  # nothing was counted, or no numbers
            calibration.observer(name).range()


@dataclass(frozen=True)
class Loader:
    """What is fuzzed: whole files, how to damage them, what to do with them."""

    seeds: Callable[[], list[bytes]]
    change: Callable[[bytes, Random], bytes]
    use: Callable[[bytes], None]


LOADERS = {
    "onnx": Loader(onnx_seeds, change_onnx, use_session),
    "calib": Loader(calib_seeds, change_calib, use_calib),
    "program": Loader(program_seeds, change_program, use_session),
}


def case(loader: Loader, seeds: list[bytes], number: int) -> bytes:
    """Return the damaged file of a number: always the same one."""
    rng = np.random.default_rng(number)
    content = seeds[rng.integers(len(seeds))]
    change = change_bytes if rng.random() < 0.25 else loader.change
    return change(content, rng)


def attempt(loader: Loader, content: bytes) -> str:
    """Use a file; return what became of it, or raise what should not have been."""
    try:
        loader.use(content)
    except octavo.OctavoError as error:
        return type(error).__name__
    return "loaded"


def limit(memory: int) -> None:
    """Bound this process."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))


def work(loader: Loader, seeds: list[bytes], first: int, until: float, report: int) -> None:
    """Try one number after another, telling each before it is tried and what came of it."""
    limit(MEMORY)
    number = first
    while time.monotonic() < until:
        os.write(report, f"{number}\n".encode())
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # its signal kills
        try:
            result = attempt(loader, case(loader, seeds, number))
        except BaseException:
            os.write(report, ("!" + repr(traceback.format_exc()) + "\n").encode())
        else:
            os.write(report, f"={result}\n".encode())
        number += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    os.write(report, f"+{peak}\n".encode())


def fuzz(name: str, seconds: float, first: int) -> int:
    """Fuzz one loader; a process that dies is replaced. Return the number of findings."""
    loader = LOADERS[name]
    seeds = loader.seeds()
    for seed in seeds:
        attempt(loader, seed)  # also loads what would be loaded under the limit
    outcomes: Counter[str] = Counter()
    number, findings, peak, until = first, 0, 0, time.monotonic() + seconds
    while time.monotonic() < until:
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            work(loader, seeds, number, until, writer)
            os._exit(0)
        os.close(writer)
        with os.fdopen(reader) as lines:
            for line in lines:
                kind, rest = line[0], line[1:].strip()
                if kind == "=":
                    outcomes[rest] += 1
                elif kind == "+":
                    peak = max(peak, int(rest))
                elif kind == "!":
                    findings += 1
                    print(f"{name} --case {number}: {rest}", file=sys.stderr)
                else:
                    number = int(line)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status != 0:
            findings += 1
            died = signal.Signals(-status).name if status < 0 else f"exit code {status}"
            print(f"{name} --case {number}: the process died of {died}", file=sys.stderr)
        number += 1
    shown = ", ".join(f"{what} {count}" for what, count in outcomes.most_common())
    print(f"{name}: {sum(outcomes.values())} files, {findings} findings, peak {peak} MiB; {shown}")
    return findings


def main() -> int:
    """Return 1 if anything was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("loaders", nargs="*", choices=[[], *LOADERS], help="default: all")
    parser.add_argument("--seconds", type=float, default=60, help="for all loaders together")
    parser.add_argument("--first", type=int, default=0, help="number of the first file")
    parser.add_argument("--case", type=int, help="try this file alone, without limits")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", octavo.errors.QuantizationWarning)
    names = arguments.loaders or list(LOADERS)
    if arguments.case is not None:
        for name in names:
            loader = LOADERS[name]
            print(name, attempt(loader, case(loader, loader.seeds(), arguments.case)))
        return 0
    found = [fuzz(name, arguments.seconds / len(names), arguments.first) for name in names]
    return 1 if any(found) else 0


if __name__ == "__main__":
    sys.exit(main())
