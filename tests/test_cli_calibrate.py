"""`octavo calibrate`, and `octavo quantize` from what it wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("typer", reason="the command line needs typer")
pytest.importorskip("onnx", reason="the command line needs onnx")

from cli_support import Workspace, fail, make_workspace, succeed

TF = ("--preprocess", "tf")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("cli"))


def test_quantize_from_a_calib_file_needs_no_data(work: Workspace, tmp_path: Path) -> None:
    calib = tmp_path / "net.calib"
    outcome = succeed(
        "calibrate", work.float_onnx, "--data", work.data_npz, "-o", calib, *TF, "--json"
    )
    assert outcome.json["samples"] == len(work.images)
    assert outcome.json["output_bytes"] == calib.stat().st_size
    for method in ("max", "percentile", "entropy", "mse", "moving_average"):
        from_file, from_data = tmp_path / "a.onnx", tmp_path / "b.onnx"
        options = ("--method", method, "--json")
        result = succeed("quantize", work.float_onnx, "--calib", calib, "-o", from_file, *options)
        assert result.json["samples"] == len(work.images)
        options = (*options, *TF, "--no-bias-correction")  # that needs the data
        succeed("quantize", work.float_onnx, "--calib", work.data_npz, "-o", from_data, *options)
        assert from_file.read_bytes() == from_data.read_bytes()


def test_shards_merge_to_the_file_of_the_whole(work: Workspace, tmp_path: Path) -> None:
    shards = []
    for i, images in enumerate((work.images[:11], work.images[11:])):
        np.savez(tmp_path / f"{i}.npz", images=images)
        shards.append(tmp_path / f"{i}.calib")
        data = ("--data", tmp_path / f"{i}.npz", "--batch-size", 3 + i)
        succeed("calibrate", work.float_onnx, *data, "-o", shards[-1], *TF)
    whole, merged = tmp_path / "whole.calib", tmp_path / "merged.calib"
    shown = succeed("calibrate", work.float_onnx, "--data", work.data_npz, "-o", whole, *TF).stdout
    assert f"wrote {whole}" in shown
    assert f"tensors over {len(work.images)} samples" in shown
    succeed("calibrate", "--merge", *reversed(shards), "-o", merged)
    assert merged.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("calibrate float.onnx -o x.calib", "--data: expected calibration data, got none"),
        ("calibrate float.onnx data.npz -o x.calib", "MODEL: expected one network, got 2"),
        ("calibrate float.onnx --data data.npz -o x.onnx", "ending in .calib"),
        ("calibrate float.onnx --data data.npz -o nowhere/x.calib", "nowhere does not exist"),
        ("calibrate --merge net.calib --data data.npz -o x.calib", "--data: not with --merge"),
        ("calibrate --merge net.calib -o net.calib", "is an input"),
        ("calibrate --merge text.npz -o x.calib", "text.npz: not a .calib file"),
        ("calibrate --merge nowhere.calib -o x.calib", "nowhere.calib does not exist"),
        ("calibrate float.onnx --data nan.npz -o x.calib", "NaN"),
        ("calibrate float.onnx --data data.npz -o x.calib --exclude nope", "no nodes named"),
        ("quantize float.onnx --calib half.calib -o q.onnx", "half.calib: the file is damaged"),
        ("quantize float.onnx --calib other.calib -o q.onnx", "is of another network"),
        ("calibrate --merge net.calib other.calib -o x.calib", "is of another network"),
    ],
)
def test_errors_are_one_line_and_write_nothing(
    work: Workspace, line: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(work.folder)
    if not Path("net.calib").exists():
        succeed("calibrate", "float.onnx", "--data", "data.npz", "-o", "net.calib", *TF)
        data = Path("net.calib").read_bytes()
        Path("half.calib").write_bytes(data[: len(data) // 2])
        from octavo.calibrate import Calibration

        whole = Calibration.load("net.calib")
        Calibration("0" * 64, whole.samples, whole.tensors).save("other.calib")
    before = {path.name: path.read_bytes() for path in Path().iterdir()}
    assert message in fail(*line.split())
    assert {path.name: path.read_bytes() for path in Path().iterdir()} == before
