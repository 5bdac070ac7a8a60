"""The real networks and their labelled images, from the folder OCTAVO_DATA names."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import onnx
from onnx import helper
from PIL import Image

from graph_support import Array, expose_bytes, ort_run

FOLDER = Path(os.environ.get("OCTAVO_DATA", ""))
AVAILABLE = bool(os.environ.get("OCTAVO_DATA"))
_MEAN = np.float32([0.485, 0.456, 0.406])
_STD = np.float32([0.229, 0.224, 0.225])
_CROP = 224


def cifar(part: str) -> tuple[Array, Array]:
    """(images as network input, labels) of `test` or `calib`."""
    with np.load(FOLDER / f"cifar10_{part}.npz") as file:
        images, labels = file["images"], file["labels"]
    x = (images.astype(np.float32) / np.float32(255) - _MEAN) / _STD
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32), labels


def imagenet(part: str, count: int) -> tuple[Array, Array]:
    """(images as network input, labels 0..999) of `val` or `calib`: `count` spread evenly."""
    with zipfile.ZipFile(FOLDER / f"imagenet_{part}.zip") as archive:
        names = archive.namelist()
        table = archive.read(next(n for n in names if n.endswith("labels.csv"))).decode()
        rows = [line.split(",") for line in table.split()[1:]]
        rows = [rows[i] for i in np.linspace(0, len(rows) - 1, count).astype(int)]
        paths = {Path(name).name: name for name in names}
        x = [_image(archive.read(paths[Path(file).name])) for file, _ in rows]
    return np.stack(x), np.array([int(label) for _, label in rows])


def _image(content: bytes) -> Array:
    image = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), np.float32)
    top, left = ((n - _CROP) // 2 for n in image.shape[:2])
    crop = image[top : top + _CROP, left : left + _CROP]
    return np.ascontiguousarray((crop / np.float32(127.5) - 1).transpose(2, 0, 1))


def cut_at_bytes(model: onnx.ModelProto) -> onnx.ModelProto:
    """A model that recomputes every quantized tensor from given quantized tensors.

    Each QuantizeLinear's output becomes an input under its own name, and the Q writes
    `<name>.again`, an output. So every layer can be judged on the same inputs, whatever the
    layers before it did.
    """
    exposed, _ = expose_bytes(model)
    infos = {o.name: o for o in exposed.graph.output}
    cut = onnx.ModelProto()
    cut.CopyFrom(exposed)
    del cut.graph.output[:]
    for node in cut.graph.node:
        if node.op_type == "QuantizeLinear":
            name = node.output[0]
            kind = infos[name].type.tensor_type
            dims = [d.dim_value or "N" for d in kind.shape.dim]
            cut.graph.input.append(helper.make_tensor_value_info(name, kind.elem_type, dims))
            node.output[0] = f"{name}.again"
            again = helper.make_tensor_value_info(node.output[0], kind.elem_type, dims)
            cut.graph.output.append(again)
    needed = {name for node in cut.graph.node for name in node.input}
    unread = [i for i in cut.graph.input if i.name not in needed]
    for info in unread:
        cut.graph.input.remove(info)
    return cut


def quantized_tensors(model: onnx.ModelProto, x: Array) -> dict[str, Array]:
    """Every quantized tensor as ONNX Runtime computes it."""
    exposed, names = expose_bytes(model)
    results = ort_run(exposed, {"input": x})
    return dict(zip(names, results[-len(names) :], strict=True))


def at_ties(model: onnx.ModelProto, name: str, feeds: dict[str, Array], where: Array) -> Array:
    """How far from a tie, in steps, the exact values of a quantized tensor are.

    `model` is a cut model, `name` one of its outputs: what its Q rounds is recomputed in float32
    without any fusion, and divided by the scale, at the positions `where`.
    """
    quantize = next(node for node in model.graph.node if node.output[0] == name)
    scale = next(t for t in model.graph.initializer if t.name == quantize.input[1])
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    del plain.graph.output[:]
    kind = onnx.TensorProto.FLOAT
    plain.graph.output.append(helper.make_tensor_value_info(quantize.input[0], kind, None))
    (value,) = ort_run(plain, feeds, optimize=False)
    steps = value[where].astype(np.float64) / float(onnx.numpy_helper.to_array(scale))
    return np.abs(steps - np.floor(steps) - 0.5)
