"""The whole files that tools/fuzz_loaders.py damages: small, and with much of each format."""

from __future__ import annotations

import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

import octavo
from octavo.calibrate import Calibration, TensorStatistics


def attention(rng: np.random.Generator) -> onnx.ModelProto:
    """One head, a residual, a normalisation, and shape arithmetic."""
    constants = {
        "w": rng.standard_normal((8, 8)).astype(np.float32) / 3,
        "gamma": np.ones(8, np.float32),
        "half": np.float32(0.5),
        "last": np.int64([2]),
        "zero": np.int64([0]),
        "minus": np.int64([-1]),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["q"]),
        helper.make_node("Transpose", ["x"], ["kt"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "kt"], ["scores"]),
        helper.make_node("Mul", ["scores", "half"], ["scaled"]),
        helper.make_node("Softmax", ["scaled"], ["p"], axis=-1),
        helper.make_node("MatMul", ["p", "x"], ["mixed"]),
        helper.make_node("Add", ["mixed", "x"], ["sum"]),
        helper.make_node("LayerNormalization", ["sum", "gamma"], ["n"], axis=-1),
        helper.make_node("Gelu", ["n"], ["g"]),
        helper.make_node("Shape", ["g"], ["shape"]),
        helper.make_node("Gather", ["shape", "last"], ["width"]),
        helper.make_node("Concat", ["zero", "minus", "width"], ["target"], axis=0),
        helper.make_node("Reshape", ["g", "target"], ["r"]),
        helper.make_node("Slice", ["r", "zero", "last", "last"], ["s"]),
        helper.make_node("Pad", ["s", "pads"], ["y"]),
    ]
    constants["pads"] = np.int64([0, 1, 0, 0, 0, 2])
    return _model(nodes, ["N", 5, 8], ["N", "a", "b"], constants)


def image_network(rng: np.random.Generator) -> onnx.ModelProto:
    """Convolutions of each kind, pools, with free extents."""
    constants = {
        "stem": rng.standard_normal((8, 3, 3, 3)).astype(np.float32) / 4,
        "depth": rng.standard_normal((8, 1, 3, 3)).astype(np.float32),
        "groups": rng.standard_normal((8, 4, 1, 1)).astype(np.float32),
        "bias": rng.standard_normal(8).astype(np.float32),
    }
    nodes = [
        helper.make_node("Conv", ["x", "stem"], ["a"], pads=[1] * 4, strides=[2, 2]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "depth", "bias"], ["c"], pads=[1] * 4, group=8),
        helper.make_node("HardSwish", ["c"], ["d"]),
        helper.make_node("Conv", ["d", "groups"], ["e"], group=2, kernel_shape=[1, 1]),
        helper.make_node("Add", ["e", "b"], ["f"]),
        helper.make_node("MaxPool", ["f"], ["g"], kernel_shape=[2, 2], ceil_mode=1),
        helper.make_node("AveragePool", ["g"], ["h"], kernel_shape=[2, 2], strides=[1, 1]),
        helper.make_node("Concat", ["h", "h"], ["i"], axis=1),
        helper.make_node("GlobalAveragePool", ["i"], ["j"]),
        helper.make_node("Flatten", ["j"], ["y"]),
    ]
    return _model(nodes, ["N", 3, "H", "W"], ["N", 16], constants)


def _model(
    nodes: list[onnx.NodeProto],
    x: list[int | str],
    y: list[int | str],
    constants: dict[str, np.ndarray],
) -> onnx.ModelProto:
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", x), ("y", y))
    ]
    weights = [numpy_helper.from_array(np.asarray(v), name) for name, v in constants.items()]
    graph = helper.make_graph(nodes, "seed", values[:1], values[1:], weights)
    opset = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opset, ir_version=9)


def _networks() -> list[onnx.ModelProto]:
    rng = np.random.default_rng(0)
    attended, images = attention(rng), image_network(rng)
    tokens = rng.standard_normal((4, 5, 8)).astype(np.float32)
    pictures = rng.standard_normal((4, 3, 12, 12)).astype(np.float32)
    return [
        attended,
        octavo.quantize_model(attended, tokens),
        octavo.quantize_dynamic(attended),
        images,
        octavo.quantize_model(images, pictures),
        octavo.quantize_model(images, pictures, activation_dtype="int8"),
    ]


def onnx_seeds() -> list[bytes]:
    """Float and quantized networks, and the one that octavo brings."""
    digits = files("octavo.demo").joinpath("digits_cnn.onnx").read_bytes()
    return [*(model.SerializeToString() for model in _networks()), digits]


def program_seeds() -> list[bytes]:
    """The same networks, compiled."""
    seeds = []
    with tempfile.TemporaryDirectory() as folder:
        for i, model in enumerate(_networks()):
            path = Path(folder) / f"{i}.octavo"
            free = any(d.dim_param == "H" for d in model.graph.input[0].type.tensor_type.shape.dim)
            octavo.compile_model(model, path, input_shapes={"x": [3, 12, 12]} if free else None)
            seeds.append(path.read_bytes())
    return seeds


def calib_seeds() -> list[bytes]:
    """Calibrations of several tensors, of ordinary and of strange values."""
    rng, seeds = np.random.default_rng(0), []
    strange = np.float32([0, -0.0, 1e-45, 3e38, -1e-38, 1, -7])
    for size in (1, 5, 300):
        tensors = {name: TensorStatistics() for name in ("relu", "x", "empty")}
        tensors["x"].update(rng.standard_normal((size, 7)).astype(np.float32))
        tensors["relu"].update(np.abs(rng.standard_normal((size, 3))).astype(np.float32))
        tensors["x"].update(strange)
        seeds.append(Calibration("a" * 64, size, tensors).to_bytes())
    return seeds
