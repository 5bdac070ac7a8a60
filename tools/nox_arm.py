"""What `nox -s arm` needs: an emulated Python, the package built for it, a network to compare."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parents[1]

# The emulated CPUs: each has one kind of kernels more than the one before.
CPUS = {"cortex-a72": "neon", "neoverse-n1": "neondot", "max": "neoni8mm"}
CIFAR_IMAGES = ("cifar10_calib.npz", "cifar10_test.npz")
TEST_REQUIREMENTS = ["hypothesis>=6.90", "pytest>=8.1", "pytest-xdist>=3.5"]
# The tests that compare kernels, alone and in programs, with octavo.reference. They need no ONNX.
PYTHON_TESTS = [
    f"tests/test_{name}.py"
    for name in (
        "backend",
        "conv2d",
        "core_program",
        "elementwise",
        "histogram",
        "linear",
        "math_steps",
        "matmul_steps",
        "pool",
        "properties",
        "rows",
        "threads",
    )
]


def emulated_python(session: nox.Session, requirements: Sequence[str]) -> Path:
    """Return an aarch64 Python that runs here, emulated, with these packages and pytest."""
    sysroot = Path(session.create_tmp()) / "sysroot"
    wanted = [*requirements, *TEST_REQUIREMENTS]
    session.run("python", "tools/aarch64_sysroot.py", str(sysroot), *wanted)
    return sysroot / "usr/bin/python"


def module_definitions(session: nox.Session, python: Path) -> list[str]:
    """Return what CMake must be told to build octavo._core for that Python."""
    session.install("pybind11>=2.13")
    pybind11 = session.run("python", "-m", "pybind11", "--cmakedir", silent=True)
    where = "import sysconfig; print(sysconfig.get_path('include'))"
    include = session.run(str(python), "-c", where, silent=True, external=True)
    return [
        "-DOCTAVO_BUILD_PYTHON=ON",
        f"-DPython_EXECUTABLE={python}",
        f"-DPython_INCLUDE_DIR={str(include).strip()}",
        f"-Dpybind11_DIR={str(pybind11).strip()}",
    ]


def package(session: nox.Session, folder: Path, version: str) -> Path:
    """Return a folder for PYTHONPATH: the package with the extension of a cross build."""
    site = Path(session.create_tmp()) / "site"
    shutil.rmtree(site, ignore_errors=True)
    shutil.copytree(ROOT / "python/octavo", site / "octavo")
    for extension in folder.glob("csrc/bindings/_core*.so"):
        shutil.copy(extension, site / "octavo")
    # What importlib.metadata reads of an installed package.
    metadata = site / f"octavo-{version}.dist-info/METADATA"
    metadata.parent.mkdir()
    metadata.write_text(f"Metadata-Version: 2.1\nName: octavo\nVersion: {version}\n")
    return site


def compare_network(session: nox.Session, python: Path, environment: dict[str, str]) -> None:
    """Run a real network on each emulated CPU; its bytes must be those of this machine."""
    data = os.environ.get("OCTAVO_DATA")
    if not data:
        session.warn("network SKIPPED: OCTAVO_DATA is not set, so there is none to run")
        return
    session.install(".[onnx]")
    folder = session.create_tmp()
    files = [f"{data}/{name}" for name in ("cifar_resnet20.onnx", *CIFAR_IMAGES)]
    tool = "tools/network_bytes.py"
    session.run("python", tool, "prepare", *files, folder)
    session.run("python", tool, "run", folder, "host")
    for cpu in CPUS:
        on_arm = {**environment, "QEMU_CPU": cpu}
        session.run(str(python), tool, "run", folder, cpu, env=on_arm, external=True)
        session.run("python", tool, "compare", folder, "host", cpu)
