"""`torch.ops.octavo`: the results of octavo's functions, and all that PyTorch asks of operators."""

from __future__ import annotations

import copy
import gc
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import octavo

torch = pytest.importorskip("torch")
import octavo.torch  # noqa: E402 - needs torch
from octavo.torch import cache  # noqa: E402

ops = torch.ops.octavo
LAST = torch.channels_last
torch.set_num_threads(1)  # PyTorch's threads spin where others need the CPUs.


def images(rng: np.random.Generator, *, last: bool, dtype: str = "uint8") -> Any:
    lo, hi = (0, 256) if dtype == "uint8" else (-128, 128)
    x = torch.from_numpy(rng.integers(lo, hi, (2, 8, 7, 6)).astype(dtype))
    return x.contiguous(memory_format=LAST) if last else x


def layer(rng: np.random.Generator, *shape: int) -> tuple[Any, Any, Any]:
    n = shape[0]
    return (
        torch.from_numpy(rng.integers(-128, 128, shape).astype(np.int8)),
        torch.from_numpy(rng.uniform(0.001, 0.01, n).astype(np.float32)),
        torch.from_numpy(rng.integers(-999, 999, n).astype(np.int32)),
    )


def samples(rng: np.random.Generator) -> dict[str, tuple[Any, tuple[Any, ...]]]:
    """Operators with arguments: every dtype, memory format and option."""
    found: dict[str, tuple[Any, tuple[Any, ...]]] = {}
    matrix, kernels = layer(rng, 5, 6), layer(rng, 4, 4, 3, 2)
    scales = (0.05, 100, 0.06, 7)
    geometry = ([2, 1], [1, 0, 2, 1], [1, 2], 2)
    for last in (False, True):
        q, s = images(rng, last=last), images(rng, last=last, dtype="int8")
        x = torch.randn(q.shape).contiguous(memory_format=LAST if last else torch.contiguous_format)
        cases = {
            "quantize": (ops.quantize, (x, 0.02, 128)),
            "quantize int8": (ops.quantize, (x, 0.02, -5, torch.int8)),
            "dequantize": (ops.dequantize, (q, 0.1, 3)),
            "dequantize int8": (ops.dequantize, (s, 0.1, 3)),
            "requantize": (ops.requantize, (s, 0.05, 10, 0.1, 3)),
            "requantize int8": (ops.requantize, (q, 0.05, 100, 0.1, 3, torch.int8)),
            "add": (ops.add, (q, s, 0.05, 100, 0.05, 10, 0.1, 3)),
            "add relu": (ops.add, (q, q, 0.05, 100, 0.1, 10, 0.1, 3, torch.int8, 0.0, 1.5)),
            "mul": (ops.mul, (q, s[:, :, :1, :1], 0.05, 100, 0.05, 10, 0.1, 3)),
            "mul int8": (ops.mul, (q, q, 0.05, 100, 0.05, 10, 0.1, 3, torch.int8)),
            "max_pool2d": (ops.max_pool2d, (q, [2, 2], [2, 2])),
            "max_pool2d more": (ops.max_pool2d, (s, [3, 2], [2, 1], [1, 0], [1, 2])),
            "global_avg_pool": (ops.global_avg_pool, (q, 0.05, 100, 0.01, 3)),
            "global_avg_pool int8": (ops.global_avg_pool, (s, 0.1, 0, 0.1, 3, torch.int8)),
        }
        for name, value in {"float": x, "uint8": q, "int8": s}.items():
            params = (0.05, 10, 0.06, 7)
            for out in (None, torch.int8, torch.float32):
                cases[f"linear {name} {out}"] = (ops.linear, (value, *matrix, *params, out))
                more = (out, 0.0, 3.0, *geometry)
                cases[f"conv2d {name} {out}"] = (ops.conv2d, (value, *kernels, *params, *more))
        found |= {f"{key}{' last' if last else ''}": case for key, case in cases.items()}
    found["linear no bias"] = (ops.linear, (q[..., 0, :], *matrix[:2], None, *scales))
    found["linear vector"] = (ops.linear, (q[0, 0, 0], *matrix, *scales))
    found["linear empty"] = (ops.linear, (q[:0], *matrix, *scales))
    return found


NAMES = list(samples(np.random.default_rng(0)))


@pytest.mark.parametrize("name", NAMES)
def test_opcheck(rng: np.random.Generator, name: str) -> None:
    op, args = samples(rng)[name]
    checked = torch.library.opcheck(op.default, args)
    assert set(checked.values()) == {"SUCCESS"}


def nhwc(x: Any) -> Any:
    return x.permute(0, 2, 3, 1).numpy() if x.dim() == 4 else x.numpy()


@pytest.mark.parametrize("last", [False, True])
def test_results_are_those_of_octavos_functions(
    backend: str, rng: np.random.Generator, last: bool
) -> None:
    q, s = images(rng, last=last), images(rng, last=last, dtype="int8")
    weight, scale, bias = layer(rng, 4, 4, 3, 2)
    own = {"a_scale": 0.05, "a_zero_point": 100, "out_scale": 0.3, "out_zero_point": 7}
    packed = octavo.pack_conv2d(
        weight.numpy(),
        weight_scale=scale.numpy(),
        bias=bias.numpy(),
        **own,
        activation=(0.0, 30.0),
        stride=(2, 1),
        padding=(1, 0, 2, 1),
        dilation=(1, 2),
        groups=2,
    )
    constants = (weight, scale, bias, 0.05, 100, 0.3, 7)
    geometry = ([2, 1], [1, 0, 2, 1], [1, 2], 2)
    got = ops.conv2d(q, *constants, None, 0.0, 30.0, *geometry)
    np.testing.assert_array_equal(nhwc(got), octavo.conv2d(nhwc(q), packed))
    assert got.is_contiguous(memory_format=LAST)
    real = ops.dequantize(q, 0.05, 100)
    np.testing.assert_array_equal(real.numpy(), octavo.dequantize_linear(q.numpy(), 0.05, 100))
    whole = ops.conv2d(real, *constants, torch.float32, 0.0, 30.0, *geometry)
    assert torch.equal(whole, ops.dequantize(got, 0.3, 7))
    two = {"a_scale": 0.05, "a_zero_point": 100, "b_scale": 0.1, "b_zero_point": 3}
    expected = octavo.add(q.numpy(), s.numpy(), **two, out_scale=0.2, activation="relu")
    added = ops.add(q, s, 0.05, 100, 0.1, 3, 0.2, 0, None, 0.0)
    np.testing.assert_array_equal(added.numpy(), expected)
    expected = octavo.max_pool2d(nhwc(q), 3, stride=2, padding=1)
    np.testing.assert_array_equal(nhwc(ops.max_pool2d(q, [3, 3], [2, 2], [1, 1])), expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own, within its compiler.
@pytest.mark.parametrize("compiler", ["aot_eager", "inductor"])
def test_compile_and_export_give_the_same_bytes(rng: np.random.Generator, compiler: str) -> None:
    weight, scale, bias = layer(rng, 8, 8, 3, 3)

    class Net(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            for name, value in {"weight": weight, "scale": scale, "bias": bias}.items():
                self.register_buffer(name, value)

        def forward(self, x: Any) -> Any:
            q = ops.quantize(x * 2, 0.05, 100)
            constants = (self.weight, self.scale, self.bias, 0.05, 100, 0.06, 7)
            y = ops.conv2d(q, *constants, None, None, None, [1, 1], [1, 1, 1, 1])
            y = ops.add(y, q, 0.06, 7, 0.05, 100, 0.1, 0, torch.uint8, 0.0, None)
            return ops.dequantize(ops.max_pool2d(y, [2, 2], [2, 2]), 0.1, 0) + 1

    net, x = Net(), torch.randn(3, 8, 6, 6)
    expected = net(x)
    torch._dynamo.reset()
    compiled = torch.compile(net, fullgraph=True, backend=compiler)
    for batch in (3, 2, 1):
        assert torch.equal(compiled(x[:batch]), expected[:batch])
    shapes = {"x": {0: torch.export.Dim("n", min=1, max=64)}}
    program = torch.export.export(net, (x,), dynamic_shapes=shapes)
    targets = [str(node.target) for node in program.graph.nodes]
    assert "octavo.conv2d.default" in targets
    assert torch.equal(program.module()(x[:2]), expected[:2])


def test_cpu_tensors_are_not_copied(rng: np.random.Generator) -> None:
    from octavo.torch.tensors import CHANNELS_LAST, to_numpy, to_tensor

    x, last = images(rng, last=False), images(rng, last=True)
    assert to_numpy(x).ctypes.data == x.data_ptr()
    assert to_numpy(last, CHANNELS_LAST).ctypes.data == last.data_ptr()
    array = to_numpy(last, CHANNELS_LAST)
    assert to_tensor(array, CHANNELS_LAST).data_ptr() == last.data_ptr()
    assert to_tensor(array, CHANNELS_LAST).stride() == last.stride()


@pytest.fixture
def packings(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every packing from now on."""
    made: list[Any] = []
    pack = octavo.pack_linear

    def counted(*args: Any, **kwargs: Any) -> Any:
        made.append(pack(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(octavo, "pack_linear", counted)
    octavo.torch.clear_cache()
    return made


def test_weights_are_packed_once_and_again_when_they_change(
    rng: np.random.Generator, packings: list[Any]
) -> None:
    constants = list(layer(rng, 5, 6))
    x = torch.from_numpy(rng.integers(0, 256, (3, 6)).astype(np.uint8))

    def run(constants: list[Any]) -> Any:
        return ops.linear(x, *constants, 0.05, 100, 0.06, 7)

    before = run(constants)
    for alias in (constants, [c.detach() for c in constants], [c[:] for c in constants]):
        assert torch.equal(run(alias), before)
    assert len(packings) == 1
    for constant in constants:
        old = run(constants)
        constant.mul_(2)
        assert not torch.equal(run(constants), old)
        assert torch.equal(run(constants), run([c.clone() for c in constants]))
    ops.linear(x, *constants, 0.05, 100, 0.07, 7)
    assert len(packings) == 8
    with octavo.use_backend("scalar"):
        assert torch.equal(run(constants), run([c.clone() for c in constants]))


def test_packed_weights_go_when_their_tensors_do(rng: np.random.Generator) -> None:
    octavo.torch.clear_cache()
    x = torch.zeros((1, 6), dtype=torch.uint8)
    for _ in range(20):
        ops.linear(x, *layer(rng, 5, 6), 0.05, 100, 0.06, 7)
        gc.collect()
    assert len(cache._entries) <= 2


def test_threads_share_packed_weights(rng: np.random.Generator, packings: list[Any]) -> None:
    constants = layer(rng, 64, 96)
    x = torch.from_numpy(rng.integers(0, 256, (40, 96)).astype(np.uint8))
    expected = ops.linear(x, *constants, 0.05, 100, 0.06, 7)
    failures: list[Any] = []

    def work() -> None:
        for _ in range(50):
            if not torch.equal(ops.linear(x, *constants, 0.05, 100, 0.06, 7), expected):
                failures.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(packings) == 1


def bad_calls(rng: np.random.Generator) -> dict[str, tuple[Callable[[], Any], str]]:
    matrix, kernel = layer(rng, 5, 6), layer(rng, 4, 8, 3, 3)
    q, scales = images(rng, last=True), (0.05, 100, 0.06, 7)
    double = q.double()
    return {
        "dtype": (lambda: ops.quantize(double, 1.0, 0, torch.int32), "dtype: expected torch.uint8"),
        "scale": (lambda: ops.quantize(double, 0.0, 0), "scale: expected finite and positive"),
        "zero": (lambda: ops.dequantize(q, 1.0, 999), r"zero_point: expected an integer in 0\.\."),
        "x": (lambda: ops.linear(double, *matrix, *scales), "x: expected torch.float32"),
        "k": (lambda: ops.linear(q[..., :3], *matrix, *scales), r"a: expected shape \(\.\.\., 6\)"),
        "images": (lambda: ops.conv2d(q[0], *kernel, *scales), "x: expected images"),
        "channels": (lambda: ops.conv2d(q[:, :3], *kernel, *scales), "x: expected shape"),
        "out": (lambda: ops.linear(q, *matrix, *scales, torch.int32), "out_dtype: expected torch"),
        "shapes": (lambda: ops.add(q, q[:1], 1.0, 0, 1.0, 0, 1.0, 0), "b: expected the shape of a"),
    }


@pytest.mark.parametrize("name", list(bad_calls(np.random.default_rng(0))))
def test_errors_name_the_argument(rng: np.random.Generator, name: str) -> None:
    call, message = bad_calls(rng)[name]
    with pytest.raises(octavo.OctavoError, match=message):
        call()


def test_wrong_shapes_are_refused_when_tracing(rng: np.random.Generator) -> None:
    x, matrix = torch.empty((2, 7), dtype=torch.uint8, device="meta"), layer(rng, 5, 6)
    meta = [c.to("meta") for c in matrix]
    with pytest.raises(octavo.InvalidArgumentError, match=r"x: expected shape \(\.\.\., k\)"):
        ops.linear(x, *meta, 0.05, 100, 0.06, 7)
    kernel = [c.to("meta") for c in layer(rng, 4, 8, 3, 3)]
    images = torch.empty((2, 7, 5, 5), device="meta")
    with pytest.raises(octavo.InvalidArgumentError, match="x: expected images"):
        ops.conv2d(images, *kernel, 0.05, 100, 0.06, 7)


def test_results_have_no_gradient() -> None:
    x = torch.randn(4, requires_grad=True)
    y = ops.dequantize(ops.quantize(x, 0.1, 0), 0.1, 0)
    assert not y.requires_grad
    assert copy.copy(y).grad_fn is None
