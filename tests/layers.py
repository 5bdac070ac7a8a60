"""Random layers and the comparison every operator test makes: octavo equals octavo.reference."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import octavo
from octavo import reference

RANGES = {"uint8": (0, 255), "int8": (-128, 127)}


def random_bytes(rng: np.random.Generator, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    """Bytes of the whole range; both ends are frequent."""
    lo, hi = RANGES[dtype]
    x = rng.integers(lo, hi, shape, endpoint=True)
    ends = rng.random(shape)
    return np.where(ends < 0.1, lo, np.where(ends > 0.9, hi, x)).astype(dtype)


def random_output(rng: np.random.Generator, k: int, n: int, **given: Any) -> dict[str, Any]:
    """Arguments of pack_linear / pack_conv2d that spread outputs over most of the range."""
    weight_scale = np.exp2(rng.uniform(-3, 0, n)).astype(np.float32)
    lo, hi = RANGES[given.get("a_dtype", "uint8")]
    output = {
        "weight_scale": weight_scale,
        "bias": rng.integers(-3000, 3000, n).astype(np.int32),
        "a_scale": 0.02,
        "a_zero_point": int(rng.integers(lo, hi, endpoint=True)),
        "out_scale": 0.02 * 0.35 * 8000 * np.sqrt(k) / 64,
        "out_zero_point": 20,
    }
    return output | given


def check_linear(
    a: NDArray[Any], weight: NDArray[np.int8], residual: NDArray[Any] | None = None, **output: Any
) -> NDArray[Any]:
    """Run `linear` on the backend in use, compare, and return the result."""
    packed = octavo.pack_linear(weight, **output)
    got = octavo.linear(a, packed, residual=residual)
    expected = reference.linear(a, weight, residual=residual, **for_reference(output))
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)
    return got


def check_conv2d(
    x: NDArray[Any], weight: NDArray[np.int8], residual: NDArray[Any] | None = None, **output: Any
) -> NDArray[Any]:
    """Run `conv2d` on the backend in use, compare, and return the result."""
    packed = octavo.pack_conv2d(weight, **output)
    got = octavo.conv2d(x, packed, residual=residual)
    expected = reference.conv2d(x, weight, residual=residual, **for_reference(output))
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)
    return got


def for_reference(output: dict[str, Any]) -> dict[str, Any]:
    """The reference reads dtypes off its arrays."""
    return {k: v for k, v in output.items() if k not in ("a_dtype", "residual_dtype")}
