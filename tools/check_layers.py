"""Check that the C++ sources depend one way only, and that ISA objects keep to themselves.

``base <- pack <- kernels <- runtime <- ops <- api, bindings``: a file may include headers of its
own layer and of layers to its left. Inside ``kernels/`` an ISA folder includes C headers,
intrinsics, the kernels' shared headers and ISA folders (a table may name its parent's kernels).

With ``--objects BUILD`` the objects of the ISA folders are read with ``nm`` too. An ISA object is
compiled with instructions that older CPUs lack, so it must not define a weak symbol (an inline
function or template the linker merges across objects: the copy kept might be the wrong one), must
name the ISA in every global it defines, and may call only the C library and other kernels. Give it
a release build: without optimisation, inline functions stay out of line.

Exit status 0 if nothing is wrong, else 1 and one line per finding.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

# A layer may include the layers named here, besides itself.
ALLOWED: dict[str, frozenset[str]] = {
    "include": frozenset(),
    "base": frozenset({"include"}),
    "pack": frozenset({"include", "base"}),
    "kernels": frozenset({"include", "base", "pack"}),
    "runtime": frozenset({"include", "base", "pack", "kernels"}),
    "ops": frozenset({"include", "base", "pack", "kernels", "runtime"}),
    "api": frozenset({"include", "base", "pack", "kernels", "runtime", "ops"}),
    "bindings": frozenset({"include", "base", "pack", "kernels", "runtime", "ops"}),
}
SOURCE_SUFFIXES = frozenset({".h", ".cc", ".c"})

INCLUDE = re.compile(r'^\s*#\s*include\s*(?:"(?P<own>[^"]+)"|<(?P<system>[^>]+)>)')
C_HEADER = re.compile(r"[a-z0-9_/]+\.h|c(assert|float|limits|math|stddef|stdint|string)")

WEAK_TYPES = frozenset("WVvu")
GLOBAL_TYPES = frozenset("TDBRGSCi")
MATH = frozenset({"fma", "fmaf", "rintf", "nearbyintf", "lrintf", "roundf", "expf"})
C_LIBRARY = MATH | {"memcpy", "memmove", "memset", "memcmp", "__stack_chk_fail", "__assert_fail"}
LINKER = frozenset({"_GLOBAL_OFFSET_TABLE_"})


def sources(csrc: Path) -> Iterator[Path]:
    """All C and C++ files below `csrc`, sorted."""
    return (path for path in sorted(csrc.rglob("*")) if path.suffix in SOURCE_SUFFIXES)


def isa_folders(csrc: Path) -> list[str]:
    """Names of the ISA folders: those below kernels/ that hold a table."""
    return sorted(path.parent.name for path in csrc.glob("kernels/*/table.cc"))


def resolve(csrc: Path, including: Path, name: str) -> Path | None:
    """Path of the file that ``#include "name"`` means, relative to `csrc`; None if none exists."""
    for folder in (csrc, csrc / "include", including.parent):
        candidate = (folder / name).resolve()
        if candidate.is_file() and candidate.is_relative_to(csrc.resolve()):
            return candidate.relative_to(csrc.resolve())
    return None


def judge_include(csrc: Path, path: Path, own: str | None, system: str | None) -> str | None:
    """Return what is wrong with one include of the file `path`, or None."""
    place = path.relative_to(csrc)
    layer = place.parts[0]
    in_isa = layer == "kernels" and len(place.parts) > 2
    if system is not None:
        if in_isa and not C_HEADER.fullmatch(system):
            return f"<{system}>: ISA code includes C headers and intrinsics only"
        return None
    assert own is not None
    target = resolve(csrc, path, own)
    if target is None:
        return f'"{own}": no such file below csrc/'
    other = target.parts[0]
    if other != layer and other not in ALLOWED.get(layer, frozenset()):
        return f'"{own}": {layer} must not depend on {other}'
    if layer == "kernels" and not in_isa and len(target.parts) > 2:
        return f'"{own}": only ISA folders include ISA headers; contract.h declares their tables'
    return None


def check_includes(csrc: Path) -> list[str]:
    """Findings about the includes of all files below `csrc`."""
    findings = []
    for path in sources(csrc):
        layer = path.relative_to(csrc).parts[0]
        if layer not in ALLOWED:
            findings.append(f"{path}: {layer} is not a layer")
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            problem = match and judge_include(csrc, path, match["own"], match["system"])
            if problem:
                findings.append(f"{path}:{number}: {problem}")
    return findings


def judge_symbol(name: str, kind: str, isa: str, isas: list[str]) -> str | None:
    """Return what is wrong with one symbol of an object of `isa`, or None.

    `name` is mangled, `kind` the letter nm prints for it.
    """
    if kind in WEAK_TYPES:
        return f"weak symbol {name}: the linker may keep this copy for every CPU"
    # A neondot symbol names neondot, and not neon besides.
    named = max((other for other in isas if other in name.lower()), key=len, default=None)
    if kind in GLOBAL_TYPES and named != isa:
        return f"global symbol {name} does not name {isa}"
    if kind in "Uw" and named is None and name not in C_LIBRARY | LINKER:
        return f"calls {name}, which is neither C library nor a kernel"
    return None


def check_object(path: Path, isa: str, isas: list[str]) -> list[str]:
    """Findings about the symbols of one object file."""
    listing = subprocess.run(
        ["nm", "--format=posix", str(path)], check=True, capture_output=True, text=True
    ).stdout
    findings = []
    for line in listing.splitlines():
        name, kind = line.split()[:2]
        problem = judge_symbol(name, kind, isa, isas)
        if problem:
            findings.append(f"{path}: {problem}")
    return findings


def isa_of_object(path: Path, isas: list[str]) -> str | None:
    """Return the ISA an object was compiled for, from the folders CMake put it in."""
    for isa in isas:
        if any(part == isa or part.endswith(f"_{isa}.dir") for part in path.parts[:-1]):
            return isa
    return None


def check_objects(build: Path, csrc: Path) -> list[str]:
    """Findings about all ISA objects of a build, and about ISAs that have none."""
    isas = isa_folders(csrc)
    seen, findings = set(), []
    for path in sorted(build.rglob("*.o")):
        isa = isa_of_object(path, isas)
        # Scalar code is compiled for the baseline like everything else: nothing to keep apart.
        if isa is not None and isa != "scalar":
            seen.add(isa)
            findings += check_object(path, isa, isas)
    if not seen:
        return [f"{build}: no object of any ISA; was it built?"]
    # A build is for one architecture, and has all ISAs of it.
    on_arm = any(isa.startswith("neon") for isa in seen)
    wanted = {isa for isa in isas if isa != "scalar" and isa.startswith("neon") == on_arm}
    return findings + [
        f"{build}: no object of {isa}; was it built?" for isa in sorted(wanted - seen)
    ]


def main() -> int:
    """Run the checks the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--csrc", type=Path, default=ROOT / "csrc", help="root of the sources")
    parser.add_argument("--objects", type=Path, metavar="BUILD", help="a release build to read")
    arguments = parser.parse_args()
    findings = check_includes(arguments.csrc)
    if arguments.objects:
        findings += check_objects(arguments.objects, arguments.csrc)
    for finding in findings:
        print(finding)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
