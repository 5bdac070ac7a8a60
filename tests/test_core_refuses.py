"""The compiled module under hostile calls: each is refused, naming the argument."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from core_network import CHANNELS, IMAGE, POOLED, SIDE, images, layers, network
from octavo import _core

F32, U8, S8, S32 = np.float32, np.uint8, np.int8, np.int32


def test_bad_runs(rng: np.random.Generator) -> None:
    program, _ = network(rng)
    x = images(rng, 2)
    unaligned = np.frombuffer(b"\0" * (4 * IMAGE + 1), U8)[1:].view(F32)
    bad: list[tuple[Any, int, int, str]] = [
        ([], 2, 0, "inputs: got 0 arrays, expected 1"),
        ([x, x], 2, 0, "inputs: got 2 arrays"),
        ([x], 1, 0, r"inputs\[0\]: got float32 array of shape \(2, 800\)"),
        ([x], 3, 0, r"expected a C-contiguous float32 array of 3 x 800"),
        ([x.astype(np.float64)], 2, 0, "float64"),
        ([x.astype(">f4")], 2, 0, ">f4"),
        ([x.view(S32)], 2, 0, "int32"),
        ([np.asfortranarray(x)], 2, 0, "not C-contiguous"),
        ([np.repeat(x, 2, axis=1)[:, ::2]], 2, 0, "not C-contiguous"),
        ([unaligned], 1, 0, "not aligned"),
        ([x], -1, 0, "batch: got -1"),
        ([x], 2**62, 0, "overflow"),
        ([x], 2, -1, "threads: got -1"),
        ([x], 2, 10**6, "threads"),
    ]
    for inputs, batch, threads, message in bad:
        with pytest.raises(ValueError, match=message):
            program.run(inputs, batch, threads)
    assert [len(y) for y in program.run([x[:0]], 0)] == [0, 0]


def test_batches_beyond_memory_are_a_memory_error(rng: np.random.Generator) -> None:
    program, _ = network(rng)
    with pytest.raises(MemoryError, match="batch"):
        program.arena_bytes(2**50)
    with pytest.raises(MemoryError, match="address space"):
        program.arena_bytes(2**62)


def test_bad_programs(rng: np.random.Generator) -> None:
    first, _, head = layers(rng)
    signed = _core.Linear(np.ones((3, 12), S8), multiplier=np.ones(3, F32), a_signed=True)
    wide = _core.Linear(np.ones((3, 12), S8))
    p = _core.Program()
    f, q = p.tensor("f32", 12), p.tensor("u8", 12)
    three = p.tensor("u8", 3)
    ok: dict[str, Any] = {"scale": 1.0, "zero_point": 0}
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: p.tensor("s8", 4), "dtype: got 's8'"),
        (lambda: p.tensor("u8", 0), "elements"),
        (lambda: p.tensor("u8", -1), "elements: got -1"),
        (lambda: p.tensor("u8", 2**62), "elements"),
        (lambda: p.constant(np.zeros(3, S8)), "value: got int8"),
        (lambda: p.constant(np.zeros((4, 4), F32).T[1:]), "not C-contiguous"),
        (lambda: p.quantize(q, q, name="n", **ok), r"step 'n' \(quantize\): src"),
        (lambda: p.quantize(-1, q, name="n", **ok), "src: got -1"),
        (lambda: p.quantize(f, 77, name="n", **ok), "tensor 77"),
        (lambda: p.quantize(f, q, name="n", scale=float("nan"), zero_point=0), "scale"),
        (lambda: p.quantize(f, q, name="n", scale=-1.0, zero_point=0), "scale"),
        (lambda: p.quantize(f, q, name="n", scale=1.0, zero_point=256), "zero_point: got 256"),
        (lambda: p.quantize(f, q, name="n", qmin=9, qmax=3, **ok), "qmin"),
        (lambda: p.dequantize(q, f, name="n", scale=float("inf"), zero_point=0), "scale"),
        (lambda: p.transpose(f, f, name="n", rows=2**40, cols=2**40), "overflow"),
        (lambda: p.linear(q, three, head, name="n"), "src"),
        (lambda: p.linear(q, three, signed, name="n"), "packed: .*int8"),
        (lambda: p.linear(q, three, wide, name="n"), "dst: .*expected s32"),
        (lambda: p.conv2d(q, q, first, name="n", height=-1, width=3), "height: got -1"),
        (lambda: p.conv2d(q, q, first, name="n", height=2**40, width=3), "conv2d"),
        (lambda: p.concat([], q, name="n", outer=1, inner=[]), "srcs"),
        (lambda: p.concat([q, q], q, name="n", outer=1, inner=[6]), "inputs: got 2"),
        (lambda: p.pad(q, q, name="n", shape=[12], before=[-1], after=[1], value=0), "before"),
        (lambda: p.pad(q, q, name="n", shape=[12], before=[0], after=[0], value=0.5), "value"),
        (lambda: p.pad(q, q, name="n", shape=[1] * 6, before=[0] * 6, after=[0] * 6, value=0),
         "shape: got 6 axes"),
        (lambda: p.slice(q, q, name="n", shape=[12], start=[1], step=[1], out_shape=[12]),
         "start"),
        (lambda: p.slice(q, q, name="n", shape=[12], start=[0], step=[2**62], out_shape=[12]),
         "step"),
        (lambda: p.clamp(f, f, name="n", lo=float("nan"), hi=1.0), "lo"),
        (lambda: p.scale_shift(f, f, name="n", scale=np.ones(3), shift=np.ones(3)), "scale: .*64"),
        (lambda: p.finish([f], [q]), "never written"),
        (lambda: p.run([], 1), "finish"),
        (lambda: p.arena_bytes(1), "finish"),
    ]  # fmt: skip
    for call, message in calls:
        with pytest.raises(ValueError, match=message):
            call()
    assert p.describe() == []


def test_bad_op_calls(rng: np.random.Generator) -> None:
    first, second, head = layers(rng)
    x = np.zeros((2, SIDE, SIDE, CHANNELS), U8)
    rows = np.zeros((3, POOLED), U8)
    w = np.ones((4, 6), S8)
    calls: list[tuple[Callable[[], object], str]] = [
        (lambda: first.run(x[..., :-1].copy()), "x: got"),
        (lambda: first.run(x[0]), "x: got"),
        (lambda: first.run(x.view(S8)), "expected a uint8"),
        (lambda: first.run(x[:, ::2]), "C-contiguous"),
        (lambda: first.run(x, x), "residual"),
        (lambda: second.run(x), "residual"),
        (lambda: second.run(x, x[:1]), "residual: got"),
        (lambda: first.run(x, threads=-3), "threads"),
        (lambda: head.run(rows[:, 1:]), "a: got"),
        (lambda: head.run(rows.repeat(2, 1)[:, ::2]), "contiguous rows"),
        (lambda: head.run(np.broadcast_to(rows[:1], rows.shape)), "contiguous rows"),
        (lambda: head.run(rows[::-1]), "contiguous rows"),
        (lambda: _core.Linear(w, bias=np.zeros(4)), "bias: got float64"),
        (lambda: _core.Linear(w, bias=np.zeros(5, S32)), "bias"),
        (lambda: _core.Linear(w, multiplier=np.array([1, 1, 1, -1], F32)), "multiplier"),
        (lambda: _core.Linear(w, multiplier=np.array([1, 1, 1, np.nan], F32)), "multiplier"),
        (lambda: _core.Linear(w, a_zero_point=-1), "a_zero_point"),
        (lambda: _core.Linear(w, a_zero_point=200, a_signed=True), "a_zero_point"),
        (lambda: _core.Linear(w, output=_core.OutputSpec()), "output"),
        (lambda: _core.Linear(np.zeros((0, 6), S8)), "n"),
        (lambda: _core.Linear(np.zeros((1, 65537), S8)), "65536"),
        (lambda: _core.Conv2d(w), "weight"),
        (lambda: _core.Conv2d(np.ones((4, 1, 3, 3), S8), groups=3), "groups"),
        (lambda: _core.Conv2d(np.ones((4, 1, 3, 3), S8), groups=2**62), "channels"),
        (lambda: _core.Conv2d(np.ones((4, 1, 3, 3), S8), stride=(0, 1)), "stride"),
        (lambda: _core.Conv2d(np.ones((4, 1, 3, 3), S8), padding=(0, 0, 0, -1)), "padding"),
        (lambda: first.output_size(-1, 3), "h: got -1"),
        (lambda: _core.quantize(np.zeros(3), 1.0, 0, 0, 255, False), "x: got float64"),
        (lambda: _core.quantize(np.zeros(3, F32), 0.0, 0, 0, 255, False), "scale"),
        (lambda: _core.quantize(np.zeros(3, F32), 1.0, 0, 0, 255, True), "qmax: got 255"),
        (lambda: _core.dequantize(x.astype(S32), 1.0, 0), "uint8 or int8"),
        (lambda: _core.add(x, 0, 1.0, x[:1], 0, 1.0, 0, 0, 255, False), "b: got"),
        (lambda: _core.max_pool2d(x, (0, 1), (1, 1), (0, 0, 0, 0), (1, 1)), "kernel"),
        (lambda: _core.max_pool2d(x, (99, 1), (1, 1), (0, 0, 0, 0), (1, 1)), "output"),
        (lambda: _core.set_num_threads(-1), "n: got -1"),
        (lambda: _core.backend_info("nope"), "one of"),
        (lambda: _core.select_backend(["nope"]), "features: got 'nope'"),
        (lambda: _core.set_backend_override("nope"), "nope"),
    ]
    for call, message in calls:
        with pytest.raises(ValueError, match=message):
            call()
