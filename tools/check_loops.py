"""Check in the object code that the multiplying loops of the kernels keep their sums in registers.

A loop here is a block of instructions that jumps back to its own start, and it is hot if it
multiplies and does not gather single bytes, which only tails of k do. In a hot loop

- no vector goes to or comes from a fixed place on the stack: that is a spilled accumulator (arrays
  on the stack are addressed with an index);
- no place is loaded from twice, and no register that is part of its address changes in between:
  that is a value that should have stayed in a register.

Neither makes a result wrong; both halve the speed, and compilers do them without a word. The
objects read are those of the integer GEMM, of all x86 ISAs that have one of their own, in a release
build; each must have a hot loop, or the check has gone blind.

Exit status 0 if nothing is wrong, else 1 and one line per finding.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DOT = re.compile(r"vpdpbusd|vpmaddubsw|vpmaddwd")
BYTE = re.compile(r"movzbl|vpinsrb")
BRANCH = re.compile(r"j|call|ret")
FUNCTION = re.compile(r"[0-9a-f]+ <(?P<name>.*)>:")
INSTRUCTION = re.compile(
    r"\s*(?P<address>[0-9a-f]+):\s+(?:\{\w+\}\s+)?(?P<op>\S+)\s*(?P<operands>[^#<]*)"
)
MEMORY = re.compile(r"[-0-9a-fx]*\(%[^)]*\)")
FIXED_ON_STACK = re.compile(r"\(%rsp\)")
VECTOR = re.compile(r"%[xyz]mm")


class Instruction(NamedTuple):
    """One line of a disassembly, in AT&T order: the destination is the last operand."""

    address: int
    op: str
    operands: str


Block = list[Instruction]


def functions(path: Path) -> Iterator[tuple[str, Block]]:
    """Names and instructions of all functions of an object."""
    command = ["objdump", "-d", "-w", "-C", "--no-show-raw-insn", str(path)]
    listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    name, body = "", Block()
    for line in listing.splitlines():
        if match := FUNCTION.fullmatch(line):
            yield name, body
            name, body = match["name"], []
        elif match := INSTRUCTION.match(line):
            body.append(Instruction(int(match["address"], 16), match["op"], match["operands"]))
    yield name, body


def hot_loops(body: Block) -> Iterator[Block]:
    """Blocks that jump back to their own start, multiply, and gather no bytes."""
    index = {instruction.address: i for i, instruction in enumerate(body)}
    for end, jump in enumerate(body):
        target = jump.operands.split(maxsplit=1)[0] if jump.operands else ""
        if not jump.op.startswith("j") or not re.fullmatch(r"[0-9a-f]+", target):
            continue
        start = index.get(int(target, 16), end + 1)
        loop = body[start : end + 1]
        if any(BRANCH.match(i.op) for i in loop[:-1]) or any(BYTE.match(i.op) for i in loop):
            continue
        if any(DOT.match(i.op) for i in loop):
            yield loop


def whole_register(operand: str) -> str:
    """The 64-bit general register that an operand is a part of, such as %r8 of %r8d; or ""."""
    if match := re.fullmatch(r"%r(\d+)[dwb]?", operand):
        return f"%r{match[1]}"
    if match := re.fullmatch(r"%[er]([a-ds][xip]|[bs]p)", operand):
        return f"%r{match[1]}"
    return ""


def judge(loop: Block) -> Iterator[str]:
    """What is wrong with one hot loop."""
    loaded: set[str] = set()
    for instruction in loop:
        operands = instruction.operands
        if VECTOR.search(operands) and FIXED_ON_STACK.search(operands):
            yield f"spills: {instruction.op} {operands}"
        place = MEMORY.search(operands)
        if place and VECTOR.search(operands):
            if place[0] in loaded:
                yield f"loads {place[0]} again"
            loaded.add(place[0])
        changed = whole_register(operands.rsplit(",", 1)[-1].strip())
        if changed:
            loaded = {known for known in loaded if changed not in known}


def check_object(path: Path) -> list[str]:
    """Findings about the hot loops of one object."""
    findings, count = [], 0
    for name, body in functions(path):
        for loop in hot_loops(body):
            count += 1
            findings += [f"{path.name}: {name}: {problem}" for problem in judge(loop)]
    return findings if count else [f"{path}: no hot loop found"]


def main() -> int:
    """Check every GEMM object of a build."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("build", type=Path, help="folder of a release build")
    build = parser.parse_args().build
    objects = [
        path
        for path in sorted(build.rglob("gemm.cc.o"))
        if "scalar" not in path.parts and "neon" not in str(path.parent.name)
    ]
    findings = [finding for path in objects for finding in check_object(path)]
    if not objects:
        findings.append(f"{build}: no GEMM object; was it built?")
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
