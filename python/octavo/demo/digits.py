"""Handwritten digits: the float network that octavo ships, its int8 form, and both measured.

Images are scikit-learn's 1,797 digits of 8x8 pixels. The network was trained by
``tools/train_digits.py`` on the images that are not held out; what is held out, and how pixels
become the network's input, stands in the ONNX file's own metadata.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from octavo.demo.runtimes import Runner, float_runner, octavo_runner
from octavo.demo.timing import interleaved, typical

if TYPE_CHECKING:
    import onnx

CALIBRATION_BATCH = 64


@dataclass(frozen=True)
class Digits:
    """The digits as the network takes them, split as it was trained.

    Attributes
    ----------
    calibration
        float32 (1198, 1, 8, 8): the training images.
    images
        float32 (599, 1, 8, 8): the held-out images.
    labels
        int64 (599,): their digits.
    """

    calibration: NDArray[np.float32]
    images: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """One network on the held-out digits; latencies in seconds."""

    runtime: str
    top1: float
    file_bytes: int
    latency_1: float
    latency_all: float


@dataclass(frozen=True)
class DigitsResult:
    """Float and int8 side by side.

    `agreement` is the share of images given the same digit. The latencies are medians;
    `time_kind` is "elapsed" or "processor" (`octavo.demo.timing.typical`).
    """

    images: int
    threads: int
    calibration_images: int
    float32: Measured
    int8: Measured
    agreement: float
    time_kind: str


def float_model_bytes() -> bytes:
    """Return the shipped float network, an ONNX file."""
    return files("octavo.demo").joinpath("digits_cnn.onnx").read_bytes()


def load_digits(model: onnx.ModelProto) -> Digits:
    """Return scikit-learn's digits, prepared and split as the model's metadata says.

    Raises
    ------
    ImportError
        Without scikit-learn.
    """
    from sklearn.datasets import load_digits as load_sklearn_digits

    properties = {entry.key: entry.value for entry in model.metadata_props}
    divisor, modulus = float(properties["input_divisor"]), int(properties["held_out_modulus"])
    bunch = load_sklearn_digits()
    x = (bunch.images / divisor).astype(np.float32)[:, None]
    labels = np.asarray(bunch.target, np.int64)
    held_out = np.arange(len(labels)) % modulus == 0
    return Digits(x[~held_out], x[held_out], labels[held_out])


def quantize_digits(model: onnx.ModelProto, digits: Digits) -> onnx.ModelProto:
    """Return the int8 network, calibrated on the training images (never on held-out ones)."""
    import octavo

    starts = range(0, len(digits.calibration), CALIBRATION_BATCH)
    batches = [digits.calibration[i : i + CALIBRATION_BATCH] for i in starts]
    return octavo.quantize_model(model, batches)


def compare(
    float_bytes: bytes,
    int8_bytes: bytes,
    digits: Digits,
    *,
    threads: int = 1,
    repeat: int = 200,
    seconds: float = math.inf,
    advance: Callable[[], None] | None = None,
) -> DigitsResult:
    """Run both networks on the held-out digits: accuracy, then latency, interleaved.

    Parameters
    ----------
    float_bytes, int8_bytes
        The two ONNX files.
    digits
        From `load_digits`.
    threads
        Threads of either side.
    repeat
        Timed calls of one image each; the whole set is timed `repeat // 10` times, at least 3.
    seconds
        Limit of either timing, `octavo.demo.timing.interleaved`.
    advance
        Called once per timed round, at most ``sum(rounds_of(repeat))`` times.
    """
    sides = [float_runner(float_bytes, threads), octavo_runner(int8_bytes, threads)]
    answers = [side.run({"input": digits.images})[0].argmax(axis=1) for side in sides]
    one, many = rounds_of(repeat)

    times = []
    for images, rounds in ((digits.images[:1], one), (digits.images, many)):
        calls = [_call(side, images) for side in sides]
        times += interleaved(calls, repeat=rounds, seconds=seconds, advance=advance)
    values, kind = typical(times, threads=threads)
    measured = [
        Measured(
            runtime=side.label,
            top1=float((answer == digits.labels).mean()),
            file_bytes=len(data),
            latency_1=values[i],
            latency_all=values[i + 2],
        )
        for i, (side, answer, data) in enumerate(
            zip(sides, answers, (float_bytes, int8_bytes), strict=True)
        )
    ]
    return DigitsResult(
        images=len(digits.images),
        threads=threads,
        calibration_images=len(digits.calibration),
        float32=measured[0],
        int8=measured[1],
        agreement=float((answers[0] == answers[1]).mean()),
        time_kind=kind,
    )


def rounds_of(repeat: int) -> tuple[int, int]:
    """Return the rounds `compare` times at one image and at the whole set."""
    return repeat, max(3, repeat // 10)


def _call(side: Runner, images: NDArray[np.float32]) -> Callable[[], object]:
    feeds = {"input": images}
    return lambda: side.run(feeds)
