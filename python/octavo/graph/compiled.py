"""A compiled network: its program, and what of the model belongs to it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from octavo import _core

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Record:
    """What a step of the program came from."""

    op: str
    name: str
    fused: tuple[str, ...]
    dtype: str
    shape: Shape


@dataclass(frozen=True)
class Port:
    """An input or output of a compiled program, in the model's terms.

    `type` is "u8", "s8", "f32" or "s32"; the program's own byte of an "s8" is xor 0x80. real =
    scale * (q - zero_point), where the model says so: else scale is 0.
    """

    name: str
    type: str
    shape: Shape  # per sample
    scale: float = 0.0
    zero_point: int = 0

    @property
    def signed(self) -> bool:
        """Whether the model's tensor is int8."""
        return self.type == "s8"

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return 1 if self.type in ("u8", "s8") else 4


@dataclass(frozen=True)
class Compiled:
    """A program for one set of input shapes."""

    program: _core.Program
    records: list[Record]
    inputs: list[Port]
    outputs: list[Port]

    @property
    def output_bytes(self) -> int:
        """Bytes of one sample's outputs."""
        return sum(math.prod(port.shape) * port.itemsize for port in self.outputs)
