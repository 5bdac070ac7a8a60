"""Move QuantizeLinear up and DequantizeLinear down past operators that only move values.

Q(op(x)) = op(Q(x)) for Reshape, Slice, Concat, MaxPool and so on, exactly; so is
op(DQ(q)) = DQ(op(q)). After this, such an operator between two byte operators has its DQ and Q on
both sides, whatever the tool that wrote the model thought of it.
"""

from __future__ import annotations

from octavo.graph.ir import ByteParams, Graph, Node
from octavo.graph.qdq import byte_params
from octavo.graph.shape_rules import Shape

_MOVING = ("Concat", "Flatten", "MaxPool", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")

_LAYERS = ("Add", "AveragePool", "Conv", "Gemm", "GlobalAveragePool", "MatMul", "MaxPool")


def move_qdq(graph: Graph, shapes: dict[str, Shape], keep: frozenset[str]) -> None:
    """Insert the missing Q and DQ nodes, in place."""
    _merge_equal_quantizes(graph, keep)
    _quantize_earlier(graph, shapes, keep)
    _dequantize_later(graph, shapes)


def _merge_equal_quantizes(graph: Graph, keep: frozenset[str]) -> None:
    """Several Q of one tensor with the same parameters are one."""
    fixed = keep | graph.output_names
    first: dict[tuple[str, ByteParams], str] = {}
    renamed: dict[str, str] = {}
    kept: list[Node] = []
    for node in graph.nodes:
        node.inputs = [renamed.get(name, name) for name in node.inputs]
        if node.op == "QuantizeLinear" and node.output not in fixed:
            known = first.setdefault((node.input(0), byte_params(graph, node)), node.output)
            if known != node.output:
                renamed[node.output] = known
                continue
        kept.append(node)
    graph.nodes = kept


def _data_inputs(node: Node) -> range:
    return range(len(node.inputs) if node.op == "Concat" else 1)


def _quantize_earlier(graph: Graph, shapes: dict[str, Shape], keep: frozenset[str]) -> None:
    producers, readers = graph.producers(), graph.consumers()
    fixed = keep | graph.output_names
    insert = _Inserter(graph, shapes)
    for quantize in reversed(graph.nodes):
        if quantize.op != "QuantizeLinear":
            continue
        current, name = quantize, quantize.input(0)
        pending = [name]
        while pending:
            name = pending.pop()
            node = producers.get(name)
            if node is None or node.op not in _MOVING or name in fixed or len(readers[name]) != 1:
                continue
            for index in _data_inputs(node):
                source = node.input(index)
                before = producers.get(source)
                if source not in shapes or (before is not None and before.op == "DequantizeLinear"):
                    continue
                node.inputs[index] = insert.pair(source, current, before=node)
                pending.append(source)
                readers[source] = [r for r in readers[source] if r is not node] + [current]
    insert.apply()


def _dequantize_later(graph: Graph, shapes: dict[str, Shape]) -> None:
    producers, readers = graph.producers(), graph.consumers()
    insert = _Inserter(graph, shapes)
    for node in graph.nodes:
        if node.op not in _MOVING and not _clamps_bytes(node, readers):
            continue
        sources = [producers.get(node.input(index)) for index in _data_inputs(node)]
        quantized = [
            s
            for s in sources
            if s is not None and s.op == "DequantizeLinear" and s.input(0) not in graph.initializers
        ]
        name = node.output
        users = readers.get(name, [])
        if not quantized or len(quantized) != len(sources):
            continue
        if len({byte_params(graph, s) for s in quantized}) != 1:
            continue
        if users and all(user.op == "QuantizeLinear" for user in users):
            continue
        producers[name] = insert.after(node, quantized[0])
    insert.apply()


def _clamps_bytes(node: Node, readers: dict[str, list[Node]]) -> bool:
    """A Relu that QAT left between a DQ and a layer: relu(DQ(q)) = DQ(max(q, zero_point))."""
    users = readers.get(node.output, ())
    return node.op == "Relu" and any(user.op in _LAYERS for user in users)


class _Inserter:
    """Collects new Q and DQ nodes and puts them into the graph at the end."""

    def __init__(self, graph: Graph, shapes: dict[str, Shape]) -> None:
        self._graph = graph
        self._shapes = shapes
        self._used = graph.names()
        self._before: dict[int, list[Node]] = {}
        self._after: dict[int, list[Node]] = {}

    def pair(self, source: str, like: Node, before: Node) -> str:
        """Q and DQ of `source` with the parameters of `like`; returns the DQ's output."""
        nodes, out = self._nodes(source, like, self._name(source, "dq"))
        self._before.setdefault(id(before), []).extend(nodes)
        return out

    def after(self, node: Node, like: Node) -> Node:
        """Q and DQ behind `node`, whose readers now read the DQ; returns the DQ node."""
        name = node.output
        inner = self._name(name, "inner")
        node.outputs[0] = inner
        self._shapes[inner] = self._shapes[name]
        nodes, _ = self._nodes(inner, like, name)
        self._after.setdefault(id(node), []).extend(nodes)
        return nodes[1]

    def apply(self) -> None:
        """Insert everything collected."""
        nodes: list[Node] = []
        for node in self._graph.nodes:
            nodes += [*self._before.get(id(node), ()), node, *self._after.get(id(node), ())]
        self._graph.nodes = nodes

    def _name(self, base: str, suffix: str) -> str:
        name = f"{base}.{suffix}"
        while name in self._used:
            name += "_"
        self._used.add(name)
        return name

    def _nodes(self, source: str, like: Node, out: str) -> tuple[list[Node], str]:
        params = like.inputs[1:]
        middle = self._name(source, "q")
        self._graph.bytes[middle] = byte_params(self._graph, like)
        self._shapes[middle] = self._shapes[out] = self._shapes[source]
        quantize = Node("QuantizeLinear", source, [source, *params], [middle])
        dequantize = Node("DequantizeLinear", source, [middle, *params], [out])
        return [quantize, dequantize], out
