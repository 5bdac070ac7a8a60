"""Concat and Slice of channels without a copy: the bytes of the program that copies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest

import octavo
from graph_support import Array, Builder, ort_run
from octavo import _core

S, Z = 0.03, 100
Rng = np.random.Generator


def conv(
    b: Builder, x: str, rng: Rng, cin: int, cout: int, kernel: int = 1, group: int = 1,
    scale: float = S, add: str = "",
) -> str:  # fmt: skip
    weight = rng.integers(-127, 128, (cout, cin // group, kernel, kernel), dtype=np.int8)
    factor = np.float32(0.02 / np.sqrt(cin // group * kernel**2))
    pads = [kernel // 2] * 4
    y = b.node("Conv", x, b.weight(weight, factor), pads=pads, group=group)
    return b.qdq(b.node("Add", y, add) if add else b.node("Relu", y), scale, Z)


def concat(b: Builder, *parts: str, scale: float = S) -> str:
    return b.qdq(b.node("Concat", *parts, axis=1), scale, Z)


def channels(b: Builder, x: str, begin: int, end: int, step: int = 1) -> str:
    limits = [b.constant(np.int64([n])) for n in (begin, end, 1, step)]
    return b.qdq(b.node("Slice", x, *limits), S, Z)


def fire(b: Builder, x: str, rng: Rng) -> str:
    """SqueezeNet: two kinds of convolution of one tensor, joined."""
    squeezed = conv(b, x, rng, 16, 8)
    y = concat(b, conv(b, squeezed, rng, 8, 20), conv(b, squeezed, rng, 8, 24, 3))
    return b.node("MaxPool", y, kernel_shape=[3, 3], strides=[2, 2])


def inception(b: Builder, x: str, rng: Rng) -> str:
    """A branch that ends in pooling is copied; so is one at another scale, requantized."""
    pooled = b.qdq(b.node("MaxPool", x, kernel_shape=[3, 3], pads=[1] * 4), S, Z)
    inner = concat(b, conv(b, x, rng, 16, 8), conv(b, x, rng, 16, 12, 3))
    return concat(b, pooled, inner, conv(b, x, rng, 16, 24, 3, scale=0.05), x)


def dense(b: Builder, x: str, rng: Rng) -> str:
    """DenseNet: each layer reads all that came before it."""
    for i in range(3):
        grown = conv(b, conv(b, x, rng, 16 + 8 * i, 32), rng, 32, 8, 3)
        x = concat(b, x, grown)
    return conv(b, x, rng, 40, 20)


def split(b: Builder, x: str, rng: Rng) -> str:
    """YOLO: half of the channels go through residual layers, and everything is joined."""
    wide = conv(b, x, rng, 16, 144)
    left, right = channels(b, wide, 0, 72), channels(b, wide, 72, 144)
    first = conv(b, conv(b, right, rng, 72, 72, 3), rng, 72, 72, 3, add=right)
    second = conv(b, first, rng, 72, 72, 3, group=72)
    return conv(b, concat(b, left, right, first, second), rng, 288, 16)


def nested_slices(b: Builder, x: str, rng: Rng) -> str:
    """Slices of slices, of the model's input, with a step, and one the user sees."""
    outer = channels(b, x, 2, 14)
    inner = channels(b, outer, 3, 9)
    strided = channels(b, x, 1, 16, 3)
    parts = conv(b, inner, rng, 6, 7), conv(b, outer, rng, 12, 9), conv(b, strided, rng, 5, 4)
    return concat(b, *parts, inner)


def twice(b: Builder, x: str, rng: Rng) -> str:
    """One tensor in two places of one Concat, and in another one."""
    y, z = conv(b, x, rng, 16, 8), conv(b, x, rng, 16, 8, 3)
    return concat(b, conv(b, concat(b, y, z, y), rng, 24, 6), y)


def rows(b: Builder, x: str, rng: Rng) -> str:
    """Along the height: no columns to write to."""
    y, z = conv(b, x, rng, 16, 8), conv(b, x, rng, 16, 8, 3)
    return b.qdq(b.node("Concat", y, z, axis=2), S, Z)


BLOCKS: dict[str, tuple[Callable[[Builder, str, Rng], str], int]] = {
    "fire": (fire, 1),
    "inception": (inception, 1),
    "dense": (dense, 2),
    "split": (split, 2),
    "nested slices": (nested_slices, 2),
    "twice": (twice, 0),
    "rows": (rows, 0),
}


def model_of(block: Callable[[Builder, str, Rng], str], rng: Rng) -> onnx.ModelProto:
    b = Builder(["N", 16, 11, 9])
    x = b.qdq("input", S, Z)
    y = block(b, conv(b, x, rng, 16, 16), rng)
    return b.model(b.quantize(y, S, Z), dtypes=["uint8"])


def copying(model: onnx.ModelProto, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Any:
    finish = _core.Program.finish
    with monkeypatch.context() as patch:
        patch.setattr(_core.Program, "finish", lambda p, i, o: finish(p, i, o, **options))
        return octavo.Session(model)


@pytest.mark.parametrize("name", BLOCKS)
def test_views_give_the_bytes_of_copies(
    backend: str, name: str, rng: Rng, monkeypatch: pytest.MonkeyPatch
) -> None:
    block, in_place = BLOCKS[name]
    model = model_of(block, rng)
    free, copied = octavo.Session(model), copying(model, monkeypatch, views=False)
    grouped = copying(model, monkeypatch, cache_bytes=40_000)
    assert sum(s.kernel == "in place" for s in free.describe()) >= in_place
    assert all(s.kernel != "in place" for s in copied.describe())
    for batch in (1, 2, 5):
        x = rng.standard_normal((batch, 16, 11, 9), np.float32)
        expected = copied.run(None, {"input": x})[0]
        assert len(np.unique(expected)) > 20
        for threads in (1, 2):
            for session in (free, grouped):
                session._threads = threads
                np.testing.assert_array_equal(session.run(None, {"input": x})[0], expected)


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_agree_with_onnx_runtime(name: str, rng: Rng) -> None:
    model = model_of(BLOCKS[name][0], rng)
    x: Array = rng.standard_normal((2, 16, 11, 9), np.float32)
    ours = octavo.Session(model).run(None, {"input": x})[0]
    theirs = ort_run(model, {"input": x})[0]
    assert np.mean(np.abs(ours.astype(np.int32) - theirs) > 1) < 0.01


def test_a_joined_tensor_the_user_sees_is_copied(rng: Rng) -> None:
    b = Builder(["N", 16, 11, 9])
    x = b.qdq("input", S, Z)
    part = conv(b, x, rng, 16, 8)
    whole = concat(b, part, conv(b, x, rng, 16, 8, 3))
    session = octavo.Session(b.model(part, whole))
    parts = session.run(None, {"input": rng.standard_normal((3, 16, 11, 9), np.float32)})
    np.testing.assert_array_equal(parts[0], parts[1][:, :8])
