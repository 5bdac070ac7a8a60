"""Quantize a PyTorch model with octavo, compile and export it, and time it beside PyTorch's own.

    python examples/torch/quantize.py --network mobilenet_v2

Weights are random: what is shown is speed, and how much of the float result is kept. Times are
medians of interleaved rounds on one thread, results are compared before they are timed.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
import warnings
from collections.abc import Callable

import networks
import torch
from torch import Tensor, nn

import octavo.torch

Call = Callable[[Tensor], Tensor]


def torch_int8(model: nn.Module, data: Tensor) -> nn.Module:
    """PyTorch's own static quantization (torch.ao, FX graph mode, the x86 engine)."""
    from torch.ao.quantization import get_default_qconfig_mapping, quantize_fx

    torch.backends.quantized.engine = "x86"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the deprecation
        mapping = get_default_qconfig_mapping("x86")
        prepared = quantize_fx.prepare_fx(copy.deepcopy(model), mapping, (data[:1],))
        for batch in data.split(16):
            prepared(batch)
        return quantize_fx.convert_fx(prepared)


def interleaved(calls: dict[str, Call], x: Tensor, seconds: float) -> dict[str, float]:
    """Return the median time of each call, in turns for about `seconds` in all."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call(x)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(times.values()))) < 5:
        for name, call in calls.items():
            start = time.perf_counter()
            call(x)
            times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def kept(exact: Tensor, got: Tensor) -> str:
    """Signal to noise."""
    return f"{octavo.measure_errors(exact.numpy(), got.numpy()).sqnr:.1f} dB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--network", choices=networks.NETWORKS, default="mobilenet_v2")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0, help="of timing")
    parser.add_argument("--compile", action="store_true", help="time compiled models as well")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    octavo.set_num_threads(1)
    torch.set_grad_enabled(False)

    last = torch.channels_last
    model = networks.NETWORKS[options.network]().to(memory_format=last)
    data = torch.randn(32, 3, 224, 224).contiguous(memory_format=last)
    x = data[: options.batch].contiguous(memory_format=last)
    int8 = octavo.torch.quantize_(copy.deepcopy(model), data)
    calls: dict[str, Call] = {
        "torch float32": model,
        "torch int8 (x86)": torch_int8(model, data),
        "octavo.torch int8": int8,
    }
    if options.compile:
        calls["torch float32, compiled"] = torch.compile(model, fullgraph=True)
        calls["octavo.torch int8, compiled"] = torch.compile(int8, fullgraph=True)

    program = torch.export.export(int8, (x,)).module()
    assert torch.equal(program(x), int8(x)), "the exported program computes something else"
    exact = model(x)
    print(f"{options.network}, batch {options.batch}, one thread")
    kept_by = {name: kept(exact, call(x)) for name, call in calls.items()}
    times = interleaved(calls, x, options.seconds)
    for name, seconds in times.items():
        factor = times["torch float32"] / seconds
        print(f"{name:28} {seconds * 1e3:8.2f} ms   {factor:5.2f} x   kept: {kept_by[name]}")


if __name__ == "__main__":
    main()
