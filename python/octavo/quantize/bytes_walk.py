"""Run a quantized graph one byte tensor at a time, each from the byte tensors before it.

octavo's arithmetic on bytes is exact, so these are the very tensors of the whole network, and
constants may be changed on the way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from octavo.calibrate.data import Batch, split
from octavo.graph.feeds import fixed_batch
from octavo.graph.ir import Array, Graph, Node, Value
from octavo.graph.session import Session

PIECE = 16  # samples of one run


@dataclass(frozen=True)
class _Region:
    """What computes one byte tensor from others, or from inputs of the graph."""

    output: str
    sources: list[str]
    nodes: list[Node]


class ByteWalk:
    """The byte tensors of a graph, in execution order, for some samples of its inputs.

    A tensor is dropped when nothing to come reads it.
    """

    def __init__(self, graph: Graph, batch: Batch) -> None:
        self.graph = graph
        self.producers = graph.producers()
        self._fixed = fixed_batch(graph.inputs)
        self._values: dict[str, Array] = {**batch}
        self._regions = [self._region(n.output) for n in graph.nodes if n.op == "QuantizeLinear"]
        self._last_use = {
            name: index for index, region in enumerate(self._regions) for name in region.sources
        }
        inside = {id(node) for region in self._regions for node in region.nodes}
        for node in graph.nodes:  # what ends in float, behind the last byte tensors
            if node.op == "DequantizeLinear" and id(node) not in inside:
                self._last_use[node.input(0)] = len(self._regions)

    def run(self, before: Callable[[Node], None]) -> None:
        """Compute all byte tensors; `before` sees every node before it runs for the first time."""
        seen: set[int] = set()
        for index, region in enumerate(self._regions):
            for node in region.nodes:
                if id(node) not in seen:
                    seen.add(id(node))
                    before(node)
            self._values[region.output] = self._compute(region)
            for name in [n for n in self._values if self._last_use.get(n, index) <= index]:
                del self._values[name]
        for node in self.graph.nodes:
            if id(node) not in seen:
                before(node)

    def value(self, name: str) -> Array:
        """A byte tensor that a node which `before` sees reads."""
        return self._values[name]

    def _region(self, output: str) -> _Region:
        sources: set[str] = set()
        inside: set[int] = set()
        pending = [self.producers[output]]
        while pending:
            node = pending.pop()
            if id(node) in inside:
                continue
            inside.add(id(node))
            for name in filter(None, node.inputs):
                maker = self.producers.get(name)
                if maker is not None and maker.op != "QuantizeLinear":
                    pending.append(maker)
                elif maker is not None or name not in self.graph.initializers:
                    sources.add(name)
        nodes = [node for node in self.graph.nodes if id(node) in inside]
        return _Region(output, sorted(sources), nodes)

    def _compute(self, region: _Region) -> Array:
        feeds = {name: self._values[name] for name in region.sources}
        inputs = [Value(n, v.dtype, (self._fixed, *v.shape[1:])) for n, v in feeds.items()]
        part = replace(self.graph, nodes=region.nodes, inputs=inputs, outputs=[], bytes={})
        session = Session.from_graph(part, [region.output])
        pieces = split(feeds, self._fixed or PIECE)
        return np.concatenate([session.run(None, piece)[0] for piece in pieces])
