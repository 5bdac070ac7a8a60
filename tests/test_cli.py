"""The command line, every command on a small network and real files."""

from __future__ import annotations

import stat
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("typer", reason="the command line needs typer")
pytest.importorskip("onnx", reason="the command line needs onnx")

import onnx

import octavo
from cli_support import (
    CLASSES,
    HIDDEN,
    Workspace,
    classifier,
    fail,
    make_workspace,
    network_input,
    octavo_command,
    succeed,
)

COMMANDS = [
    "calibrate",
    "quantize",
    "compile",
    "analyze",
    "run",
    "eval",
    "bench",
    "inspect",
    "info",
    "demo",
]
TF = ("--preprocess", "tf")


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("cli"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_without_a_command_the_help_is_printed() -> None:
    outcome = succeed()
    assert all(name in outcome.stdout for name in COMMANDS)
    assert succeed("--version").stdout.strip() == octavo.__version__


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example_for_the_command_and_every_option(name: str) -> None:
    from typer.main import get_command

    from octavo.cli.root import app

    group: Any = get_command(app)
    assert list(group.commands) == COMMANDS
    command = group.commands[name]
    assert command.help
    assert command.epilog.startswith(f"Example: octavo {name}")
    for parameter in command.params:
        if parameter.name != "help":
            assert "Example: " in parameter.help, parameter.name
    shown = succeed(name, "--help").stdout
    assert "Example" in shown
    assert "--json" in shown


def test_quantize_writes_a_checked_qdq_network(work: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "q.onnx"
    outcome = succeed(
        "quantize", work.float_onnx, "--calib", work.data_npz, "-o", out, *TF, "--json"
    )
    model = onnx.load(out)
    onnx.checker.check_model(model, full_check=True)
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in model.graph.node}
    result = outcome.json
    assert result["samples"] == len(work.images)
    assert result["output_bytes"] == out.stat().st_size
    assert names(tmp_path) == ["q.onnx"]
    (tmp_path / "plain").touch()  # the permissions any new file gets, not a temporary file's
    assert stat.S_IMODE(out.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)


def test_quantize_does_not_depend_on_the_batch_size(work: Workspace, tmp_path: Path) -> None:
    written = []
    for size in (1, 7, 64):
        out = tmp_path / f"{size}.onnx"
        arguments = ("--calib", work.data_npz, "-o", out, *TF, "--batch-size", size)
        assert f"wrote {out}" in succeed("quantize", work.float_onnx, *arguments).stdout
        written.append(out.read_bytes())
    assert written[0] == written[1] == written[2]


def test_quantize_takes_arrays_by_input_name(work: Workspace, tmp_path: Path) -> None:
    np.savez(tmp_path / "by_name.npz", x=network_input(work.images))
    out = tmp_path / "q.onnx"
    succeed("quantize", work.float_onnx, "--calib", tmp_path / "by_name.npz", "-o", out)
    assert out.read_bytes() == work.int8_onnx.read_bytes()


def test_quantize_options_reach_the_network(work: Workspace, tmp_path: Path) -> None:
    out = tmp_path / "q.onnx"
    options = ("--activations", "int8", "--per-tensor", "--samples", 8)
    arguments = ("--calib", work.data_npz, "-o", out, *TF, *options, "--json")
    assert succeed("quantize", work.float_onnx, *arguments).json["samples"] == 8
    tensors = succeed("inspect", out, "--json").json["quantized_tensors"]
    assert all(isinstance(t["scale"], float) for t in tensors)
    assert {t["dtype"] for t in tensors} <= {"int8", "int32"}


def test_run_gives_what_the_session_gives(work: Workspace, tmp_path: Path) -> None:
    expected = octavo.Session(work.int8_onnx).run(None, {"x": np.load(work.x_npy)})[0]
    result = succeed(
        "run", work.int8_onnx, "--input", work.x_npy, "-o", tmp_path / "y.npz", "--json"
    ).json
    with np.load(tmp_path / "y.npz") as saved:
        assert saved.files == ["scores"]
        np.testing.assert_array_equal(saved["scores"], expected)
    assert result["outputs"]["scores"]["shape"] == list(expected.shape)
    assert result["outputs"]["scores"]["max"] == pytest.approx(float(expected.max()))
    table = succeed("run", work.int8_onnx, "--input", work.x_npy, "-o", tmp_path / "y.npy").stdout
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected)
    assert "scores" in table
    assert names(tmp_path) == ["y.npy", "y.npz"]


def test_eval_counts_what_numpy_counts(work: Workspace) -> None:
    x = network_input(work.images)
    scores = octavo.Session(work.int8_onnx).run(None, {"x": x})[0]
    result = succeed("eval", work.int8_onnx, "--data", work.data_npz, *TF, "--json").json
    order = np.argsort(-scores, axis=1, kind="stable")
    assert result["top1"] == np.mean(order[:, 0] == work.labels)
    assert result["top5"] == np.mean((order[:, :5] == work.labels[:, None]).any(axis=1))
    assert result["samples"] == len(work.labels)
    exact = succeed("eval", work.float_onnx, "--data", work.data_npz, *TF, "--json").json
    assert exact["top1"] == 1.0


def test_eval_reads_every_layout_alike(work: Workspace, tmp_path: Path) -> None:
    nchw = work.images.transpose(0, 3, 1, 2)
    files = {
        "nchw": ({"images": nchw}, TF),
        "input": ({"x": network_input(work.images)}, ()),
        "wide": ({"images": np.pad(work.images, ((0, 0), (1, 1), (2, 2), (0, 0)))}, TF),
        "formula": ({"images": work.images}, ("--scale", 2 / 255, "--mean", 1, "--std", "1,1,1")),
    }
    for name, (arrays, options) in files.items():
        path = tmp_path / f"{name}.npz"
        np.savez(path, labels=work.labels, **arrays)
        outcome = succeed("eval", work.float_onnx, "--data", path, *options, "--json")
        assert outcome.json["top1"] == 1.0, name
    table = succeed("eval", work.float_onnx, "--data", work.data_npz, *TF, "--samples", 10).stdout
    assert "100.00%" in table


def test_networks_of_a_fixed_batch(work: Workspace, tmp_path: Path) -> None:
    fixed, out = tmp_path / "fixed.onnx", tmp_path / "q.onnx"
    onnx.save(classifier(batch=16), fixed)  # 40 samples: the last of 3 batches is not full
    result = succeed("eval", fixed, "--data", work.data_npz, *TF, "--json").json
    assert (result["top1"], result["samples"]) == (1.0, len(work.labels))
    succeed("quantize", fixed, "--calib", work.data_npz, "-o", out, *TF)
    found, free = (
        succeed("inspect", path, "--json").json["quantized_tensors"]
        for path in (out, work.int8_onnx)
    )
    assert found == free
    assert succeed("bench", out, "--repeat", 1, "--json").json["batch"] == 16
    assert "takes batches of 16, got 1" in fail("bench", out, "--batch", 1)


def test_networks_of_free_extents(work: Workspace, tmp_path: Path) -> None:
    path = tmp_path / "free.onnx"
    onnx.save(classifier(side="S"), path)
    outcome = succeed("inspect", path, "--json")
    assert outcome.json["steps"] == []
    assert "input extents are free" in outcome.stderr
    assert succeed("eval", path, "--data", work.data_npz, *TF, "--json").json["top1"] == 1.0
    assert "no fixed shape" in fail("bench", path)


def test_eval_offsets_labels(work: Workspace, tmp_path: Path) -> None:
    np.savez(tmp_path / "shifted.npz", images=work.images, labels=work.labels - 1)
    arguments = ("--data", tmp_path / "shifted.npz", *TF, "--label-offset", 1, "--json")
    assert succeed("eval", work.float_onnx, *arguments).json["top1"] == 1.0


def test_eval_and_quantize_read_image_folders(work: Workspace, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="image files need Pillow")
    folder = tmp_path / "images"
    (folder / "sub").mkdir(parents=True)
    lines = ["file,label"]
    for i, (pixels, label) in enumerate(zip(work.images, work.labels, strict=True)):
        name = f"sub/{i:03}.png"
        image.fromarray(pixels).save(folder / name)
        lines.append(f"{name},{label}")
    for rows in (lines, lines[1:]):  # with and without a heading
        (folder / "labels.csv").write_text("\n".join(rows) + "\n")
        result = succeed("eval", work.float_onnx, "--data", folder, *TF, "--json").json
        assert (result["top1"], result["samples"]) == (1.0, len(work.labels))
    out = tmp_path / "q.onnx"
    succeed("quantize", work.float_onnx, "--calib", folder, "-o", out, *TF)
    assert out.read_bytes() == work.int8_onnx.read_bytes()


def test_bench_times_all_networks(work: Workspace) -> None:
    options = ("--batch", 2, "--threads", 1, "--repeat", 3, "--compare", work.float_onnx)
    result = succeed("bench", work.int8_onnx, *options, "--json").json
    assert (result["batch"], result["threads"], result["repeat"]) == (2, 1, 3)
    assert [r["model"] for r in result["results"]] == [str(work.int8_onnx), str(work.float_onnx)]
    for entry in result["results"]:
        assert 0 < entry["min_ms"] <= entry["median_ms"] <= entry["p90_ms"]
    assert result["results"][0]["times_model"] == 1.0
    assert "2 calls each" in succeed("bench", work.int8_onnx, "--repeat", 2).stdout


def test_inspect_lists_the_steps_of_the_session(work: Workspace) -> None:
    result = succeed("inspect", work.int8_onnx, "--json").json
    steps = octavo.Session(work.int8_onnx).describe()
    assert [(s["op"], s["name"], s["kernel"]) for s in result["steps"]] == [
        (s.op, s.name, s.kernel) for s in steps
    ]
    assert result["file_bytes"] == work.int8_onnx.stat().st_size
    memory = octavo.Session(work.int8_onnx).memory()
    assert (result["weight_bytes"], result["arena_bytes"]) == (memory.weights, memory.arena)
    assert result["arena_batch"] == 1
    assert result["inputs"][0]["shape"][1:] == [3, 8, 8]
    per_channel = [t for t in result["quantized_tensors"] if isinstance(t["scale"], list)]
    weights = [t for t in per_channel if t["dtype"] == "int8"]
    assert sorted(len(t["scale"]) for t in weights) == sorted([HIDDEN, CLASSES])
    assert all(set(t["zero_point"]) == {0} for t in weights)
    shown = succeed("inspect", work.int8_onnx, "--qparams").stdout
    assert all(step.op in shown for step in steps)
    assert "packed weights" in shown
    assert "at batch 1" in shown
    assert "zero point" in shown
    assert succeed("inspect", work.float_onnx, "--json").json["quantized_tensors"] == []


def test_info_tells_what_the_package_tells() -> None:
    result = succeed("info", "--json").json
    assert result["backend"] == octavo.backend()
    assert [b["name"] for b in result["backends"] if b["supported"]] == octavo.backends()
    assert result["cpu_features"] == list(octavo.cpu_features())
    assert result["threads"] == octavo.get_num_threads()
    assert octavo.backend() in succeed("info").stdout


def test_missing_packages_are_named(
    work: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from octavo.cli import app

    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "PIL", None)
        patch.setitem(sys.modules, "PIL.Image", None)
        assert "pip install pillow" in fail("eval", work.float_onnx, "--data", work.folder)
        patch.setitem(sys.modules, "sklearn", None)
        patch.setitem(sys.modules, "sklearn.datasets", None)
        assert 'pip install "octavo[demo]"' in fail("demo")
    monkeypatch.delitem(sys.modules, "octavo.cli.root")
    monkeypatch.setitem(sys.modules, "typer", None)
    with pytest.raises(SystemExit) as stopped:
        app.main()
    assert stopped.value.code == 1
    assert 'pip install "octavo[cli]"' in capsys.readouterr().err


def test_debug_shows_the_traceback(work: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = work.nowhere_onnx
    assert "does not exist" in fail("inspect", missing)
    assert isinstance(octavo_command("inspect", missing, "--debug").exception, FileNotFoundError)
    assert isinstance(octavo_command("--debug", "inspect", missing).exception, FileNotFoundError)
    monkeypatch.setenv("OCTAVO_DEBUG", "1")
    assert isinstance(octavo_command("inspect", missing).exception, FileNotFoundError)


@pytest.mark.parametrize("option", ["--dynamic", "--per-row"])
def test_dynamic_quantization_needs_no_data(work: Workspace, tmp_path: Path, option: str) -> None:
    out = tmp_path / "dynamic.onnx"
    result = succeed("quantize", work.float_onnx, "-o", out, option, "--json").json
    assert result["layers"] == 1
    ops = [node.op_type for node in onnx.load(out).graph.node]
    assert ops.count("DynamicQuantizeLinear") == 1
    assert ("row" if option == "--per-row" else "tensor") in succeed(
        "quantize", work.float_onnx, "-o", out, option
    ).stdout
    succeed("eval", out, "--data", work.data_npz, *TF)
