"""Checks of arguments, shared by the public functions.

Each returns its argument in the one form the rest of the package works with, or raises an error
of the form ``name: expected ..., got ...``. Values are never wrapped, clipped or truncated.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from octavo._dlpack import SupportsDLPack, imported
from octavo.errors import InvalidArgumentError, InvalidDtypeError

Bytes: TypeAlias = NDArray[np.uint8] | NDArray[np.int8]
BytesLike: TypeAlias = Bytes | SupportsDLPack
ByteDtype: TypeAlias = Literal["uint8", "int8"]
IntOrPair: TypeAlias = int | Sequence[int]

Activation: TypeAlias = Literal["relu", "relu6"] | tuple[float, float] | None

#: The longest sums an int32 accumulator holds exactly: 65,536 * 255 * 128 < 2**31, and where
#: weights have zero points (w - zero_point reaches 255) 33,025 * 255 * 255 < 2**31.
MAX_K = 65_536
MAX_K_WITH_ZERO_POINTS = 33_025
_MAX_GEOMETRY = 2**20
_BYTE_DTYPES: dict[object, ByteDtype] = {
    "uint8": "uint8",
    "int8": "int8",
    np.dtype(np.uint8): "uint8",
    np.dtype(np.int8): "int8",
}


def invalid(name: str, expected: str, got: object) -> InvalidArgumentError:
    """Build the error for a wrong value."""
    return InvalidArgumentError(f"{name}: expected {expected}, got {got}")


def wrong_dtype(name: str, expected: str, got: object) -> InvalidDtypeError:
    """Build the error for a wrong type or dtype."""
    return InvalidDtypeError(f"{name}: expected {expected}, got {got}")


def byte_dtype(name: str, dtype: DTypeLike) -> ByteDtype:
    """Normalise a dtype that must be uint8 or int8."""
    known = _BYTE_DTYPES.get(dtype) if isinstance(dtype, (str, np.dtype)) else None
    if known is not None:  # The usual case, without a comparison of dtypes.
        return known
    try:
        found = np.dtype(dtype)  # None would mean float64: refused below.
    except TypeError:
        found = np.dtype(object)
    if found == np.uint8:
        return "uint8"
    if found == np.int8:
        return "int8"
    raise wrong_dtype(name, "'uint8' or 'int8'", repr(dtype))


def byte_range(dtype: ByteDtype) -> tuple[int, int]:
    """Return the smallest and the largest value of uint8 or int8."""
    return (0, 255) if dtype == "uint8" else (-128, 127)


def describe(x: object) -> str:
    """Name the type of what came, for messages."""
    if isinstance(x, np.ndarray):
        return f"an array of {x.dtype}"
    return f"{type(x).__name__} {x!r}" if isinstance(x, (str, int, float)) else type(x).__name__


def array_of(name: str, x: object, *dtypes: str) -> NDArray[Any]:
    """Check for an array (or NumPy scalar) of one of these dtypes."""
    if not isinstance(x, np.ndarray):
        x = np.asarray(x) if isinstance(x, np.generic) else imported(name, x)
    if not isinstance(x, np.ndarray) or x.dtype not in dtypes:
        raise wrong_dtype(name, f"an array of {' or '.join(dtypes)}", describe(x))
    return x


def byte_array(name: str, x: object, *, ndim: int | None = None) -> Bytes:
    """Check for a uint8 or int8 array, with exactly `ndim` dimensions if given."""
    if type(x) is np.ndarray and x.dtype.char in "bB":  # The usual case, at once.
        array: Bytes = x
    else:
        array = array_of(name, x, "uint8", "int8")
    if ndim is not None and array.ndim != ndim:
        raise invalid(name, f"{ndim} dimensions", f"{array.ndim} (shape {array.shape})")
    return array


def contiguous(x: Bytes) -> Bytes:
    """Return `x` itself if it is C-contiguous, else a copy."""
    return cast(Bytes, np.asarray(x, order="C"))  # ascontiguousarray makes scalars 1-D.


def float_array(name: str, x: ArrayLike) -> NDArray[np.float32]:
    """Convert to float32; float16 and float64 are converted, everything else is refused."""
    array = x if type(x) is np.ndarray else np.asarray(imported(name, x))
    if array.dtype == np.float32:
        return array.astype(np.float32, order="C", copy=not array.flags.aligned)
    if not np.issubdtype(array.dtype, np.floating):
        raise wrong_dtype(name, "an array of float32 (float16, float64)", f"{array.dtype}")
    with np.errstate(over="ignore"):  # A float64 above float32's range becomes infinite: clamped.
        return array.astype(np.float32, order="C")


def integer(name: str, value: object, lo: int, hi: int, *, note: str = "") -> int:
    """Check for one integer in lo..hi; `note` explains the range."""
    if type(value) is int and lo <= value <= hi:  # The usual case, at once.
        return value
    if isinstance(value, (bool, np.bool_)):
        raise wrong_dtype(name, "an integer", describe(value))
    if isinstance(value, np.ndarray) and value.shape == (1,):
        value = value[0]
    try:
        found = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise wrong_dtype(name, "an integer", describe(value)) from None
    if not lo <= found <= hi:
        raise invalid(name, f"an integer in {lo}..{hi}{note}", found)
    return found


def integers(name: str, value: object, lo: int, hi: int, n: int) -> NDArray[np.int32]:
    """Check for n integers in lo..hi, an inclusive range within int32; one scalar is repeated."""
    if isinstance(value, int):
        value = integer(name, value, lo, hi)  # Of any size, which NumPy's integers are not.
    array = np.asarray(imported(name, value))
    if not np.issubdtype(array.dtype, np.integer):
        raise wrong_dtype(name, "integers", describe(value if array.ndim == 0 else array))
    if array.shape not in ((), (1,), (n,)):
        raise invalid(name, f"one integer or shape ({n},)", f"shape {array.shape}")
    outside = (array < lo) | (array > hi)
    if outside.any():
        raise invalid(name, f"integers in {lo}..{hi}", int(array[outside].flat[0]))
    return np.ascontiguousarray(np.broadcast_to(array.astype(np.int32), (n,)))


def scales(name: str, value: object, n: int | None = None) -> NDArray[np.float32]:
    """Check for scales that are finite and positive as float32; returns shape () or (n,).

    ``n=None`` takes one scale; otherwise one, or one per channel.
    """
    array = np.asarray(imported(name, value))
    if array.dtype == np.bool_ or not np.issubdtype(array.dtype, np.number):
        raise wrong_dtype(name, "a number", describe(value))
    if np.issubdtype(array.dtype, np.complexfloating):
        raise wrong_dtype(name, "a real number", describe(value))
    if array.shape not in ((), (1,)) and array.shape != (n,):
        expected = "one scale" if n is None else f"one scale or shape ({n},)"
        raise invalid(name, expected, f"shape {array.shape}")
    with np.errstate(over="ignore", under="ignore"):
        rounded = array.astype(np.float32)
    bad = ~(np.isfinite(rounded) & (rounded > 0))
    if bad.any():
        got = array[bad].flat[0]
        raise invalid(name, "finite and positive values (as float32)", f"{got}")
    return (
        rounded.reshape(()) if n is None else np.ascontiguousarray(np.broadcast_to(rounded, (n,)))
    )


def scale(name: str, value: object) -> float:
    """Check for one scale; returns the float32 value as a Python float."""
    if isinstance(value, float) and 0 < value < 1e38:  # The usual case, without array overhead.
        rounded = float(np.float32(value))
        if rounded > 0:
            return rounded
    return float(scales(name, value))


def zero_point(name: str, value: object, dtype: ByteDtype) -> int:
    """Check for one zero point of the given dtype."""
    return integer(name, value, *byte_range(dtype), note=f" ({dtype})")


def bound_k(name: str, k: int, *, zero_points: bool = False) -> None:
    """Refuse a length of the sum that is zero, or too long for an int32 accumulator."""
    limit = MAX_K_WITH_ZERO_POINTS if zero_points else MAX_K
    if not 1 <= k <= limit:
        why = " with weight zero points" if zero_points else ""
        raise invalid(name, f"1 to {limit} values per sum (K){why}", f"K = {k}")


def pair(name: str, value: object, lo: int) -> tuple[int, int]:
    """Normalise an integer or a pair (h, w) of them, each at least `lo`."""
    if type(value) is int and lo <= value <= _MAX_GEOMETRY:  # The usual case, at once.
        return value, value
    if not isinstance(value, (Sequence, np.ndarray)) or isinstance(value, str):
        both = integer(name, value, lo, _MAX_GEOMETRY)
        return both, both
    if len(value) != 2:
        raise invalid(name, "an integer or a pair (h, w)", f"{len(value)} values")
    h, w = (integer(name, v, lo, _MAX_GEOMETRY) for v in value)
    return h, w


def pads(name: str, value: object) -> tuple[int, int, int, int]:
    """Normalise padding to (top, left, bottom, right)."""
    if type(value) is int and 0 <= value <= _MAX_GEOMETRY:  # The usual case, at once.
        return value, value, value, value
    if isinstance(value, (Sequence, np.ndarray)) and not isinstance(value, str):
        if len(value) == 4:
            top, left, bottom, right = (integer(name, v, 0, _MAX_GEOMETRY) for v in value)
            return top, left, bottom, right
        if len(value) != 2:
            expected = "an integer, (h, w) or (top, left, bottom, right)"
            raise invalid(name, expected, f"{len(value)} values")
    h, w = pair(name, value, 0)
    return h, w, h, w


def activation_range(value: object) -> tuple[float, float]:
    """Normalise an activation to the real interval it clamps to."""
    if value is None:  # The usual case, at once.
        return -math.inf, math.inf
    named = {None: (-math.inf, math.inf), "relu": (0.0, math.inf), "relu6": (0.0, 6.0)}
    expected = "None, 'relu', 'relu6' or a pair (lo, hi) of real numbers"
    if value is None or isinstance(value, str):
        if value not in named:
            raise invalid("activation", expected, repr(value))
        return named[value]
    if not isinstance(value, (Sequence, np.ndarray)) or len(value) != 2:
        raise invalid("activation", expected, repr(value))
    try:
        lo, hi = float(value[0]), float(value[1])
    except (TypeError, ValueError):
        raise invalid("activation", expected, repr(value)) from None
    if not lo <= hi:
        raise invalid("activation", "lo <= hi, neither NaN", f"({lo}, {hi})")
    return lo, hi
