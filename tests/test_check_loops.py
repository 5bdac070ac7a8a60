"""The tool that looks for spills in object code finds them, and only them."""

import subprocess
from pathlib import Path

import pytest

import check_loops

HOT_LOOP = """
0000000000000010 <f>:
  10:\tvmovdqa64 (%rax),%zmm1
  16:\tvpbroadcastd (%rcx,%rdx,1),%zmm2
  1c:\t{vex} vpdpbusd %zmm1,%zmm2,%zmm3
  22:\tMIDDLE
  28:\tadd    $0x40,%rax
  2c:\tjne    10 <f>
  2e:\tvmovups %zmm3,0x40(%rsp)
"""


@pytest.mark.parametrize(
    ("middle", "finding"),
    [
        ("nop", None),
        ("vmovdqa64 0x40(%rax),%zmm1", None),
        ("mov    0x8(%rsp),%rbx", None),
        ("vpbroadcastd 0x20(%rsp,%rdx,4),%zmm4", None),
        ("vmovups %zmm3,0x40(%rsp)", "spills"),
        ("vpdpbusd (%rax),%zmm2,%zmm4", "loads (%rax) again"),
        ("jmp    2e <f+0x1e>", "no hot loop found"),
        ("movzbl (%rbx),%ebx", "no hot loop found"),
    ],
)
def test_loop_checker_judges(
    monkeypatch: pytest.MonkeyPatch, middle: str, finding: str | None
) -> None:
    listing = HOT_LOOP.replace("MIDDLE", middle)
    done = subprocess.CompletedProcess([], 0, stdout=listing)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    findings = check_loops.check_object(Path("f.o"))
    assert len(findings) == (finding is not None)
    assert finding is None or finding in findings[0]


@pytest.mark.parametrize(
    ("operand", "register"),
    [("%rsi", "%rsi"), ("%eax", "%rax"), ("%r8d", "%r8"), ("%ymm0", ""), ("0x4(%rax)", "")],
)
def test_loop_checker_knows_parts_of_registers(operand: str, register: str) -> None:
    assert check_loops.whole_register(operand) == register
