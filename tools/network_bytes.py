"""Compare what a quantized network computes on two machines, byte for byte, tensor by tensor.

    python tools/network_bytes.py prepare NETWORK.onnx CALIBRATION.npz IMAGES.npz FOLDER
    python tools/network_bytes.py run FOLDER NAME
    python tools/network_bytes.py compare FOLDER NAME OTHER

`prepare` quantizes a network that takes CIFAR images and writes, besides, a model that returns
every quantized tensor. `run`, on each machine, runs both with every backend it has and writes what
came out to FOLDER/NAME.npz. `compare` exits with 1 if the files differ in any byte of any tensor of
any backend, or NAME itself between its backends.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

import octavo

Array = NDArray[Any]
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
STD = np.array([0.229, 0.224, 0.225], np.float32)
CALIBRATION_IMAGES = 128
IMAGES = 4
LOGITS = "logits"


def cifar_input(path: Path, count: int) -> Array:
    """The first `count` images of a file, as the network's input (NCHW)."""
    with np.load(path) as file:
        pixels = file["images"][:count].astype(np.float32) / np.float32(255)
    x = ((pixels - MEAN) / STD).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(x, np.float32)


def exposed(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that returns every quantized activation, and nothing else."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    types = {tensor.name: tensor.data_type for tensor in copy.graph.initializer}
    del copy.graph.output[:]
    for node in copy.graph.node:
        if node.op_type == "QuantizeLinear" and node.input[0] not in types:
            (name,) = node.output
            info = onnx.helper.make_tensor_value_info(name, types[node.input[2]], None)
            copy.graph.output.append(info)
    return onnx.shape_inference.infer_shapes(copy)


def prepare(network: Path, calibration: Path, images: Path, folder: Path) -> None:
    """Write both models and the input into the folder."""
    model = octavo.quantize_model(network, cifar_input(calibration, CALIBRATION_IMAGES))
    onnx.save(model, folder / "network.onnx")
    onnx.save(exposed(model), folder / "exposed.onnx")
    np.save(folder / "input.npy", cifar_input(images, IMAGES))


def run(folder: Path, name: str) -> None:
    """Run both models with every backend of this machine."""
    x = np.load(folder / "input.npy")
    found: dict[str, Array] = {}
    for backend in octavo.backends():
        with octavo.use_backend(backend):
            network = octavo.Session(folder / "network.onnx")
            tensors = octavo.Session(folder / "exposed.onnx")
        (found[f"{backend}/{LOGITS}"],) = network.run(None, {"input": x})
        values = tensors.run(None, {"input": x})
        for info, value in zip(tensors.get_outputs(), values, strict=True):
            found[f"{backend}/{info.name}"] = value
    np.savez(folder / f"{name}.npz", allow_pickle=False, **found)


def by_backend(results: dict[str, Array]) -> dict[str, dict[str, Array]]:
    """The tensors of each backend under their own names."""
    found: dict[str, dict[str, Array]] = {}
    for key, value in results.items():
        backend, _, name = key.partition("/")
        found.setdefault(backend, {})[name] = value
    return found


def differences(ours: dict[str, Array], theirs: dict[str, Array]) -> Iterator[str]:
    """Where the results of any backend differ from those of the first of `ours`."""
    here = by_backend(ours)
    want = next(iter(here.values()))
    for backend, tensors in [*here.items(), *by_backend(theirs).items()]:
        yield from (f"{backend}: no {name}" for name in want.keys() - tensors.keys())
        for name, value in tensors.items():
            wanted = want[name]
            if value.dtype != wanted.dtype or value.shape != wanted.shape:
                got = f"{value.dtype} {value.shape}"
                yield f"{backend}/{name}: {got}, not {wanted.dtype} {wanted.shape}"
            elif value.tobytes() != wanted.tobytes():
                count = np.count_nonzero(value != wanted)
                yield f"{backend}/{name}: {count} of {value.size} elements differ"


def compare(folder: Path, name: str, other: str) -> int:
    """Print what differs, or how much was equal."""
    results = []
    for stem in (name, other):
        with np.load(folder / f"{stem}.npz") as file:
            results.append(dict(file))
    found = list(differences(*results))
    for difference in found:
        print(difference)
    if not found:
        here, there = (by_backend(result) for result in results)
        tensors = next(iter(there.values()))
        size = sum(value.nbytes for value in tensors.values())
        print(f"{', '.join(there)} ({other}) computed what {', '.join(here)} ({name}) did:")
        print(f"{len(tensors)} tensors, the logits among them, {size} bytes, all equal")
    return 1 if found else 0


def main() -> int:
    """Do what the command line asks for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("prepare", help="quantize a network")
    for argument in ("network", "calibration", "images", "folder"):
        command.add_argument(argument, type=Path)
    for name, names in (("run", ("name",)), ("compare", ("name", "other"))):
        command = commands.add_parser(name)
        command.add_argument("folder", type=Path)
        for argument in names:
            command.add_argument(argument)
    given = vars(parser.parse_args())
    action = given.pop("command")
    if action == "prepare":
        prepare(**given)
    elif action == "run":
        run(**given)
    else:
        return compare(**given)
    return 0


if __name__ == "__main__":
    sys.exit(main())
