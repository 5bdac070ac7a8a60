"""Every check of the project, one session each; continuous integration runs the same sessions.

``nox`` runs the default ones, ``nox -s format`` rewrites files, ``nox -l`` lists them all.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "types", "tests"]
# The set-up commands call pip, which uv environments lack.
nox.options.default_venv_backend = "virtualenv"

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")["project"]

# The two set-up commands of the README, letter for letter: a test compares them.
TEST_COMMAND = 'pip install ".[test]" && pytest'
DEMO_COMMAND = 'pip install ".[demo]" && octavo demo'

COMPILERS = {"gcc": ("gcc", "g++"), "clang": ("clang-19", "clang++-19")}

# Threads are where ThreadSanitizer has something to see; the rest would only run slower.
THREAD_TESTS = "[Tt]hread|[Pp]arallel"


def requirements(*extras: str) -> list[str]:
    """Third-party requirements of the given extras, for sessions that need no built package."""
    found: list[str] = []
    for extra in extras:
        for requirement in PROJECT["optional-dependencies"][extra]:
            own = re.fullmatch(r"octavo\[(.+)\]", requirement)
            found += requirements(*own[1].split(",")) if own else [requirement]
    return found


def cxx_files() -> list[str]:
    """All C and C++ sources, for clang-format."""
    return sorted(
        str(path.relative_to(ROOT))
        for folder in ("csrc", "tests", "bench", "examples")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in {".cc", ".h", ".c"}
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Style and layering: ruff, clang-format, include directions."""
    session.install(*requirements("dev"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("clang-format", "--dry-run", "-Werror", *cxx_files())
    session.run("python", "tools/check_layers.py")


@nox.session
def format(session: nox.Session) -> None:
    """Rewrite files the way `lint` wants them."""
    session.install(*requirements("dev"))
    session.run("ruff", "check", "--fix", "--exit-zero")
    session.run("ruff", "format")
    session.run("clang-format", "-i", *cxx_files())


@nox.session
def types(session: nox.Session) -> None:
    """Strict typing of the package and of the tools."""
    session.install(*PROJECT["dependencies"], *requirements("dev", "cli"))
    session.run("mypy", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """The README's test command, in an environment of its own."""
    session.run("bash", "-c", TEST_COMMAND, external=True)


@nox.session
def demo(session: nox.Session) -> None:
    """The README's demo command, in an environment of its own."""
    session.run("bash", "-c", DEMO_COMMAND, external=True)


@nox.session
def bench(session: nox.Session) -> None:
    """Time the operators; further arguments go to pytest-benchmark."""
    session.install(".[bench]")
    session.run("pytest", "bench", "--benchmark-only", *session.posargs)


def build_and_ctest(session: nox.Session, preset: str, *ctest_arguments: str) -> Path:
    """Configure, build and test one CMake preset outside the source tree; return the build."""
    session.install("cmake>=3.21", "ninja>=1.11")
    build = Path(session.create_tmp()) / "build"
    session.run("cmake", "--preset", preset, "-S", str(ROOT), "-B", str(build))
    session.run("cmake", "--build", str(build))
    session.run(
        "ctest",
        "--test-dir",
        str(build),
        "--output-on-failure",
        "--no-tests=error",
        *ctest_arguments,
    )
    return build


def use_compiler(session: nox.Session, family: str) -> None:
    """Make CMake take the compilers of one family; an error if they are not there."""
    session.env["CC"], session.env["CXX"] = COMPILERS[family]
    for program in COMPILERS[family]:
        if shutil.which(program) is None:
            session.error(f"{program} is not installed")


@nox.session
@nox.parametrize("family", ["gcc", "clang"], ids=["gcc", "clang"])
def cxx(session: nox.Session, family: str) -> None:
    """Release build with warnings as errors, C++ tests, symbols and loops of the ISA objects."""
    use_compiler(session, family)
    build = build_and_ctest(session, "release")
    session.run("python", "tools/check_layers.py", "--objects", str(build))
    session.run("python", "tools/check_loops.py", str(build))


@nox.session
@nox.parametrize("preset", ["asan", "ubsan", "tsan"], ids=["asan", "ubsan", "tsan"])
def sanitizers(session: nox.Session, preset: str) -> None:
    """C++ tests under one sanitizer; ThreadSanitizer runs the tests of threads only."""
    session.env["ASAN_OPTIONS"] = "detect_leaks=1:strict_string_checks=1"
    session.env["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1"
    session.env["TSAN_OPTIONS"] = "halt_on_error=1"
    # GCC 12's ThreadSanitizer does not start on kernels with 32 bits of mmap randomisation.
    use_compiler(session, "clang" if preset == "tsan" else "gcc")
    build_and_ctest(session, preset, *(["-R", THREAD_TESTS] if preset == "tsan" else []))
