"""Write docs/arm-efficiency.md: what the ARM GEMM loops can be expected to reach, without hardware.

    python tools/arm_efficiency.py BUILD --xnnpack XNNPACK

simulates every hot loop in the objects of a cross build (`cmake --preset aarch64`) with llvm-mca,
on LLVM's models of several CPUs, and counts the instructions of whole GEMMs under emulation, see
arm_instructions.py. XNNPACK is a source tree of that library, judged the same way.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import arm_instructions
import check_loops

PAGE = Path(__file__).resolve().parents[1] / "docs/arm-efficiency.md"
MCA = "llvm-mca-19"
ITERATIONS = 200

# The instruction of each backend that multiplies most, on registers of no consequence.
BEST = {
    "neon": "smull v{}.8h, v0.8b, v1.8b",
    "neondot": "sdot v{}.4s, v0.16b, v1.4b[0]",
    "neoni8mm": "usmmla v{}.4s, v0.16b, v1.16b",
}
PRODUCTS = (
    (re.compile(r"(us|su|s|u)dot\b"), 16),
    (re.compile(r"(us|s|u)mmla\b"), 32),
    (re.compile(r"[su](mull|mlal|mlsl)2?\b\s*v\d+\.8h"), 8),
    (re.compile(r"[su](mull|mlal|mlsl)2?\b\s*v\d+\.4s"), 4),
)


class Cpu(NamedTuple):
    """A CPU, LLVM's model for it, and the backends it can run."""

    name: str
    model: str
    backends: tuple[str, ...]


CPUS = (
    Cpu("Cortex-A55", "cortex-a55", ("neon", "neondot")),
    Cpu("Cortex-A76", "neoverse-n1", ("neon", "neondot")),
    Cpu("Neoverse N1", "neoverse-n1", ("neon", "neondot")),
    Cpu("Neoverse N2", "neoverse-n2", ("neon", "neondot", "neoni8mm")),
    Cpu("Neoverse V1", "neoverse-v1", ("neon", "neondot", "neoni8mm")),
    Cpu("Apple M1", "apple-m1", ("neon", "neondot")),
)


def products(lines: Iterable[str]) -> int:
    """Products of bytes that some instructions add up."""
    return sum(next((n for test, n in PRODUCTS if test.match(line)), 0) for line in lines)


class Loop(NamedTuple):
    """An inner loop: the backend it is for, where it is, its instructions as an assembler reads."""

    backend: str
    place: str
    lines: tuple[str, ...]

    @property
    def multiplying(self) -> int:
        """Instructions that multiply."""
        return sum(products([line]) > 0 for line in self.lines)


def loops(backend: str, path: Path) -> Iterator[Loop]:
    """All hot loops of an object."""
    syntax = check_loops.assembly_of(path)
    for function, body in check_loops.functions(check_loops.disassemble(path, syntax), syntax):
        # void octavo::(anonymous namespace)::f<4, octavo::(anonymous namespace)::U8Output>(...)
        place = re.sub(r"octavo::|\(anonymous namespace\)::|^void |\(.*", "", function)
        for block in check_loops.hot_loops(body, syntax):
            lines = [f"{i.op} {i.operands.strip()}" for i in block]
            lines[-1] = re.sub(r"(0x)?[0-9a-f]+$", "loop_start", lines[-1])
            yield Loop(backend, place, tuple(lines))


def octavo_loops(build: Path) -> list[Loop]:
    """The loops of every ARM backend, fullest first, of the kernels with output in bytes."""
    found = []
    for backend in BEST:
        (path,) = build.glob(f"csrc/kernels/CMakeFiles/octavo_kernels_{backend}.dir/**/gemm.cc.o")
        own = [loop for loop in loops(backend, path) if "s32" not in loop.place.lower()]
        # Loops for other tails, but otherwise alike, are told by nothing that the page shows.
        alike = {(loop.place, loop.multiplying, len(loop.lines)): loop for loop in own}
        found += sorted(alike.values(), key=lambda loop: -products(loop.lines))
    return found


def xnnpack_loops(source: Path, folder: Path) -> list[Loop]:
    """The loops of XNNPACK's kernels."""
    found = []
    for backend, kernels in arm_instructions.XNNPACK_KERNELS.items():
        for kernel in kernels:
            path = arm_instructions.compile_xnnpack(source, kernel, folder)
            fullest = max(loops(backend, path), key=lambda loop: products(loop.lines))
            found.append(fullest._replace(place=f"XNNPACK {kernel}"))
    return found


def cycles(lines: Iterable[str], model: str) -> float:
    """Cycles that one run through these lines takes when it is repeated."""
    command = [MCA, "-mtriple=aarch64", f"-mcpu={model}", "-mattr=+dotprod,+i8mm"]
    done = subprocess.run(
        [*command, f"-iterations={ITERATIONS}"],
        input="\n".join(["loop_start:", *lines, ""]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    match = re.search(r"Total Cycles:\s+(\d+)", done.stdout)
    assert match is not None, done.stdout
    return int(match[1]) / ITERATIONS


def peak(model: str, backend: str) -> int:
    """Products a cycle if nothing but the best instruction ran."""
    registers = range(4, 32)  # so many that none waits for itself
    lines = [BEST[backend].format(register) for register in registers]
    return round(products(lines) / cycles(lines, model))


def table(found: Iterable[Loop]) -> Iterator[str]:
    """One line a loop: products a cycle, and the share of the peak, on each CPU."""
    peaks = {(cpu.name, b): peak(cpu.model, b) for cpu in CPUS for b in cpu.backends}
    yield "| | loop | multiplying | " + " | ".join(cpu.name for cpu in CPUS) + " |"
    yield "|---|---|---|" + "---|" * len(CPUS)
    for backend in BEST:
        limits = [str(peaks.get((cpu.name, backend), "-")) for cpu in CPUS]
        yield f"| `{backend}` | peak: `{BEST[backend].split()[0]}` alone | | {' | '.join(limits)} |"
        for loop in found:
            if loop.backend != backend:
                continue
            cells = []
            for cpu in CPUS:
                if (limit := peaks.get((cpu.name, backend))) is None:
                    cells.append("-")
                    continue
                rate = products(loop.lines) / cycles(loop.lines, cpu.model)
                cells.append(f"{rate:.1f} ({100 * rate / limit:.0f}%)")
            share = f"{loop.multiplying} of {len(loop.lines)}"
            yield f"| | `{loop.place}` | {share} | {' | '.join(cells)} |"


PAGE_TEXT = """\
# How efficient the ARM kernels can be expected to be

**No clock was measured, and no ARM hardware has run this code.** What follows is what `llvm-mca`
predicts for loops and what qemu counted; `tools/arm_efficiency.py` writes this page. How the
kernels work: [fast-path-arm.md](fast-path-arm.md).

## Inner loops: products a cycle

Every inner loop of the int8 GEMM with output in bytes, as {compiler} compiled it, with how many of
its instructions multiply; then products (multiply-adds of bytes) a cycle, and the share of the
peak. The peak is what the multiplying instruction reaches alone, with nothing to load or add up.
Both are simulated on LLVM's models, which were written from Arm's Software Optimization Guides;
every load hits the first-level cache.

`register_tile<rows, vectors of columns>` is what a kernel does with one block of its rows; the
first line is that of full blocks, the others are edges. Loops under the name of the kernel itself
are register tiles that the compiler inlined.

LLVM has no model of the Cortex-A76; the numbers are those of the Neoverse N1, its sibling. Those of
the Neoverse V1 stand for the Cortex-X1, which lacks i8mm. The model of the Apple M1 is that of an
older Apple core, with fewer vector pipes; Apple publishes no guide.

{loops}

XNNPACK is {source}. Its activations are signed; octavo's are not, and without i8mm need an
instruction per 16 bytes for that. Its `2x8c8` adds two products in 16 bits, which overflows for
weights of -128; octavo's `neon` takes them.

## Whole GEMMs: instructions

{m} x {n} x {k}, weights packed beforehand, one thread: the instructions that one call executes
under emulation, from arguments to bytes, its result checked. "As K grows" counts only what the
second half of K adds. octavo's call checks its arguments and splits the work first; of XNNPACK the
micro-kernel alone is called. Fewer instructions need not be fewer cycles.

{counts}
"""


def compiler(path: Path) -> str:
    """The compiler that an object was made by, as it says itself."""
    match = re.search(rb"(GCC|clang version)[^\0]*?([0-9]+\.[0-9.]+)\0", path.read_bytes())
    if match is None:
        raise SystemExit(f"{path}: does not say which compiler made it")
    return f"{match[1].decode().split()[0]} {match[2].decode()}"


def counts_table(counts: Iterable[arm_instructions.Count]) -> Iterator[str]:
    """One line a kernel: instructions and products per instruction."""
    yield "| | kernel | instructions | products per instruction | as K grows |"
    yield "|---|---|---|---|---|"
    for count in counts:
        yield (
            f"| `{count.backend}` | {count.kernel} | {count.whole:,} "
            f"| {count.products_per_instruction:.2f} "
            f"| {count.products_per_added_instruction:.2f} |"
        )


def version(source: Path) -> str:
    """The date of a source tree, or that it is not known."""
    command = ["git", "-C", str(source), "log", "-1", "--format=%cs"]
    done = subprocess.run(command, capture_output=True, text=True)
    return f"as of {done.stdout.strip()}" if done.returncode == 0 else "of unknown date"


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("build", type=Path, help="folder of a cross build")
    parser.add_argument("--xnnpack", type=Path, required=True, help="source tree, a git checkout")
    arguments = parser.parse_args()
    build, source = arguments.build, arguments.xnnpack
    (sample,) = build.glob("csrc/kernels/CMakeFiles/octavo_kernels_neondot.dir/**/gemm.cc.o")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        text = PAGE_TEXT.format(
            compiler=compiler(sample),
            source=version(source),
            loops="\n".join(table(octavo_loops(build) + xnnpack_loops(source, folder))),
            counts="\n".join(counts_table(arm_instructions.counts(build, source, folder))),
            m=arm_instructions.M,
            n=arm_instructions.N,
            k=arm_instructions.K,
        )
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
