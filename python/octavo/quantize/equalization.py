"""Cross-layer equalization: which gains the channels between two layers get.

A tensor has one scale, so a channel that uses a tenth of its range is quantized in a tenth of the
steps. Scaling that channel up before and the next layer's weights for it down changes nothing in
float (see `octavo.graph.passes.equalize`).

Source: Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction",
ICCV 2019, arXiv:1906.04721, section 4.1. There a ReLU6 is made a ReLU first, which changes what
the network computes; here pairs of layers with an upper clamp between them are left alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octavo.graph.ir import Graph
from octavo.graph.passes.equalize import Pair, columns, find_pairs, rescale

Reals = NDArray[np.float64]


def equalize_layers(graph: Graph, exclude: frozenset[str] = frozenset()) -> dict[str, Reals]:
    """Rescale channels in place; nodes named in `exclude` are left alone.

    Returns
    -------
    dict
        The gains of each tensor that was changed.
    """
    gains: dict[str, Reals] = {}
    for pair in find_pairs(graph, exclude):
        gains[pair.tensor] = equalizing_gains(graph, pair)
        rescale(graph, pair, gains[pair.tensor])
    graph.remove_unused()
    return gains


def equalizing_gains(graph: Graph, pair: Pair) -> Reals:
    """Gains that give both layers equal weight ranges, channel by channel: g = sqrt(r2 / r1).

    A channel without weights on one side keeps gain 1.
    """
    r1 = np.abs(columns(graph, pair.first)).max(axis=(2, 3)).reshape(-1)
    r2 = np.zeros(r1.size)
    for node in pair.second:
        r2 = np.maximum(r2, np.abs(columns(graph, node)).max(axis=(1, 3)).reshape(-1))
    usable = (r1 > 0) & (r2 > 0)
    return np.sqrt(np.where(usable, r2, 1.0) / np.where(usable, r1, 1.0))
