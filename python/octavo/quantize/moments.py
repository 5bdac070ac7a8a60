"""Covariances of what layers read: which errors of weights cancel in the sums, and which do not."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from octavo.graph.ir import Graph, Node
from octavo.graph.windows import Window, reach, window_of
from octavo.quantize.sample import Sample, run_pieces

SAMPLES = 128
MIN_ROWS = 4096  # positions that a covariance is made of
ROWS_PER_INPUT = 4  # and at least so many for each of the k inputs of a sum

Reals = NDArray[np.float32]


@dataclass
class _Sums:
    first: NDArray[np.float64]  # (groups, k)
    second: NDArray[np.float64]  # (groups, k, k)
    rows: int


def covariances(
    graph: Graph,
    nodes: list[Node],
    sample: Sample,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, NDArray[np.float64]]:
    """The covariance of the k inputs of each layer's sums, (groups, k, k), by the layer's output.

    `graph` is float; positions are spread evenly over samples and images. The mean is left out:
    what it adds to an error is a constant, and the bias takes that.
    """
    few = sample.spread(SAMPLES)
    sums: dict[str, _Sums] = {}
    done = 0
    for values in run_pieces(graph, sorted({node.input(0) for node in nodes}), few):
        for node in nodes:
            weight = graph.initializers[node.input(1)]
            rows = _rows(node, values[node.input(0)], weight.shape, few.count)
            first, second = rows.sum(axis=1, dtype=np.float64), rows.transpose(0, 2, 1) @ rows
            old = sums.get(node.output)
            if old is None:
                sums[node.output] = _Sums(first, np.float64(second), rows.shape[1])
            else:
                old.first += first
                old.second += second
                old.rows += rows.shape[1]
        done += len(next(iter(values.values())))
        if progress is not None:
            progress(done, few.count)
    return {name: _covariance(found) for name, found in sums.items()}


def _covariance(sums: _Sums) -> NDArray[np.float64]:
    mean = sums.first / sums.rows
    return np.asarray(sums.second / sums.rows - mean[:, :, np.newaxis] * mean[:, np.newaxis])


def _rows(node: Node, value: Reals, weight: tuple[int, ...], samples: int) -> Reals:
    """(groups, rows, k): some of the vectors that a layer multiplies by its weights."""
    if node.op != "Conv":
        vectors = value.reshape(len(value), -1, value.shape[-1])
        chosen = _spread(vectors.shape[1], _per_sample(vectors.shape[2], samples))
        return vectors[:, chosen].reshape(1, -1, vectors.shape[2])
    axes = value.ndim - 2
    spatial = (value.shape[2], value.shape[3]) if axes == 2 else (1, value.shape[2])
    window = window_of(node, spatial, axes, weight[2:])
    patches = _patches(value.reshape(*value.shape[:2], *spatial), window)
    count, k = math.prod(patches.shape[2:4]), math.prod(weight[1:])
    chosen = _spread(count, _per_sample(k, samples))
    y, x = np.unravel_index(chosen, patches.shape[2:4])
    rows = patches[:, :, y, x].transpose(1, 3, 4, 0, 2)  # channel, tap, tap, sample, position
    groups = value.shape[1] // weight[1]
    return np.ascontiguousarray(rows.reshape(groups, k, -1).transpose(0, 2, 1))


def _patches(image: Reals, window: Window) -> Reals:
    """(samples, channels, rows, columns, kernel, kernel): a view of the padded image."""
    top, left, bottom, right = window.padding
    padded = np.pad(image, ((0, 0), (0, 0), (top, bottom), (left, right)))
    span = [reach(k, d) for k, d in zip(window.kernel, window.dilation, strict=True)]
    (dy, dx), (sy, sx) = window.dilation, window.stride
    return sliding_window_view(padded, span, axis=(2, 3))[:, :, ::sy, ::sx, ::dy, ::dx]


def _per_sample(k: int, samples: int) -> int:
    return -(-max(MIN_ROWS, ROWS_PER_INPUT * k) // samples)


def _spread(count: int, wanted: int) -> NDArray[np.int64]:
    kept = min(count, wanted)
    return np.arange(kept) * count // kept
