"""Build wheels of this project for Linux on x86_64 and aarch64, whatever Linux machine this is.

    python tools/build_wheels.py FOLDER [ARCHITECTURE ...]

The compiler is zig's clang (ziglang on PyPI), which brings the C library's stubs of any version and
links libc++ statically: the wheels need nothing but a C library of 2012 or newer. auditwheel reads
the symbols that an extension asks for and refuses a tag it does not deserve. For C programs they
carry liboctavo.so.1 only: an archive would need zig's libc++ when others link it.

The wheels are for the Python that runs this. Its C headers serve for both architectures: those of
CPython differ between 64-bit Linux systems in nothing that an extension sees.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
ARCHITECTURES = ("x86_64", "aarch64")
GLIBC = (2, 17)
LIBRARY = "octavo/lib/liboctavo.so.1"
MOST_BYTES = 3_000_000  # of a wheel


def zig() -> Path:
    """Path of the compiler in the ziglang package of this environment."""
    package = importlib.util.find_spec("ziglang")
    if package is None or package.origin is None:
        raise SystemExit("build_wheels: ziglang is not installed; pip install ziglang")
    return Path(package.origin).parent / "zig"


def copy_headers(folder: Path) -> Path:
    """Copy Python's C headers, with the pyconfig.h that Debian keeps elsewhere; return where."""
    include = folder / "include"
    shutil.copytree(sysconfig.get_path("include"), include)
    shutil.copy(sysconfig.get_config_h_filename(), include / "pyconfig.h")
    return include


def suffix(architecture: str) -> str:
    """Return what the file name of an extension ends with."""
    version = f"{sys.version_info.major}{sys.version_info.minor}"
    return f".cpython-{version}-{architecture}-linux-gnu.so"


def environment(architecture: str) -> dict[str, str]:
    """Return the environment in which scikit-build-core builds for another architecture."""
    target = f"{architecture}-linux-gnu.{GLIBC[0]}.{GLIBC[1]}"
    return os.environ | {
        "CMAKE_TOOLCHAIN_FILE": str(ROOT / "cmake/toolchains/zig.cmake"),
        "OCTAVO_ZIG": str(zig()),
        "OCTAVO_ZIG_TARGET": target,
        "SETUPTOOLS_EXT_SUFFIX": suffix(architecture),
        "_PYTHON_HOST_PLATFORM": f"linux-{architecture}",
    }


def build(architecture: str, include: Path, folder: Path) -> Path:
    """Build the wheel of one architecture, still with a tag that only says Linux."""
    command = [sys.executable, "-m", "pip", "wheel", str(ROOT), "--no-deps"]
    command += ["--no-build-isolation", "--no-cache-dir", "--wheel-dir", str(folder)]
    for setting in (
        f"cmake.define.Python_INCLUDE_DIR={include}",
        "cmake.define.PYBIND11_USE_CROSSCOMPILING=ON",
        "cmake.define.OCTAVO_INSTALL_STATIC=OFF",
        "cmake.define.OCTAVO_WERROR=ON",
        "install.strip=false",
    ):
        command += ["--config-settings", setting]
    subprocess.run(command, check=True, env=environment(architecture))
    (wheel,) = folder.glob(f"*-linux_{architecture}.whl")
    return wheel


def repair(wheel: Path, architecture: str, out: Path) -> Path:
    """Give the wheel the oldest manylinux tag it deserves; raise if that is not the one meant."""
    command = [sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", str(out), str(wheel)]
    subprocess.run(command, check=True)
    name = wheel.name.removesuffix(f"-linux_{architecture}.whl")
    (repaired,) = out.glob(f"{name}-*_{architecture}.whl")
    if f"manylinux_{GLIBC[0]}_{GLIBC[1]}_{architecture}" not in repaired.name:
        raise SystemExit(f"build_wheels: {repaired.name}: needs more than glibc {GLIBC}")
    return repaired


def check(wheel: Path, architecture: str) -> None:
    """Raise if the wheel is too large, or holds other binaries than it should."""
    size = wheel.stat().st_size
    with zipfile.ZipFile(wheel) as archive:
        files = {name: archive.read(name)[:4] for name in archive.namelist()}
    binaries = sorted(name for name, start in files.items() if start in (b"\x7fELF", b"!<ar"))
    if size > MOST_BYTES or binaries != [f"octavo/_core{suffix(architecture)}", LIBRARY]:
        raise SystemExit(f"build_wheels: {wheel.name}: {size} bytes, holds {binaries}")
    print(f"{wheel} ({size / 1e6:.2f} MB)")


def main() -> None:
    """Build what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the wheels go")
    parser.add_argument("architectures", nargs="*", metavar="ARCHITECTURE")
    arguments = parser.parse_args()
    for architecture in arguments.architectures or ARCHITECTURES:
        if architecture not in ARCHITECTURES:
            parser.error(f"got '{architecture}', expected one of {', '.join(ARCHITECTURES)}")
        with tempfile.TemporaryDirectory() as scratch:
            wheel = build(architecture, copy_headers(Path(scratch)), Path(scratch))
            check(repair(wheel, architecture, arguments.folder.resolve()), architecture)


if __name__ == "__main__":
    main()
