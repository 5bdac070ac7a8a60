"""Empirical bias correction: what quantization shifts on average is taken from the bias.

For a layer y = W x + b, quantized to W' x' + b', the expected error of an output channel is

    E[y - y'] = W E[x] - W' E[x']

since a layer is linear; so what is needed are means of its inputs: x of the float network, x' of
the quantized one, whose layers before this one are corrected already. Means go over samples and
output positions.

A mean over few samples is noisy, and where quantization is nearly unbiased the noise would be all
that is added. The spread between samples tells how large it is; the shift of a layer is shrunk by
the share that noise has in it (James and Stein, 1961, with the variance estimated):

    shift = mean * max(0, 1 - sum over channels of var / samples / sum over channels of mean^2)

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
ICCV 2019, arXiv:1906.04721, section 4.2 and appendix D.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from octavo._integer_layer import bias_limit
from octavo.graph.ir import Graph, Node
from octavo.graph.qdq import byte_params
from octavo.graph.windows import Window, window_of
from octavo.quantize.bytes_walk import PIECE, ByteWalk
from octavo.quantize.sample import Sample, run_pieces
from octavo.quantize.writer import WrittenLayer

Reals = NDArray[np.float64]


def correct_biases(
    float_graph: Graph,
    graph: Graph,
    layers: list[WrittenLayer],
    sample: Sample,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Reals]:
    """Correct the integer biases of `graph` in place, first layer to last.

    Parameters
    ----------
    float_graph : Graph
        What `graph` was made of.
    graph : Graph
        In QDQ form.
    layers : list of WrittenLayer
        The layers of `graph`; those without a bias are left alone.
    sample : Sample
    progress : callable, optional
        Called as progress(layers done, layers in all).

    Returns
    -------
    dict
        What was added to the bias of each layer, (channels,) in reals, by the layer's name.
    """
    pending = {id(layer.node): layer for layer in layers if layer.bias}
    count = len(pending)
    wanted = _float_outputs(float_graph, list(pending.values()), sample)
    walk = ByteWalk(graph, sample.batch)
    shifts: dict[str, Reals] = {}

    def correct(node: Node) -> None:
        layer = pending.pop(id(node), None)
        if layer is None:
            return
        shift = shrunk_mean(wanted[layer.name] - _byte_outputs(walk, layer))
        limit = bias_limit(math.prod(layer.weight.shape) // shift.size)
        steps = np.rint((layer.float_bias + shift) / layer.unit)
        graph.initializers[layer.bias] = np.clip(steps, -limit, limit).astype(np.int32)
        shifts[layer.name] = shift
        if progress is not None:
            progress(len(shifts), count)

    walk.run(before=correct)
    return shifts


def shrunk_mean(errors: Reals) -> Reals:
    """The mean error of each channel, shrunk by how uncertain it is; errors: (samples, channels).

    Examples
    --------
    >>> shrunk_mean(np.array([[1.0, 2.0], [1.0, 2.0]]))
    array([1., 2.])
    >>> shrunk_mean(np.array([[1.0, -1.0], [-1.0, 1.0]]))
    array([0., 0.])
    """
    mean = errors.mean(axis=0)
    energy = float(np.sum(mean**2))
    if len(errors) < 2 or energy == 0.0:
        return np.zeros_like(mean)
    noise = float(np.sum(errors.var(axis=0, ddof=1))) / len(errors)
    return np.asarray(mean * max(0.0, 1.0 - noise / energy))


def _byte_outputs(walk: ByteWalk, layer: WrittenLayer) -> Reals:
    """(samples, channels) of a quantized layer: the mean over positions, without bias."""
    dequantize = walk.producers[layer.node.input(0)]
    params = byte_params(walk.graph, dequantize)
    value, zero = walk.value(dequantize.input(0)), params.zero_point - 128 * params.signed
    pieces = [value[i : i + PIECE] for i in range(0, len(value), PIECE)]
    means = [_mean_inputs(layer, piece.astype(np.float32) - np.float32(zero)) for piece in pieces]
    return _outputs(layer, layer.real_weight(), np.concatenate(means) * params.scale)


def _float_outputs(graph: Graph, layers: list[WrittenLayer], sample: Sample) -> dict[str, Reals]:
    """The same of every layer of the float network."""
    found: dict[str, list[Reals]] = {layer.name: [] for layer in layers}
    for results in run_pieces(graph, sorted({layer.source for layer in layers}), sample):
        for layer in layers:
            means = _mean_inputs(layer, results[layer.source])
            found[layer.name].append(_outputs(layer, layer.float_weight, means))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _outputs(layer: WrittenLayer, weight: NDArray[np.floating], means: Reals) -> Reals:
    if layer.node.op != "Conv":
        return np.asarray(means @ (weight if layer.axis else weight.T), np.float64)
    groups = int(layer.node.attrs.get("group", 1))
    w = weight.reshape(groups, len(weight) // groups, -1).astype(np.float64)
    m = means.reshape(len(means), groups, -1).transpose(1, 2, 0)
    return np.asarray((w @ m).reshape(-1, len(means)).T)


def _mean_inputs(layer: WrittenLayer, value: NDArray[np.float32]) -> Reals:
    """(samples, k): the mean over output positions of all that a layer multiplies by weights."""
    if layer.node.op != "Conv":
        return np.asarray(value.reshape(len(value), -1, value.shape[-1]).mean(1, np.float64))
    axes = value.ndim - 2
    spatial = (value.shape[2], value.shape[3]) if axes == 2 else (1, value.shape[2])
    window = window_of(layer.node, spatial, axes, layer.weight.shape[2:])
    size = window.output_size(spatial)
    rows, cols = (_readers(window, axis, spatial[axis], size[axis]) for axis in (0, 1))
    taps = rows.T @ (value.reshape(-1, *spatial) @ cols)
    return np.asarray(taps.reshape(len(value), -1), np.float64) / math.prod(size)


def _readers(window: Window, axis: int, extent: int, size: int) -> NDArray[np.float32]:
    """(extent, kernel): 1 where a kernel's tap reads a pixel for some output position."""
    chosen = np.zeros((extent, window.kernel[axis]), np.float32)
    for tap in range(window.kernel[axis]):
        at = np.arange(size) * window.stride[axis] + tap * window.dilation[axis]
        at -= window.padding[axis]
        chosen[at[(at >= 0) & (at < extent)], tap] = 1.0
    return chosen
