"""The codebase keeps its own rules: sizes, layers, documentation, dependencies, set-up commands."""

import ast
import contextlib
import importlib.metadata
import inspect
import io
import re
import shutil
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

import check_layers
import octavo
import octavo._core as core

ROOT = Path(__file__).resolve().parents[1]
CODE_FOLDERS = ("csrc", "python", "tests", "bench", "tools", "examples")
CODE_SUFFIXES = {".py", ".h", ".cc", ".c"}
TEXT_SUFFIXES = CODE_SUFFIXES | {".pyi", ".md", ".toml", ".json", ".txt", ".cmake"}
SETUP_COMMANDS = ('pip install ".[demo]" && octavo demo', 'pip install ".[test]" && pytest')


def files(suffixes: set[str]) -> list[Path]:
    inside = [p for folder in (*CODE_FOLDERS, "docs") for p in (ROOT / folder).rglob("*")]
    found = [p for p in [*inside, *ROOT.glob("*")] if p.suffix in suffixes and p.is_file()]
    assert found
    return sorted(found)


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def in_kernels(path: Path) -> bool:
    return relative(path).startswith("csrc/kernels/")


def python_functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # The docstring is documentation, not length.
            first = node.body[0]
            documented = ast.get_docstring(node) is not None
            start = (first.end_lineno if documented else node.lineno) or 0
            yield node.name, (node.end_lineno or 0) - start + 1


def cxx_functions(path: Path) -> Iterator[tuple[str, int]]:
    """Blocks at namespace scope: clang-format puts their first and last lines at column 0."""
    start = 0
    lines = path.read_text("utf-8").splitlines()
    for number, line in enumerate(lines):
        if line == "}":
            yield lines[start], number - start + 1
        elif line[:1] not in {"", " ", "}", "#", "/", ")"}:
            start = number


def most_lines(path: Path) -> int:
    if relative(path).startswith("csrc/include/"):
        return 400  # one header is the whole C ABI
    return 250 if in_kernels(path) else 300


def test_files_are_short() -> None:
    lengths = {p: len(p.read_text("utf-8").splitlines()) for p in files(CODE_SUFFIXES)}
    assert not {relative(p): n for p, n in lengths.items() if n > most_lines(p)}


def test_functions_are_short() -> None:
    long = {}
    for path in files(CODE_SUFFIXES):
        functions = python_functions if path.suffix == ".py" else cxx_functions
        limit = 100 if in_kernels(path) else 60
        long |= {f"{relative(path)}: {f}": n for f, n in functions(path) if n > limit}
    assert not long


def test_no_machine_paths_and_no_loose_ends() -> None:
    pattern = re.compile(
        r"(?<![\w.$}/-])/(?:home|root|Users|mnt|work|tmp)/|\b(?:TOD[O]|FIXM[E]|XX[X])\b|@[@]"
    )
    found = [
        f"{relative(path)}:{number}: {match[0]}"
        for path in files(TEXT_SUFFIXES)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if (match := pattern.search(line))
    ]
    assert not found


def test_includes_point_one_way() -> None:
    assert not check_layers.check_includes(ROOT / "csrc")


@pytest.mark.parametrize(
    ("place", "include", "finding"),
    [
        ("base/a.h", '"ops/b.h"', "base must not depend on ops"),
        ("pack/a.h", '"kernels/contract.h"', "pack must not depend on kernels"),
        ("api/a.cc", '"bindings/b.h"', "api must not depend on bindings"),
        ("ops/a.h", '"ops/missing.h"', "no such file"),
        ("kernels/avx2/a.cc", "<vector>", "C headers and intrinsics only"),
        ("kernels/registry.cc", '"kernels/avx2/t.h"', "only ISA folders include ISA headers"),
        ("other/a.h", "<stdint.h>", "other is not a layer"),
        ("ops/a.cc", '"base/a.h"', None),
        ("kernels/avx2/a.cc", "<immintrin.h>", None),
        ("kernels/avx2/a.cc", '"kernels/contract.h"', None),
    ],
)
def test_layer_checker_judges(
    tmp_path: Path, place: str, include: str, finding: str | None
) -> None:
    for name in ("base/a.h", "ops/b.h", "bindings/b.h", "kernels/contract.h", "kernels/avx2/t.h"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text(f"#include {include}\n")
    findings = check_layers.check_includes(tmp_path)
    assert len(findings) == (finding is not None)
    assert finding is None or finding in findings[0]


@pytest.mark.parametrize(
    ("code", "finding"),
    [
        ("inline int f(int x) { return x + 1; }\nint g_avx2(int x) { return (&f)(x); }", "weak"),
        ("int g(int x) { return x; }", "does not name avx2"),
        ("void abort_now();\nvoid g_avx2() { abort_now(); }", "neither C library nor a kernel"),
        ("static inline int f(int x) { return x; }\nint g_avx2(int x) { return f(x); }", None),
        ("int g_scalar(int);\nint g_avx2(int x) { return g_scalar(x); }", None),
    ],
)
def test_symbol_checker_judges(tmp_path: Path, code: str, finding: str | None) -> None:
    if shutil.which("g++") is None or shutil.which("nm") is None:
        pytest.skip("needs g++ and nm")
    source, target = tmp_path / "g.cc", tmp_path / "g.o"
    source.write_text(code + "\n")
    subprocess.run(["g++", "-O0", "-c", str(source), "-o", str(target)], check=True)
    findings = check_layers.check_object(target, "avx2", ["avx2", "scalar"])
    assert len(findings) == (finding is not None)
    assert finding is None or finding in findings[0]


def test_isa_folders_mirror_each_other_and_the_readme() -> None:
    isas = check_layers.isa_folders(ROOT / "csrc")
    built = set(core.all_backends())
    # The folders of the other architecture are there too, and must look the same.
    on_arm = any(isa.startswith("neon") for isa in built)
    assert {isa for isa in isas if isa == "scalar" or isa.startswith("neon") == on_arm} == built
    kernels = ROOT / "csrc/kernels"
    scalar = {p.name for p in (kernels / "scalar").glob("*.cc")}
    readme = (ROOT / "README.md").read_text("utf-8")
    for isa in isas:
        # An ISA may leave out what it takes from its parent, and adds no name of its own.
        assert {p.name for p in (kernels / isa).glob("*.cc")} <= scalar
        assert f"| `{isa}` |" in readme


def test_import_needs_numpy_alone(tmp_path: Path) -> None:
    code = (
        "import sys; before = set(sys.modules); import octavo;"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before};"
        "print(*(new - set(sys.stdlib_module_names)))"
    )
    run = [sys.executable, "-W", "error", "-c", code]
    out = subprocess.run(run, check=True, capture_output=True, text=True, cwd=tmp_path).stdout
    loaded = set(out.split())
    assert not loaded & {"onnx", "torch"}
    assert loaded == {"octavo", "numpy"}


def public_objects() -> list[tuple[str, object]]:
    objects = [(name, getattr(octavo, name)) for name in octavo.__all__]
    objects += [
        (f"reference.{name}", value)
        for name, value in vars(octavo.reference).items()
        if isinstance(value, types.FunctionType)
        and value.__module__ == "octavo.reference"
        and not name.startswith("_")
    ]
    return [(name, value) for name, value in objects if not isinstance(value, str)]


@pytest.mark.parametrize(("name", "value"), public_objects(), ids=[n for n, _ in public_objects()])
def test_public_names_are_documented(name: str, value: object) -> None:
    documentation = inspect.getdoc(value)
    assert documentation
    if isinstance(value, types.FunctionType) and not name.startswith("reference."):
        described = {
            parameter.lstrip("*")
            for names in re.findall(r"^(\S[^:\n]*?) : ", documentation, re.MULTILINE)
            for parameter in names.split(", ")
        }
        assert set(inspect.signature(value).parameters) <= described
        assert ">>> " in documentation
    if isinstance(value, type):
        methods = {n: m for n, m in vars(value).items() if inspect.isfunction(m) and n[0] != "_"}
        assert all(inspect.getdoc(method) for method in methods.values())


def test_all_lists_existing_sorted_names() -> None:
    assert len(set(octavo.__all__)) == len(octavo.__all__)
    assert set(octavo.__all__) <= set(dir(octavo))


def test_stub_lists_what_the_module_has() -> None:
    def names(body: list[ast.stmt]) -> set[str]:
        kinds = ast.FunctionDef | ast.ClassDef
        found = {node.name for node in body if isinstance(node, kinds)}
        annotated = [node.target for node in body if isinstance(node, ast.AnnAssign)]
        found |= {target.id for target in annotated if isinstance(target, ast.Name)}
        return {name for name in found if not name.startswith("_")}

    assert octavo.__file__
    stub = ast.parse((Path(octavo.__file__).parent / "_core.pyi").read_text("utf-8"))
    assert names(stub.body) == {name for name in vars(core) if not name.startswith("_")}
    for node in stub.body:
        if isinstance(node, ast.ClassDef):
            members = {m for m in vars(getattr(core, node.name)) if not m.startswith("_")}
            assert names(node.body) == members, node.name


def test_package_is_typed_and_versions_agree() -> None:
    assert octavo.__file__
    assert (Path(octavo.__file__).parent / "py.typed").is_file()
    version = importlib.metadata.version("octavo")
    assert octavo.__version__ == version
    assert core.build_info()["version"] == version
    assert f"## [{version}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_installed_package_is_not_the_source_tree() -> None:
    assert octavo.__file__
    assert not Path(octavo.__file__).is_relative_to(ROOT / "python")


@pytest.mark.parametrize("command", SETUP_COMMANDS)
def test_setup_commands_are_the_ones_ci_runs(command: str) -> None:
    for name in ("README.md", "noxfile.py"):
        assert command in (ROOT / name).read_text("utf-8")


def without_code(text: str) -> str:
    """A C++ lambda looks like a link."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def test_links_between_documents_resolve() -> None:
    broken = [
        f"{relative(path)}: {target}"
        for path in files({".md"})
        for target in re.findall(r"\]\(([^)#]+)\)", without_code(path.read_text("utf-8")))
        if "://" not in target and not (path.parent / target).exists()
    ]
    assert not broken


def test_readme_example_prints_what_the_readme_says() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    example = re.search(r"```python\n(import numpy.*?)```\n\n```\n(.*?)```", readme, re.DOTALL)
    assert example
    assert sum(line != "" for line in example[1].splitlines()) == 6
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(example[1], {})
    shown = example[2].splitlines()
    # A machine shows the lines of the backends it has, in this order.
    assert printed.getvalue().splitlines() == [
        line for line in shown if line.split()[0] in octavo.backends()
    ]
