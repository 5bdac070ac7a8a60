"""The int8 network cut at its byte tensors: what computes each from those before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from octavo.graph.feeds import fixed_batch
from octavo.graph.ir import Array, Graph, Node, Value
from octavo.graph.session import Session
from octavo.report.networks import ByteTensor

Reals = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Region:
    """What computes one tensor from others.

    `tensor` is None where the region ends in a float output of the network.
    """

    name: str  # of the float network's tensor
    target: str  # in the int8 network
    tensor: ByteTensor | None
    sources: tuple[ByteTensor, ...]
    inputs: tuple[str, ...]  # of the network, read as floats
    nodes: tuple[Node, ...]

    @property
    def ops(self) -> tuple[str, ...]:
        """The operators between, conversions left out."""
        left_out = ("QuantizeLinear", "DequantizeLinear")
        return tuple(node.op for node in self.nodes if node.op not in left_out)


def find_regions(graph: Graph, tensors: list[ByteTensor]) -> list[Region]:
    """One region per byte tensor, and one per output of the network that is not such a tensor."""
    cuts, producers = {t.bytes: t for t in tensors}, graph.producers()
    regions = [_region(graph, producers, cuts, t.name, t.bytes) for t in tensors]
    for value in graph.outputs:
        maker = producers.get(value.name)
        if maker is not None and not (maker.op == "DequantizeLinear" and maker.input(0) in cuts):
            regions.append(_region(graph, producers, cuts, value.name, value.name))
    return regions


def _region(
    graph: Graph,
    producers: Mapping[str, Node],
    cuts: Mapping[str, ByteTensor],
    name: str,
    target: str,
) -> Region:
    sources: set[str] = set()
    inside: set[int] = set()
    pending = [producers[target]]
    while pending:
        node = pending.pop()
        if id(node) in inside:
            continue
        inside.add(id(node))
        for read in filter(None, node.inputs):
            maker = producers.get(read)
            if maker is not None and read not in cuts:
                pending.append(maker)
            elif maker is not None or read not in graph.initializers:
                sources.add(read)
    ordered = sorted(sources)
    return Region(
        name,
        target,
        cuts.get(target),
        tuple(cuts[s] for s in ordered if s in cuts),
        tuple(s for s in ordered if s not in cuts),
        tuple(node for node in graph.nodes if id(node) in inside),
    )


class RegionRunner:
    """Runs one region by itself, from the float network's tensors."""

    def __init__(self, graph: Graph, region: Region) -> None:
        self._graph = graph
        self._region = region
        self._session: Session | None = None

    def run(self, reals: Reals) -> Array:
        """The region's tensor, where all it reads is exact but for being rounded to bytes."""
        feeds: dict[str, Array] = {s.bytes: s.quantize(reals[s.name]) for s in self._region.sources}
        feeds.update({name: reals[name] for name in self._region.inputs})
        if self._session is None:
            fixed = fixed_batch(self._graph.inputs)
            inputs = [Value(n, v.dtype, (fixed, *v.shape[1:])) for n, v in feeds.items()]
            part = replace(
                self._graph, nodes=[*self._region.nodes], inputs=inputs, outputs=[], bytes={}
            )
            self._session = Session.from_graph(part, [self._region.target])
        return self._session.run(None, feeds)[0]
