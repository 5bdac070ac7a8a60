"""Arrays of other libraries, read in place through DLPack.

Whatever has ``__dlpack__`` on a CPU is an array: PyTorch's and JAX's tensors, and those of any
library that keeps to the array API. They are then treated as NumPy's: not copied unless they would
be, never written to. Here is the only place that converts.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np

from octavo.errors import InvalidArgumentError, InvalidDtypeError

# DLDeviceType of memory that the CPU reads: CPU, CUDA's and ROCm's host memory, CUDA's managed.
_READABLE = frozenset((1, 3, 11, 13))
_DEVICES = {2: "CUDA", 4: "OpenCL", 7: "Vulkan", 8: "Metal", 10: "ROCm", 14: "oneAPI", 15: "WebGPU"}


@runtime_checkable
class SupportsDLPack(Protocol):
    """An array of any library that exports its memory."""

    def __dlpack__(self) -> Any: ...

    def __dlpack_device__(self) -> tuple[int, int]: ...


def imported(name: str, x: object) -> Any:
    """Return another library's array as NumPy's, over the same memory; anything else as it is.

    Raises
    ------
    InvalidArgumentError
        If the array is not in memory that the CPU reads.
    InvalidDtypeError
        If its library does not export it, or NumPy lacks its dtype.
    """
    if isinstance(x, np.ndarray) or not hasattr(x, "__dlpack__"):
        return x
    what = f"{type(x).__name__} of {x.dtype}" if hasattr(x, "dtype") else type(x).__name__
    try:
        device = int(x.__dlpack_device__()[0])  # type: ignore[attr-defined]
        if device in _READABLE:
            return np.from_dlpack(x)
    except (AttributeError, BufferError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        expected = f"{name}: expected an array that DLPack can share with NumPy"
        raise InvalidDtypeError(f"{expected}, got {what}: {reason}") from error
    where = _DEVICES.get(device, f"of DLPack's type {device}")
    raise InvalidArgumentError(f"{name}: expected an array in CPU memory, got one on {where}")
