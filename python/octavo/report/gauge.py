"""Cross-layer equalization seen from outside: which gains an int8 network's channels have.

Equalized layers compute other numbers than the float network's: channel by channel larger or
smaller, taken back by the next layer. To compare both, the float network is rescaled alike, which
changes none of its outputs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octavo.graph.ir import Graph
from octavo.graph.passes.equalize import find_pairs, rescale
from octavo.report.networks import Layer, float_rows

Reals = NDArray[np.float64]

ROUNDED = 2.0  # steps (root mean square) up to which weights differ by rounding and clipping
EXPLAINED = 0.25  # share of the squared difference that gains may leave


def follow_equalization(graph: Graph, layers: list[Layer]) -> dict[str, Reals]:
    """Rescale the float network's channels in place as the int8 network's are.

    Returns
    -------
    dict
        The gains of each tensor that was rescaled.
    """
    by_name = {layer.name: layer for layer in layers}
    gains: dict[str, Reals] = {}
    for pair in find_pairs(graph):
        layer = by_name.get(pair.first.output)
        gain = None if layer is None else _gain(float_rows(graph, layer), layer)
        if gain is not None:
            gains[pair.tensor] = gain
            rescale(graph, pair, gain)
    graph.remove_unused()
    return gains


def _gain(weight: Reals, layer: Layer) -> Reals | None:
    """The gain of each output channel, None where rounding alone explains the difference."""
    found = layer.real_rows()
    energy = np.sum(weight * weight, axis=1)
    product = np.sum(weight * found, axis=1)
    usable = (energy > 0) & (product > 0)
    gain = np.where(usable, product, 1.0) / np.where(usable, energy, 1.0)
    step = np.broadcast_to(layer.quantized.scale.astype(np.float64), (len(weight),))[:, None]
    apart = float(np.mean(((found - weight) / step) ** 2))
    left = float(np.sum((found - gain[:, None] * weight) ** 2))
    whole = float(np.sum((found - weight) ** 2))
    if apart <= ROUNDED**2 or left > EXPLAINED * whole:
        return None
    return gain
