"""Weights beside the model file: read from its own folder, and from nowhere else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper

import octavo
from octavo.errors import InvalidModelError
from test_graph_bad_files import small, weight_of


def external(model: onnx.ModelProto, location: str, **entries: int) -> onnx.ModelProto:
    tensor = weight_of(model)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(value))
    return model


def test_external_data_inside_the_folder(tmp_path: Path) -> None:
    model = small()
    x = np.random.default_rng(0).standard_normal((1, 4, 8, 8)).astype(np.float32)
    want = octavo.Session(model).run(None, {"input": x})[0]
    (tmp_path / "w.bin").write_bytes(
        b"12345678" + numpy_helper.to_array(weight_of(model)).tobytes()
    )
    onnx.save(external(model, "w.bin", offset=8), tmp_path / "m.onnx")
    found = octavo.Session(tmp_path / "m.onnx").run(None, {"input": x})[0]
    np.testing.assert_array_equal(found, want)
    with pytest.raises(InvalidModelError):
        octavo.Session((tmp_path / "m.onnx").read_bytes())


@pytest.mark.parametrize(
    ("location", "entries"),
    [
        ("../w.bin", {}),
        ("link.bin", {}),
        ("missing.bin", {}),
        ("", {}),
        ("w.bin", {"offset": 600}),
        ("w.bin", {"offset": -8}),
        ("w.bin", {"length": 2**40}),
        (".", {}),
    ],
)
def test_external_data_elsewhere_or_out_of_range(
    tmp_path: Path, location: str, entries: dict[str, int]
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    for place in (tmp_path, folder):
        (place / "w.bin").write_bytes(bytes(600))
    (folder / "link.bin").symlink_to(tmp_path / "w.bin")
    model = external(small(), location, **entries)
    (folder / "m.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(InvalidModelError):
        octavo.Session(folder / "m.onnx")
    absolute = external(small(), str(folder / "w.bin"))
    (folder / "m.onnx").write_bytes(absolute.SerializeToString())
    with pytest.raises(InvalidModelError):
        octavo.Session(folder / "m.onnx")
