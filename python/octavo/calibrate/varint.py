"""Integers of up to 64 bits in as few bytes as they need, 7 bits a byte (LEB128)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MOST_BYTES = 10


def encode(values: NDArray[np.uint64]) -> bytes:
    """Write integers, the lowest 7 bits of each first; all bytes but its last have bit 7 set.

    Examples
    --------
    >>> encode(np.array([1, 127, 128, 300], np.uint64)).hex()
    '017f8001ac02'
    """
    shifts = np.arange(0, 7 * MOST_BYTES, 7, dtype=np.uint64)
    parts = values[:, np.newaxis] >> shifts
    used = parts != 0
    used[:, 0] = True
    digits = (parts & np.uint64(0x7F)).astype(np.uint8)
    digits[:, :-1] |= used[:, 1:].astype(np.uint8) << np.uint8(7)
    return bytes(digits[used].tobytes())


def decode(data: bytes) -> NDArray[np.uint64]:
    """Read what `encode` wrote.

    Raises
    ------
    ValueError
        If `data` ends within an integer, or one has more than 64 bits.

    Examples
    --------
    >>> decode(bytes.fromhex("017f8001ac02"))
    array([  1, 127, 128, 300], dtype=uint64)
    """
    digits = np.frombuffer(data, np.uint8)
    if not digits.size:
        return np.zeros(0, np.uint64)
    last = np.flatnonzero(digits < 0x80)
    if not last.size or last[-1] != digits.size - 1:
        raise ValueError("the data end within an integer")
    first = np.append(0, last[:-1] + 1)
    length = last - first + 1
    if length.max() > MOST_BYTES or np.any(digits[last[length == MOST_BYTES]] > 1):
        raise ValueError("an integer has more than 64 bits")
    place = np.arange(digits.size) - np.repeat(first, length)
    shifted = (digits & np.uint8(0x7F)).astype(np.uint64) << (place * 7).astype(np.uint64)
    return np.add.reduceat(shifted, first, dtype=np.uint64)
