"""Clip of a quantized tensor, as a Clip of the reals before it is quantized.

PyTorch's exporter narrows a range (0..127 of a uint8 tensor) by QuantizeLinear, Clip,
DequantizeLinear. QuantizeLinear is monotone, so the clip may come first, where it is fused into the
layer before.
"""

from __future__ import annotations

import numpy as np

from octavo.graph.ir import Array, Graph, Node

_BYTES = (np.uint8, np.int8)


def clip_before_quantizing(graph: Graph) -> None:
    """Swap every Clip with the QuantizeLinear before it, in place."""
    producers, readers = graph.producers(), graph.consumers()
    for clip in graph.nodes:
        quantize = producers.get(clip.input(0)) if clip.op == "Clip" else None
        if quantize is None or quantize.op != "QuantizeLinear":
            continue
        scale, zero = graph.constant(quantize, 1), graph.constant(quantize, 2)
        if scale is None or scale.size != 1 or zero is None or zero.dtype not in _BYTES:
            continue
        if len(readers[quantize.output]) != 1 or quantize.output in graph.output_names:
            continue
        bounds = [_real(graph, clip, index, scale, zero) for index in (1, 2)]
        if None in bounds:
            continue
        source, result = quantize.input(0), clip.output
        middle = f"{quantize.output}.clipped"
        names = [f"{middle}.{index}" for index in (1, 2)]
        graph.initializers.update(zip(names, (b for b in bounds if b is not None), strict=True))
        params = quantize.inputs[1:]
        # Each takes the other's place, so that the order stays one of execution.
        clip_name, quantize_name = clip.name, quantize.name
        _become(quantize, "Clip", clip_name, [source, *names], [middle])
        _become(clip, "QuantizeLinear", quantize_name, [middle, *params], [result])


def _become(node: Node, op: str, name: str, inputs: list[str], outputs: list[str]) -> None:
    node.op, node.name, node.inputs, node.outputs, node.attrs = op, name, inputs, outputs, {}


def _real(graph: Graph, clip: Node, index: int, scale: Array, zero: Array) -> Array | None:
    """The real value of a bound; None if it is not constant."""
    limits = np.iinfo(zero.dtype)
    value = graph.constant(clip, index)
    if value is None and clip.input(index):
        return None
    byte = int((limits.min, limits.max)[index - 1]) if value is None else int(value.reshape(-1)[0])
    steps = np.float32(byte - int(zero.reshape(-1)[0]))
    return np.asarray(steps * scale.reshape(()), np.float32)
