"""LayerNormalization that an exporter wrote as arithmetic, back to one node.

d = x - mean(x);  y = d / sqrt(mean(d * d) + epsilon) * gamma + beta
"""

from __future__ import annotations

import numpy as np

from octavo.graph.ir import Array, Graph, Node


def fuse_layer_norm(graph: Graph, keep: tuple[str, ...] = ()) -> None:
    """Replace the pattern over the last axis; its inner tensors must have no other reader."""
    finder = _Finder(graph, keep)
    graph.nodes = [finder.fused(node) or node for node in graph.nodes]
    graph.nodes = [node for node in graph.nodes if id(node) not in finder.absorbed]


class _Finder:
    def __init__(self, graph: Graph, keep: tuple[str, ...]) -> None:
        self._graph = graph
        self._producers = graph.producers()
        self._readers = graph.consumers()
        self._fixed = graph.output_names | set(keep)
        self.absorbed: set[int] = set()  # Adds of beta, by id

    def fused(self, scaled: Node) -> Node | None:
        """The node that replaces a Mul by gamma, and the Add behind it, or None."""
        if scaled.op != "Mul":
            return None
        name, gamma = self._by_vector(scaled)
        normalized = self._inner(name, "Div")
        if normalized is None or gamma is None:
            return None
        centered, root = normalized.inputs
        found = self._source(centered, root)
        if found is None:
            return None
        source, epsilon = found
        inputs, output = [source, gamma], scaled.output
        add = self._sole_reader(output)
        if add is not None and add.op == "Add":
            _, beta = self._by_vector(add)
            if beta is not None and self._size(beta) == self._size(gamma):
                inputs.append(beta)
                output = add.output
                self.absorbed.add(id(add))
        attrs = {"axis": -1, "epsilon": epsilon}
        return Node("LayerNormalization", scaled.name, inputs, [output], attrs)

    def _source(self, centered: str, root: str) -> tuple[str, float] | None:
        """(x, epsilon) of d / sqrt(mean(d * d) + epsilon)."""
        shifted = self._producers.get(centered)
        sqrt = self._inner(root, "Sqrt")
        variance = self._inner(sqrt.input(0), "Add") if sqrt is not None else None
        if shifted is None or shifted.op != "Sub" or variance is None or centered in self._fixed:
            return None
        for index in (0, 1):
            epsilon = self._scalar(variance.input(1 - index))
            mean = self._inner(variance.input(index), "ReduceMean")
            if epsilon is None or mean is None or not self._over_last(mean):
                continue
            square = self._inner(mean.input(0))
            if square is None or not self._squares(square, centered):
                continue
            average = self._inner(shifted.input(1), "ReduceMean")
            if average is None or not self._over_last(average):
                continue
            uses = len(self._readers.get(centered, ()))
            if average.input(0) == shifted.input(0) and uses == 1 + square.inputs.count(centered):
                return shifted.input(0), epsilon
        return None

    def _squares(self, node: Node, name: str) -> bool:
        if node.op == "Mul":
            return node.inputs == [name, name]
        return node.op == "Pow" and node.input(0) == name and self._scalar(node.input(1)) == 2.0

    def _over_last(self, node: Node) -> bool:
        axes = node.attrs.get("axes")
        given = self._graph.constant(node, 1)
        axes = axes if given is None else given.reshape(-1).tolist()
        return axes == [-1] and bool(node.attrs.get("keepdims", 1))

    def _inner(self, name: str, op: str = "") -> Node | None:
        """The node that computes a tensor only one node reads."""
        node = self._producers.get(name)
        if node is None or (op and node.op != op) or self._sole_reader(name) is None:
            return None
        return node

    def _sole_reader(self, name: str) -> Node | None:
        readers = {id(reader): reader for reader in self._readers.get(name, ())}
        if name in self._fixed or len(readers) != 1:
            return None
        return next(iter(readers.values()))

    def _scalar(self, name: str) -> float | None:
        value: Array | None = self._graph.initializers.get(name)
        return float(value.reshape(-1)[0]) if value is not None and value.size == 1 else None

    def _by_vector(self, node: Node) -> tuple[str, str | None]:
        """(computed input, constant input) where the constant is one float vector."""
        for index in (0, 1):
            value = self._graph.constant(node, index)
            if value is not None and value.ndim == 1 and value.dtype == np.float32:
                return node.input(1 - index), node.input(index)
        return "", None

    def _size(self, name: str) -> int:
        return int(self._graph.initializers[name].size)
