"""Check in the object code that the multiplying loops of the kernels keep their sums in registers.

A loop here is a block of instructions that jumps back to its own start, and it is hot if it
multiplies and does not gather single bytes, which only tails of k do. In a hot loop

- no vector goes to or comes from a fixed place on the stack: that is a spilled accumulator (arrays
  on the stack are addressed with an index);
- no place is loaded from twice, and no register that is part of its address changes in between:
  that is a value that should have stayed in a register.

Neither makes a result wrong; both halve the speed, and compilers do them without a word. The
objects read are those of the integer GEMM, of all ISAs that have one of their own, x86-64 or
AArch64, in a release build; each must have a hot loop, or the check has gone blind.

Exit status 0 if nothing is wrong, else 1 and one line per finding.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

FUNCTION = re.compile(r"[0-9a-f]+ <(?P<name>.*)>:")


class Instruction(NamedTuple):
    """One line of a disassembly."""

    address: int
    op: str
    operands: str


Block = list[Instruction]


def whole_register(operand: str) -> str:
    """The 64-bit general register that an operand is a part of, such as %r8 of %r8d; or ""."""
    if match := re.fullmatch(r"%r(\d+)[dwb]?", operand):
        return f"%r{match[1]}"
    if match := re.fullmatch(r"%[er]([a-ds][xip]|[bs]p)", operand):
        return f"%r{match[1]}"
    if match := re.fullmatch(r"[xw](\d+)", operand):
        return f"x{match[1]}"
    return ""


def changed_x86(instruction: Instruction) -> set[str]:
    """General registers an instruction writes: the last operand."""
    return {whole_register(instruction.operands.rsplit(",", 1)[-1].strip())} - {""}


def changed_arm(instruction: Instruction) -> set[str]:
    """General registers an instruction writes: the first operand, and a base that moves."""
    if instruction.op.startswith(("st", "cmp", "cmn", "tst")):
        written = set()
    else:
        written = {whole_register(instruction.operands.split(",")[0].strip())}
    if match := re.search(r"\[(x\d+)[^]]*\](!|, #)", instruction.operands):
        written.add(match[1])
    return written - {""}


class Assembly(NamedTuple):
    """How an architecture writes what the checks look for."""

    objdump: str  # the cross tool; where it is not installed, objdump must know the format
    instruction: re.Pattern[str]
    multiplies: re.Pattern[str]
    single_byte: re.Pattern[str]
    branch: re.Pattern[str]
    jump: re.Pattern[str]  # op and operands of a conditional jump, with its target
    memory: re.Pattern[str]
    fixed_on_stack: re.Pattern[str]
    vector: re.Pattern[str]
    changed: Callable[[Instruction], set[str]]


X86 = Assembly(  # AT&T syntax
    objdump="x86_64-linux-gnu-objdump",
    instruction=re.compile(
        r"\s*(?P<address>[0-9a-f]+):\s+(?:\{\w+\}\s+)?(?P<op>\S+)\s*(?P<operands>[^#<]*)"
    ),
    multiplies=re.compile(r"vpdpbusd|vpmaddubsw|vpmaddwd"),
    single_byte=re.compile(r"movzbl|vpinsrb"),
    branch=re.compile(r"j|call|ret"),
    jump=re.compile(r"j\S* (?P<target>[0-9a-f]+)\s*"),
    memory=re.compile(r"[-0-9a-fx]*\(%[^)]*\)"),
    fixed_on_stack=re.compile(r"\(%rsp\)"),
    vector=re.compile(r"%[xyz]mm"),
    changed=changed_x86,
)
ARM = Assembly(
    objdump="aarch64-linux-gnu-objdump",
    instruction=re.compile(
        r"\s*(?P<address>[0-9a-f]+):\s+(?P<op>\S+)\s*(?P<operands>(?:[^</]|/(?!/))*)"
    ),
    multiplies=re.compile(r"[us]dot|usdot|usmmla|smmla|smull|smlal|smlsl"),
    single_byte=re.compile(r"ldrb"),
    branch=re.compile(r"b$|b\.|bl|br|cbn?z|tbn?z|ret"),
    jump=re.compile(r"(b\.\w+|cbn?z|tbn?z) (?:.*, )?(?P<target>[0-9a-f]+)\s*"),
    memory=re.compile(r"\[(x\d|sp)[^]]*\]"),
    fixed_on_stack=re.compile(r"\[sp(, #\d+)?\]"),
    vector=re.compile(r"\b[qv]\d+"),
    changed=changed_arm,
)
MACHINES = {62: X86, 183: ARM}  # e_machine of an ELF header


def assembly_of(path: Path) -> Assembly:
    """The architecture of an ELF object."""
    with path.open("rb") as file:
        return MACHINES[int.from_bytes(file.read(20)[18:20], "little")]


def disassemble(path: Path, assembly: Assembly) -> str:
    """What objdump says."""
    tool = shutil.which(assembly.objdump) or "objdump"
    command = [tool, "-d", "-w", "-C", "--no-show-raw-insn", str(path)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def functions(listing: str, assembly: Assembly) -> Iterator[tuple[str, Block]]:
    """Names and instructions of all functions of a disassembly."""
    name, body = "", Block()
    for line in listing.splitlines():
        if match := FUNCTION.fullmatch(line):
            yield name, body
            name, body = match["name"], []
        elif match := assembly.instruction.match(line):
            body.append(Instruction(int(match["address"], 16), match["op"], match["operands"]))
    yield name, body


def hot_loops(body: Block, assembly: Assembly) -> Iterator[Block]:
    """Blocks that jump back to their own start, multiply, and gather no bytes."""
    index = {instruction.address: i for i, instruction in enumerate(body)}
    for end, jump in enumerate(body):
        match = assembly.jump.fullmatch(f"{jump.op} {jump.operands}")
        if not match:
            continue
        start = index.get(int(match["target"], 16), end + 1)
        loop = body[start : end + 1]
        if any(assembly.branch.match(i.op) for i in loop[:-1]):
            continue
        if any(assembly.single_byte.match(i.op) for i in loop):
            continue
        if any(assembly.multiplies.match(i.op) for i in loop):
            yield loop


def judge(loop: Block, assembly: Assembly) -> Iterator[str]:
    """What is wrong with one hot loop."""
    loaded: set[str] = set()
    for instruction in loop:
        operands = instruction.operands
        is_vector = assembly.vector.search(operands)
        if is_vector and assembly.fixed_on_stack.search(operands):
            yield f"spills: {instruction.op} {operands}"
        place = assembly.memory.search(operands)
        if place and is_vector:
            if place[0] in loaded:
                yield f"loads {place[0]} again"
            loaded.add(place[0])
        for changed in assembly.changed(instruction):
            used = re.compile(rf"{re.escape(changed)}\b")
            loaded = {known for known in loaded if not used.search(known)}


def check_listing(name: str, listing: str, assembly: Assembly) -> list[str]:
    """Findings about the hot loops of one disassembled object."""
    findings, count = [], 0
    for function, body in functions(listing, assembly):
        for loop in hot_loops(body, assembly):
            count += 1
            findings += [f"{name}: {function}: {problem}" for problem in judge(loop, assembly)]
    return findings if count else [f"{name}: no hot loop found"]


def check_object(path: Path) -> list[str]:
    """Findings about the hot loops of one object."""
    assembly = assembly_of(path)
    name = f"{path.parent.name}/{path.name}"
    return check_listing(name, disassemble(path, assembly), assembly)


def main() -> int:
    """Check every GEMM object of a build."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("build", type=Path, help="folder of a release build")
    build = parser.parse_args().build
    objects = [path for path in sorted(build.rglob("gemm.cc.o")) if "scalar" not in path.parts]
    findings = [finding for path in objects for finding in check_object(path)]
    if not objects:
        findings.append(f"{build}: no GEMM object; was it built?")
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
