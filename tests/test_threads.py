"""The same bits for any number of threads, from any thread, in any floating-point environment."""

import ctypes
import ctypes.util
import platform
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import octavo
from layers import random_bytes, random_output

F32 = np.float32


def workloads(rng: np.random.Generator) -> dict[str, Callable[[], NDArray[Any]]]:
    """Calls large enough to be split over threads; packed for the backend in use."""
    a, w = random_bytes(rng, (203, 96), "uint8"), random_bytes(rng, (300, 96), "int8")
    one, wide = random_bytes(rng, (1, 1024), "int8"), random_bytes(rng, (1030, 1024), "int8")
    x = random_bytes(rng, (3, 29, 31, 48), "uint8")
    y = random_bytes(rng, (3, 29, 31, 48), "uint8")
    w3 = random_bytes(rng, (70, 48, 3, 3), "int8")
    dw = random_bytes(rng, (48, 1, 3, 3), "int8")
    residual = random_bytes(rng, (203, 300), "int8")
    real = (rng.standard_normal(100_001) * 50).astype(F32)
    output = random_output(rng, 96, 300, activation="relu")
    linear = octavo.pack_linear(w, residual_scale=3.0, residual_dtype="int8", **output)
    vector = octavo.pack_linear(wide, **random_output(rng, 1024, 1030, a_dtype="int8"))
    conv = octavo.pack_conv2d(w3, padding=1, **random_output(rng, 432, 70))
    depthwise = octavo.pack_conv2d(dw, padding=1, groups=48, **random_output(rng, 9, 48))
    # Exact in float32, and so are their ratios: NumPy's conversions follow the rounding mode.
    add: dict[str, Any] = {"a_scale": 0.375, "b_scale": 0.15625, "out_scale": 0.5}
    scale = F32(0.1)
    return {
        "linear": lambda: octavo.linear(a, linear, residual=residual),
        "vector": lambda: octavo.linear(one, vector),
        "conv2d": lambda: octavo.conv2d(x, conv),
        "depthwise": lambda: octavo.conv2d(x, depthwise),
        "matmul_integer": lambda: octavo.matmul_integer(a, w.T),
        "add": lambda: octavo.add(x, y, **add),
        "max_pool2d": lambda: octavo.max_pool2d(x, 3, stride=1, padding=1),
        "global_avg_pool": lambda: octavo.global_avg_pool(x, x_scale=0.5, out_scale=0.25),
        "quantize": lambda: octavo.quantize_linear(real, scale, 100),
        "dequantize": lambda: octavo.dequantize_linear(x, scale, 100),
    }


def test_any_number_of_threads(backend: str, rng: np.random.Generator) -> None:
    octavo.set_num_threads(1)
    calls = workloads(rng)
    expected = {name: call() for name, call in calls.items()}
    for threads in (2, 3, 4, 7):
        octavo.set_num_threads(threads)
        assert octavo.get_num_threads() == threads
        for name, call in calls.items():
            np.testing.assert_array_equal(call(), expected[name], err_msg=name)


def test_python_threads_at_the_same_time(rng: np.random.Generator) -> None:
    octavo.set_num_threads(2)
    calls = workloads(rng)
    expected = {name: call() for name, call in calls.items()}
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                for name, call in calls.items():
                    np.testing.assert_array_equal(call(), expected[name], err_msg=name)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@pytest.mark.parametrize("n", [0, -1, 1025, 10**30])
def test_thread_counts_out_of_range(n: int) -> None:
    with pytest.raises(octavo.InvalidArgumentError, match=r"n: expected an integer in 1\.\.1024"):
        octavo.set_num_threads(n)


@pytest.mark.parametrize("n", [1.0, "2", None, True])
def test_thread_counts_of_another_type(n: object) -> None:
    with pytest.raises(octavo.InvalidDtypeError, match="n: expected an integer"):
        octavo.set_num_threads(n)  # type: ignore[arg-type]


needs_mxcsr = pytest.mark.skipif(
    platform.machine() != "x86_64" or platform.libc_ver()[0] != "glibc",
    reason="sets the MXCSR register through glibc's fenv_t of x86-64",
)

# fenv_t of glibc on x86-64: 28 bytes of x87 state, then MXCSR.
FENV_SIZE, MXCSR_AT = 32, 28
ROUNDING = {"down": 0x2000, "up": 0x4000, "to zero": 0x6000, "flush to zero": 0x8040}


@contextmanager
def mxcsr(bits: int) -> Iterator[None]:
    """Set bits of this thread's SSE control register."""
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    before, changed = ctypes.create_string_buffer(FENV_SIZE), ctypes.create_string_buffer(FENV_SIZE)
    assert libm.fegetenv(before) == 0
    value = int.from_bytes(before.raw[MXCSR_AT:], "little") | bits
    changed.raw = before.raw[:MXCSR_AT] + value.to_bytes(4, "little")
    assert libm.fesetenv(changed) == 0
    try:
        yield
        assert libm.fegetenv(changed) == 0
        after = int.from_bytes(changed.raw[MXCSR_AT:], "little")
        assert after & 0xE040 == value & 0xE040, "octavo changed the host's environment"
    finally:
        assert libm.fesetenv(before) == 0


@needs_mxcsr
@pytest.mark.parametrize("mode", ROUNDING)
@pytest.mark.parametrize("threads", [1, 2])
def test_the_hosts_floating_point_environment(
    backend: str, rng: np.random.Generator, mode: str, threads: int
) -> None:
    calls = workloads(rng)
    tiny = np.full(99, 1.1e-38, F32)  # Subnormal, but 0.94 steps of the smallest normal scale.
    smallest = np.finfo(F32).tiny
    calls["subnormals"] = lambda: octavo.quantize_linear(tiny, smallest)
    octavo.set_num_threads(threads)
    expected = {name: call() for name, call in calls.items()}
    assert (expected["subnormals"] == 1).all()
    third, got = F32(1) / F32(3), {}
    with mxcsr(ROUNDING[mode]):
        changed = np.array([1.0, -1.0, 1.1e-38], F32) / F32([3, 3, 1])
        for name, call in calls.items():
            got[name] = call()
    usual = np.array([third, -third, 1.1e-38], F32)
    assert (changed != usual).any(), "the environment did not change"
    for name, result in got.items():
        np.testing.assert_array_equal(result, expected[name], err_msg=name)
