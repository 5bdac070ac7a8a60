"""Insert QuantizeLinear and DequantizeLinear nodes and integer constants into a float graph."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from octavo.graph.ir import Array, Graph, Node
from octavo.quantization import QuantParams
from octavo.quantize.placement import Placement
from octavo.quantize.weights import bias_scale, quantize_layer


def write_qdq(
    graph: Graph, placement: Placement, params: dict[str, QuantParams], per_channel: bool
) -> None:
    """Turn `graph` into its quantized form, in place.

    `params` has the parameters of every tensor some range of the placement refers to.
    """
    writer = _Writer(graph)
    of = {name: params[origin] for name, origin in placement.ranges.items()}
    for node in placement.weighted:
        add = placement.biased.get(id(node))
        writer.quantize_constants(node, add, of[node.input(0)].scale, per_channel)
    for name, found in of.items():
        writer.quantize_tensor(name, found)
    graph.sort()
    graph.remove_unused()


class _Writer:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._used = graph.names()
        self._producers = graph.producers()
        self._readers = graph.consumers()

    def quantize_tensor(self, name: str, params: QuantParams) -> None:
        """Make every reader of a tensor read it through Q and DQ.

        A graph output keeps its name, which the DQ's result takes over.
        """
        graph, source, result = self._graph, name, self._name(f"{name}.dq")
        producer = self._producers.get(name)
        if name in graph.output_names and producer is not None:
            source, result = self._name(f"{name}.float"), name
            producer.outputs = [source if o == name else o for o in producer.outputs]
        for reader in self._readers.get(name, ()):
            reader.inputs = [result if n == name else n for n in reader.inputs]
        scale = self._constant(f"{name}.scale", np.asarray(params.scale, np.float32))
        zero = self._constant(f"{name}.zero_point", np.asarray(params.zero_point, params.dtype))
        middle = self._name(f"{name}.q")
        graph.nodes += [
            Node("QuantizeLinear", f"{name}.quantize", [source, scale, zero], [middle]),
            Node("DequantizeLinear", f"{name}.dequantize", [middle, scale, zero], [result]),
        ]

    def quantize_constants(
        self, node: Node, add: Node | None, a_scale: float, per_channel: bool
    ) -> None:
        """Integer weights and bias behind DequantizeLinear nodes.

        A MatMul's bias is the constant of the Add behind it.
        """
        axis = 0 if node.op == "Conv" or node.attrs.get("transB", 0) else 1
        alpha = np.float32(node.attrs.pop("alpha", 1.0))
        weight = self._graph.initializers[node.input(1)] * alpha
        holder, index = (node, 2) if add is None else (add, self._constant_index(add))
        bias = self._bias(node, holder, index, weight.shape[axis])
        layer = quantize_layer(weight, axis, bias, a_scale, per_channel)
        weight_name = node.input(1)
        node.inputs[1] = self._dequantized(weight_name, layer.weight, layer.scale, axis)
        if layer.bias is not None:
            scale = bias_scale(a_scale, layer.scale)
            stem = holder.input(index)
            holder.inputs[index] = self._dequantized(stem, layer.bias, scale, 0)

    def _constant_index(self, add: Node) -> int:
        return 0 if add.input(0) in self._graph.initializers else 1

    def _bias(
        self, node: Node, holder: Node, index: int, columns: int
    ) -> NDArray[np.float32] | None:
        beta = np.float32(node.attrs.pop("beta", 1.0))
        value = self._graph.initializers.get(holder.input(index))
        if value is None:
            return None
        return np.asarray(np.broadcast_to(value.reshape(-1), (columns,)) * beta, np.float32)

    def _dequantized(self, stem: str, values: Array, scale: NDArray[np.float32], axis: int) -> str:
        """DQ of a new integer constant; one scale is a scalar. Returns the DQ's output."""
        per_axis = scale.size > 1 or (values.ndim == 1 and values.size == 1)
        scale = scale if per_axis else scale.reshape(())
        inputs = [
            self._constant(f"{stem}.q", values),
            self._constant(f"{stem}.scale", scale),
            self._constant(f"{stem}.zero_point", np.zeros(scale.shape, values.dtype)),
        ]
        out = self._name(f"{stem}.dq")
        attrs = {"axis": axis} if per_axis else {}
        node = Node("DequantizeLinear", out, inputs, [out], attrs)
        self._graph.nodes.append(node)
        return out

    def _constant(self, stem: str, value: Array) -> str:
        name = self._name(stem)
        self._graph.initializers[name] = value
        return name

    def _name(self, base: str) -> str:
        name, number = base, 1
        while name in self._used:
            name = f"{base}.{number}"
            number += 1
        self._used.add(name)
        return name
