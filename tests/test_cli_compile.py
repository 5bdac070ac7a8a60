"""`octavo compile`, and the commands that take its files."""

from pathlib import Path

import numpy as np
import onnx
import pytest

import octavo
from cli_support import COUNT, Workspace, classifier, fail, make_workspace, succeed


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = make_workspace(tmp_path_factory.mktemp("compile"))
    succeed("compile", made.int8_onnx, "-o", made.net_octavo)
    return made


def test_compile_reports_what_it_wrote(work: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "net.octavo"
    assert succeed("compile", work.int8_onnx, "-o", out).stdout.startswith(f"wrote {out}: ")
    assert out.read_bytes() == work.net_octavo.read_bytes()
    result = succeed("compile", work.float_onnx, "-o", out, "--json").json
    assert (result["output"], result["output_bytes"]) == (str(out), out.stat().st_size)


def test_programs_run_as_their_networks_do(work: Workspace, tmp_path: Path) -> None:
    for model, result in ((work.int8_onnx, "onnx.npy"), (work.net_octavo, "octavo.npy")):
        succeed("run", model, "--input", work.x_npy, "-o", tmp_path / result)
    assert (tmp_path / "onnx.npy").read_bytes() == (tmp_path / "octavo.npy").read_bytes()
    accuracy = [
        succeed("eval", model, "--data", work.data_npz, "--preprocess", "tf", "--json").json
        for model in (work.int8_onnx, work.net_octavo)
    ]
    assert accuracy[0]["top1"] == accuracy[1]["top1"]
    assert accuracy[1]["samples"] == COUNT
    timed = succeed("bench", work.net_octavo, "--repeat", 3, "--batch", 2, "--json").json
    assert timed["results"][0]["median_ms"] > 0


def test_inspect_lists_the_same_steps(work: Workspace) -> None:
    ours, theirs = (
        succeed("inspect", model, "--json").json for model in (work.net_octavo, work.int8_onnx)
    )
    for key in ("steps", "inputs", "backend", "weight_bytes", "arena_bytes"):
        assert ours[key] == theirs[key], key
    assert "nodes" not in ours
    assert ours["quantized_tensors"] == []
    shown = succeed("inspect", work.net_octavo).stdout
    assert "packed weights" in shown
    assert "opset" not in shown


def test_open_shapes_are_named(tmp_path: Path) -> None:
    onnx.save(classifier(side="S"), tmp_path / "open.onnx")
    out = tmp_path / "net.octavo"
    line = ["compile", tmp_path / "open.onnx", "-o", out]
    assert "input_shapes: input 'x'" in fail(*line)
    for text in ("3x8x8", "x=", "x=3xS", "=3"):
        assert f"--shape: expected NAME=AxBxC, got {text}" in fail(*line, "--shape", text)
    succeed(*line, "--shape", "x=3x8x8")
    assert octavo.Session(out).run(None, {"x": np.zeros((1, 3, 8, 8), np.float32)})


def test_what_is_refused(work: Workspace, tmp_path: Path) -> None:
    assert "expected a name ending in .octavo" in fail(
        "compile", work.int8_onnx, "-o", tmp_path / "net.onnx"
    )
    assert "is an input" in fail("compile", work.net_octavo, "-o", work.net_octavo)
    assert "MODEL: " in fail("compile", tmp_path / "none.onnx", "-o", tmp_path / "net.octavo")
    damaged = tmp_path / "damaged.octavo"
    damaged.write_bytes(work.net_octavo.read_bytes()[:-1])
    for command in ("inspect", "bench"):
        assert "file_bytes" in fail(command, damaged)
