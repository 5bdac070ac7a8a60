"""Every operator takes other libraries' arrays in place; errors name the argument."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import octavo
from graph_support import Array, Builder
from layers import random_bytes
from octavo._dlpack import imported


class Foreign:
    """An array that exports its memory and has nothing else NumPy could read it by."""

    def __init__(self, array: NDArray[Any], device: int = 1) -> None:
        self._array, self._device = array, device

    def __dlpack__(self, **options: Any) -> Any:
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device, 0


def strict_array(x: NDArray[Any]) -> Any:
    return pytest.importorskip("array_api_strict").asarray(x, copy=False)


def torch_tensor(x: NDArray[Any]) -> Any:
    return pytest.importorskip("torch").from_numpy(x)


LIBRARIES: dict[str, Callable[[NDArray[Any]], Any]] = {
    "foreign": Foreign,
    "array_api_strict": strict_array,
    "torch": torch_tensor,
}


@pytest.fixture(params=LIBRARIES)
def convert(request: pytest.FixtureRequest) -> Callable[[NDArray[Any]], Any]:
    return LIBRARIES[request.param]


def calls(rng: np.random.Generator) -> dict[str, tuple[Callable[..., Any], list[NDArray[Any]]]]:
    """Every operator, as a function of its arrays."""
    a, w = random_bytes(rng, (5, 7, 24), "uint8"), random_bytes(rng, (10, 24), "int8")
    image, kernel = random_bytes(rng, (2, 6, 5, 8), "int8"), random_bytes(rng, (4, 8, 3, 3), "int8")
    added = random_bytes(rng, (5, 7, 10), "uint8")
    table = octavo.activation_table("gelu", x_scale=0.05, out_scale=0.02, out_zero_point=9)
    acc = rng.integers(-9999, 9999, (6, 4), dtype=np.int32)
    real = rng.standard_normal((3, 8)).astype(np.float32)
    step, ones = np.float32([0.5, 0.25, 2, 1]), np.ones(24, np.float32)
    both: dict[str, Any] = {"a_scale": 0.5, "b_scale": 0.25, "out_scale": 0.75}
    scales = np.full(10, 0.01, np.float32)
    bias = rng.integers(-99, 99, 10, dtype=np.int32)

    def linear(a: Any, w: Any, scale: Any, bias: Any, added: Any) -> Any:
        packed = octavo.pack_linear(
            w, weight_scale=scale, bias=bias, a_scale=0.5, out_scale=2.0, residual_scale=1.0
        )
        return octavo.linear(a, packed, residual=added)

    def conv2d(x: Any, w: Any) -> Any:
        return octavo.conv2d(x, octavo.pack_conv2d(w, a_dtype="int8", padding=1))

    def concat(a: Any, b: Any) -> Any:
        return octavo.concat([a, b], scales=[1, 2], out_scale=1.5)

    def pool(x: Any) -> Any:
        return octavo.global_avg_pool(x, x_scale=0.5, out_scale=0.1, dtype="int8")

    def norm(x: Any, gamma: Any, beta: Any) -> Any:
        return octavo.layer_norm(x, gamma, beta, x_scale=0.1, out_scale=0.1)

    return {
        "linear": (linear, [a, w, scales, bias, added]),
        "conv2d": (conv2d, [image, kernel]),
        "matmul_integer": (octavo.matmul_integer, [a, w.T]),
        "add": (lambda a, b: octavo.add(a, b, **both), [a, a[::-1]]),
        "mul": (lambda a, b: octavo.mul(a, b, **both), [a, a[:, :1]]),
        "concat": (concat, [a, added]),
        "max_pool2d": (lambda x: octavo.max_pool2d(x, 2), [image]),
        "global_avg_pool": (pool, [image]),
        "quantize_linear": (lambda x: octavo.quantize_linear(x, 0.1, 3), [real]),
        "per channel": (lambda x, s: octavo.quantize_linear(x, s, axis=1), [acc / 1e3, step]),
        "dequantize_linear": (lambda q: octavo.dequantize_linear(q, 0.1), [acc]),
        "requantize": (octavo.requantize, [acc, step]),
        "requantize_linear": (lambda x: octavo.requantize_linear(x, 0.5, 3, 0.4, 5), [a]),
        "lookup": (octavo.lookup, [a, table]),
        "softmax": (lambda x: octavo.softmax(x, x_scale=0.1), [a]),
        "layer_norm": (norm, [a, ones, ones]),
        "empty": (lambda q: octavo.dequantize_linear(q, 0.1), [a[:0]]),
    }


NAMES = list(calls(np.random.default_rng(0)))


@pytest.mark.parametrize("name", NAMES)
def test_foreign_arrays_give_numpys_results(
    rng: np.random.Generator, name: str, convert: Callable[[NDArray[Any]], Any]
) -> None:
    call, arrays = calls(rng)[name]
    # PyTorch has no negative strides.
    arrays = [np.ascontiguousarray(x) if min(x.strides) < 0 else x for x in arrays]
    expected = call(*arrays)
    before = [x.copy() for x in arrays]
    got = call(*map(convert, arrays))
    assert type(got) is np.ndarray
    assert got.dtype == expected.dtype
    np.testing.assert_array_equal(got, expected)
    for x, copy in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(x, copy)


def test_the_memory_is_the_callers(convert: Callable[[NDArray[Any]], Any]) -> None:
    x = np.arange(48, dtype=np.uint8).reshape(6, 8)
    for view in (x, x[::2], x[:, 1:5], x.T, x[:0]):
        found = imported("a", convert(view))
        assert type(found) is np.ndarray
        assert (found.shape, found.dtype) == (view.shape, view.dtype)
        assert found.ctypes.data == view.ctypes.data or view.size == 0
        np.testing.assert_array_equal(found, view)


def test_an_operator_allocates_its_result_alone(convert: Callable[[NDArray[Any]], Any]) -> None:
    a, b = (convert(np.full(2**22, n, np.uint8)) for n in (3, 5))
    tracemalloc.start()
    try:
        got = octavo.add(a, b, a_scale=1.0, b_scale=1.0, out_scale=1.0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (got == 8).all()
    assert peak < 1.1 * got.nbytes


def test_read_only_memory(convert: Callable[[NDArray[Any]], Any]) -> None:
    if tuple(map(int, np.__version__.split(".")[:2])) < (2, 1) or convert is torch_tensor:
        pytest.skip("read-only arrays are exported from DLPack 1.0 on; PyTorch has none")
    x = np.full((2, 3), 7, np.uint8)
    x.flags.writeable = False
    np.testing.assert_array_equal(
        octavo.dequantize_linear(convert(x), 1.0), np.full((2, 3), 7, np.float32)
    )


def test_sessions_take_foreign_arrays(
    rng: np.random.Generator, convert: Callable[[NDArray[Any]], Any]
) -> None:
    b = Builder(["N", 3])
    session = octavo.Session(b.model(b.node("Relu", "input")))
    x: Array = rng.standard_normal((2, 3)).astype(np.float32)
    (got,) = session.run(None, {"input": convert(x)})
    np.testing.assert_array_equal(got, np.maximum(x, 0))
    with pytest.raises(octavo.InvalidDtypeError, match="input 'input' has dtype float64"):
        session.run(None, {"input": convert(x.astype(np.float64))})


@pytest.mark.parametrize(("device", "where"), [(2, "CUDA"), (10, "ROCm"), (99, "type 99")])
def test_arrays_on_other_devices(device: int, where: str) -> None:
    x = Foreign(np.zeros((2, 3), np.uint8), device)
    with pytest.raises(octavo.InvalidArgumentError, match=f"q: expected .* CPU memory, .*{where}"):
        octavo.dequantize_linear(x, 1.0)
    with pytest.raises(octavo.InvalidArgumentError, match=f"b: expected .* CPU memory, .*{where}"):
        octavo.add(np.zeros((2, 3), np.uint8), x, a_scale=1, b_scale=1, out_scale=1)


def test_wrong_dtypes_name_the_argument(convert: Callable[[NDArray[Any]], Any]) -> None:
    wrong = convert(np.zeros((2, 3), np.float32))
    with pytest.raises(octavo.InvalidDtypeError, match=r"a: expected .*, got an array of float32"):
        octavo.add(wrong, wrong, a_scale=1, b_scale=1, out_scale=1)
    with pytest.raises(octavo.InvalidDtypeError, match="weight: expected an array of int8"):
        octavo.pack_linear(convert(np.zeros((2, 3), np.uint8)))


def test_what_a_library_does_not_export() -> None:
    class Refuses(Foreign):
        def __dlpack__(self, **options: Any) -> Any:
            raise BufferError("not today")

    with pytest.raises(octavo.InvalidDtypeError, match=r"x: expected .*Refuses: not today"):
        octavo.lookup(Refuses(np.zeros(3, np.uint8)), np.zeros(256, np.uint8))


def test_tensors_of_pytorch_that_are_refused() -> None:
    torch = pytest.importorskip("torch")
    gradient = torch.zeros(3, requires_grad=True)
    with pytest.raises(octavo.InvalidDtypeError, match=r"x: expected .*Tensor of torch.float32: "):
        octavo.quantize_linear(gradient, 1.0)
    with pytest.raises(octavo.InvalidDtypeError, match=r"x: expected .*Tensor of torch.bfloat16: "):
        octavo.quantize_linear(torch.zeros(3, dtype=torch.bfloat16), 1.0)
    with pytest.raises(octavo.OctavoError, match="x: expected"):
        octavo.quantize_linear(torch.zeros(3, device="meta"), 1.0)
