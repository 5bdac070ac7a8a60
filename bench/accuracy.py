"""Top-1 of quantized networks: model x calibrator x equalization x bias correction x rounding.

    python -m bench.accuracy FOLDER [--networks ...] [--methods ...] [--json results.json]

FOLDER holds the networks and images that `NETWORKS` names. Calibration takes at most 512 images,
without labels; every network is evaluated on all its test images.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import time
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import octavo
from octavo.calibrate import OBSERVERS
from octavo.cli import output

Array = NDArray[Any]
CALIBRATION_IMAGES = 512
BATCH = 20
SIDE = 224
MEAN, STD = np.float32([0.485, 0.456, 0.406]), np.float32([0.229, 0.224, 0.225])


class Network(NamedTuple):
    data: str  # cifar10 or imagenet
    label_offset: int = 0


NETWORKS = {
    "mobilenet_v1_075": Network("imagenet"),
    "mobilenet_v2": Network("imagenet", 1),
    "cifar_resnet20": Network("cifar10"),
    "cifar_resnet56": Network("cifar10"),
}


@dataclass(frozen=True)
class Setting:
    method: str
    equalize: bool
    bias_correction: bool
    rounding: str


@dataclass(frozen=True)
class Result:
    network: str
    float_top1: float
    top1: float
    agreement: float  # with the float network's first class
    seconds: float  # of quantization
    setting: Setting


def main() -> None:
    options = arguments()
    settings = [
        Setting(*values)
        for values in itertools.product(
            options.methods, options.equalize, options.bias_correction, options.roundings
        )
    ]
    results: list[Result] = []
    with output.progress("quantizing and evaluating") as update:
        total = len(options.networks) * len(settings)
        for result in measure(options.folder, options.networks, settings):
            results.append(result)
            update(len(results), total)
            if options.json is not None:
                text = json.dumps([asdict(r) for r in results], indent=1)
                options.json.write_text(text + "\n", encoding="utf-8")
    print(markdown(results))  # noqa: T201


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.accuracy", description=__doc__)
    parser.add_argument("folder", type=Path, help="where networks and images are")
    choose: dict[str, Any] = {"nargs": "+"}
    parser.add_argument("--networks", choices=NETWORKS, default=list(NETWORKS), **choose)
    methods = [*OBSERVERS, "auto"]
    parser.add_argument("--methods", choices=methods, default=methods, **choose)
    parser.add_argument("--roundings", default=["nearest", "compensated"], **choose)
    for name in ("equalize", "bias-correction"):
        flag = {"type": lambda text: text == "yes", "default": [False, True], "metavar": "yes|no"}
        parser.add_argument(f"--{name}", **flag, **choose)
    parser.add_argument("--json", type=Path, help="also write the results here, as they come")
    return parser.parse_args()


def measure(folder: Path, networks: list[str], settings: list[Setting]) -> Iterator[Result]:
    """Quantize and evaluate; one result after the other."""
    for name in networks:
        network = NETWORKS[name]
        pixels, _ = images(folder, network.data, "calib")
        chosen = np.arange(CALIBRATION_IMAGES) * len(pixels) // CALIBRATION_IMAGES
        calibration = network_input(network.data, pixels[chosen])
        pixels, labels = images(folder, network.data, "test")
        labels = labels + network.label_offset
        path = folder / f"{name}.onnx"
        want = classes(str(path), network.data, pixels)
        for setting in settings:
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", octavo.errors.QuantizationWarning)
                model = octavo.quantize_model(path, calibration, **asdict(setting))
            seconds = time.perf_counter() - start
            found = classes(model, network.data, pixels)
            yield Result(
                name,
                percent(want == labels),
                percent(found == labels),
                percent(found == want),
                seconds,
                setting,
            )


def classes(model: Any, data: str, pixels: Array) -> Array:
    """The first class for every image."""
    session = octavo.Session(model)
    (name,) = (info.name for info in session.get_inputs())
    pieces = [network_input(data, pixels[i : i + BATCH]) for i in range(0, len(pixels), BATCH)]
    return np.concatenate([session.run(None, {name: x})[0].argmax(1) for x in pieces])


def percent(hits: Array) -> float:
    return 100 * float(np.mean(hits))


def images(folder: Path, data: str, part: str) -> tuple[Array, Array]:
    """(uint8 pixels NHWC, labels) of `calib` or `test`."""
    if data == "cifar10":
        with np.load(folder / f"cifar10_{part}.npz") as file:
            return file["images"], file["labels"]
    with zipfile.ZipFile(folder / f"imagenet_{'val' if part == 'test' else part}.zip") as archive:
        paths = {Path(name).name: name for name in archive.namelist()}
        rows = [line.split(",") for line in archive.read(paths["labels.csv"]).decode().split()]
        pixels = [center_crop(archive.read(paths[Path(file).name])) for file, _ in rows]
    return np.stack(pixels), np.array([int(label) for _, label in rows])


def center_crop(content: bytes) -> Array:
    from PIL import Image

    image = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    top, left = ((n - SIDE) // 2 for n in image.shape[:2])
    return image[top : top + SIDE, left : left + SIDE]


def network_input(data: str, pixels: Array) -> Array:
    """float32 NCHW."""
    x = pixels.astype(np.float32)
    x = (x / np.float32(255) - MEAN) / STD if data == "cifar10" else x / np.float32(127.5) - 1
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2), np.float32)


def markdown(results: list[Result]) -> str:
    head = (
        "| network | calibrator | equalized | biases corrected | rounding "
        "| top-1 | float | agreement |"
        "\n| --- | --- | --- | --- | --- | ---: | ---: | ---: |"
    )
    rows = [
        f"| {r.network} | {r.setting.method} | {'yes' if r.setting.equalize else ''} | "
        f"{'yes' if r.setting.bias_correction else ''} | {r.setting.rounding} | {r.top1:.2f} | "
        f"{r.float_top1:.2f} | {r.agreement:.2f} |"
        for r in results
    ]
    return "\n".join([head, *rows])


if __name__ == "__main__":
    main()
