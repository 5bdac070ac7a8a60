"""From images to network input: ``x = (image * scale - mean) / std``, then NCHW."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray


class Layout(str, Enum):
    """Order of an image array's axes."""

    AUTO = "auto"
    NHWC = "nhwc"
    NCHW = "nchw"


class Preset(str, Enum):
    """Named preprocessing."""

    NONE = "none"
    IMAGENET = "imagenet"
    TF = "tf"
    CIFAR = "cifar"


@dataclass(frozen=True)
class Preprocess:
    """How images become input; `mean` and `std` have one value, or one per channel.

    `resize` applies to image files only: their shorter side, before the centre crop to the
    network's input. Arrays larger than the input are cropped alike.
    """

    scale: float = 1.0
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    resize: int | None = None
    layout: Layout = Layout.AUTO

    @property
    def identity(self) -> bool:
        """Whether values stay as they are."""
        return self.scale == 1.0 and not any(self.mean) and all(s == 1.0 for s in self.std)

    def values(self, images: NDArray[Any]) -> NDArray[np.float32]:
        """Apply the formula in float32 along the last axis, the channels."""
        channels = images.shape[-1]
        for name, given in (("--mean", self.mean), ("--std", self.std)):
            if len(given) not in (1, channels):
                raise ValueError(
                    f"{name}: {len(given)} values, the images have {channels} channels"
                )
        mean, std = np.array(self.mean, np.float32), np.array(self.std, np.float32)
        x = images.astype(np.float32)
        return x if self.identity else (x * np.float32(self.scale) - mean) / std


STATISTICS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
PRESETS = {
    Preset.NONE: Preprocess(),
    Preset.IMAGENET: Preprocess(1 / 255, *STATISTICS, resize=256),
    Preset.TF: Preprocess(1 / 127.5, (1.0,)),
    Preset.CIFAR: Preprocess(1 / 255, *STATISTICS),
}

PresetOption = Annotated[
    Preset,
    typer.Option(
        "--preprocess",
        help="x = (image * scale - mean) / std by name. none: values as they are; imagenet: scale "
        "1/255, mean .485 .456 .406, std .229 .224 .225, image files resized to 256; cifar: the "
        "same values, no resize; tf: image / 127.5 - 1. Example: --preprocess imagenet",
    ),
]
ScaleOption = Annotated[
    float | None,
    typer.Option(
        "--scale", help="Factor on the image, instead of the preset's. Example: --scale 0.0625"
    ),
]
MeanOption = Annotated[
    str | None,
    typer.Option(
        "--mean",
        help="Subtracted after scaling: one value, or one per channel. "
        "Example: --mean 0.4914,0.4822,0.4465",
    ),
]
StdOption = Annotated[
    str | None,
    typer.Option(
        "--std",
        help="Divisor after the mean: one value, or one per channel. "
        "Example: --std 0.247,0.2435,0.2616",
    ),
]
ResizeOption = Annotated[
    int | None,
    typer.Option(
        "--resize",
        min=1,
        help="Image files: resize the shorter side to this many pixels before the centre crop to "
        "the network's input; default: the preset's, else only where an image is too small. "
        "Example: --resize 256",
    ),
]
LayoutOption = Annotated[
    Layout,
    typer.Option(
        "--layout",
        help="Axes of an image array; auto goes by where the network's number of channels stands. "
        "Example: --layout nhwc",
    ),
]


def numbers(name: str, text: str) -> tuple[float, ...]:
    """Parse ``0.5`` or ``0.485,0.456,0.406``."""
    try:
        values = tuple(float(part) for part in text.replace(",", " ").split())
    except ValueError:
        values = ()
    if not values or not all(math.isfinite(v) for v in values):
        raise ValueError(f"{name}: expected numbers separated by commas, got {text!r}")
    return values


def preprocessing(
    preset: Preset,
    scale: float | None,
    mean: str | None,
    std: str | None,
    resize: int | None,
    layout: Layout,
) -> Preprocess:
    """Combine the options: what is given replaces that part of the preset."""
    base = PRESETS[preset]
    result = Preprocess(
        base.scale if scale is None else scale,
        base.mean if mean is None else numbers("--mean", mean),
        base.std if std is None else numbers("--std", std),
        base.resize if resize is None else resize,
        layout,
    )
    if not math.isfinite(result.scale):
        raise ValueError(f"--scale: expected a finite number, got {scale}")
    if not all(s > 0 for s in result.std):
        raise ValueError(f"--std: expected positive numbers, got {std}")
    return result


def to_nhwc(
    images: NDArray[Any], layout: Layout, shape: Sequence[int | None], name: str
) -> NDArray[Any]:
    """Return a batch as NHWC, cropped around the centre to the network's NCHW input `shape`.

    Three axes are taken as N, H, W of one channel. `name` is the array's, for messages.
    """
    _, channels, height, width = shape
    if images.ndim == 3:
        images = images[..., None]
    elif images.ndim != 4:
        raise ValueError(f"{name}: expected images of 3 or 4 axes, got shape {images.shape}")
    elif layout is not Layout.NHWC:
        last = images.shape[3] == channels or (channels is None and images.dtype == np.uint8)
        if layout is Layout.NCHW or not last or images.shape[1:] == tuple(shape[1:]):
            images = images.transpose(0, 2, 3, 1)
    if channels is not None and images.shape[3] != channels:
        raise ValueError(
            f"{name}: shape {images.shape} read as NHWC has {images.shape[3]} channels, "
            f"the network takes {channels} (see --layout)"
        )
    have = images.shape[1:3]
    want = (height or have[0], width or have[1])
    if have[0] < want[0] or have[1] < want[1]:
        raise ValueError(
            f"{name}: images of {have[0]}x{have[1]}, the network takes {want[0]}x{want[1]}"
        )
    top, left = (have[0] - want[0]) // 2, (have[1] - want[1]) // 2
    return images[:, top : top + want[0], left : left + want[1]]
