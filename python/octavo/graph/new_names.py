"""Names for the tensors that a pass adds to a graph."""

from __future__ import annotations

from octavo.graph.ir import Array, Graph


class NewNames:
    """Gives out names that nothing in the graph has, each of them once."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._used = graph.names()

    def __call__(self, base: str) -> str:
        """`base`, or with a number behind it where that is taken."""
        name, number = base, 1
        while name in self._used:
            name, number = f"{base}.{number}", number + 1
        self._used.add(name)
        return name

    def constant(self, base: str, value: Array) -> str:
        """Add a constant; returns its name."""
        name = self(base)
        self._graph.initializers[name] = value
        return name
