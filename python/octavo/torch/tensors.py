"""Tensors as NumPy arrays over the same memory, and back."""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from numpy.typing import NDArray

from octavo._checks import ByteDtype, wrong_dtype

Tensor: TypeAlias = torch.Tensor
Format: TypeAlias = torch.memory_format

CONTIGUOUS: Format = torch.contiguous_format
CHANNELS_LAST: Format = torch.channels_last
_BYTES: dict[torch.dtype | None, ByteDtype] = {
    None: "uint8",
    torch.uint8: "uint8",
    torch.int8: "int8",
}


def format_of(x: Tensor) -> Format:
    """How an operator that works on elements lays out its result: as its input lies."""
    if x.dim() != 4 or x.is_contiguous():
        return CONTIGUOUS
    return CHANNELS_LAST if x.is_contiguous(memory_format=CHANNELS_LAST) else CONTIGUOUS


def to_numpy(x: Tensor, layout: Format = CONTIGUOUS) -> NDArray[Any]:
    """Return the tensor's memory as an array, NHWC for channels last; copied if it lies otherwise.

    The channels-last format of a tensor (n, c, h, w) is an array (n, h, w, c).
    """
    x = (x.detach() if x.requires_grad else x).contiguous(memory_format=layout)
    array: NDArray[Any] = (x.permute(0, 2, 3, 1) if layout is CHANNELS_LAST else x).numpy()
    return array


def to_tensor(array: NDArray[Any], layout: Format = CONTIGUOUS) -> Tensor:
    """Return an array as a tensor over the same memory; NHWC for channels last."""
    x = torch.from_numpy(array)
    return x.permute(0, 3, 1, 2) if layout is CHANNELS_LAST else x


def empty(x: Tensor, dtype: torch.dtype, layout: Format) -> Tensor:
    """Return what `to_tensor` would, of the shape of `x`, without data."""
    return torch.empty_like(x, dtype=dtype, memory_format=layout)


def byte_name(name: str, dtype: torch.dtype | None) -> ByteDtype:
    """Return the name of a byte dtype; None stands for uint8."""
    if dtype not in _BYTES:
        raise wrong_dtype(name, "torch.uint8 or torch.int8", dtype)
    return _BYTES[dtype]


def byte_dtype(name: str, dtype: torch.dtype | None) -> torch.dtype:
    """Return a byte dtype; None stands for uint8."""
    return torch.int8 if byte_name(name, dtype) == "int8" else torch.uint8
