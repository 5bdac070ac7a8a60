"""What QuantizeLinear and DequantizeLinear nodes say: parameters, weights, biases."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octavo.graph.evaluate import along
from octavo.graph.ir import Array, ByteParams, Graph, Node
from octavo.graph.tensors import INTEGERS

Shape = tuple[int, ...]

MAX_K = 65_536  # products per accumulator, up to which int32 is exact
MAX_K_MATMUL = 32_768  # the same where both factors have zero points
ROUNDING = 0.05  # of an output step, by which rounding a bias may move a result


def byte_params(graph: Graph, node: Node) -> ByteParams:
    """Parameters of a Q or DQ node on a computed tensor."""
    scale, zero = graph.constant(node, 1), graph.constant(node, 2)
    if scale is None or (node.input(2) and zero is None):
        raise node.unsupported("scale and zero point must be constant")
    if scale.size != 1 or (zero is not None and zero.size != 1):
        raise node.unsupported("activations need one scale and zero point for the whole tensor")
    if scale.dtype != np.float32:
        raise node.unsupported(f"scale must be float32, not {scale.dtype}")
    check_scale(node, scale)
    if zero is not None and zero.dtype not in (np.uint8, np.int8):
        raise node.unsupported(f"zero point must be uint8 or int8, not {zero.dtype}")
    if zero is not None:
        signed, point = zero.dtype == np.int8, int(zero.reshape(-1)[0])
    else:
        source = graph.bytes.get(node.input(0))
        signed, point = source is not None and source.signed, 0
    return ByteParams(float(scale.reshape(-1)[0]), point + (128 if signed else 0), bool(signed))


def check_scale(node: Node, scale: Array) -> None:
    """Refuse scales no quantized tensor can have."""
    if not np.all(np.isfinite(scale) & (scale > 0)):
        raise node.invalid("scales must be finite and positive")


@dataclass(frozen=True)
class StaticQuant:
    """A constant behind a DequantizeLinear: real = scale * (values - zero_point)."""

    values: Array
    scale: NDArray[np.float32]  # one, or one per index of `axis`
    zero_point: Array  # as scale
    axis: int
    block_size: int = 0  # values along `axis` that share a scale; 0: no blocks

    def real(self) -> NDArray[np.float64]:
        """The dequantized constant."""
        attrs = {"axis": self.axis, "block_size": self.block_size}
        node, shape = Node("DequantizeLinear", "", [], [], attrs), self.values.shape
        zero_point = along(self.zero_point, shape, node).astype(np.float64)
        scale = along(self.scale, shape, node).astype(np.float64)
        return np.asarray((self.values.astype(np.float64) - zero_point) * scale)


def static_quant(graph: Graph, node: Node) -> StaticQuant:
    """Read a DequantizeLinear of a constant."""
    values, scale = graph.initializers[node.input(0)], graph.constant(node, 1)
    if scale is None or (node.input(2) and graph.constant(node, 2) is None):
        raise node.unsupported("scale and zero point must be constant")
    zero = graph.constant(node, 2)
    zero = np.zeros(scale.shape, values.dtype) if zero is None else zero
    if values.dtype not in INTEGERS and values.dtype != np.int32:
        raise node.unsupported(f"dequantizing {values.dtype} is not supported")
    if scale.dtype != np.float32:
        raise node.unsupported(f"scale must be float32, not {scale.dtype}")
    check_scale(node, scale)
    if zero.dtype != values.dtype:
        raise node.invalid(f"its zero point is {zero.dtype}, its input {values.dtype}")
    axis, block = int(node.attrs.get("axis", 1)), int(node.attrs.get("block_size", 0))
    if scale.size != 1 or block:
        _check_axis(node, values.shape, scale.shape, axis, block)
        axis %= values.ndim
    if zero.size not in (1, scale.size) or (block and zero.shape != scale.shape):
        raise node.invalid(f"has {zero.size} zero points for {scale.size} scales")
    if block:
        return StaticQuant(values, scale, zero, axis, block)
    return StaticQuant(values, scale.reshape(-1), zero.reshape(-1), axis)


def _check_axis(node: Node, shape: Shape, scales: Shape, axis: int, block: int) -> None:
    known = -len(shape) <= axis < len(shape)
    expected = shape[axis : axis + 1 or None] if known else ()
    if known and block > 0:
        blocks = -(-shape[axis] // block)
        expected = (*shape[: axis % len(shape)], blocks, *shape[axis % len(shape) + 1 :])
    if not known or scales != expected:
        raise node.invalid(f"{scales} scales do not fit axis {axis} of {shape}")


@dataclass(frozen=True)
class QuantWeight:
    """Weights as the kernels take them: int8, output channels along `axis`."""

    values: NDArray[np.int8]
    scale: NDArray[np.float32]  # (n,)
    zero_point: NDArray[np.int32] | None  # (n,), or None where all are 0


def quant_weight(static: StaticQuant, axis: int) -> QuantWeight | None:
    """Weights with output channels along `axis`; None where their form is another.

    uint8 weights become int8: q - 128 with zero point z - 128 is the same real.
    """
    values, zero = static.values, static.zero_point.astype(np.int32)
    if values.dtype.itemsize > 1 or static.block_size:
        return None
    if static.scale.size != 1 and static.axis != axis:
        return None
    if values.dtype == np.uint8:
        values, zero = (values ^ np.uint8(128)).view(np.int8), zero - 128
    n = values.shape[axis]
    scale = np.ascontiguousarray(np.broadcast_to(static.scale, (n,)))
    zero = np.ascontiguousarray(np.broadcast_to(zero, (n,)))
    return QuantWeight(values.astype(np.int8, copy=False), scale, zero if np.any(zero) else None)


def quant_bias(
    bias: StaticQuant | Array | None,
    unit: NDArray[np.float64],
    out_scale: float,
    factor: float = 1.0,
) -> NDArray[np.int32] | None:
    """A bias in accumulator units `unit` (n,) = activation scale * weight scale.

    Stored as int32 at that scale it is taken as it is. A float bias, or one at another scale, is
    rounded to it. None where it does not fit int32, or where rounding would move the result by
    more than ROUNDING of an output step.
    """
    n = unit.size
    if bias is None:
        return np.zeros(n, np.int32)
    if isinstance(bias, StaticQuant):
        exact = np.allclose(bias.scale, unit, rtol=1e-5, atol=0.0)
        if bias.values.dtype == np.int32 and exact and factor == 1 and not np.any(bias.zero_point):
            return np.ascontiguousarray(np.broadcast_to(bias.values.reshape(-1), (n,)))
        real = bias.real()
    else:
        real = np.asarray(bias, np.float64)
    real = np.broadcast_to(real.reshape(-1), (n,)) * factor
    steps = np.rint(real / unit)
    limits = np.iinfo(np.int32)
    if not np.all((steps >= limits.min) & (steps <= limits.max)):
        return None
    if not np.all(np.abs(steps * unit - real) <= ROUNDING * out_scale):
        return None
    return steps.astype(np.int32)


def cannot_wrap(weight: NDArray[np.int8], zero: Array | None, bias: NDArray[np.int32]) -> bool:
    """Whether no input can make bias + sum of products exceed int32; weight is (n, ...)."""
    rows = weight.reshape(len(weight), -1)
    limit = int(np.iinfo(np.int32).max)
    if 255 * 255 * rows.shape[1] + int(np.abs(bias.astype(np.int64)).max(initial=0)) <= limit:
        return True  # whatever the weights are: no need to look at all of them
    rows = rows.astype(np.int64)
    if zero is not None:
        rows = rows - zero.reshape(-1, 1)
    largest = 255 * np.abs(rows).sum(axis=1) + np.abs(bias.astype(np.int64))
    return bool(np.all(largest <= limit))
