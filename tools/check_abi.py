"""Check the C ABI against a recorded list: functions, constants, and the layout of structs.

The list (tests/abi/octavo.txt) is what the last release promises. Nothing in it may change or go
away. Functions and constants may be added, and fields at the end of structs that begin with their
size, if OCTAVO_ABI_VERSION has been raised; ``--update`` then writes the list anew, for a release.

Layouts come from the compiler (a generated program prints offsets and sizes), everything else from
the header, which is compiled alone and with all warnings on the way. With ``--library`` the dynamic
symbols must be the header's functions, no more and no fewer.

Exit status 0 if nothing is wrong, else 1 and one line per finding.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEADER = ROOT / "csrc" / "include" / "octavo" / "octavo.h"
LIST = ROOT / "tests" / "abi" / "octavo.txt"

VERSION = "constant OCTAVO_ABI_VERSION"
STRICT = ("-std=c11", "-Wall", "-Wextra", "-pedantic", "-Wc++-compat", "-Wstrict-prototypes")

# "kind name" -> what is promised about it.
Abi = dict[str, str]


def strip_comments(text: str) -> str:
    """The header without comments and with single spaces, preprocessor lines kept apart."""
    text = re.sub(r"/\*.*?\*/", " ", text, flags=re.DOTALL)
    return "\n".join(re.sub(r"[ \t]+", " ", line).strip() for line in text.splitlines())


def parse_structs(text: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Every struct with its fields, each a pair (type, name)."""
    for name, body in re.findall(r"typedef struct (\w+) \{(.*?)\} \1;", text, flags=re.DOTALL):
        fields = []
        for declaration in re.sub(r"\s+", " ", body).split(";")[:-1]:
            declarators = [re.fullmatch(r"(.*?)(\w+)", d.strip()) for d in declaration.split(",")]
            assert all(declarators), declaration
            matches = [m for m in declarators if m]
            field_type = matches[0][1].strip()
            fields += [(field_type, m[2]) for m in matches]
        yield name, fields


def parse_functions(text: str) -> Iterator[tuple[str, str]]:
    """Name and declaration of every exported function."""
    for declaration in re.findall(r"^OCTAVO_API (.*?\));", text, flags=re.DOTALL | re.MULTILINE):
        flat = re.sub(r"\s+", " ", declaration)
        match = re.search(r"(\w+)\(", flat)
        assert match, flat
        yield match[1], flat


def parse_pointer_types(text: str) -> Iterator[tuple[str, str]]:
    """Name and declaration of every type of callback."""
    for declaration in re.findall(r"^typedef [^{;]*\(\*\w+\)\(.*?\);", text, re.DOTALL | re.M):
        flat = re.sub(r"\s+", " ", declaration)
        match = re.search(r"\(\*(\w+)\)", flat)
        assert match, flat
        yield match[1], flat


def constants(text: str) -> list[str]:
    """Names of enumerators and of OCTAVO_ABI_VERSION."""
    names = ["OCTAVO_ABI_VERSION"]
    for body in re.findall(r"typedef enum \w+ \{(.*?)\}", text, flags=re.DOTALL):
        names += re.findall(r"(\w+) =", body)
    return names


def layout_program(text: str) -> str:
    """C source that prints a line for every constant, struct and field."""
    lines = ['#include "octavo/octavo.h"', "#include <stdio.h>", "int main(void) {"]
    lines += [f'printf("constant {n}\\t%ld\\n", (long){n});' for n in constants(text)]
    for name, fields in parse_structs(text):
        lines.append(f'printf("struct {name}\\tsize %zu\\n", sizeof({name}));')
        for kind, field in fields:
            place = f"offsetof({name}, {field}), sizeof((({name}*)0)->{field})"
            lines.append(
                f'printf("field {name}.{field}\\toffset %zu size %zu {kind}\\n", {place});'
            )
    return "\n".join([*lines, "return 0;", "}", ""])


def read_abi(header: Path) -> Abi:
    """What the header promises on this platform."""
    text = strip_comments(header.read_text())
    compiler = os.environ.get("CC", "cc")
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder, "layout.c"), Path(folder, "layout")
        source.write_text(layout_program(text))
        include = f"-I{header.parent.parent}"
        subprocess.run([compiler, *STRICT, "-Werror", include, source, "-o", program], check=True)
        printed = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    abi = dict(line.split("\t") for line in printed.splitlines())
    abi |= {f"function {name}": declaration for name, declaration in parse_functions(text)}
    abi |= {f"type {name}": declaration for name, declaration in parse_pointer_types(text)}
    return abi


def grows(abi: Abi, struct: str) -> bool:
    """Whether the struct begins with its size, so that fields may be added at its end."""
    return abi.get(f"field {struct}.size", "").startswith("offset 0 ")


def struct_size(abi: Abi, struct: str) -> int:
    """Bytes of a struct, 0 if there is none."""
    return int(abi.get(f"struct {struct}", "size 0").split()[1])


def breaks(old: Abi, new: Abi) -> Iterator[str]:
    """What programs compiled against the old ABI would trip over."""
    for entry, promise in old.items():
        kind, _, name = entry.partition(" ")
        if entry == VERSION or new.get(entry) == promise:
            continue
        if entry not in new:
            yield f"{entry}: removed"
        elif not (kind == "struct" and grows(old, name) and grew(old, new, name)):
            yield f"{entry}: was '{promise}', is '{new[entry]}'"
    for entry in new.keys() - old.keys():
        kind, _, name = entry.partition(" ")
        struct = name.partition(".")[0]
        if kind != "field" or f"struct {struct}" not in old:
            continue
        offset = int(new[entry].split()[1])
        if not grows(old, struct) or offset < struct_size(old, struct):
            yield f"{entry}: fields are added at the end of structs that begin with their size"


def grew(old: Abi, new: Abi, struct: str) -> bool:
    """Whether the struct has become larger."""
    return struct_size(new, struct) > struct_size(old, struct)


def compare(old: Abi, new: Abi) -> Iterator[str]:
    """All findings: breaks, and additions under the old version."""
    yield from sorted(breaks(old, new))
    if int(new[VERSION]) < int(old[VERSION]):
        yield f"OCTAVO_ABI_VERSION: was {old[VERSION]}, is {new[VERSION]}"
    if new[VERSION] != old[VERSION]:
        return
    for entry in sorted(new.keys() - old.keys()):
        yield f"{entry}: added, but OCTAVO_ABI_VERSION is still {old[VERSION]}"


def exported(library: Path) -> set[str]:
    """Names of the dynamic symbols that a library defines."""
    command = ["nm", "--dynamic", "--defined-only", "--format=posix", str(library)]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rows = [line.split() for line in output.splitlines()]
    return {name.partition("@")[0] for name, kind, *_ in rows if kind != "A"}


def compare_symbols(abi: Abi, library: Path) -> Iterator[str]:
    """Functions that the library lacks, symbols that it should hide."""
    functions = {entry.removeprefix("function ") for entry in abi if entry.startswith("function ")}
    symbols = exported(library)
    for name in sorted(functions - symbols):
        yield f"{library.name}: lacks {name}, which the header declares"
    for name in sorted(symbols - functions):
        yield f"{library.name}: exports {name}, which the header does not declare"


def read_list(path: Path) -> Abi:
    """A recorded list: a tab after "kind name"."""
    return dict(line.split("\t") for line in path.read_text().splitlines())


def main(arguments: list[str] | None = None) -> int:
    """Run the check; the command line is described in the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--header", type=Path, default=HEADER)
    parser.add_argument("--list", type=Path, default=LIST)
    parser.add_argument("--library", type=Path, help="liboctavo.so, whose symbols are compared")
    parser.add_argument("--update", action="store_true", help="write the list instead")
    options = parser.parse_args(arguments)
    abi = read_abi(options.header)
    if options.update:
        options.list.parent.mkdir(parents=True, exist_ok=True)
        options.list.write_text("".join(f"{k}\t{v}\n" for k, v in sorted(abi.items())))
        return 0
    findings = list(compare(read_list(options.list), abi))
    if options.library is not None:
        findings += compare_symbols(abi, options.library)
    for finding in findings:
        print(finding)
    if not findings:
        print(f"ABI version {abi[VERSION]}: {len(abi)} entries, as recorded or added rightly")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
