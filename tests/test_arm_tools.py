"""The tools that `nox -s arm` uses, on made-up input: what they must find, and what they say."""

from pathlib import Path

import numpy as np
import pytest

import aarch64_sysroot
import arm_efficiency
import arm_instructions
import check_layers
import check_loops
import network_bytes

ISAS = ["avx2", "neon", "neondot", "scalar"]


def results(**backends: list[int]) -> dict[str, np.ndarray]:
    return {f"{name}/logits": np.array(values, np.int8) for name, values in backends.items()}


def test_equal_bytes_are_no_difference() -> None:
    ours, theirs = results(avx2=[1, 2], scalar=[1, 2]), results(neon=[1, 2])
    assert not list(network_bytes.differences(ours, theirs))


def test_a_byte_that_differs_is_found_on_either_machine() -> None:
    same, other = results(avx2=[1, 2]), results(neon=[1, 3], scalar=[1, 2])
    assert list(network_bytes.differences(same, other)) == ["neon/logits: 1 of 2 elements differ"]
    here = results(avx2=[1, 2], scalar=[0, 0])
    assert list(network_bytes.differences(here, same)) == ["scalar/logits: 2 of 2 elements differ"]


def test_another_type_or_a_missing_tensor_is_a_difference() -> None:
    ours = results(avx2=[1, 2]) | {"avx2/x": np.zeros(2, np.int8)}
    theirs = {"neon/logits": np.array([1, 2], np.uint8)}
    found = list(network_bytes.differences(ours, theirs))
    assert found == ["neon: no x", "neon/logits: uint8 (2,), not int8 (2,)"]


def test_a_missing_program_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["aarch64_sysroot.py", str(tmp_path)])
    monkeypatch.setattr("shutil.which", lambda name: None if "qemu" in name else f"/bin/{name}")
    assert aarch64_sysroot.main() == 1
    assert "qemu-aarch64-static not found: install Debian's package qemu-user-static" in (
        capsys.readouterr().err
    )
    assert not list(tmp_path.iterdir())


def test_a_failing_command_is_shown_with_what_it_printed() -> None:
    with pytest.raises(aarch64_sysroot.SysrootError, match=r"(?s)exit status 3\nno such package"):
        aarch64_sysroot.run("sh", "-c", "echo no such package >&2; exit 3")


@pytest.mark.parametrize(("isa", "right"), [("neon", False), ("neondot", True), ("avx2", False)])
def test_a_longer_name_is_not_the_shorter_isas(isa: str, right: bool) -> None:
    finding = check_layers.judge_symbol("_ZN6octavo12gemm_neondotEv", "T", isa, ISAS)
    assert (finding is None) == right


def test_a_build_has_all_isas_of_its_architecture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for isa in ISAS:
        (tmp_path / "csrc/kernels" / isa).mkdir(parents=True)
        (tmp_path / "csrc/kernels" / isa / "table.cc").touch()
    build = tmp_path / "build"
    (build / "octavo_kernels_neon.dir").mkdir(parents=True)
    csrc = tmp_path / "csrc"
    assert check_layers.check_objects(build, csrc) == [
        f"{build}: no object of any ISA; was it built?"
    ]
    (build / "octavo_kernels_neon.dir/table.cc.o").touch()
    monkeypatch.setattr(check_layers, "check_object", lambda *_: [])
    assert check_layers.check_objects(build, csrc) == [
        f"{build}: no object of neondot; was it built?"
    ]


@pytest.mark.parametrize(
    ("line", "products"),
    [
        ("smull v4.8h, v0.8b, v1.8b", 8),
        ("smlsl2 v4.8h, v0.16b, v1.16b", 8),
        ("smlal v16.4s, v4.4h, v0.h[0]", 4),
        ("sdot v16.4s, v4.16b, v0.4b[0]", 16),
        ("usmmla v16.4s, v4.16b, v0.16b", 32),
        ("sadalp v16.4s, v4.8h", 0),
        ("ldr q4, [x0, #16]", 0),
    ],
)
def test_products_of_an_instruction(line: str, products: int) -> None:
    assert arm_efficiency.products([line]) == products


def test_a_loop_is_cut_out_as_an_assembler_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    listing = """
0000000000000000 <void octavo::(anonymous namespace)::tile<4, octavo::U8Output>(octavo::T*)>:
   0:	ldr	q0, [x1], #16
   4:	ldr	q1, [x2], #16
   8:	sdot	v2.4s, v0.16b, v1.4b[0]	// a comment
   c:	subs	x3, x3, #0x4
  10:	b.ne	0 <void octavo::(anonymous namespace)::tile<4, octavo::U8Output>(octavo::T*)>
  14:	ret
"""
    monkeypatch.setattr(check_loops, "assembly_of", lambda _: check_loops.ARM)
    monkeypatch.setattr(check_loops, "disassemble", lambda *_: listing)
    (loop,) = arm_efficiency.loops("neondot", Path("gemm.cc.o"))
    assert loop.place == "tile<4, U8Output>"
    assert loop.multiplying == 1
    assert loop.lines[2:] == (
        "sdot v2.4s, v0.16b, v1.4b[0]",
        "subs x3, x3, #0x4",
        "b.ne loop_start",
    )


def test_the_source_of_a_micro_kernel_is_found_by_its_name(tmp_path: Path) -> None:
    folder = tmp_path / arm_instructions.XNNPACK_FOLDER
    folder.mkdir(parents=True)
    for name in ("4x16c4-minmax-fp32-asm-aarch64-neondot-ld128.S", "4x16c8-minmax-fp32-neoni8mm.c"):
        (folder / f"qs8-qc8w-gemm-{name}").touch()
    found = arm_instructions.xnnpack_file(tmp_path, "4x16c4__asm_aarch64_neondot_ld128")
    assert found.name == "qs8-qc8w-gemm-4x16c4-minmax-fp32-asm-aarch64-neondot-ld128.S"
    assert arm_instructions.xnnpack_file(tmp_path, "4x16c8__neoni8mm").suffix == ".c"


def test_products_per_instruction() -> None:
    products = arm_instructions.M * arm_instructions.N * arm_instructions.K
    count = arm_instructions.Count("neon", "k", whole=products // 4, half=products // 8 + 100)
    assert count.products_per_instruction == 4
    assert count.products_per_added_instruction > 4
