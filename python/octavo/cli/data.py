"""Input data of the commands: .npz and .npy files, and folders of images."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from octavo.cli.files import existing_file
from octavo.cli.folders import image_files, image_labels, read_image
from octavo.cli.output import note
from octavo.cli.preprocess import Preprocess, to_nhwc

if TYPE_CHECKING:
    from octavo.graph.ir import Value

Array = NDArray[Any]
Feeds = dict[str, Array]
Batch = tuple[NDArray[np.int64], Feeds]  # which samples, and their arrays
LABELS = "labels"

SamplesOption = Annotated[
    int,
    typer.Option(
        "--samples",
        min=1,
        help="Calibrate on so many samples, evenly spread. Example: --samples 512",
    ),
]
BatchSizeOption = Annotated[
    int,
    typer.Option(
        "--batch-size",
        min=1,
        help="Samples per step, unless the network fixes it; the result is the same for any. "
        "Example: --batch-size 8",
    ),
]


@dataclass(frozen=True)
class Dataset:
    """`count` samples; `read` gives those at some indices as arrays by input name."""

    count: int
    read: Callable[[NDArray[np.int64]], Feeds]
    labels: NDArray[np.int64] | None

    def spread(self, samples: int | None) -> NDArray[np.int64]:
        """Return so many indices, or all, spread evenly."""
        index = np.arange(self.count, dtype=np.int64)
        if samples is None or samples >= self.count:
            return index
        return np.asarray(index[:samples] * self.count // samples)

    def batches(self, samples: int | None, size: int, *, full: bool = False) -> Iterator[Batch]:
        """Yield (indices, feeds), `size` samples at a time.

        With `samples`, only so many of them, spread evenly: a file sorted by class then still
        gives every class. With `full`, for networks of a fixed batch, the last feeds repeat their
        last sample until there are `size`; the indices do not.
        """
        index = self.spread(samples)
        for start in range(0, len(index), size):
            chosen = index[start : start + size]
            padding = size - len(chosen) if full else 0
            yield chosen, self.read(np.pad(chosen, (0, padding), mode="edge"))


def load_arrays(path: Path, name: str) -> Feeds:
    """Read a .npz (arrays by name) or .npy (one array, named "") file; nothing pickled.

    `name` is the argument's, for messages.
    """
    existing_file(path, name)
    try:
        with path.open("rb") as stream:
            loaded = np.load(stream, allow_pickle=False)
            if isinstance(loaded, np.lib.npyio.NpzFile):
                return {key: loaded[key] for key in loaded.files}
    except (ValueError, EOFError, KeyError, MemoryError, zipfile.BadZipFile) as error:
        expected = "a whole .npz or .npy file of plain arrays (nothing pickled)"
        raise ValueError(f"{name}: {path} is not {expected}") from error
    return {"": loaded}


def open_dataset(path: Path, name: str, inputs: Sequence[Value], how: Preprocess) -> Dataset:
    """Open calibration or evaluation data for a network with these inputs.

    A folder holds image files. In a .npz, arrays named like the inputs are fed as they are;
    otherwise the array `images` (or the only one beside `labels`) is, preprocessed.

    Raises
    ------
    ValueError
        If the file holds no such array, or none that fits the network's input.
    """
    if path.is_dir():
        return _folder(path, name, _only(inputs, name), how)
    arrays = load_arrays(path, name)
    labels = _labels(arrays.pop(LABELS, None), name)
    wanted = [value.name for value in inputs]
    if set(wanted) <= set(arrays) and "images" not in wanted:
        feeds = {key: arrays[key] for key in wanted}
        dataset = Dataset(_count(feeds, name), lambda index: _rows(feeds, index), labels)
    else:
        dataset = _images(arrays, name, _only(inputs, name), how, labels)
    if dataset.count == 0:
        raise ValueError(f"{name}: {path} holds no samples")
    if labels is not None and len(labels) != dataset.count:
        raise ValueError(f"{name}: {dataset.count} samples, but {len(labels)} labels")
    return dataset


def _images(
    arrays: Feeds,
    name: str,
    target: Value,
    how: Preprocess,
    labels: NDArray[np.int64] | None,
) -> Dataset:
    key = "images" if "images" in arrays else next(iter(arrays), "images")
    if key not in arrays or (key != "images" and len(arrays) > 1):
        raise ValueError(
            f"{name}: expected an array 'images' or '{target.name}', found {_listed(arrays)}"
        )
    images, what = arrays[key], f"{name}: array '{key}'" if key else name
    if images.ndim == 0 or images.dtype.kind not in "uif":
        raise ValueError(f"{what}: expected numbers, got {images.dtype} of shape {images.shape}")

    def read(index: NDArray[np.int64]) -> Feeds:
        return {target.name: _fit(images[index], target, how, what)}

    read(np.arange(min(1, len(images))))  # a wrong shape shows before any work is done
    if images.dtype == np.uint8:
        note_raw_bytes(target, how)
    return Dataset(len(images), read, labels)


def _fit(images: Array, target: Value, how: Preprocess, what: str) -> Array:
    """Bring a batch into the network's input shape and dtype."""
    shape = target.shape
    if shape is None or len(shape) != 4:  # no image network: the array is the input
        x = how.values(images) if not how.identity else images
        return x.astype(target.dtype, copy=False)
    extents = [e if isinstance(e, int) else None for e in shape]
    x = to_nhwc(images, how.layout, extents, what)
    if not how.identity or x.dtype != target.dtype:
        x = how.values(x)
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2)).astype(target.dtype, copy=False)


def _folder(path: Path, name: str, target: Value, how: Preprocess) -> Dataset:
    shape = target.shape
    if shape is None or len(shape) != 4:
        raise ValueError(f"{name}: image files need a network with one NCHW input")
    if not (isinstance(shape[2], int) and isinstance(shape[3], int)):
        raise ValueError(f"{name}: the network's input has no fixed height and width; use a .npz")
    height, width = shape[2], shape[3]
    mode = "L" if shape[1] == 1 else "RGB"
    files = image_files(path, name)
    note_raw_bytes(target, how)

    def read(index: NDArray[np.int64]) -> Feeds:
        images = [read_image(files[i], mode, (height, width), how.resize) for i in index]
        return {target.name: _fit(np.stack(images), target, how, name)}

    return Dataset(len(files), read, image_labels(path, files, name))


def note_raw_bytes(target: Value, how: Preprocess) -> None:
    """Say so where a float network is fed 0..255, which is seldom meant."""
    if how.identity and target.dtype.kind == "f":
        note("pixels are fed as 0..255; see --preprocess and --scale if the network wants others")


def _only(inputs: Sequence[Value], name: str) -> Value:
    if len(inputs) != 1:
        names = ", ".join(repr(value.name) for value in inputs)
        raise ValueError(f"{name}: the network has {len(inputs)} inputs, give a .npz with {names}")
    return inputs[0]


def _labels(labels: Array | None, name: str) -> NDArray[np.int64] | None:
    if labels is None:
        return None
    if labels.ndim != 1 or labels.dtype.kind not in "ui":
        got = f"{labels.dtype} of shape {labels.shape}"
        raise ValueError(f"{name}: array 'labels': expected integers of one axis, got {got}")
    return labels.astype(np.int64)


def _count(feeds: Feeds, name: str) -> int:
    counts = {key: len(array) if array.ndim else 0 for key, array in feeds.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(f"{name}: arrays of different length along axis 0: {counts}")
    return next(iter(counts.values()))


def _rows(feeds: Feeds, index: NDArray[np.int64]) -> Feeds:
    return {key: array[index] for key, array in feeds.items()}


def _listed(arrays: Feeds) -> str:
    return ", ".join(repr(key) for key in arrays) or "no arrays"
