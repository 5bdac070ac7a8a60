"""Program steps of transformers and gated networks: values where no op covers them, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from octavo import _core

F32, U8 = np.float32, np.uint8


def run(
    inputs: list[NDArray[Any]], out: tuple[str, int], build: Callable[..., None]
) -> NDArray[Any]:
    """Append one step with `build(program, *inputs, output)` and run it; axis 0 is the batch."""
    p = _core.Program()
    ids = [p.tensor("u8" if x.dtype == U8 else "f32", x[0].size) for x in inputs]
    dst = p.tensor(*out)
    build(p, *ids, dst)
    p.finish(ids, [dst])
    return p.run([x.ravel() for x in inputs], len(inputs[0]))[0]


@pytest.mark.parametrize(
    ("op", "function"),
    [
        ("add", np.add),
        ("sub", np.subtract),
        ("mul", np.multiply),
        ("div", np.divide),
        ("pow", np.power),
    ],
)
@pytest.mark.parametrize("gate", [(3, 1, 5), (1, 4, 1), (3, 4, 5), (1, 1, 1)])
def test_binary_broadcasts(
    op: str,
    function: Callable[..., NDArray[np.float32]],
    gate: tuple[int, ...],
    rng: np.random.Generator,
) -> None:
    a = rng.uniform(0.5, 2, (2, 3, 4, 5)).astype(F32)
    b = rng.uniform(0.5, 2, (2, *gate)).astype(F32)
    strides = [0 if n == 1 else s // 4 for n, s in zip(gate, b[0].strides, strict=True)]

    def build(p: _core.Program, x: int, y: int, dst: int) -> None:
        p.binary(x, y, dst, name="b", op=op, shape=[3, 4, 5], a_strides=[20, 5, 1],
                 b_strides=strides)  # fmt: skip

    found = run([a, b], ("f32", 60), build).reshape(a.shape)
    if op == "pow":
        np.testing.assert_allclose(found, function(a, b), rtol=1e-6)
    else:
        np.testing.assert_array_equal(found, function(a, b))


@pytest.mark.parametrize("dtype", [U8, F32])
@pytest.mark.parametrize("axes", [(0, 2, 1), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
def test_permute(dtype: Any, axes: tuple[int, ...], rng: np.random.Generator) -> None:
    x = rng.integers(0, 256, (2, 3, 4, 5)).astype(dtype)
    expected = x.transpose(0, *(axis + 1 for axis in axes))
    strides = [(20, 5, 1)[axis] for axis in axes]
    name = "u8" if dtype == U8 else "f32"

    def build(p: _core.Program, src: int, dst: int) -> None:
        p.permute(src, dst, name="p", shape=expected.shape[1:], strides=strides)

    np.testing.assert_array_equal(run([x], (name, 60), build), expected.ravel())


def test_reduce_mean(rng: np.random.Generator) -> None:
    x = rng.standard_normal((2, 3, 7, 5)).astype(F32)

    def build(p: _core.Program, src: int, dst: int) -> None:
        p.reduce_mean(src, dst, name="m", outer=3, n=7, inner=5)

    expected = x.astype(np.float64).mean(axis=2).astype(F32)
    np.testing.assert_allclose(run([x], ("f32", 15), build), expected.ravel(), rtol=1e-6)


Build = Callable[[_core.Program, int, int], None]
TABLE, ONES = np.zeros(256, U8), np.ones(4, F32)
BAD: list[tuple[str, str, Build, str]] = [
    ("u8", "u8", lambda p, s, d: p.lookup(s, d, name="n", table=TABLE[:255]), "table"),
    ("f32", "f32", lambda p, s, d: p.lookup(s, d, name="n", table=TABLE), r"expected u8\[12\]"),
    (
        "u8", "u8",
        lambda p, s, d: p.softmax_u8(s, d, name="n", rows=5, n=3, src_scale=1, scale=1),
        r"expected u8\[15\]",
    ),
    (
        "u8", "u8",
        lambda p, s, d: p.softmax_u8(s, d, name="n", rows=4, n=3, src_scale=0, scale=1),
        "scale",
    ),
    (
        "u8", "u8",
        lambda p, s, d: p.layer_norm(s, d, name="n", rows=3, gamma=ONES, beta=ONES[:3], epsilon=1),
        "gamma and beta",
    ),
    (
        "f32", "u8",
        lambda p, s, d: p.layer_norm(s, d, name="n", rows=3, gamma=ONES, beta=ONES, epsilon=1),
        "src",
    ),
    (
        "u8", "u8",
        lambda p, s, d: p.mul(s, s, d, name="n", outer=2, inner=2, channels=3),
        r"second source.*expected u8\[6\]",
    ),
    (
        "u8", "u8",
        lambda p, s, d: p.permute(s, d, name="n", shape=[3, 4], strides=[1, 4]),
        "strides: got 12 elements, expected at least 15",
    ),
    ("u8", "u8", lambda p, s, d: p.permute(s, d, name="n", shape=[12], strides=[]), "strides"),
    (
        "f32", "f32",
        lambda p, s, d: p.permute(s, d, name="n", shape=[1, 1, 1, 1, 1, 12], strides=[1] * 6),
        "strides",
    ),
    (
        "f32", "f32",
        lambda p, s, d: p.activation(s, d, name="n", function="swish"),
        "function: got 'swish', expected one of 'sigmoid', 'tanh'",
    ),
    (
        "f32", "f32",
        lambda p, s, d: p.binary(s, s, d, name="n", op="max", shape=[12], a_strides=[1],
                                 b_strides=[1]),
        "op: got 'max'",
    ),
    (
        "f32", "f32",
        lambda p, s, d: p.binary(s, s, d, name="n", op="add", shape=[12], a_strides=[1],
                                 b_strides=[2]),
        "b_strides: got 12 elements, expected at least 23",
    ),
    (
        "f32", "f32",
        lambda p, s, d: p.reduce_mean(s, d, name="n", outer=2, n=2, inner=3),
        r"dst.*expected f32\[6\]",
    ),
    (
        "u8", "u8",
        lambda p, s, d: p.matmul(s, s, d, name="n", heads=1, m=3, n=3, k=4, a_strides=(0, 4),
                                 b_strides=(0, 3), dst_strides=(0, 3)),
        "dst: got 12 elements, expected heads x m x n",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("src", "dst", "build", "message"), BAD, ids=[b[3] for b in BAD])
def test_steps_that_do_not_fit_are_refused(src: str, dst: str, build: Build, message: str) -> None:
    p = _core.Program()
    ids = p.tensor(src, 12), p.tensor(dst, 12)
    with pytest.raises(ValueError, match=message):
        build(p, *ids)
    assert not p.describe()
