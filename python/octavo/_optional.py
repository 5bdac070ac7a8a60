"""Packages that some of octavo needs and `import octavo` does not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

_ONNX = ("onnx", "google", "ml_dtypes")


@contextlib.contextmanager
def needs_onnx(what: str) -> Iterator[None]:
    """Say what to install where the block's imports miss the package onnx, or what it needs."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _ONNX:
            raise
        raise ImportError(f'{what} needs the package onnx: pip install "octavo[onnx]"') from error
