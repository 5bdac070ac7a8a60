"""Count the instructions of int8 GEMMs under emulation: octavo's, and micro-kernels of XNNPACK.

qemu runs a program one instruction at a time and logs each. What one GEMM takes is the difference
between a run with two and a run with one; each program first checks its result. Weights are packed
beforehand and not counted. A count is no time: see arm_efficiency.py for the loops.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "bench/arm"
COMPILER = ("aarch64-linux-gnu-gcc", "-O3", "-DNDEBUG")
QEMU = "qemu-aarch64-static"
BOXES = ("api", "ops", "runtime", "kernels", "pack", "base")
M, N, K = 48, 96, 512  # multiples of every tile

# Of each backend: the kernels that XNNPACK would take on some CPU with the same features.
XNNPACK_KERNELS = {
    "neon": ("2x8c8__asm_aarch64_neon_mlal", "4x16__asm_aarch64_neon_mlal_lane_ld64"),
    "neondot": ("4x16c4__asm_aarch64_neondot_ld128",),
    "neoni8mm": ("4x16c8__neoni8mm",),
}
XNNPACK_FOLDER = "src/qs8-qc8w-gemm/gen"


class Count(NamedTuple):
    """Instructions of one GEMM of M x N x K, and of one with half the K."""

    backend: str
    kernel: str
    whole: int
    half: int

    @property
    def products_per_instruction(self) -> float:
        """Of the whole call, from arguments to bytes."""
        return M * N * K / self.whole

    @property
    def products_per_added_instruction(self) -> float:
        """Of the second half of K alone: what long rows approach."""
        return M * N * (K // 2) / (self.whole - self.half)


def xnnpack_file(source: Path, kernel: str) -> Path:
    """The source file of a micro-kernel; 4x16c8__neoni8mm is in *-4x16c8-minmax-fp32-neoni8mm.c."""
    tile, _, variant = kernel.partition("__")
    stem = f"qs8-qc8w-gemm-{tile}-minmax-fp32-{variant.replace('_', '-')}"
    (path,) = (source / XNNPACK_FOLDER).glob(f"{stem}.[cS]")
    return path


def build_octavo(build: Path, folder: Path) -> Path:
    """The program that runs octavo's GEMM, from the libraries of a cross build."""
    program = folder / "gemm_octavo"
    libraries = [str(build / f"csrc/{box}/liboctavo_{box}.a") for box in BOXES]
    command = [*COMPILER, "-static", "-I", str(ROOT / "csrc/include")]
    command += [str(SOURCES / "gemm_octavo.c"), *libraries, "-lstdc++", "-lm", "-o", str(program)]
    subprocess.run(command, check=True)
    return program


def xnnpack_includes(source: Path, folder: Path) -> list[str]:
    """Where the headers of XNNPACK are."""
    # Its public header wants a header of another project, for one name.
    (folder / "pthreadpool.h").write_text("typedef struct pthreadpool* pthreadpool_t;\n")
    return [f"-I{path}" for path in (source, source / "include", folder)]


def compile_xnnpack(source: Path, kernel: str, folder: Path) -> Path:
    """The object of one micro-kernel, which needs nothing else of the library."""
    path = folder / f"{kernel}.o"
    command = [*COMPILER, "-march=armv8.2-a+dotprod+i8mm", *xnnpack_includes(source, folder)]
    subprocess.run([*command, "-c", str(xnnpack_file(source, kernel)), "-o", str(path)], check=True)
    return path


def build_xnnpack(source: Path, folder: Path) -> Path:
    """The program that runs XNNPACK's micro-kernels."""
    program = folder / "gemm_xnnpack"
    names = [kernel for group in XNNPACK_KERNELS.values() for kernel in group]
    kernels = [str(compile_xnnpack(source, kernel, folder)) for kernel in names]
    command = [*COMPILER, "-static", *xnnpack_includes(source, folder)]
    command += [str(SOURCES / "gemm_xnnpack.c"), *kernels, "-lm", "-o", str(program)]
    subprocess.run(command, check=True)
    return program


def executed(program: Path, *arguments: str) -> int:
    """Instructions of one run of a program, start-up included."""
    # The variable that makes a block of one instruction has another name since qemu 8.1.
    one = {"QEMU_SINGLESTEP": "1", "QEMU_ONE_INSN_PER_TB": "1"}
    command = [QEMU, "-d", "exec,nochain", "-D", "/dev/stdout", str(program), *arguments]
    with subprocess.Popen(command, env=os.environ | one, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        count = sum(line.startswith(b"Trace") for line in process.stdout)
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command)
    return count


def gemm_instructions(program: Path, kernel: str, k: int) -> int:
    """Instructions of one GEMM with rows of k, after a check that it is right."""
    problem = (kernel, str(M), str(N), str(k))
    subprocess.run([QEMU, str(program), *problem, "check"], check=True)
    return executed(program, *problem, "2") - executed(program, *problem, "1")


def counts(build: Path, source: Path, folder: Path) -> Iterator[Count]:
    """Octavo's GEMM on every ARM backend, each followed by XNNPACK's kernels."""
    ours, theirs = build_octavo(build, folder), build_xnnpack(source, folder)
    for backend, kernels in XNNPACK_KERNELS.items():
        for program, kernel in ((ours, backend), *((theirs, kernel) for kernel in kernels)):
            whole, half = (gemm_instructions(program, kernel, k) for k in (K, K // 2))
            name = f"XNNPACK `{kernel}`" if program is theirs else f"octavo `{backend}`"
            yield Count(backend, name, whole, half)
