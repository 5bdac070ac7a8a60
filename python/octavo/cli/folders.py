"""Folders of image files, and their labels. Reading images needs Pillow."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = {".bmp", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".webp"}


def image_files(folder: Path, name: str) -> list[Path]:
    """Return the image files in `folder` and below it, sorted by path.

    Raises
    ------
    ValueError
        If there are none; ImportError without Pillow.
    """
    import PIL.Image  # noqa: F401  (asked for here, before any other work)

    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not files:
        raise ValueError(f"{name}: no image files ({', '.join(sorted(SUFFIXES))}) in {folder}")
    return files


def image_labels(folder: Path, files: Sequence[Path], name: str) -> NDArray[np.int64] | None:
    """Return the files' labels from ``labels.csv`` (rows ``file,label``), or None without one.

    A first row ``file,label`` is a heading.
    """
    table = folder / "labels.csv"
    if not table.is_file():
        return None
    with table.open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.reader(stream) if row]
    found: dict[str, int] = {}
    for row in rows[1:] if rows and rows[0] == ["file", "label"] else rows:
        try:
            file, label = row
            found[file] = int(label)
        except ValueError:
            raise ValueError(f"{name}: {table}: expected rows 'file,label', got {row}") from None
    names = [path.relative_to(folder).as_posix() for path in files]
    missing = [n for n in names if n not in found]
    if missing:
        raise ValueError(f"{name}: {table} has no label for {missing[0]}")
    return np.array([found[n] for n in names], np.int64)


def read_image(
    path: Path, mode: str, size: tuple[int, int], resize: int | None
) -> NDArray[np.uint8]:
    """Return an image as uint8 (height, width, channels), resized and cropped around the centre.

    Parameters
    ----------
    path
        The file.
    mode
        Pillow's "RGB" or "L".
    size
        Height and width to crop to.
    resize
        The shorter side before the crop. None resizes an image that is too small, and no other.
    """
    from PIL import Image

    try:
        with Image.open(path) as file:
            image = _resized(file.convert(mode), size, resize)
    except OSError as error:  # not an image, or a truncated one
        raise ValueError(f"{path}: not a readable image: {error}") from error
    left, top = (image.width - size[1]) // 2, (image.height - size[0]) // 2
    pixels = np.asarray(image.crop((left, top, left + size[1], top + size[0])), np.uint8)
    return pixels.reshape(*size, -1)


def _resized(image: Image, size: tuple[int, int], resize: int | None) -> Image:
    height, width = size
    factor = max(height / image.height, width / image.width)
    if resize is not None:
        factor = max(factor, resize / min(image.height, image.width))
    elif factor <= 1:
        return image
    new_width = max(width, round(image.width * factor))
    new_height = max(height, round(image.height * factor))
    return image.resize((new_width, new_height), resample=2)  # bilinear, antialiased
