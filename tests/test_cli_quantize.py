"""`octavo quantize`: what it prints, its options, and an interruption."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

pytest.importorskip("typer", reason="the command line needs typer")

import octavo
import octavo.graph.load
from cli_support import Workspace, fail, make_workspace, succeed
from octavo.cli.data import Dataset
from octavo.cli.quantize import FeedsSequence

TF = ("--preprocess", "tf")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("cli"))


def test_prints_ranges_fusions_floats_and_errors(work: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "q.onnx"
    line = ("quantize", work.float_onnx, "--calib", work.data_npz, "-o", out, *TF)
    shown = succeed(*line, "--exclude", "fc").stdout
    for text in ("SQNR dB", "Conv+Relu", "excluded by name", "biases corrected: 1 layers"):
        assert text in shown
    assert "expected error of output" in shown
    found = succeed(*line, "--exclude", "fc", "--json").json
    assert found["float_nodes"] == [{"name": "fc", "op": "Gemm", "reason": "excluded by name"}]
    assert all(t["sqnr_db"] is None or t["sqnr_db"] > 10 for t in found["tensors"])
    assert found["int8_steps"]["Conv+Relu"] == 1
    assert found["warnings"] == []


def test_options_give_what_python_gives(work: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "q.onnx"
    options = ("--method", "auto", "--equalize", "--weights", "mse", "--rounding", "compensated")
    options += ("--placement", "onnxruntime", "--no-bias-correction")
    succeed("quantize", work.float_onnx, "--calib", work.data_npz, "-o", out, *TF, *options)
    x = work.images.astype(np.float32) * np.float32(1 / 127.5) - 1
    x = x.transpose(0, 3, 1, 2)
    want = octavo.quantize_model(
        work.float_onnx,
        np.ascontiguousarray(x),
        method="auto",
        equalize=True,
        weight_method="mse",
        rounding="compensated",
        placement="onnxruntime",
        bias_correction=False,
    )
    assert onnx.load(out) == want


def test_warnings_are_notes_on_stderr(work: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "q.onnx"
    line = ("quantize", work.float_onnx, "--calib", work.data_npz, "-o", out, *TF)
    outcome = succeed(*line, "--samples", 3)
    assert "octavo: note: OCT001 (few samples): 3 samples" in outcome.stderr
    (warning,) = succeed(*line, "--samples", 3, "--json").json["warnings"]
    assert warning.startswith("OCT001")


@pytest.mark.parametrize("where", ["collect", "correct_biases", "save_graph"])
def test_interruption_leaves_no_file(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(f"octavo.quantize.pipeline.{where}", interrupted)
    out = tmp_path / "q.onnx"
    line = ("quantize", work.float_onnx, "--calib", work.data_npz, "-o", out, *TF)
    assert fail(*line) == "interrupted"
    assert list(tmp_path.iterdir()) == []
    out.write_bytes(b"older")
    assert fail(*line) == "interrupted"
    assert out.read_bytes() == b"older"


def test_feeds_are_read_by_index(work: Workspace) -> None:
    dataset = Dataset(10, lambda index: {"x": index.astype(np.float32)}, None)
    graph = octavo.graph.load.load_graph(work.float_onnx)
    feeds = FeedsSequence(dataset, graph.inputs, 7, 3)
    assert [f["x"].tolist() for f in feeds] == [[0, 1, 2], [4, 5, 7], [8]]
    assert feeds[-1]["x"].tolist() == [8]
    assert [f["x"].tolist() for f in feeds[1:]] == [[4, 5, 7], [8]]
    with pytest.raises(IndexError):
        feeds[3]
