"""The float-bit histogram in NumPy; `octavo.reference` says what it is for."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def float_histogram(x: ArrayLike) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
    """Return the keys in use, ascending, and their counts, of the finite values that are not 0.

    A key is the top 19 bits of a float32: sign, exponent, 10 bits of the mantissa.
    """
    values = np.asarray(x, np.float32).ravel()
    counted = values[np.isfinite(values) & (values != 0)]
    keys, counts = np.unique(counted.view(np.uint32) >> np.uint32(13), return_counts=True)
    return keys, counts.astype(np.uint64)
