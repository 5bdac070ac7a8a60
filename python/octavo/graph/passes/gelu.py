"""GELU that an exporter wrote as arithmetic, back to one node, where it runs in float.

x * (1 + erf(x / sqrt(2))) / 2, the factors in any order. Between bytes it becomes a table anyway.
"""

from __future__ import annotations

import math

import numpy as np

from octavo.graph.ir import Graph, Node


def fuse_gelu(graph: Graph, keep: frozenset[str] = frozenset()) -> None:
    """Replace the pattern; its inner tensors must have no other reader."""
    finder = _Finder(graph, keep)
    graph.nodes = [finder.fused(node) or node for node in graph.nodes]
    graph.remove_unused(keep)


class _Finder:
    def __init__(self, graph: Graph, keep: frozenset[str]) -> None:
        self._graph = graph
        self._producers = graph.producers()
        self._readers = graph.consumers()
        self._fixed = keep | graph.output_names

    def fused(self, node: Node) -> Node | None:
        """The node that replaces the last product of a GELU, or None."""
        if node.op != "Mul":
            return None
        factors = self._factors(node)
        halves = [name for name in factors if self._is(name, 0.5)]
        sums = [name for name in factors if self._argument(name)]
        if len(factors) != 3 or len(halves) != 1 or len(sums) != 1:
            return None
        (x,) = (name for name in factors if name not in (halves[0], sums[0]))
        return Node("Gelu", node.name, [x], [node.output]) if self._argument(sums[0]) == x else None

    def _factors(self, node: Node) -> list[str]:
        """Inputs of a product of two, one of which may be a product itself."""
        factors = []
        for name in node.inputs:
            inner = self._inner(name)
            factors += inner.inputs if inner is not None and inner.op == "Mul" else [name]
        return factors

    def _argument(self, name: str) -> str:
        """The x of 1 + erf(x / sqrt(2)), empty for anything else."""
        add = self._inner(name)
        erf = self._other(add, "Add", 1.0)
        scaled = self._inner(erf.input(0)) if erf is not None and erf.op == "Erf" else None
        if scaled is None or scaled.op not in ("Div", "Mul"):
            return ""
        factor = math.sqrt(2.0) if scaled.op == "Div" else math.sqrt(0.5)
        return scaled.input(0) if self._is(scaled.input(1), factor) else ""

    def _other(self, node: Node | None, op: str, scalar: float) -> Node | None:
        """What computes the input of a node whose other input is a scalar."""
        if node is None or node.op != op:
            return None
        for index in (0, 1):
            if self._is(node.input(index), scalar):
                return self._inner(node.input(1 - index))
        return None

    def _is(self, name: str, scalar: float) -> bool:
        value = self._graph.initializers.get(name)
        return value is not None and value.size == 1 and bool(np.isclose(value, scalar, rtol=1e-6))

    def _inner(self, name: str) -> Node | None:
        """The node that computes a tensor only one node reads."""
        readers = self._readers.get(name, ())
        return self._producers.get(name) if len(readers) == 1 and name not in self._fixed else None
