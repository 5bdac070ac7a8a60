"""What the rules of `whole` share: the new nodes, constants and shapes."""

from __future__ import annotations

import numpy as np

from octavo.graph.ir import Array, Graph, Node
from octavo.graph.new_names import NewNames

Shapes = dict[str, tuple[int | None, ...]]


class Lifter:
    """Collects the nodes of a graph whose tensors get an axis before all others."""

    def __init__(self, graph: Graph, shapes: Shapes) -> None:
        self.graph = graph
        self.nodes: list[Node] = []
        self._shapes = shapes
        self._new = NewNames(graph)

    def shape(self, node: Node, index: int = 0) -> tuple[int | None, ...]:
        """Extents of an input in the model."""
        value = self.graph.constant(node, index)
        if value is not None:
            return value.shape
        if node.input(index) not in self._shapes:
            raise node.unsupported("works along axis 0, of a tensor of unknown shape")
        return self._shapes[node.input(index)]

    def rank(self, node: Node, index: int = 0) -> int:
        """Axes of an input in the model."""
        return len(self.shape(node, index))

    def emit(self, node: Node, op: str, inputs: list[str], **attrs: object) -> str:
        """A further node; returns its output."""
        name = self._new(f"{node.output}.{op.lower()}")
        self.nodes.append(Node(op, node.name, inputs, [name], attrs))
        return name

    def constant(self, node: Node, value: Array) -> str:
        """A further constant."""
        return self._new.constant(f"{node.output}.whole", value)

    def integers(self, node: Node, index: int) -> list[int]:
        """A constant input that counts axes or extents."""
        value = self.graph.constant(node, index)
        if value is None:
            raise node.unsupported(f"works along axis 0, and its input {index} is not constant")
        return [int(n) for n in value.reshape(-1)]

    def set_integers(self, node: Node, index: int, values: list[int]) -> None:
        """Give a node another constant input."""
        node.inputs += [""] * (index + 1 - len(node.inputs))
        node.inputs[index] = self.constant(node, np.asarray(values, np.int64))
