"""What the wheel carries for C and C++ programs: they compile, link both ways, and run."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.metadata import distribution
from pathlib import Path

import pytest

import octavo

PACKAGE = Path(octavo.__file__).resolve().parent
if Path(str(distribution("octavo").locate_file("octavo"))).resolve() != PACKAGE:
    pytest.skip("octavo is imported from sources, not from a wheel", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "c" / "network.c"
EMBED_EXAMPLE = ROOT / "examples" / "cpp" / "embed_conv.cc"
LIB = Path(octavo.get_cmake_dir()).parents[1]


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.parametrize(
    "link",
    [
        ["-L", str(LIB), "-loctavo", f"-Wl,-rpath,{LIB}"],
        pytest.param(
            [str(LIB / "liboctavo.a"), "-lstdc++", "-pthread"],
            marks=pytest.mark.skipif(
                not (LIB / "liboctavo.a").exists(), reason="built with OCTAVO_INSTALL_STATIC=OFF"
            ),
        ),
    ],
    ids=["shared", "static"],
)
def test_a_c_program_runs_a_network(tmp_path, link):
    program = tmp_path / "network"
    command = ["cc", "-std=c11", "-Wall", "-Wextra", "-Werror", f"-I{octavo.get_include()}"]
    subprocess.run([*command, str(EXAMPLE), *link, "-lm", "-o", str(program)], check=True)
    result = subprocess.run([str(program)], check=True, capture_output=True, text=True)
    lines = result.stdout.splitlines()
    assert len(lines) == len(octavo.backends())
    assert all(line.endswith(": equal") for line in lines)


@pytest.mark.skipif(shutil.which("c++") is None, reason="needs a C++ compiler")
def test_a_foreign_tensor_becomes_the_right_result(tmp_path):
    program = tmp_path / "embed_conv"
    command = ["c++", "-std=c++17", "-Wall", "-Wextra", "-Werror", f"-I{octavo.get_include()}"]
    link = ["-L", str(LIB), "-loctavo", f"-Wl,-rpath,{LIB}", "-pthread"]
    subprocess.run([*command, str(EMBED_EXAMPLE), *link, "-o", str(program)], check=True)
    result = subprocess.run([str(program)], check=True, capture_output=True, text=True)
    assert [line.split(":")[0].strip() for line in result.stdout.splitlines()] == octavo.backends()


def test_the_code_on_the_page_is_the_code_that_runs():
    blocks = re.findall(r"```cpp\n(.*?)```", (ROOT / "docs" / "embedding.md").read_text(), re.S)
    assert blocks
    source = EMBED_EXAMPLE.read_text()
    assert [block for block in blocks if block not in source] == []


def test_the_cmake_package_names_its_version():
    text = Path(octavo.get_cmake_dir(), "octavo-config-version.cmake").read_text()
    assert f'set(PACKAGE_VERSION "{octavo.__version__}")' in text


def test_pkg_config_finds_its_files_relative_to_itself():
    lines = (LIB / "pkgconfig" / "octavo.pc").read_text().splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    prefix = Path(values["prefix"].replace("${pcfiledir}", str(LIB / "pkgconfig"))).resolve()
    assert (prefix / "include" / "octavo" / "octavo.h").is_file()
    assert values["prefix"].startswith("${pcfiledir}/")


def test_files_that_are_not_there_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr("octavo.embed._PACKAGE", tmp_path)
    with pytest.raises(FileNotFoundError, match="include: got no such folder"):
        octavo.get_include()
