"""A graph read backwards from its QuantizeLinear nodes: what the patterns of `fuse` look at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from octavo.graph.ir import Array, ByteParams, Graph, Node
from octavo.graph.qdq import StaticQuant, byte_params, static_quant
from octavo.graph.shape_rules import Shape

INF = float("inf")


@dataclass
class Chain:
    """What ends in one QuantizeLinear, read backwards."""

    out: ByteParams
    lo: float = -INF
    hi: float = INF
    fused: list[str] = field(default_factory=list)  # the operators swallowed, last first

    def scale(self, factor: float) -> None:
        """Put a positive factor before what is already read: Q(f * x; s) = Q(x; s / f)."""
        self.out = replace(self.out, scale=self.out.scale / factor)
        self.lo, self.hi = self.lo / factor, self.hi / factor

    def clamp(self, lo: float, hi: float) -> None:
        """Put a clamp before the ones already read."""
        outer_lo, outer_hi = self.lo, self.hi
        self.lo = min(max(lo, outer_lo), outer_hi)
        self.hi = min(max(hi, outer_lo), outer_hi)

    def attrs(self, op: str, **more: Any) -> dict[str, Any]:
        """Attributes of the fused node, `op` being its first operator."""
        fused = (op, *reversed(self.fused))
        return {"out": self.out, "lo": self.lo, "hi": self.hi, "fused": fused, **more}


class Matcher:
    """A graph seen from its Q nodes: who computes what, and who else reads it."""

    def __init__(self, graph: Graph, keep: frozenset[str], shapes: dict[str, Shape]) -> None:
        self.graph = graph
        self.shapes = shapes
        self.producers = graph.producers()
        self._readers = graph.consumers()
        self._fixed = keep | graph.output_names
        self._position = {id(node): index for index, node in enumerate(graph.nodes)}

    def sole(self, name: str) -> Node | None:
        """The node that computes a tensor only one node reads, so that it may vanish."""
        if name in self._fixed or len(self._readers.get(name, ())) != 1:
            return None
        return self.producers.get(name)

    def read_only_by(self, name: str, nodes: set[int]) -> bool:
        """Whether no other node than these (by id) reads a tensor, and it is no output."""
        readers = self._readers.get(name, ())
        return name not in self._fixed and all(id(reader) in nodes for reader in readers)

    def in_order(self, nodes: list[Node]) -> list[Node]:
        """The nodes in execution order."""
        return sorted(nodes, key=lambda node: self._position[id(node)])

    def bytes_of(self, name: str) -> tuple[str, ByteParams] | None:
        """(byte tensor, parameters) behind a DQ of a computed tensor."""
        node = self.producers.get(name)
        if node is None or node.op != "DequantizeLinear":
            return None
        if node.input(0) in self.graph.initializers:
            return None
        return node.input(0), byte_params(self.graph, node)

    def static(self, name: str) -> StaticQuant | None:
        """The quantized constant behind a DQ."""
        node = self.producers.get(name)
        if node is None or node.op != "DequantizeLinear":
            return None
        return static_quant(self.graph, node) if node.input(0) in self.graph.initializers else None

    def constant(self, name: str) -> StaticQuant | Array | None:
        """A constant, float or quantized."""
        value = self.graph.initializers.get(name)
        return self.static(name) if value is None else value
