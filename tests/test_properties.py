"""Properties that hold for all inputs, searched by Hypothesis."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import octavo
from layers import RANGES, check_conv2d, check_linear, random_bytes, random_output
from octavo import reference

F32 = np.float32
repeatable = settings(max_examples=80, deadline=None, derandomize=True, database=None)

dtypes = st.sampled_from(["uint8", "int8"])
backends = st.sampled_from(octavo.backends())
seeds = st.integers(0, 2**32 - 1)
reals = st.floats(-1e6, 1e6, width=32, allow_nan=False)
scales = st.floats(2.0**-20, 2.0**10, width=32)
floats = hnp.arrays(F32, hnp.array_shapes(max_dims=3, max_side=20), elements=st.floats(width=32))


@repeatable
@given(backends, floats, scales, st.integers(0, 255), dtypes)
def test_quantize_equals_the_reference(
    backend: str, x: Any, scale: float, zero: int, dtype: str
) -> None:
    zero += RANGES[dtype][0]
    with octavo.use_backend(backend):
        got = octavo.quantize_linear(x, scale, zero, dtype=dtype)
    np.testing.assert_array_equal(got, reference.quantize_linear(x, scale, zero, dtype=dtype))


@repeatable
@given(st.lists(reals, min_size=1, max_size=50), dtypes)
def test_rounding_costs_half_a_step(values: list[float], dtype: str) -> None:
    params = octavo.choose_qparams(min(values), max(values), dtype=dtype)
    x = np.array(values, F32)
    q = octavo.quantize_linear(x, params.scale, params.zero_point, dtype=dtype)
    back = octavo.dequantize_linear(q, params.scale, params.zero_point)
    # Half a step by rounding; at the ends the rounded zero point may cost another half.
    inside = (q > RANGES[dtype][0]) & (q < RANGES[dtype][1])
    error = np.abs(back.astype(np.float64) - x) / params.scale
    assert error.max() <= 1.001
    assert not inside.any() or error[inside].max() <= 0.501


@repeatable
@given(reals, reals, dtypes, st.booleans())
def test_zero_is_always_represented(a: float, b: float, dtype: str, symmetric: bool) -> None:
    params = octavo.choose_qparams(min(a, b), max(a, b), dtype=dtype, symmetric=symmetric)
    zero = octavo.quantize_linear(F32(0), params.scale, params.zero_point, dtype=dtype)
    assert zero == params.zero_point
    assert octavo.dequantize_linear(zero, params.scale, params.zero_point) == 0
    if symmetric:
        ends = octavo.quantize_linear(
            F32([a, b]), params.scale, params.zero_point, dtype=dtype, narrow_range=True
        )
        back = octavo.dequantize_linear(ends, params.scale, params.zero_point)
        np.testing.assert_allclose(back, [a, b], atol=params.scale * 0.501)


@repeatable
@given(backends, floats, scales, st.integers(0, 255))
def test_quantize_is_monotonic_and_stable(backend: str, x: Any, scale: float, zero: int) -> None:
    x = np.sort(x[~np.isnan(x)])
    with octavo.use_backend(backend):
        q = octavo.quantize_linear(x, scale, zero)
        again = octavo.quantize_linear(octavo.dequantize_linear(q, scale, zero), scale, zero)
    assert (np.diff(q.astype(int)) >= 0).all()
    np.testing.assert_array_equal(again, q)


@repeatable
@given(backends, seeds, dtypes, dtypes, st.data())
def test_linear_equals_the_reference(
    backend: str, seed: int, a_dtype: str, out_dtype: str, data: st.DataObject
) -> None:
    m, n, k = (data.draw(st.integers(1, top)) for top in (30, 140, 150))
    rng = np.random.default_rng(seed)
    a, w = random_bytes(rng, (m, k), a_dtype), random_bytes(rng, (n, k), "int8")
    output = random_output(rng, k, n, a_dtype=a_dtype, out_dtype=out_dtype)
    output["activation"] = data.draw(st.sampled_from([None, "relu", "relu6", (-2.0, 3.0)]))
    output["weight_zero_point"] = data.draw(st.sampled_from([0, 0, 7, -128]))
    residual = None
    if data.draw(st.booleans()):
        residual = random_bytes(rng, (m, n), out_dtype)
        output |= {"residual_scale": data.draw(scales), "residual_zero_point": 3}
    with octavo.use_backend(backend):
        check_linear(a, w, residual, **output)


@repeatable
@given(backends, seeds, dtypes, st.data())
def test_conv2d_equals_the_reference(
    backend: str, seed: int, a_dtype: str, data: st.DataObject
) -> None:
    def draw(lo: int, hi: int, n: int = 2) -> tuple[int, ...]:
        return tuple(data.draw(st.integers(lo, hi)) for _ in range(n))

    kernel, stride, dilation = draw(1, 4), draw(1, 3), draw(1, 2)
    padding = draw(0, 3, 4)
    groups, depth, per_group, batch = *draw(1, 9, 3), data.draw(st.integers(1, 3))
    if data.draw(st.booleans()):
        depth = per_group = 1
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    needed = [max(1, reach[i] - padding[i] - padding[i + 2]) for i in (0, 1)]
    image = [n + extra for n, extra in zip(needed, draw(0, 5), strict=True)]
    rng = np.random.default_rng(seed)
    x = random_bytes(rng, (batch, *image, groups * depth), a_dtype)
    w = random_bytes(rng, (groups * per_group, depth, *kernel), "int8")
    output = random_output(rng, depth * kernel[0] * kernel[1], groups * per_group, a_dtype=a_dtype)
    output["weight_zero_point"] = data.draw(st.sampled_from([0, 0, 0, -5, 127]))
    with octavo.use_backend(backend):
        check_conv2d(
            x, w, stride=stride, padding=padding, dilation=dilation, groups=groups, **output
        )


@repeatable
@given(backends, seeds, dtypes, scales, scales, scales)
def test_add_equals_the_reference(
    backend: str, seed: int, dtype: str, a_scale: float, b_scale: float, out_scale: float
) -> None:
    rng = np.random.default_rng(seed)
    a, b = (random_bytes(rng, (3, 50), dtype) for _ in range(2))
    args: dict[str, Any] = {"a_scale": a_scale, "b_scale": b_scale, "out_scale": out_scale}
    args |= {"a_zero_point": 5, "b_zero_point": 90, "out_zero_point": 44, "dtype": dtype}
    with octavo.use_backend(backend):
        got = octavo.add(a, b, **args)
    np.testing.assert_array_equal(got, reference.add(a, b, **args))


@repeatable
@given(seeds, dtypes, st.integers(1, 4), st.integers(1, 3), st.integers(0, 1), st.integers(1, 2))
def test_max_pool_commutes_with_dequantization(
    seed: int, dtype: str, kernel: int, stride: int, padding: int, dilation: int
) -> None:
    if kernel == 1:
        padding = 0
    x = random_bytes(np.random.default_rng(seed), (2, 9, 10, 5), dtype)
    args: dict[str, Any] = {"stride": stride, "padding": padding, "dilation": dilation}
    got = octavo.max_pool2d(x, kernel, **args)
    np.testing.assert_array_equal(got, reference.max_pool2d(x, kernel, **args))
    assert set(np.unique(got)) <= set(np.unique(x))
