"""Warnings of quantization: every kind has a code that stays the same, listed in the docs."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

import numpy as np

from octavo.calibrate.observer import Observer, create_observer
from octavo.errors import QuantizationWarning
from octavo.graph.ir import Graph
from octavo.quantize.placement import WEIGHTED
from octavo.quantize.writer import WrittenLayer

FEW_SAMPLES = 32
UNSTABLE = 4.0  # largest value seen / mean over samples of a sample's largest
OUTLIER = 4.0  # largest value seen / 99.99th percentile

CODES = {
    "OCT001": "few samples",
    "OCT002": "unstable ranges",
    "OCT003": "weights that are NaN or infinite",
    "OCT004": "outliers",
    "OCT005": "dead channels",
    "OCT006": "ragged data",
    "OCT007": "no samples",
    "OCT008": "coarse weights",
}


class Notices:
    """Collects warnings, each once, and passes them to Python's `warnings`."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def add(self, code: str, message: str) -> None:
        """Note a warning."""
        text = f"{code} ({CODES[code]}): {message}"
        if text not in self.found:
            self.found.append(text)
            warnings.warn(text, QuantizationWarning, stacklevel=4)

    def check_ranges(self, observers: dict[str, Observer], max_range: bool) -> None:
        """Ranges that rest on a few samples, or with `max_range` on a few values."""
        unstable, outliers = [], []
        for name, observer in observers.items():
            seen = observer.statistics
            summary = seen.histogram.summary
            reach = max(-summary.min, summary.max)
            low, high = seen.mean_extremes()
            if seen.samples > 1 and reach > UNSTABLE * max(-low, high, 0.0):
                unstable.append(name)
            percentile = create_observer("percentile", name, statistics=seen)
            if max_range and reach > OUTLIER * max(map(abs, percentile.range())):
                outliers.append(name)
        if unstable:
            self.add(
                "OCT002",
                f"a few samples reach over {UNSTABLE:g} times as far as the mean of the samples: "
                f"{_names(unstable)}; give more samples",
            )
        if outliers:
            self.add(
                "OCT004",
                f"the range is over {OUTLIER:g} times that of 99.99% of the values: "
                f"{_names(outliers)}; method 'mse' or 'percentile' leaves outliers out",
            )

    def check_weights(self, graph: Graph) -> None:
        """Weights that no integers can stand for; `graph` is the float network."""
        bad = []
        for node in graph.nodes:
            weight = graph.constant(node, 1) if node.op in WEIGHTED else None
            if weight is not None and not np.all(np.isfinite(weight)):
                bad.append(node.name or node.output)
        if bad:
            self.add("OCT003", f"these layers stay float32: {_names(bad)}")

    def check_layers(self, layers: list[WrittenLayer]) -> None:
        """Channels without weights, and weights made coarse for a large bias' sake."""
        dead, coarse = [], []
        for layer in layers:
            rows = np.moveaxis(layer.weight, layer.axis, 0).reshape(layer.unit.size, -1)
            largest = np.abs(rows).max(axis=1)
            real = np.moveaxis(layer.float_weight, layer.axis, 0).reshape(layer.unit.size, -1)
            empty = ~np.any(real, axis=1)
            if np.any(empty):
                dead.append(f"{layer.name} ({np.count_nonzero(empty)} of {empty.size})")
            if layer.scale.size > 1 and np.any((largest < 64) & ~empty):
                coarse.append(layer.name)
        if dead:
            self.add("OCT005", f"output channels whose weights are all zero: {_names(dead)}")
        if coarse:
            self.add(
                "OCT008",
                "the bias is so large beside the weights that they use less than 7 bits: "
                f"{_names(coarse)}",
            )


def _names(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return ", ".join(listed[:5]) + more
