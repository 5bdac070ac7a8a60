"""Output files are written whole or not at all, and never over an input."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from octavo._files import atomic_output


def existing_file(path: Path, name: str) -> Path:
    """Return `path` if it is a readable file; `name` is the argument's, for the message."""
    if path.is_dir():
        raise IsADirectoryError(f"{name}: {path} is a folder, expected a file")
    if not path.exists():
        raise FileNotFoundError(f"{name}: {path} does not exist")
    return path


def check_output(path: Path, inputs: Iterable[Path], suffixes: tuple[str, ...]) -> None:
    """Refuse an output path that cannot be written or is one of the inputs, before any work.

    Raises
    ------
    ValueError
        If the name has another suffix, is an input, or is no plain file; FileNotFoundError if its
        folder does not exist.
    """
    if path.suffix not in suffixes:
        raise ValueError(f"--output: expected a name ending in {' or '.join(suffixes)}, got {path}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"--output: folder {path.parent} does not exist")
    if not path.exists():
        return
    if not path.is_file():
        raise ValueError(f"--output: {path} exists and is not a plain file")
    for source in inputs:
        if source.exists() and path.samefile(source):
            raise ValueError(f"--output: {path} is an input, choose another name")


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data` to `path`, whole or not at all."""
    with atomic_output(path) as stream:
        stream.write(data)


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write named arrays as .npz (any names, unlike `np.savez`), or the only one as .npy."""
    if path.suffix == ".npy" and len(arrays) != 1:
        raise ValueError(f"--output: .npy holds one array, there are {len(arrays)}: use .npz")
    with atomic_output(path) as stream:
        if path.suffix == ".npy":
            _write_array(stream, next(iter(arrays.values())))
            return
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                    _write_array(entry, array)


def _write_array(stream: IO[bytes], array: NDArray[Any]) -> None:
    np.lib.format.write_array(stream, np.asanyarray(array), allow_pickle=False)
