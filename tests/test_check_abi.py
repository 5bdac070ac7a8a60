"""tools/check_abi.py: what it sees in headers that were changed rightly and wrongly."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import check_abi

HEADER = """
#include <stddef.h>
#include <stdint.h>
#define OCTAVO_API
#define OCTAVO_ABI_VERSION 1
/* comment; with { things } */
typedef enum octavo_kind { OCTAVO_A = 0, OCTAVO_B = 1 } octavo_kind;
typedef void (*octavo_callback)(void* user, void (*body)(size_t i));
typedef struct octavo_desc {
  size_t size; /* [in] */
  size_t h, w;
  const int8_t* data;
} octavo_desc;
typedef struct octavo_fixed {
  int32_t a;
  float b;
} octavo_fixed;
OCTAVO_API int32_t octavo_run(const octavo_desc* desc,
                              octavo_callback callback);
"""

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


@pytest.fixture
def check(tmp_path, capsys):
    """Run the tool on a header, against the list of the one above; return its findings."""
    header = tmp_path / "octavo" / "octavo.h"
    header.parent.mkdir()
    arguments = ["--header", str(header), "--list", str(tmp_path / "list.txt")]
    header.write_text(HEADER)
    assert check_abi.main([*arguments, "--update"]) == 0

    def run(text: str) -> list[str]:
        header.write_text(text)
        status = check_abi.main(arguments)
        lines = capsys.readouterr().out.splitlines()
        assert status == int("ABI version" not in lines[0])
        return lines if status else []

    return run


def bumped(text: str) -> str:
    return text.replace("OCTAVO_ABI_VERSION 1", "OCTAVO_ABI_VERSION 2")


def test_the_projects_own_header_is_as_recorded():
    assert check_abi.main([]) == 0


def test_nothing_changed(check):
    assert check(HEADER) == []
    assert check(HEADER.replace("/* [in] */", "/* [out] */")) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("const int8_t* data;", "const int8_t* data;\n  float later;"),
        ("OCTAVO_B = 1", "OCTAVO_B = 1, OCTAVO_C = 2"),
        ("OCTAVO_API int32_t", "OCTAVO_API void octavo_more(void);\nOCTAVO_API int32_t"),
    ],
    ids=["field", "constant", "function"],
)
def test_additions_need_a_new_version(check, old, new):
    changed = HEADER.replace(old, new, 1)
    assert changed != HEADER
    assert check(bumped(changed)) == []
    assert any("OCTAVO_ABI_VERSION is still 1" in line for line in check(changed))


@pytest.mark.parametrize(
    ("old", "new", "finding"),
    [
        ("size_t h, w;", "size_t w, h;", "field octavo_desc.h: was 'offset 8"),
        ("size_t h, w;", "size_t h;", "field octavo_desc.w: removed"),
        ("size_t h, w;", "size_t h, w, d;", "field octavo_desc.d: fields are added at the end"),
        ("float b;", "float b, c;", "field octavo_fixed.c: fields are added at the end"),
        ("float b;", "int32_t b;", "field octavo_fixed.b: was 'offset 4 size 4 float'"),
        ("OCTAVO_B = 1", "OCTAVO_B = 3", "constant OCTAVO_B: was '1', is '3'"),
        ("int32_t octavo_run", "int64_t octavo_run", "function octavo_run: was 'int32_t"),
        ("(void* user, void", "(void* host, void", "type octavo_callback: was"),
        ("VERSION 1", "VERSION 0", "OCTAVO_ABI_VERSION: was 1, is 0"),
    ],
)
def test_promises_are_kept_whatever_the_version(check, old, new, finding):
    changed = HEADER.replace(old, new, 1)
    assert changed != HEADER
    for text in (changed, bumped(changed)):
        assert any(finding in line for line in check(text))


def test_a_header_that_does_not_stand_alone_is_refused(check):
    with pytest.raises(Exception, match="returned non-zero exit status"):
        check(HEADER.replace("#include <stdint.h>", ""))


def test_symbols_are_the_headers_functions(tmp_path):
    abi = {"function octavo_run": "", "function octavo_gone": ""}
    source = tmp_path / "library.c"
    source.write_text("void octavo_run(void) {}\nvoid leaked(void) {}\n")
    library = tmp_path / "library.so"
    check_abi.subprocess.run(["cc", "-shared", "-fPIC", source, "-o", library], check=True)
    assert list(check_abi.compare_symbols(abi, Path(library))) == [
        "library.so: lacks octavo_gone, which the header declares",
        "library.so: exports leaked, which the header does not declare",
    ]
