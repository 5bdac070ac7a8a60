"""`Program`: the same bits as its ops, from any number of threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import octavo
from core_network import IMAGE, SIDE, images, layers, network
from octavo import _core

F32, U8, S8, S32 = np.float32, np.uint8, np.int8, np.int32


@pytest.mark.parametrize("threads", [0, 1, 2])
def test_program_equals_its_ops(backend: str, threads: int, rng: np.random.Generator) -> None:
    program, by_op = network(rng)
    assert program.backend == backend
    for n in (1, 3, 2, 5, 4, 6, 1):
        x = images(rng, n)
        got, expected = program.run([x], n, threads), by_op(x)
        for mine, theirs in zip(got, expected, strict=True):
            assert mine.ndim == 1
            np.testing.assert_array_equal(mine, theirs)
            assert len(np.unique(theirs)) > min(n, 4)


@pytest.mark.parametrize("samples", [1, 2, 4])
def test_groups_of_samples_give_the_same_bits(
    backend: str, samples: int, rng: np.random.Generator
) -> None:
    """A small cache makes steps run for so many samples at a time."""
    side, image = 60, 60 * 60 * 8
    program, by_op = network(rng, side, samples * 3 * image)
    for n in (1, 2, 7, 8, 9):
        x = images(rng, n, side)
        expected = by_op(x)
        for threads in (1, 2):
            for mine, theirs in zip(program.run([x], n, threads), expected, strict=True):
                np.testing.assert_array_equal(mine, theirs)
    whole, _ = network(rng, side, 1 << 30)
    assert program.arena_bytes(8) < whole.arena_bytes(8)


def test_eight_threads_share_one_program(rng: np.random.Generator) -> None:
    program, by_op = network(rng)
    inputs = [images(rng, 1 + i % 3) for i in range(40)]
    expected = [by_op(x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            results = pool.map(lambda x: program.run([x], len(x)), inputs)
            for got, wanted in zip(results, expected, strict=True):
                for mine, theirs in zip(got, wanted, strict=True):
                    np.testing.assert_array_equal(mine, theirs)


def test_program_keeps_what_it_uses(rng: np.random.Generator) -> None:
    """Weights and constants outlive the Python objects they came from; results are fresh."""
    program, _ = network(rng)
    x = images(rng, 2)
    before = x.copy()
    first = program.run([x], 2)
    kept = [result.copy() for result in first]
    program.run([x * 2], 2)
    np.testing.assert_array_equal(x, before)
    for mine, theirs in zip(first, kept, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_steps_are_timed_one_by_one(rng: np.random.Generator) -> None:
    program, _ = network(rng)
    x = images(rng, 2)
    seconds = program.time_steps([x], 2, 1)
    assert len(seconds) == len(program.describe())
    assert all(0 < s < 60 for s in seconds)
    with pytest.raises(ValueError, match=r"inputs: got 0 arrays, expected 1"):
        program.time_steps([], 2)


def test_program_stays_on_its_backend(rng: np.random.Generator) -> None:
    with octavo.use_backend("scalar"):
        program, by_op = network(rng)
        x = images(rng, 2)
        expected = by_op(x)
    np.testing.assert_array_equal(program.run([x], 2)[0], expected[0])
    assert program.backend == "scalar"
    assert {"scalar"} == {step["kernel"].split("_")[-1] for step in program.describe()}


def test_weights_of_another_layout_are_refused(rng: np.random.Generator) -> None:
    layouts = {name: _core.backend_info(name)["layout"] for name in octavo.backends()}
    others = [name for name in layouts if layouts[name] != layouts["scalar"]]
    if not others:
        pytest.skip("every backend here has the same layout")
    with octavo.use_backend(others[0]):
        first, _, _ = layers(rng)
    with octavo.use_backend("scalar"):
        program = _core.Program()
        x, y = program.tensor("u8", IMAGE), program.tensor("u8", IMAGE)
        with pytest.raises(ValueError, match="layout"):
            program.conv2d(x, y, first, name="c", height=SIDE, width=SIDE)


def test_float_steps(backend: str, rng: np.random.Generator) -> None:
    p = _core.Program()
    x, y, z, s = (p.tensor("f32", 12) for _ in range(4))
    scale, shift = np.array([2, 0.5, 1], F32), np.array([0, 1, -1], F32)
    p.scale_shift(x, y, name="bn", scale=scale, shift=shift)
    p.clamp(y, z, name="relu", lo=0.0, hi=float("inf"))
    p.softmax(z, s, name="softmax", outer=4, n=3, inner=1)
    p.finish([x], [z, s])
    values = rng.standard_normal((2, 4, 3)).astype(F32)
    relu, softmax = p.run([values], 2)
    expected = np.maximum(values * scale + shift, 0)
    np.testing.assert_allclose(relu.reshape(expected.shape), expected, rtol=1e-6, atol=1e-6)
    e = np.exp(expected - expected.max(-1, keepdims=True))
    np.testing.assert_allclose(
        softmax.reshape(e.shape), e / e.sum(-1, keepdims=True), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("ceil", [False, True])
def test_pool_extent_follows_from_dst(ceil: bool, rng: np.random.Generator) -> None:
    side = 3 if ceil else 2
    p = _core.Program()
    x, y = p.tensor("f32", 36), p.tensor("f32", side * side)
    p.max_pool2d(
        x, y, name="pool", height=6, width=6, channels=1,
        kernel=(3, 3), stride=(2, 2), padding=(0, 0, 0, 0),
    )  # fmt: skip
    p.finish([x], [y])
    values = rng.standard_normal((6, 6)).astype(F32)
    expected = [
        [values[i : i + 3, j : j + 3].max() for j in range(0, 2 * side, 2)]
        for i in range(0, 2 * side, 2)
    ]
    np.testing.assert_array_equal(p.run([values], 1)[0].reshape(side, side), expected)


def test_strided_rows_need_no_copy(backend: str, rng: np.random.Generator) -> None:
    w = rng.integers(-128, 128, (5, 6), S8)
    wide = rng.integers(0, 256, (7, 20), U8)
    exact = wide[:, 3:9].astype(S32) @ w.T.astype(S32)
    np.testing.assert_array_equal(_core.Linear(w).run(wide[:, 3:9]), exact)
    signed = _core.Linear(w, a_signed=True)
    exact = wide.view(S8)[::2, 3:9].astype(S32) @ w.T.astype(S32)
    np.testing.assert_array_equal(signed.run(wide.view(S8)[::2, 3:9]), exact)
