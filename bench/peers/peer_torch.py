"""PyTorch's quantized operators, with the weights packed by FBGEMM or by oneDNN.

They are deprecated in favour of torchao, but they are PyTorch's compiled int8 kernels for the CPU.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from .elementwise import EPSILON, POOL_KERNEL, POOL_PADDING, POOL_STRIDE, layer_norm_vectors
from .problems import Array, Elementwise, Gemm, Problem, Weighted
from .timing import Runner

_ops: Any = torch.ops.quantized
_t: Any = torch


def _tensor(x: Array, scale: float, zero_point: int) -> Any:
    """A quantized tensor over x; 4-D arrays are NHWC and become NCHW, channels last."""
    plain = torch.from_numpy(x)
    if x.ndim == 4:
        plain = plain.permute(0, 3, 1, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the deprecation
        made = _t._make_per_tensor_quantized_tensor(plain, scale, zero_point)
    return made.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else made


def _array(y: Any) -> Array:
    plain = y.int_repr() if y.is_quantized else y
    return np.asarray((plain.permute(0, 2, 3, 1) if plain.ndim == 4 else plain).numpy())


def _weight(p: Weighted) -> Any:
    scales = torch.from_numpy(p.weight_scale.astype(np.float64))
    zeros = torch.zeros(len(scales), dtype=torch.long)
    return _t._make_per_channel_quantized_tensor(torch.from_numpy(p.weight), scales, zeros, 0)


def _runner(call: Callable[[], Any], note: str) -> Runner:
    def run() -> Any:
        with torch.inference_mode():
            return call()

    return Runner(run, lambda: _array(run()), note)


def _rows(p: Elementwise) -> Callable[[], Any]:
    """Ops along the last axis, on a tensor that is contiguous as it is."""
    channels = p.inputs[0].shape[-1]
    x = _tensor(p.inputs[0].reshape(-1, channels), p.scales[0], p.zero_points[0])
    out = (p.out_scale, p.out_zero_point)
    gamma, beta = (torch.from_numpy(v) for v in layer_norm_vectors(channels))
    shape = p.expected.shape
    if p.op == "softmax":
        return lambda: _ops.softmax(x, 1, *out).int_repr().reshape(shape).permute(0, 3, 1, 2)
    return lambda: (
        _ops.layer_norm(x, [channels], gamma, beta, EPSILON, *out)
        .int_repr()
        .reshape(shape)
        .permute(0, 3, 1, 2)
    )


class _Torch:
    engine: str

    def __init__(self, threads: int) -> None:
        torch.set_num_threads(threads)
        engines = torch.backends.quantized.supported_engines
        if self.engine not in engines:
            raise ImportError(f"this torch has no {self.engine}, only {', '.join(engines)}")

    def runner(self, p: Problem) -> Runner | None:
        """Prepare one problem."""
        if isinstance(p, Elementwise):
            return self._elementwise(p)
        torch.backends.quantized.engine = self.engine
        x = _tensor(p.a, p.a_scale, p.a_zero_point)
        weight, bias = _weight(p), torch.from_numpy(p.bias_f32)
        out = (p.out_scale, p.out_zero_point)
        if isinstance(p, Gemm):
            packed = _ops.linear_prepack(weight, bias)
            return _runner(lambda: _ops.linear(x, packed, *out), "")
        if p.padding[0] != p.padding[1]:
            return None
        packed = _ops.conv2d_prepack(
            weight, bias, [p.stride] * 2, [p.padding[0]] * 2, [p.dilation] * 2, p.groups
        )
        return _runner(lambda: _ops.conv2d(x, packed, *out), "")

    def _elementwise(self, p: Elementwise) -> Runner | None:
        return None


class TorchFbgemm(_Torch):
    """FBGEMM; elementwise ops are ATen's own and the same for both engines, so they stand here."""

    engine = "fbgemm"

    def _elementwise(self, p: Elementwise) -> Runner | None:
        out = (p.out_scale, p.out_zero_point)
        if p.op in {"to_nhwc", "to_nchw"}:
            order = (0, 2, 3, 1) if p.op == "to_nhwc" else (0, 3, 1, 2)
            plain = torch.from_numpy(p.inputs[0])

            def transposed() -> Any:
                return plain.permute(order).contiguous()

            return Runner(transposed, lambda: np.asarray(transposed().numpy()))
        if p.op in {"softmax", "layer_norm"}:
            return _runner(_rows(p), "")
        if p.op == "quantize":
            real = torch.from_numpy(p.inputs[0]).permute(0, 3, 1, 2)
            return _runner(lambda: torch.quantize_per_tensor(real, *out, torch.quint8), "")
        operands = zip(p.inputs, p.scales, p.zero_points, strict=False)
        x = [_tensor(*operand) for operand in operands]
        pool = (POOL_KERNEL, POOL_STRIDE, POOL_PADDING)
        calls: dict[str, Callable[[], Any]] = {
            "add": lambda: _ops.add(x[0], x[1], *out),
            "mul": lambda: _ops.mul(x[0], x[1], *out),
            "sigmoid": lambda: _ops.sigmoid(x[0], *out),
            "hard_swish": lambda: _ops.hardswish(x[0], *out),
            "concat": lambda: _ops.cat(x, 1, *out),
            "dequantize": lambda: x[0].dequantize(),
            "max_pool": lambda: torch.nn.functional.max_pool2d(x[0], *pool),
        }
        # Its average pooling and GELU keep the input's scale: not the same problem.
        return _runner(calls[p.op], "") if p.op in calls else None


class TorchOnednn(_Torch):
    """oneDNN: linear layers and convolutions."""

    engine = "onednn"
