"""What the command-line tests share: a runner, and a small classifier with labelled images."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import octavo

SIDE, CHANNELS, HIDDEN, CLASSES, COUNT = 8, 3, 8, 6, 40


@dataclass(frozen=True)
class Outcome:
    """How one command line ended."""

    code: int
    stdout: str
    stderr: str
    exception: BaseException | None

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


def octavo_command(*arguments: object) -> Outcome:
    """Run `octavo ARGUMENTS` in this process."""
    from typer.testing import CliRunner

    from octavo.cli.root import app

    result = CliRunner().invoke(app, [str(a) for a in arguments], prog_name="octavo")
    return Outcome(result.exit_code, result.stdout, result.stderr, result.exception)


def succeed(*arguments: object) -> Outcome:
    """Run a command that must end well."""
    outcome = octavo_command(*arguments)
    assert outcome.code == 0, outcome.stderr or outcome.exception
    return outcome


def fail(*arguments: object) -> str:
    """Run a command that must fail with one line and no result; return the line."""
    outcome = octavo_command(*arguments)
    assert outcome.code == 1, outcome
    assert isinstance(outcome.exception, SystemExit), outcome.exception
    assert outcome.stdout == ""
    lines = [line for line in outcome.stderr.splitlines() if not line.startswith("octavo: note:")]
    assert len(lines) == 1
    assert lines[0].startswith("octavo: error: ")
    return lines[0].removeprefix("octavo: error: ")


def classifier(batch: int | str = "N", side: int | str = SIDE) -> onnx.ModelProto:
    """Return Conv - BatchNormalization - Relu - GlobalAveragePool - Flatten - Gemm."""
    rng = np.random.default_rng(7)
    constants = {
        "w": rng.normal(0, 0.4, (HIDDEN, CHANNELS, 3, 3)),
        "gamma": rng.uniform(0.5, 1.5, HIDDEN),
        "beta": rng.normal(0, 0.2, HIDDEN),
        "mu": rng.normal(0, 0.2, HIDDEN),
        "var": rng.uniform(0.5, 1.5, HIDDEN),
        "fc.w": rng.normal(0, 1, (CLASSES, HIDDEN)),
        "fc.b": rng.normal(0, 0.1, CLASSES),
    }
    norm = ["conv", "gamma", "beta", "mu", "var"]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["conv"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", norm, ["bn"], "bn"),
        helper.make_node("Relu", ["bn"], ["relu"], "relu"),
        helper.make_node("GlobalAveragePool", ["relu"], ["pool"], "pool"),
        helper.make_node("Flatten", ["pool"], ["flat"], "flat"),
        helper.make_node("Gemm", ["flat", "fc.w", "fc.b"], ["scores"], "fc", transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, CHANNELS, side, side])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, CLASSES])],
        [numpy_helper.from_array(v.astype(np.float32), k) for k, v in constants.items()],
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8)


def random_images(rng: np.random.Generator, count: int = COUNT) -> NDArray[np.uint8]:
    """Return NHWC images that differ in colour and contrast, so that classes differ."""
    colour = rng.integers(0, 200, (count, 1, 1, CHANNELS))
    texture = rng.integers(0, 56, (count, SIDE, SIDE, CHANNELS))
    return (colour + texture).astype(np.uint8)


def network_input(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return what ``--preprocess tf`` makes of NHWC images."""
    x = images.astype(np.float32) * np.float32(1 / 127.5) - np.float32(1)
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))


@dataclass(frozen=True)
class Workspace:
    """A folder with a float network, its int8 form, and data that float labels perfectly."""

    folder: Path
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __getattr__(self, name: str) -> Path:
        """Return a file by its name with the last underscore for the dot: data_npz."""
        stem, _, suffix = name.rpartition("_")
        return self.folder / f"{stem}.{suffix}"


def make_workspace(folder: Path) -> Workspace:
    """Write float.onnx, int8.onnx, data.npz, x.npy and bad files into a folder."""
    onnx.save(classifier(), folder / "float.onnx")
    images = random_images(np.random.default_rng(7))
    x = network_input(images)
    scores = octavo.Session(folder / "float.onnx").run(None, {"x": x})[0]
    labels = scores.argmax(axis=1)
    np.savez(folder / "data.npz", images=images, labels=labels)
    np.savez(folder / "unlabelled.npz", images=images)
    np.save(folder / "x.npy", x)
    np.savez(folder / "nan.npz", x=np.full_like(x, np.nan))
    (folder / "text.npz").write_text("no archive")
    (folder / "text.onnx").write_text("no network")
    succeed(
        "quantize",
        folder / "float.onnx",
        "--calib",
        folder / "data.npz",
        "-o",
        folder / "int8.onnx",
        "--preprocess",
        "tf",
    )
    return Workspace(folder, images, labels)
