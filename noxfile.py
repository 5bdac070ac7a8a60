"""Every check of the project, one session each; continuous integration runs the same sessions.

``nox`` runs the default ones, ``nox -s format`` rewrites files, ``nox -l`` lists them all.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import nox

sys.path.insert(0, str(Path(__file__).parent / "tools"))

import nox_arm

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
    """Style and layering: ruff, clang-format, include directions, workflow files."""
    session.install(*requirements("dev"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("clang-format", "--dry-run", "-Werror", *cxx_files())
    session.run("python", "tools/check_layers.py")
    workflows = [str(path) for path in sorted(ROOT.glob(".github/workflows/*.yml"))]
    session.run("yamllint", "--strict", ".yamllint.yml", *workflows)
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows)
    session.run("zizmor", "--offline", "--quiet", *workflows)


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


def try_wheel(session: nox.Session, wheel: Path) -> None:
    """Install a wheel into an environment of its own and run the demo there."""
    environment = Path(session.create_tmp()) / "fresh"
    session.run("python", "-m", "venv", "--clear", str(environment))
    session.run(str(environment / "bin/pip"), "install", f"{wheel}[demo]", external=True)
    session.run(str(environment / "bin/octavo"), "demo", external=True)


def try_arm_wheel(session: nox.Session, wheel: Path) -> None:
    """Install a wheel for an emulated aarch64 Python of its own and run the demo there."""
    root = Path(session.create_tmp()) / "sysroot"
    shutil.rmtree(root, ignore_errors=True)
    # Without ONNX Runtime, which the demo can do without and which crashes under qemu 7.2.
    needed = [name for name in requirements("demo") if not name.startswith("onnxruntime")]
    session.run("python", "tools/aarch64_sysroot.py", str(root), str(wheel), *needed)
    octavo = root / "usr/lib/python3/dist-packages/bin/octavo"
    demo = (str(octavo), "demo", "--seconds", "6")
    session.run(str(root / "usr/bin/python"), *demo, external=True)


@nox.session
def wheels(session: nox.Session) -> None:
    """Linux wheels of both architectures in dist/, the demo run on each (aarch64: emulated)."""
    session.install(*requirements("wheels"), "cmake>=3.21", "ninja>=1.11")
    folder = ROOT / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    session.run("python", "tools/build_wheels.py", str(folder))
    for wheel in folder.glob("*.whl"):
        if wheel.stem.endswith(platform.machine()):
            try_wheel(session, wheel)
        elif wheel.stem.endswith("aarch64"):
            try_arm_wheel(session, wheel)


@nox.session
def bench(session: nox.Session) -> None:
    """Time the operators; further arguments go to pytest-benchmark."""
    session.install(".[bench]")
    session.run("pytest", "bench", "--benchmark-only", *session.posargs)


def build(
    session: nox.Session, preset: str, *definitions: str, targets: Sequence[str] = ()
) -> Path:
    """Configure and build one CMake preset outside the source tree; return the build."""
    session.install("cmake>=3.21", "ninja>=1.11")
    folder = Path(session.create_tmp()) / "build"
    session.run("cmake", "--preset", preset, "-S", str(ROOT), "-B", str(folder), *definitions)
    session.run("cmake", "--build", str(folder), *(["--target", *targets] if targets else []))
    return folder


def ctest(session: nox.Session, folder: Path, *arguments: str) -> None:
    """Run the C++ tests of a build."""
    common = ("--test-dir", str(folder), "--output-on-failure", "--no-tests=error")
    session.run("ctest", *common, *arguments)


def use_installed(session: nox.Session, build: Path) -> None:
    """Install a build, run the examples from there, compare its ABI with the recorded one."""
    prefix, examples = build.parent / "installed", build.parent / "examples"
    session.run("cmake", "--install", str(build), "--prefix", str(prefix))
    session.run(
        "cmake",
        *("-S", str(ROOT / "examples"), "-B", str(examples), "-G", "Ninja"),
        f"-DCMAKE_PREFIX_PATH={prefix}",
        *(f"-DCMAKE_{language}_FLAGS=-Wall -Wextra -Werror" for language in ("C", "CXX")),
    )
    session.run("cmake", "--build", str(examples))
    session.run("ctest", "--test-dir", str(examples), "--output-on-failure", "--no-tests=error")
    library = next(prefix.glob("lib*/**/liboctavo.so.*"))
    header = prefix / "include" / "octavo" / "octavo.h"
    session.run(
        *("python", "tools/check_abi.py"), *("--header", str(header), "--library", str(library))
    )


def use_compiler(session: nox.Session, family: str) -> None:
    """Make CMake take the compilers of one family; an error if they are not there."""
    session.env["CC"], session.env["CXX"] = COMPILERS[family]
    for program in COMPILERS[family]:
        if shutil.which(program) is None:
            session.error(f"{program} is not installed")


@nox.session
@nox.parametrize("family", ["gcc", "clang"], ids=["gcc", "clang"])
def cxx(session: nox.Session, family: str) -> None:
    """Release build with warnings as errors: C++ tests, ISA objects, the installed library."""
    use_compiler(session, family)
    folder = build(session, "release")
    ctest(session, folder)
    session.run("python", "tools/check_layers.py", "--objects", str(folder))
    session.run("python", "tools/check_loops.py", str(folder))
    use_installed(session, folder)


@nox.session
@nox.parametrize("preset", ["release", "aarch64"], ids=["x86", "arm"])
def fallbacks(session: nox.Session, preset: str) -> None:
    """Kernel tests of what compilers without GCC's extensions get; ARM's run emulated."""
    if preset == "release":
        use_compiler(session, "clang")
    else:
        session.env["QEMU_CPU"] = "max"
    tests = [
        path.stem
        for path in sorted((ROOT / "tests/cpp").glob("test_*.cc"))
        if "OCTAVO_INSTANTIATE_FOR_BACKENDS" in path.read_text(encoding="utf-8")
    ]
    definitions = ("-DOCTAVO_NO_EXTENSIONS=ON", "-DOCTAVO_BUILD_BENCH=OFF")
    # Speed is no matter, and -Os is compiled sooner.
    folder = build(session, preset, *definitions, "-DCMAKE_BUILD_TYPE=MinSizeRel", targets=tests)
    ctest(session, folder, "--parallel", str(os.cpu_count()), "-R", "^Backends/")


@nox.session
def fuzz(session: nox.Session) -> None:
    """Damaged models, .calib files and programs for a minute, then a short soak."""
    session.install(".[onnx]")
    session.run("python", "tools/fuzz_loaders.py", *(session.posargs or ["--seconds", "60"]))
    session.run("python", "tools/soak.py", "--seconds", "60")


@nox.session
@nox.parametrize("preset", ["asan", "ubsan", "tsan"], ids=["asan", "ubsan", "tsan"])
def sanitizers(session: nox.Session, preset: str) -> None:
    """C++ tests under one sanitizer; ThreadSanitizer runs the tests of threads only."""
    session.env["ASAN_OPTIONS"] = "detect_leaks=1:strict_string_checks=1"
    session.env["UBSAN_OPTIONS"] = "print_stacktrace=1:halt_on_error=1"
    session.env["TSAN_OPTIONS"] = "halt_on_error=1"
    # GCC 12's ThreadSanitizer does not start on kernels with 32 bits of mmap randomisation.
    use_compiler(session, "clang" if preset == "tsan" else "gcc")
    ctest(session, build(session, preset), *(["-R", THREAD_TESTS] if preset == "tsan" else []))


@nox.session
def arm(session: nox.Session) -> None:
    """Cross-build for aarch64; C++ tests, Python tests and a network on emulated CPUs."""
    needed = [*PROJECT["dependencies"], *requirements("onnx")]
    python = nox_arm.emulated_python(session, needed)
    folder = build(session, "aarch64", *nox_arm.module_definitions(session, python))
    session.run("python", "tools/check_layers.py", "--objects", str(folder))
    session.run("python", "tools/check_loops.py", str(folder))
    package = {"PYTHONPATH": str(nox_arm.package(session, folder, PROJECT["version"]))}
    jobs = str(os.cpu_count())
    pytest = (str(python), "-m", "pytest", "-p", "no:cacheprovider", "-n", jobs)
    for cpu, backend in nox_arm.CPUS.items():
        # A CPU tests the kernels that it is the first to have, and dispatch; the last the rest too.
        session.env["QEMU_CPU"] = cpu
        chosen = ["-R", rf"/{backend}$|Backend[A-Za-z]*\.|^Cpu\."]
        keywords = backend
        if cpu == "max":
            chosen, keywords = ["-E", "/neon(dot)?$"], f"{backend} or not neon"
        ctest(session, folder, "--parallel", jobs, *chosen)
        session.run(*pytest, *nox_arm.PYTHON_TESTS, "-k", keywords, env=package, external=True)
    nox_arm.compare_network(session, python, package)
