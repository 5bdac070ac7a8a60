"""Which tensors of a float graph are a function of one quantized tensor."""

from __future__ import annotations

from octavo.graph.ir import Graph, Node
from octavo.graph.regions import MAX_NODES
from octavo.graph.table_ops import TABLE_OPS

_Behind = tuple[str, frozenset[int]]  # the quantized tensor, ids of the nodes since


class Functions:
    """Follows trees of elementwise operators, visited in execution order.

    `found` are the tensors where such trees end; they are added to `ranges` as well.
    """

    def __init__(
        self, graph: Graph, readers: dict[str, list[Node]], ranges: dict[str, str]
    ) -> None:
        self.found: set[str] = set()
        self._graph = graph
        self._readers = readers
        self._ranges = ranges
        self._behind: dict[str, _Behind] = {}
        self._nodes = {id(node): node for node in graph.nodes}

    def visit(self, node: Node) -> None:
        """Take in the next node."""
        if node.op not in TABLE_OPS or len(node.outputs) != 1 or node.output in self._ranges:
            return
        behind = self._extended(node)
        if behind is None or len(behind[1]) > MAX_NODES:
            return
        self._behind[node.output] = behind
        if self._goes_on(node.output, behind[0]) or not self._closed(node.output, behind[1]):
            return
        self._ranges[node.output] = node.output
        self.found.add(node.output)

    def _origin(self, name: str) -> _Behind | None:
        return (name, frozenset()) if name in self._ranges else self._behind.get(name)

    def _extended(self, node: Node) -> _Behind | None:
        inputs = [name for name in node.inputs if name and not self._is_scalar(name)]
        origins = [self._origin(name) for name in inputs]
        known = [origin for origin in origins if origin is not None]
        if not known or len(known) != len(origins) or len({source for source, _ in known}) != 1:
            return None
        return known[0][0], frozenset({id(node)}).union(*(ids for _, ids in known))

    def _is_scalar(self, name: str) -> bool:
        value = self._graph.initializers.get(name)
        return value is not None and value.size == 1

    def _goes_on(self, name: str, source: str) -> bool:
        """Whether an operator behind a tensor belongs to the same function."""
        if name in self._graph.output_names:
            return False
        for reader in self._readers.get(name, ()):
            if reader.op in TABLE_OPS:
                behind = self._extended(reader)
                if behind is not None and behind[0] == source:
                    return True
        return False

    def _closed(self, end: str, ids: frozenset[int]) -> bool:
        """Whether what lies between is read by nobody else."""
        for node in (self._nodes[number] for number in ids):
            name = node.output
            if name == end:
                continue
            if name in self._graph.output_names:
                return False
            if any(id(reader) not in ids for reader in self._readers.get(name, ())):
                return False
        return True
