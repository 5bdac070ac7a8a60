"""Wrong command lines and wrong files: one line, exit code 1, nothing half-written."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("typer", reason="the command line needs typer")
pytest.importorskip("onnx", reason="the command line needs onnx")

from cli_support import COUNT, Workspace, fail, make_workspace
from octavo.cli import files, output, preprocess
from octavo.cli.data import load_arrays, open_dataset
from octavo.cli.models import load_graph
from octavo.cli.preprocess import Layout, Preprocess, Preset, to_nhwc

TF = ("--preprocess", "tf")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("cli"))


ERRORS = [
    ("inspect nowhere.onnx", "MODEL: nowhere.onnx does not exist"),
    ("inspect text.onnx", "not an ONNX file"),
    ("inspect .", "is a folder"),
    ("inspect", "Missing argument 'MODEL'. See 'octavo inspect --help'."),
    ("paint float.onnx", "No such command 'paint'"),
    ("info --colour", "No such option"),
    ("quantize float.onnx --calib data.npz", "Missing option"),
    ("quantize float.onnx -o q.onnx", "give calibration data, or use --dynamic"),
    ("quantize float.onnx -o q.onnx --dynamic --calib data.npz", "give no data"),
    ("quantize float.onnx -o float.onnx --dynamic", "is an input"),
    ("quantize float.onnx --calib data.npz -o q.onnx --method best", "--method"),
    ("quantize float.onnx --calib data.npz -o q.onnx --samples 0", "--samples"),
    ("quantize float.onnx --calib data.npz -o float.onnx", "is an input"),
    ("quantize float.onnx --calib data.npz -o q.txt", "ending in .onnx"),
    ("quantize float.onnx --calib data.npz -o nowhere/q.onnx", "nowhere does not exist"),
    ("quantize float.onnx --calib text.npz -o q.onnx", "text.npz is not a whole .npz"),
    ("quantize float.onnx --calib nan.npz -o q.onnx", "NaN"),
    ("quantize float.onnx --calib empty.npz -o q.onnx", "no samples"),
    ("quantize float.onnx --calib grey.npz -o q.onnx", "the network takes 3"),
    ("quantize float.onnx --calib small.npz -o q.onnx", "the network takes 8x8"),
    ("quantize float.onnx --calib other.npz -o q.onnx", "found 'a', 'b'"),
    ("run float.onnx --input nowhere.npz", "--input: nowhere.npz does not exist"),
    ("run float.onnx --input other.npz", "expected arrays named ['x'], got ['a', 'b']"),
    ("run float.onnx --input x.npy -o x.npy", "is an input"),
    ("run float.onnx --input x.npy -o y.txt", "ending in .npz or .npy"),
    ("eval float.onnx --data unlabelled.npz", "has no labels"),
    ("eval float.onnx --data data.npz --label-offset 100", "is no class of the network"),
    ("eval float.onnx --data uneven.npz", "3 labels"),
    ("eval float.onnx --data floatlabels.npz", "'labels': expected integers"),
    ("eval float.onnx --data data.npz --mean 1,x", "--mean: expected numbers"),
    ("eval float.onnx --data data.npz --mean 1,2", "--mean: 2 values"),
    ("eval float.onnx --data data.npz --std 0", "--std: expected positive"),
    ("eval float.onnx --data data.npz --preprocess best", "--preprocess"),
    ("eval float.onnx --data mislabelled", "no label for a.png"),
    ("eval float.onnx --data misspelt", "expected rows 'file,label', got ['a.png']"),
    ("eval float.onnx --data broken", "a.png: not a readable image"),
    ("bench float.onnx --threads 0", "--threads"),
    ("bench float.onnx --compare nowhere.onnx", "--compare: nowhere.onnx does not exist"),
]


FOLDERS = {"mislabelled": "b.png,1\n", "misspelt": "a.png\n", "broken": "a.png,1\n"}


def contents() -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}


@pytest.mark.parametrize(("line", "message"), ERRORS, ids=[line for line, _ in ERRORS])
def test_errors_are_one_line(
    work: Workspace, line: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(work.folder)
    images = work.images
    np.savez("empty.npz", images=images[:0])
    np.savez("grey.npz", images=images[..., :1])
    np.savez("small.npz", images=images[:, :4])
    np.savez("other.npz", a=images, b=images)
    np.savez("uneven.npz", images=images, labels=work.labels[:3])
    np.savez("floatlabels.npz", images=images, labels=work.labels / 2)
    if line.rpartition(" ")[2] in FOLDERS:
        pytest.importorskip("PIL", reason="image files need Pillow")
    for folder, table in FOLDERS.items():
        Path(folder).mkdir(exist_ok=True)
        Path(folder, "a.png").write_bytes(b"no image")
        Path(folder, "labels.csv").write_text(table)
    before = contents()
    assert message in fail(*line.split())
    assert contents() == before


def test_a_failing_write_leaves_the_old_file(
    work: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "q.onnx"
    out.write_bytes(b"old")

    def full(source: str, target: str) -> None:
        raise OSError(28, "No space left on device", str(target))

    monkeypatch.setattr(os, "replace", full)
    arguments = ("--calib", work.data_npz, "-o", out, *TF)
    assert "No space left on device" in fail("quantize", work.float_onnx, *arguments)
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("q.onnx", b"old")]


def test_output_follows_a_link_and_refuses_devices(tmp_path: Path) -> None:
    (tmp_path / "real.npz").write_bytes(b"")
    (tmp_path / "link.npz").symlink_to("real.npz")
    files.write_arrays(tmp_path / "link.npz", {"file": np.arange(3), "a/b": np.eye(2)})
    assert (tmp_path / "link.npz").is_symlink()
    loaded = load_arrays(tmp_path / "real.npz", "--input")
    np.testing.assert_array_equal(loaded["file"], [0, 1, 2])
    np.testing.assert_array_equal(loaded["a/b"], np.eye(2))
    os.mkfifo(tmp_path / "pipe.npz")
    with pytest.raises(ValueError, match="not a plain file"):
        files.check_output(tmp_path / "pipe.npz", [], (".npz",))
    with pytest.raises(ValueError, match="holds one array, there are 2"):
        files.write_arrays(tmp_path / "y.npy", loaded)
    assert not (tmp_path / "y.npy").exists()


@pytest.mark.parametrize("damage", ["truncated", "pickled", "huge"])
def test_damaged_arrays_are_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, images=np.arange(1000))
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:500])
    elif damage == "pickled":
        np.savez(path, images=np.array([{}, {}], object), allow_pickle=True)
    else:
        header = io.BytesIO()
        shape = {"descr": "<f8", "fortran_order": False, "shape": (2**40, 2**10)}
        np.lib.format.write_array_header_1_0(header, shape)
        path.write_bytes(header.getvalue())
    with pytest.raises(ValueError, match="not a whole"):
        load_arrays(path, "--input")


@pytest.mark.parametrize(("count", "samples"), [(40, 40), (40, 7), (40, 1), (40, 100), (40, None)])
def test_samples_are_spread_evenly(work: Workspace, count: int, samples: int | None) -> None:
    assert count == COUNT
    inputs = load_graph(work.float_onnx).inputs
    dataset = open_dataset(work.data_npz, "--data", inputs, preprocess.PRESETS[Preset.TF])
    batches = list(dataset.batches(samples, 3))
    index = np.concatenate([chosen for chosen, _ in batches])
    assert len(index) == min(samples or count, count)
    steps = np.diff(np.append(index, count))
    assert index[0] == 0
    assert steps.max() - steps.min() <= 1
    expected = work.images[index].astype(np.float32) * np.float32(1 / 127.5) - np.float32(1)
    found = np.concatenate([feeds["x"] for _, feeds in batches])
    np.testing.assert_array_equal(found, expected.transpose(0, 3, 1, 2))


@pytest.mark.parametrize("preset", list(Preset))
def test_presets_follow_their_formula(preset: Preset) -> None:
    pixels = np.arange(256 * 3, dtype=np.uint8).reshape(1, 16, 16, 3)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    formula: dict[Preset, Any] = {
        Preset.NONE: pixels,
        Preset.TF: pixels / 127.5 - 1,
        Preset.IMAGENET: (pixels / 255 - mean) / std,
        Preset.CIFAR: (pixels / 255 - mean) / std,
    }
    found = preprocess.PRESETS[preset].values(pixels)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, formula[preset], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("layout", list(Layout))
def test_layouts_and_crops(layout: Layout) -> None:
    nhwc = np.arange(2 * 6 * 7 * 3, dtype=np.uint8).reshape(2, 6, 7, 3)
    given = nhwc.transpose(0, 3, 1, 2) if layout is Layout.NCHW else nhwc
    np.testing.assert_array_equal(to_nhwc(given, layout, (None, 3, 6, 7), "x"), nhwc)
    cropped = to_nhwc(given, layout, (None, 3, 4, 4), "x")
    np.testing.assert_array_equal(cropped, nhwc[:, 1:5, 1:5])
    grey = nhwc[..., 0]
    np.testing.assert_array_equal(to_nhwc(grey, layout, (None, 1, 6, 7), "x")[..., 0], grey)


def test_wrong_statistics_are_refused() -> None:
    with pytest.raises(ValueError, match="--std: 2 values, the images have 3 channels"):
        Preprocess(std=(1.0, 2.0)).values(np.zeros((1, 2, 2, 3), np.uint8))


@pytest.mark.parametrize("quiet", [False, True])
@pytest.mark.parametrize("terminal", [False, True])
def test_progress_goes_to_a_terminal_alone(
    quiet: bool, terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal, raising=False)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    with output.ticks("working", 2, quiet=quiet) as advance:
        advance()
        advance()
    assert ("working" in stream.getvalue()) == (terminal and not quiet)
    assert capsys.readouterr().out == ""
