"""The demo end to end, on the real digits, with few repetitions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="the demo's digits come with scikit-learn")
pytest.importorskip("typer", reason="the demo is a command")
pytest.importorskip("onnx", reason="the demo's network is an ONNX file")

import onnx

import octavo
from cli_support import fail, succeed
from octavo.demo import digits, layers, runtimes
from octavo.demo.timing import interleaved


def test_shipped_network_is_small_and_says_where_it_comes_from() -> None:
    data = digits.float_model_bytes()
    assert len(data) <= 300_000
    model = onnx.load_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    operators = {node.op_type for node in model.graph.node}
    assert {"Conv", "BatchNormalization", "Relu", "Clip", "Add", "Gemm"} <= operators
    properties = {entry.key: entry.value for entry in model.metadata_props}
    assert {"license", "dataset", "training", "held_out_modulus"} <= set(properties)


def test_digits_are_split_as_trained() -> None:
    from sklearn.datasets import load_digits

    data = digits.load_digits(onnx.load_from_string(digits.float_model_bytes()))
    bunch = load_digits()
    assert data.images.shape == (599, 1, 8, 8)
    assert data.calibration.shape == (1198, 1, 8, 8)
    np.testing.assert_array_equal(data.labels, bunch.target[::3])
    np.testing.assert_array_equal(data.images[:, 0], (bunch.images[::3] / 16).astype(np.float32))
    np.testing.assert_array_equal(data.calibration[1, 0] * 16, bunch.images[2])


def test_int8_is_as_good_as_float_on_the_held_out_digits() -> None:
    float_bytes = digits.float_model_bytes()
    model = onnx.load_from_string(float_bytes)
    data = digits.load_digits(model)
    int8_bytes = digits.quantize_digits(model, data).SerializeToString()
    result = digits.compare(float_bytes, int8_bytes, data, repeat=2)
    assert result.float32.top1 > 0.985
    assert result.int8.top1 >= result.float32.top1 - 0.01
    assert result.agreement >= 0.98
    assert result.int8.file_bytes < result.float32.file_bytes / 2
    assert result.time_kind in ("elapsed", "processor")
    for side in (result.float32, result.int8):
        assert 0 < side.latency_1 < side.latency_all
    # The same figures from the sessions themselves.
    scores = octavo.Session(int8_bytes).run(None, {"input": data.images})[0]
    assert result.int8.top1 == np.mean(scores.argmax(axis=1) == data.labels)


def test_float_side_without_onnx_runtime_is_octavo(monkeypatch: pytest.MonkeyPatch) -> None:
    float_bytes = digits.float_model_bytes()
    data = digits.load_digits(onnx.load_from_string(float_bytes))
    monkeypatch.setattr(runtimes, "onnxruntime_runner", lambda model, threads: None)
    runner = runtimes.float_runner(float_bytes, 1)
    assert runner.label.startswith(f"octavo {octavo.__version__}")
    answers = runner.run({"input": data.images})[0].argmax(axis=1)
    assert np.mean(answers == data.labels) > 0.985


def test_layers_are_exact_and_restore_the_threads() -> None:
    before = octavo.get_num_threads()
    small = (layers.Layer(7, 16, 24, 3), layers.Layer(5, 8, 8, 1))
    rounds: list[None] = []
    times = layers.time_layers(small, repeat=3, advance=lambda: rounds.append(None))
    assert octavo.get_num_threads() == before
    assert len(rounds) == 6
    assert [time.layer for time in times] == list(small)
    assert small[0].macs == 7 * 7 * 9 * 16 * 24
    for time in times:
        assert time.int8 > 0
        assert time.speedup == time.float32 / time.int8
        assert octavo.backend() in time.octavo


def test_a_wrong_layer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    right = octavo.conv2d
    monkeypatch.setattr(octavo, "conv2d", lambda x, packed: right(x, packed) ^ np.uint8(1))
    with pytest.raises(RuntimeError, match="differs from octavo"):
        layers.int8_call(layers.Layer(5, 8, 8, 1), np.random.default_rng(0))


def test_interleaving_alternates_the_order() -> None:
    order: list[str] = []
    calls = [lambda: order.append("a"), lambda: order.append("b")]
    times = interleaved(calls, repeat=3, warmup=1)
    assert "".join(order) == "ab" + "ab" + "ba" + "ab"
    assert [t.elapsed.shape for t in times] == [(3,), (3,)]
    with pytest.raises(ValueError, match="repeat must be at least 1, got 0"):
        interleaved(calls, repeat=0)


def test_timing_ends_when_its_time_is_over() -> None:
    count = [0, 0]

    def first() -> None:
        count[0] += 1

    def second() -> None:
        count[1] += 1

    times = interleaved([first, second], repeat=100, seconds=0.0, warmup=3)
    assert count == [2, 2]  # one round of warming up, one timed
    assert [t.elapsed.shape for t in times] == [(1,), (1,)]
    assert [t.processor.shape for t in times] == [(1,), (1,)]


def test_command_prints_both_tables_and_keeps_files_on_request(tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    shown = succeed("demo", "--repeat", 3, "--save", folder).stdout
    for text in ("top-1", "same answer", "ONNX file", "latency, 1 image", "ResNet-50", "GMAC/s"):
        assert text in shown
    expected = ["calibration.npz", "digits.onnx", "digits_int8.onnx", "held_out.npz"]
    assert sorted(path.name for path in folder.iterdir()) == expected
    kept = succeed(
        "eval", folder / "digits_int8.onnx", "--data", folder / "held_out.npz", "--json"
    ).json
    assert kept["samples"] == 599
    assert kept["top1"] > 0.975
    blocked = tmp_path / "file"
    blocked.touch()
    assert "is not a folder" in fail("demo", "--save", blocked)


def test_command_prints_json_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = succeed("demo", "--repeat", 3, "--json").json
    assert result["digits"]["images"] == 599
    assert set(result["digits"]["int8"]) == set(result["digits"]["float32"])
    assert len(result["layers"]) == len(layers.RESNET50_LAYERS)
    assert all(entry["speedup"] > 0 for entry in result["layers"])
    assert [entry["runs"] for entry in result["layers"]] == [3] * len(layers.RESNET50_LAYERS)
    hurried = succeed("demo", "--repeat", 30, "--seconds", 0, "--json").json
    assert [entry["runs"] for entry in hurried["layers"]] == [1] * len(layers.RESNET50_LAYERS)
    assert not list(tmp_path.iterdir())
