"""The tool that looks for spills in object code finds them, and only them."""

import pytest

import check_loops

X86_LOOP = """
0000000000000010 <f>:
  10:\tvmovdqa64 (%rax),%zmm1
  16:\tvpbroadcastd (%rcx,%rdx,1),%zmm2
  1c:\t{vex} vpdpbusd %zmm1,%zmm2,%zmm3
  22:\tMIDDLE
  28:\tadd    $0x40,%rax
  2c:\tjne    10 <f>
  2e:\tvmovups %zmm3,0x40(%rsp)
"""


ARM_LOOP = """
0000000000000010 <f>:
  10:\tldr\tq1, [x0]
  14:\tldp\tq2, q3, [x1, #32]
  18:\tsdot\tv4.4s, v2.16b, v1.4b[0]
  1c:\tMIDDLE
  20:\tadd\tx0, x0, #0x10
  24:\tcmp\tx2, #0xf
  28:\tb.hi\t10 <f>  // b.pmore
  2c:\tstr\tq4, [sp, #64]
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
def test_loop_checker_judges_x86(middle: str, finding: str | None) -> None:
    check(X86_LOOP.replace("MIDDLE", middle), check_loops.X86, finding)


@pytest.mark.parametrize(
    ("middle", "finding"),
    [
        ("nop", None),
        ("ldr\tq1, [x0, #16]", None),
        ("ldr\tx3, [sp, #16]", None),
        ("ldr\tq1, [sp, x3]", None),
        ("ldr\tq1, [sp, #16]", "spills"),
        ("stp\tq8, q9, [sp]", "spills"),
        ("ldr\tq5, [x1, #32]", "loads [x1, #32] again"),
        ("cmp\tx0, x3", None),
        ("b\t2c <f+0x1c>", "no hot loop found"),
        ("cbz\tx3, 2c <f+0x1c>", "no hot loop found"),
        ("ldrb\tw3, [x4]", "no hot loop found"),
    ],
)
def test_loop_checker_judges_arm(middle: str, finding: str | None) -> None:
    check(ARM_LOOP.replace("MIDDLE", middle), check_loops.ARM, finding)


def check(listing: str, assembly: check_loops.Assembly, finding: str | None) -> None:
    findings = check_loops.check_listing("f.o", listing, assembly)
    assert len(findings) == (finding is not None)
    assert finding is None or finding in findings[0]


def test_a_base_that_moves_is_another_place() -> None:
    load = "ldr\tq5, [x1], #16\n  1e:\tldr\tq6, [x1], #16"
    check(ARM_LOOP.replace("MIDDLE", load), check_loops.ARM, None)


@pytest.mark.parametrize(
    ("operand", "register"),
    [
        ("%rsi", "%rsi"),
        ("%eax", "%rax"),
        ("%r8d", "%r8"),
        ("%ymm0", ""),
        ("0x4(%rax)", ""),
        ("w3", "x3"),
        ("x3", "x3"),
        ("v3.16b", ""),
    ],
)
def test_loop_checker_knows_parts_of_registers(operand: str, register: str) -> None:
    assert check_loops.whole_register(operand) == register
