"""MatMul of two computed tensors as a program step: strides, zero points, both orientations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import octavo
from octavo import _core

U8 = np.uint8
Bytes = NDArray[np.uint8]


def reference(a: Bytes, b: Bytes, a_zero: int, b_zero: int, multiplier: float, zero: int) -> Bytes:
    """clamp(rne(float32(sum) * multiplier) + zero) for a (..., m, k) and b (..., k, n)."""
    acc = (a.astype(np.int64) - a_zero) @ (b.astype(np.int64) - b_zero)
    assert np.abs(acc).max(initial=0) < 2**31
    steps = np.rint(acc.astype(np.float32) * np.float32(multiplier))
    return np.clip(steps + np.float32(zero), 0, 255).astype(U8)


def run(
    a: NDArray[Any],
    b: NDArray[Any],
    threads: int = 1,
    *,
    sizes: tuple[int, int, int, int],
    strides: tuple[tuple[int, int], tuple[int, int], tuple[int, int]],
    **options: Any,
) -> NDArray[Any]:
    """One step on samples along axis 0."""
    heads, m, n, k = sizes
    p = _core.Program()
    dtype = "u8" if a.dtype == U8 else "f32"
    x, y = p.tensor(dtype, a[0].size), p.tensor(dtype, b[0].size)
    out = p.tensor(dtype, heads * m * n)
    p.matmul(
        x, y, out, name="product", heads=heads, m=m, n=n, k=k,
        a_strides=strides[0], b_strides=strides[1], dst_strides=strides[2], **options,
    )  # fmt: skip
    p.finish([x, y], [out])
    return p.run([np.ascontiguousarray(v).ravel() for v in (a, b)], len(a), threads)[0]


@pytest.mark.parametrize("backend", octavo.backends())
@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(*(st.integers(1, top) for top in (3, 14, 70, 40))),
    st.sampled_from([0, 1, 127, 128, 129, 254, 255]),
    st.sampled_from([0, 1, 127, 128, 129, 254, 255]),
    st.booleans(),
    st.integers(1, 2),
)
def test_equals_the_reference(
    backend: str,
    seed: int,
    sizes: tuple[int, int, int, int],
    a_zero: int,
    b_zero: int,
    transposed: bool,
    threads: int,
) -> None:
    heads, m, n, k = sizes
    rng = np.random.default_rng(seed)
    extremes = rng.choice([0, 255], 2) if seed % 3 == 0 else None
    a = rng.integers(0, 256, (2, heads, m, k), U8)
    b = rng.integers(0, 256, (2, heads, k, n), U8)
    if extremes is not None:
        a[:], b[:] = extremes
    multiplier = float(np.float32(1 / (40 * np.sqrt(k))))
    stored = b.swapaxes(-1, -2) if transposed else b
    with octavo.use_backend(backend):
        found = run(
            a, stored, threads, sizes=sizes, b_transposed=transposed,
            strides=((m * k, k), (k * n, k if transposed else n), (m * n, n)),
            a_zero_point=a_zero, b_zero_point=b_zero, multiplier=multiplier, zero_point=77,
        )  # fmt: skip
    expected = reference(a, b, a_zero, b_zero, multiplier, 77)
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)


@pytest.mark.parametrize("backend", octavo.backends())
def test_heads_are_read_and_written_where_they_lie(backend: str, rng: np.random.Generator) -> None:
    """Rows hold the heads of a token side by side; no transpose is needed for any operand."""
    heads, tokens, size = 3, 17, 8
    width = heads * size
    x, y = (rng.integers(0, 256, (2, tokens, width), U8) for _ in range(2))
    split = [v.reshape(2, tokens, heads, size).swapaxes(1, 2) for v in (x, y)]
    with octavo.use_backend(backend):
        scores = run(
            x, y, sizes=(heads, tokens, tokens, size), b_transposed=True,
            strides=((size, width), (size, width), (tokens * tokens, tokens)),
            a_zero_point=120, b_zero_point=130, multiplier=0.001, zero_point=100,
        )  # fmt: skip
        expected = reference(split[0], split[1].swapaxes(-1, -2), 120, 130, 0.001, 100)
        np.testing.assert_array_equal(scores.reshape(expected.shape), expected)
        context = run(
            expected, y, sizes=(heads, tokens, size, tokens),
            strides=((tokens * tokens, tokens), (size, width), (size, width)),
            b_zero_point=128, multiplier=0.002, zero_point=90,
        )  # fmt: skip
    values = reference(expected, split[1], 0, 128, 0.002, 90)
    merged = values.swapaxes(1, 2).reshape(2, tokens, width)
    np.testing.assert_array_equal(context.reshape(merged.shape), merged)


@pytest.mark.parametrize("transposed", [False, True])
def test_float_is_the_same_on_every_backend(transposed: bool, rng: np.random.Generator) -> None:
    heads, m, n, k = 2, 9, 35, 21
    a = rng.standard_normal((2, heads, m, k), np.float32)
    b = rng.standard_normal((2, heads, k, n), np.float32)
    stored = b.swapaxes(-1, -2) if transposed else b
    results = []
    for backend in octavo.backends():
        with octavo.use_backend(backend):
            found = run(
                a, stored, sizes=(heads, m, n, k), b_transposed=transposed,
                strides=((m * k, k), (k * n, k if transposed else n), (m * n, n)),
            )  # fmt: skip
        np.testing.assert_allclose(found.reshape(2, heads, m, n), a @ b, rtol=1e-4, atol=1e-4)
        results.append(found.tobytes())
    assert len(set(results)) == 1


def test_largest_sum_fits() -> None:
    k = 32768
    a, b = np.full((1, 1, k), 255, U8), np.zeros((1, k, 1), U8)
    options: dict[str, Any] = {"sizes": (1, 1, 1, k), "strides": ((k, k), (k, 1), (1, 1))}
    multiplier = 100.0 / (255 * 255 * k)
    found = run(a, b, b_zero_point=255, multiplier=multiplier, zero_point=200, **options)
    assert found.tolist() == [100]
    options["sizes"] = (1, 1, 1, k + 1)
    with pytest.raises(ValueError, match="k: got 32769"):
        run(a, b, multiplier=multiplier, **options)


@pytest.mark.parametrize(
    ("strides", "message"),
    [
        (((12, 4), (12, 4), (9, 4)), "c: got 18 elements, expected at least the 2 heads of 3 x 3"),
        (((13, 4), (12, 4), (9, 3)), "a: got 24 elements"),
        (((12, 4), (12, 5), (9, 3)), "b: got 24 elements"),
    ],
)
def test_strides_beyond_the_tensor_are_refused(strides: Any, message: str) -> None:
    a, b = np.zeros((1, 2, 3, 4), U8), np.zeros((1, 2, 3, 4), U8)
    with pytest.raises(ValueError, match=message):
        run(a, b, sizes=(2, 3, 3, 4), strides=strides, b_transposed=True)
