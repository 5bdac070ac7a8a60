"""Make a folder with an aarch64 Python that runs on this machine, emulated. Needs no root.

    python tools/aarch64_sysroot.py FOLDER numpy pytest

Debian's arm64 packages of Python (with headers) and of the C++ library are downloaded and unpacked
into FOLDER, not installed: an apt with lists, cache and state of its own resolves them, and takes
only sources, keys and proxies from the machine. FOLDER/usr/bin/python is a script that starts the
interpreter under qemu and can be used as any python is, by CMake or as a subprocess too.
Requirements after FOLDER are installed for it from PyPI's aarch64 wheels.

What is already there is kept: delete FOLDER to start afresh.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from shlex import quote

QEMU = "qemu-aarch64-static"
PROGRAMS = {"apt-get": "apt", "dpkg-deb": "dpkg", QEMU: "qemu-user-static"}  # and their packages
PACKAGES = ("python3", "libpython3-dev", "libstdc++6")

APT_CONFIGURATION = """\
APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Dir::State "{apt}/state";
Dir::State::status "{apt}/status";
Dir::Cache "{apt}/cache";
"""

PYTHON = """\
#!/bin/sh
exec {qemu} -0 "$0" -L {root} {python} "$@"
"""


class SysrootError(Exception):
    """What is missing, or which command failed, for people to read."""


def run(*command: str, environment: dict[str, str] | None = None) -> str:
    """Run a command and return what it printed; if it fails, say that in the exception."""
    done = subprocess.run(
        command,
        env=os.environ | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        raise SysrootError(f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout}")
    return done.stdout


def download(apt: Path) -> list[Path]:
    """Download the arm64 packages and all they depend on."""
    for folder in ("state/lists/partial", "cache/archives/partial"):
        (apt / folder).mkdir(parents=True, exist_ok=True)
    (apt / "status").touch()
    configuration = apt / "apt.conf"
    configuration.write_text(APT_CONFIGURATION.format(apt=apt), encoding="utf-8")
    environment = {"APT_CONFIG": str(configuration), "LC_ALL": "C"}
    run("apt-get", "--quiet", "update", environment=environment)
    install = ("apt-get", "--quiet", "--yes", "--download-only", "install")
    run(*install, *PACKAGES, environment=environment)
    return sorted(apt.glob("cache/archives/*.deb"))


def make_root(root: Path) -> None:
    """Unpack the packages into `root` and write the script that starts Python."""
    apt = root / "apt"
    for package in download(apt):
        run("dpkg-deb", "--extract", str(package), str(root))
    shutil.rmtree(apt)
    for include in root.glob("usr/include/python3.*"):
        # Debian's pyconfig.h includes <aarch64-linux-gnu/...>: found beside it, so that no
        # compiler has to search usr/include, where headers of another C library lie.
        beside = include / "aarch64-linux-gnu"
        beside.unlink(missing_ok=True)
        beside.symlink_to("../aarch64-linux-gnu")
    script = root / "usr/bin/python"
    text = PYTHON.format(qemu=QEMU, root=quote(str(root)), python=quote(f"{root}/usr/bin/python3"))
    script.write_text(text, encoding="utf-8")
    script.chmod(0o755)


def install_wheels(root: Path, requirements: list[str]) -> None:
    """Install PyPI's aarch64 wheels of the requirements where that Python looks for them."""
    python = str(root / "usr/bin/python")
    version = run(python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").strip()
    target = root / "usr/lib/python3/dist-packages"
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade"]
    command += ["--target", str(target), "--only-binary=:all:", "--python-version", version]
    for platform in ("manylinux2014_aarch64", "manylinux_2_28_aarch64"):
        command += ["--platform", platform]
    run(*command, *requirements)


def main() -> int:
    """Make the folder the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="is made, and filled if it is not yet")
    parser.add_argument("requirements", nargs="*", help="for pip, such as numpy")
    arguments = parser.parse_args()
    root: Path = arguments.folder.resolve()
    try:
        for program, package in PROGRAMS.items():
            if shutil.which(program) is None:
                raise SysrootError(f"{program} not found: install Debian's package {package}")
        if not (root / "usr/bin/python").exists():
            make_root(root)
        if arguments.requirements:
            install_wheels(root, arguments.requirements)
    except SysrootError as error:
        print(f"aarch64_sysroot: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
