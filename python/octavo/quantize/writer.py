"""Insert QuantizeLinear and DequantizeLinear nodes and integer constants into a float graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from octavo._integer_layer import bias_scale, quantize_layer
from octavo.graph.ir import Array, Graph, Node
from octavo.graph.new_names import NewNames
from octavo.quantization import QuantParams
from octavo.quantize.placement import Placement


@dataclass(frozen=True)
class WrittenLayer:
    """A layer with weights, before and after."""

    name: str  # of the tensor it computes in the float graph
    node: Node  # of the quantized graph
    source: str  # the float tensor it reads
    axis: int  # of the weights, along which output channels lie
    float_weight: NDArray[np.float32]
    weight: NDArray[np.int8]
    scale: NDArray[np.float32]  # of the weights, (n,) or (1,)
    float_bias: NDArray[np.float32]  # (n,)
    bias: str  # the int32 constant's name, "" if it has none
    unit: NDArray[np.float64]  # a step of the bias, (n,)

    def real_weight(self) -> NDArray[np.float64]:
        """What the integer weights stand for."""
        shape = [1] * self.weight.ndim
        shape[self.axis] = self.scale.size
        return self.weight * self.scale.astype(np.float64).reshape(shape)


@dataclass(frozen=True)
class WeightOptions:
    """How constants become integers."""

    per_channel: bool = True
    method: str = "max"
    add_biases: bool = False  # to every Conv and Gemm without one, of zeros
    covariances: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)  # see `moments`


@dataclass(frozen=True)
class Written:
    """What `write_qdq` made of a graph."""

    layers: list[WrittenLayer]
    tensors: dict[str, str]  # each quantized tensor of the float graph -> its bytes


def write_qdq(
    graph: Graph,
    placement: Placement,
    params: dict[str, QuantParams],
    how: WeightOptions,
) -> Written:
    """Turn `graph` into its quantized form, in place.

    `params` has the parameters of every tensor some range of the placement refers to.
    """
    writer = _Writer(graph)
    of = {name: params[origin] for name, origin in placement.ranges.items()}
    layers = []
    for node in placement.weighted:
        add = placement.biased.get(id(node))
        a_scale = of[node.input(0)].scale
        layers.append(writer.quantize_constants(node, add, a_scale, how))
    tensors = {name: writer.quantize_tensor(name, found) for name, found in of.items()}
    graph.sort()
    graph.remove_unused()
    return Written(layers, tensors)


class _Writer:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._new = NewNames(graph)
        self._producers = graph.producers()
        self._readers = graph.consumers()

    def quantize_tensor(self, name: str, params: QuantParams) -> str:
        """Make every reader of a tensor read it through Q and DQ; return the Q's output.

        A graph output keeps its name, which the DQ's result takes over.
        """
        graph, source, result = self._graph, name, self._new(f"{name}.dq")
        producer = self._producers.get(name)
        if name in graph.output_names and producer is not None:
            source, result = self._new(f"{name}.float"), name
            producer.outputs = [source if o == name else o for o in producer.outputs]
        for reader in self._readers.get(name, ()):
            reader.inputs = [result if n == name else n for n in reader.inputs]
        scale = self._new.constant(f"{name}.scale", np.asarray(params.scale, np.float32))
        zero = self._new.constant(f"{name}.zero_point", np.asarray(params.zero_point, params.dtype))
        middle = self._new(f"{name}.q")
        graph.nodes += [
            Node("QuantizeLinear", f"{name}.quantize", [source, scale, zero], [middle]),
            Node("DequantizeLinear", f"{name}.dequantize", [middle, scale, zero], [result]),
        ]
        return middle

    def quantize_constants(
        self, node: Node, add: Node | None, a_scale: float, how: WeightOptions
    ) -> WrittenLayer:
        """Integer weights and bias behind DequantizeLinear nodes.

        A MatMul's bias is the constant of the Add behind it.
        """
        axis = 0 if node.op == "Conv" or node.attrs.get("transB", 0) else 1
        alpha = np.float32(node.attrs.pop("alpha", 1.0))
        weight = self._graph.initializers[node.input(1)] * alpha
        channels = weight.shape[axis]
        holder, index = (node, 2) if add is None else (add, self._constant_index(add))
        bias = self._bias(node, holder, index, channels)
        if bias is None and how.add_biases and node.op != "MatMul":
            bias = np.zeros(channels, np.float32)
            node.inputs = [*node.inputs[:2], self._new.constant(f"{node.output}.bias", bias)]
        covariance = how.covariances.get(node.output)
        layer = quantize_layer(weight, axis, bias, a_scale, how.per_channel, how.method, covariance)
        source, bias_name = node.input(0), ""
        node.inputs[1] = self._dequantized(node.input(1), layer.weight, layer.scale, axis)
        scale = bias_scale(a_scale, layer.scale)
        if layer.bias is not None:
            holder.inputs[index] = self._dequantized(holder.input(index), layer.bias, scale, 0)
            bias_name = self._graph.nodes[-1].input(0)
        return WrittenLayer(
            node.output,
            node,
            source,
            axis,
            weight,
            layer.weight,
            layer.scale,
            np.zeros(channels, np.float32) if bias is None else bias,
            bias_name,
            np.broadcast_to(scale.astype(np.float64), (channels,)),
        )

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
            self._new.constant(f"{stem}.q", values),
            self._new.constant(f"{stem}.scale", scale),
            self._new.constant(f"{stem}.zero_point", np.zeros(scale.shape, values.dtype)),
        ]
        out = self._new(f"{stem}.dq")
        attrs = {"axis": axis} if per_axis else {}
        node = Node("DequantizeLinear", out, inputs, [out], attrs)
        self._graph.nodes.append(node)
        return out
