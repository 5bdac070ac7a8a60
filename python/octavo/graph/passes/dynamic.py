"""Products of activations that are quantized while the network runs, as one node each.

    q, s, z = DynamicQuantizeLinear(x)
    Mul(Cast(MatMulInteger(q, W, z, wz)), Mul(s, ws)) [+ bias]         DynamicLinear(x, W)
    Mul(Cast(ConvInteger(q, W, z, wz)), Mul(s, ws)) [+ bias]           DynamicConv(x, W)

ONNX Runtime's quantize_dynamic writes these; its own DynamicQuantizeMatMul says the same in one
node. Both round in the same places: float(sum) * (s * ws) + bias.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octavo.graph.ir import Array, Graph, Node
from octavo.graph.qdq import QuantWeight, StaticQuant, check_scale, quant_weight

_FUSED = {"ConvInteger": "DynamicConv", "MatMulInteger": "DynamicLinear"}
_BYTES = (np.uint8, np.int8)
FLOAT = 1  # onnx.TensorProto.FLOAT
PER_ROW = "octavo.dynamic"  # metadata: "per_row" or "per_tensor" ranges, see quantize_dynamic


def fuse_dynamic(graph: Graph, keep: tuple[str, ...] = ()) -> None:
    """Replace the patterns, in place; their inner tensors must have no other reader."""
    finder = _Finder(graph, keep)
    nodes = [finder.fused(node) or node for node in graph.nodes]
    graph.nodes = [node for node in nodes if id(node) not in finder.absorbed]
    if finder.absorbed:
        graph.sort()


class _Finder:
    def __init__(self, graph: Graph, keep: tuple[str, ...]) -> None:
        self._graph = graph
        self._producers = graph.producers()
        self._readers = graph.consumers()
        self._fixed = graph.output_names | set(keep)
        self.absorbed: set[int] = set()  # by id

    def fused(self, node: Node) -> Node | None:
        """The node that replaces an integer product and what follows it, or None."""
        if node.op == "DynamicQuantizeMatMul":
            return self._one_node(node)
        op = _FUSED.get(node.op)
        source = self._producers.get(node.input(0)) if op is not None else None
        if op is None or source is None or source.op != "DynamicQuantizeLinear":
            return None
        cast = self._sole_reader(node.output, "Cast")
        mul = None if cast is None else self._sole_reader(cast.output, "Mul")
        if mul is None or cast is None or int(cast.attrs.get("to", 0)) != FLOAT:
            return None
        scale = self._weight_scale(self._other(mul, cast.output), source.outputs[1])
        values = self._graph.constant(node, 1)
        if scale is None or values is None or node.input(2) != source.outputs[2]:
            return None
        zero = self._graph.constant(node, 3)
        if node.input(3) and zero is None:
            return None
        weight = _weight(node, values, scale, zero)
        if weight is None:
            return None
        # The last node of the chain takes the place of all of it.
        chain = [node, cast, mul]
        bias, add = self._bias(node, mul, weight.scale.size)
        if add is not None:
            chain.append(add)
        self.absorbed.update(id(part) for part in chain)
        attrs = {**node.attrs, "weight": weight, "bias": bias, "fused": _names(node, add)}
        name = node.name or node.output
        return Node(op, name, [source.input(0), node.input(1)], [chain[-1].output], attrs)

    def _one_node(self, node: Node) -> Node:
        """com.microsoft's DynamicQuantizeMatMul: A, B, b_scale, b_zero_point, bias."""
        values, scale = self._graph.constant(node, 1), self._graph.constant(node, 2)
        zero, bias = self._graph.constant(node, 3), self._graph.constant(node, 4)
        absent = [
            index
            for index, value in ((1, values), (2, scale), (3, zero), (4, bias))
            if node.input(index) and value is None
        ]
        if values is None or scale is None or absent:
            raise node.unsupported("weights, their scale and zero point and bias must be constant")
        weight = _weight(node, values, scale, zero)
        if weight is None:
            raise node.unsupported("its weights must be a matrix of bytes with a scale per column")
        attrs = {"weight": weight, "bias": bias, "fused": ("MatMul",)}
        return Node("DynamicLinear", node.name, node.inputs[:2], [node.output], attrs)

    def _weight_scale(self, name: str, source_scale: str) -> NDArray[np.float32] | None:
        """The constant factor of Mul(source_scale, constant), the weights' scale."""
        mul = self._producers.get(name)
        if mul is None or mul.op != "Mul" or source_scale not in mul.inputs:
            return None
        value = self._graph.initializers.get(self._other(mul, source_scale))
        return value if value is not None and value.dtype == np.float32 else None

    def _bias(self, node: Node, mul: Node, n: int) -> tuple[Array | None, Node | None]:
        """(constant, the Add) where one value per output column or channel is added."""
        add = self._sole_reader(mul.output, "Add")
        if add is None:
            return None, None
        value = self._graph.initializers.get(self._other(add, mul.output))
        axes = 3 if node.op == "ConvInteger" else 1
        if value is None or value.dtype != np.float32 or value.size != n:
            return None, None
        channel_last = value.shape[-1:] == (n,)
        channel_first = value.ndim >= axes and value.shape[value.ndim - axes] == n
        if not (channel_first if axes == 3 else channel_last):
            return None, None
        return value, add

    def _other(self, node: Node, name: str) -> str:
        return node.input(1) if node.input(0) == name else node.input(0)

    def _sole_reader(self, name: str, op: str) -> Node | None:
        readers = self._readers.get(name, ())
        if name in self._fixed or len(readers) != 1 or readers[0].op != op:
            return None
        return readers[0]


def _names(node: Node, add: Node | None) -> tuple[str, ...]:
    return (node.op.removesuffix("Integer"), *(("Add",) if add is not None else ()))


def _weight(node: Node, values: Array, scale: Array, zero: Array | None) -> QuantWeight | None:
    """Weights with output channels first; None where octavo has no kernel for their form."""
    axis = 0 if node.op == "ConvInteger" else 1
    if values.dtype not in _BYTES or (axis == 1 and values.ndim != 2):
        return None
    n = values.shape[axis]
    zero = np.zeros((), values.dtype) if zero is None else zero
    if scale.size not in (1, n) or zero.size not in (1, n) or zero.dtype != values.dtype:
        return None
    check_scale(node, scale)
    shared = np.ascontiguousarray(np.broadcast_to(scale.reshape(-1), (n,)))
    points = np.broadcast_to(zero.reshape(-1), (n,))
    found = quant_weight(StaticQuant(values, shared, points, axis), axis)
    if found is None or axis == 0:
        return found
    return QuantWeight(np.ascontiguousarray(found.values.T), found.scale, found.zero_point)
