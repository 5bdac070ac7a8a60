"""The .calib file: shards merge to the same bytes, re-ranging without data, and bad files."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("onnx", reason="calibration of a model needs onnx")

import onnx

import octavo
from octavo.calibrate import OBSERVERS, Calibration, TensorStatistics, varint
from octavo.calibrate.calib_file import MAGIC
from octavo.calibrate.collect import collect
from octavo.errors import CalibrationError, InvalidArgumentError
from octavo.graph.load import load_graph
from octavo.graph.passes import simplify
from test_quantize_model import residual_net

UINT64 = st.integers(0, 2**64 - 1)


@pytest.fixture
def model(rng: np.random.Generator) -> onnx.ModelProto:
    return residual_net(rng)


@pytest.fixture
def images(rng: np.random.Generator) -> Any:
    return rng.standard_normal((12, 3, 16, 16)).astype(np.float32)


@settings(deadline=None)
@given(st.lists(st.one_of(UINT64, st.integers(0, 300), st.just(0)), max_size=40))
def test_varint_round_trip(values: list[int]) -> None:
    array = np.array(values, np.uint64)
    data = varint.encode(array)
    np.testing.assert_array_equal(varint.decode(data), array)
    assert len(data) == sum(max(-(-value.bit_length() // 7), 1) for value in values)


@pytest.mark.parametrize("data", ["80", "0180", "ff" * 9 + "02", "ff" * 11, "80" * 10 + "01"])
def test_varint_refuses(data: str) -> None:
    with pytest.raises(ValueError, match="integer"):
        varint.decode(bytes.fromhex(data))


def test_shards_merge_to_the_same_bytes(
    model: onnx.ModelProto, images: Any, tmp_path: Path
) -> None:
    whole = octavo.calibrate_model(model, images).to_bytes()
    one_by_one = octavo.calibrate_model(model, list(images[::-1])).to_bytes()
    assert whole == one_by_one
    paths = [tmp_path / f"{i}.calib" for i in range(3)]
    for path, part in zip(paths, (images[:5], images[5:6], images[6:]), strict=True):
        octavo.calibrate_model(model, part).save(path)
    for order in itertools.permutations(paths):
        assert Calibration.merged(map(Calibration.load, order)).to_bytes() == whole
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0.calib", "1.calib", "2.calib"]


@pytest.mark.parametrize("method", sorted(OBSERVERS))
def test_ranges_without_data_are_those_with(
    model: onnx.ModelProto, images: Any, method: str, tmp_path: Path
) -> None:
    octavo.calibrate_model(model, images).save(tmp_path / "net.calib")
    calibration = Calibration.load(tmp_path / "net.calib")
    assert calibration.samples == len(images)
    from_file = octavo.quantize_model(model, calibration, method=method)
    options = {"method": method, "bias_correction": False}  # that needs the data
    assert from_file == octavo.quantize_model(model, images, **options)


def test_any_percentile_with_data_and_without(model: onnx.ModelProto, images: Any) -> None:
    calibration = octavo.calibrate_model(model, images)
    graph, tensors = load_graph(model), list(calibration.tensors)
    simplify(graph)
    ranges = []
    for percentile in (99.0, 99.9, 100.0):
        with_data, without = (
            collect(graph, tensors, data, "percentile", percentile=percentile)
            for data in (images, calibration)
        )
        ranges.append([with_data[name].range() for name in tensors])
        assert ranges[-1] == [without[name].range() for name in tensors]
    assert ranges[0] != ranges[1] != ranges[2]
    assert ranges[2] == [calibration.observer(name, "max").range() for name in tensors]


def test_excluded_nodes(model: onnx.ModelProto, images: Any) -> None:
    name = next(node.name for node in model.graph.node if node.op_type == "Conv")
    calibration = octavo.calibrate_model(model, images, exclude=[name])
    from_file = octavo.quantize_model(model, calibration, exclude=[name])
    from_data = octavo.quantize_model(model, images, exclude=[name], bias_correction=False)
    assert from_file == from_data
    missing = Calibration(calibration.fingerprint, 1, {})
    with pytest.raises(
        CalibrationError, match=r"has no tensor '.*'; it was made for other options"
    ):
        octavo.quantize_model(model, missing)
    with pytest.raises(InvalidArgumentError, match=r"no nodes named \['nope'\]"):
        octavo.calibrate_model(model, images, exclude=["nope"])


def test_another_model_is_refused(rng: np.random.Generator, images: Any) -> None:
    model, other = residual_net(rng), residual_net(rng)
    calibration = octavo.calibrate_model(model, images)
    with pytest.raises(CalibrationError, match="is of another network: fingerprint"):
        octavo.quantize_model(other, calibration)
    with pytest.raises(CalibrationError, match="is of another network"):
        Calibration.merged([calibration, octavo.calibrate_model(other, images)])
    renamed = onnx.ModelProto()
    renamed.CopyFrom(model)
    renamed.graph.name, renamed.producer_name = "other name", "other tool"
    assert octavo.quantize_model(renamed, calibration).graph.node


def test_what_cannot_be_merged() -> None:
    with pytest.raises(CalibrationError, match="no calibration to merge"):
        Calibration.merged([])
    parts = [Calibration("f", 1, {name: TensorStatistics()}) for name in ("x", "y")]
    with pytest.raises(CalibrationError, match=r"different tensors cannot be merged: \['x', 'y'\]"):
        Calibration.merged(parts)


def test_every_kind_of_value_survives(tmp_path: Path) -> None:
    tensors = {}
    for name, values in {
        "empty": [],
        "zeros": [0.0, -0.0],
        "negative": [-1.0, -3.0e38, -1e-45],
        "positive": [1e-45, 5.0],
        "not finite": [np.nan, np.inf, -np.inf],
        "both, ünïcode": [-2.0, 0.0, 7.5, np.nan],
    }.items():
        tensors[name] = TensorStatistics()
        tensors[name].update(np.float32(values))
    whole = Calibration("f", 3, tensors)
    whole.save(tmp_path / "x.calib")
    assert Calibration.load(tmp_path / "x.calib").tensors == tensors
    assert Calibration.load(tmp_path / "x.calib").to_bytes() == whole.to_bytes()


def saved(tmp_path: Path) -> tuple[Path, bytes]:
    statistics = TensorStatistics()
    statistics.update(np.float32([[0.0, 1.5, -2.0], [3.0, 4.0, 1e-3]]))
    path = tmp_path / "x.calib"
    Calibration("f" * 64, 2, {"x": statistics}).save(path)
    return path, path.read_bytes()


def test_junk_truncation_and_any_changed_byte_are_refused(tmp_path: Path) -> None:
    path, data = saved(tmp_path)
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(
            CalibrationError, match=r"x\.calib: (not a \.calib file|the file is dam)"
        ):
            Calibration.load(path)
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        with pytest.raises(CalibrationError, match=r"not a|damaged|version"):
            Calibration.load(path)
    path.write_bytes(data + b"\0")
    with pytest.raises(CalibrationError, match="damaged"):
        Calibration.load(path)


def test_another_version_is_named(tmp_path: Path) -> None:
    path, data = saved(tmp_path)
    path.write_bytes(MAGIC + (2).to_bytes(4, "little") + data[12:])
    with pytest.raises(CalibrationError, match="version 2; this octavo reads version 1"):
        Calibration.load(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min", 0x40000000),
        ("min", 0x7FC00000),
        ("max", 0),
        ("max", 2**32),
        ("max", 0x7F800000),
        ("smallest", 0),
        ("smallest", 0x3F800000),
        ("zeros", -1),
        ("zeros", 2**63),
        ("nans", 1.5),
        ("bins", 4),
        ("bins", "five"),
        ("bytes", 3),
        ("samples", 0),
        ("low_sum", "many"),
        ("name", None),
    ],
)
def test_contents_that_contradict_themselves(tmp_path: Path, field: str, value: Any) -> None:
    path, data = saved(tmp_path)
    length = int.from_bytes(data[12:16], "little")
    header = json.loads(data[16 : 16 + length])
    tensor = header["tensors"][0]
    if value is None:
        del tensor[field]
    else:
        tensor[field] = value
    text = json.dumps(header).encode()
    changed = data[:12] + len(text).to_bytes(4, "little") + text + data[16 + length : -32]
    path.write_bytes(changed + hashlib.sha256(changed).digest())
    with pytest.raises(CalibrationError, match=r"x\.calib: the file contradicts itself"):
        Calibration.load(path)


def test_a_failed_write_leaves_the_older_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, data = saved(tmp_path)
    calibration = Calibration.load(path)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Calibration.merged([calibration, calibration]).save(path)
    assert path.read_bytes() == data
    assert [p.name for p in tmp_path.iterdir()] == ["x.calib"]
    with pytest.raises(FileNotFoundError):
        calibration.save(tmp_path / "missing" / "x.calib")


def test_percentile_of_a_calibration(tmp_path: Path) -> None:
    calibration = Calibration.load(saved(tmp_path)[0])
    assert calibration.observer("x", "percentile", percentile=60).range()[1] < 2.0
    with pytest.raises(InvalidArgumentError, match="percentile: expected None, for method 'max'"):
        calibration.observer("x", "max", percentile=60)
    with pytest.raises(CalibrationError, match="no tensor 'y'"):
        calibration.observer("y")
