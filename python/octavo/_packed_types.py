"""The types of packed weights. They say what they were packed for, and refuse anything else."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from octavo import _core
from octavo._checks import ByteDtype, invalid
from octavo._layer import OutDtype
from octavo.backend import backend
from octavo.errors import BackendError

__all__ = ["PackedConv2d", "PackedLinear"]


@cache
def _layout(name: str) -> str:
    return str(_core.backend_info(name)["layout"])


@dataclass(frozen=True)
class _Packed:
    """What both kinds of packed weights know.

    Attributes
    ----------
    a_dtype : {"uint8", "int8"}
        Of the activations.
    out_dtype : {"uint8", "int8", "int32"}
    residual_dtype : {"uint8", "int8"} or None
        Of the tensor added before the activation; None where there is none.
    backend : str
        The backend the weights were packed for.
    """

    a_dtype: ByteDtype
    out_dtype: OutDtype
    residual_dtype: ByteDtype | None
    backend: str

    def require_backend(self, layout: str) -> None:
        """Raise BackendError if the backend in use reads another layout than `layout`."""
        now = backend()
        if _layout(now) != layout:
            raise BackendError(
                f"packed: expected weights packed for backend {now!r} (layout {_layout(now)}), "
                f"got weights packed for {self.backend!r} (layout {layout}); pack them again, or "
                f"use them inside use_backend({self.backend!r})"
            )


@dataclass(frozen=True)
class PackedLinear(_Packed):
    """Packed weights of a fully connected layer, made by `pack_linear`. Immutable."""

    core: _core.Linear = field(repr=False)

    @property
    def n(self) -> int:
        """Number of outputs."""
        return self.core.n

    @property
    def k(self) -> int:
        """Number of inputs."""
        return self.core.k

    @property
    def layout(self) -> str:
        """Name of the memory layout; backends with the same one share packed weights."""
        return self.core.layout

    @property
    def nbytes(self) -> int:
        """Size of the packed weights in bytes."""
        return self.core.packed_bytes


@dataclass(frozen=True)
class PackedConv2d(_Packed):
    """Packed weights of a convolution, made by `pack_conv2d`. Immutable."""

    core: _core.Conv2d = field(repr=False)
    kernel_size: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int, int, int]
    dilation: tuple[int, int]
    groups: int

    @property
    def in_channels(self) -> int:
        """Channels of the input."""
        return self.core.in_channels

    @property
    def out_channels(self) -> int:
        """Channels of the output."""
        return self.core.out_channels

    @property
    def layout(self) -> str:
        """Name of the memory layout; backends with the same one share packed weights."""
        return self.core.layout

    @property
    def nbytes(self) -> int:
        """Size of the packed weights in bytes."""
        return self.core.packed_bytes

    def output_size(self, h: int, w: int) -> tuple[int, int]:
        """Return height and width of the output for an input of `h` x `w` pixels."""
        top, left, bottom, right = self.padding
        found = []
        for axis, size in enumerate((h + top + bottom, w + left + right)):
            reach = self.dilation[axis] * (self.kernel_size[axis] - 1) + 1
            found.append((size - reach) // self.stride[axis] + 1)
        if h < 1 or w < 1 or min(found) < 1:
            expected = f"an image that fits kernel {self.kernel_size}, padding {self.padding}"
            raise invalid("x", f"{expected}, dilation {self.dilation}", f"{h} x {w} pixels")
        return found[0], found[1]
