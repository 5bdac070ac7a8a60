"""Which tensors and layers of an int8 network stand for which of the float network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octavo._checks import byte_dtype
from octavo.errors import InvalidModelError
from octavo.graph.ir import Array, Graph, Node
from octavo.graph.load import ModelLike, load_graph
from octavo.graph.passes import simplify
from octavo.graph.qdq import StaticQuant, static_quant
from octavo.quantization import QuantParams, dequantize_linear, quantize_linear
from octavo.quantize.placement import WEIGHTED

# What tools append to a tensor's name where they quantize it.
_SUFFIXES = (".float", "_quantized", "_QuantizeLinear_Input", "_QuantizeLinear_Output")


@dataclass(frozen=True)
class ByteTensor:
    """A tensor of bytes: its name in the float and in the int8 network, and what bytes mean."""

    name: str
    bytes: str
    params: QuantParams

    def quantize(self, x: NDArray[np.float32]) -> Array:
        """Reals to bytes."""
        p = self.params
        return quantize_linear(x, p.scale, p.zero_point, dtype=p.dtype)

    def dequantize(self, q: Array) -> NDArray[np.float32]:
        """Bytes to reals."""
        return dequantize_linear(q, self.params.scale, self.params.zero_point)


@dataclass(frozen=True)
class Layer:
    """A layer with weights, in both networks; output channels lie along `axis`."""

    name: str  # of the tensor it computes in the float network
    node: Node  # of the float network
    twin: Node  # of the int8 network
    axis: int
    quantized: StaticQuant
    factor: float  # on the int8 weights: a Gemm's alpha

    def real_rows(self) -> NDArray[np.float64]:
        """What the int8 weights stand for, (output channels, products)."""
        return rows(self.quantized.real() * self.factor, self.axis)


def load_quantized(model: ModelLike) -> Graph:
    """Read an int8 network; operators on bytes become float ones between Q and DQ nodes."""
    graph = load_graph(model)
    simplify(graph)
    if not any(node.op == "QuantizeLinear" for node in graph.nodes):
        raise InvalidModelError("int8_model has no QuantizeLinear node: it is not quantized")
    return graph


def check_same_interface(float_graph: Graph, int8_graph: Graph) -> None:
    """Both networks must take and give tensors of the same names and types."""
    for what in ("inputs", "outputs"):
        names = [
            {v.name: v.dtype.name for v in getattr(g, what)} for g in (float_graph, int8_graph)
        ]
        if names[0] != names[1]:
            raise InvalidModelError(
                f"the {what} of both networks differ: {names[0]} in float_model, "
                f"{names[1]} in int8_model"
            )


def byte_tensors(float_graph: Graph, int8_graph: Graph) -> list[ByteTensor]:
    """The quantized tensors that the float network has as well, in the int8 network's order."""
    known = {value.name for value in float_graph.inputs} | set(float_graph.producers())
    readers, found = int8_graph.consumers(), dict[str, ByteTensor]()
    clamped = _clamped(float_graph, set(_bare(sorted(int8_graph.names()))))
    for node in int8_graph.nodes:
        scale, zero = int8_graph.constant(node, 1), int8_graph.constant(node, 2)
        if node.op != "QuantizeLinear" or scale is None or scale.size != 1:
            continue
        behind = [r.output for r in readers.get(node.output, ()) if r.op == "DequantizeLinear"]
        names = [n for n in _bare([node.input(0), *behind, node.output]) if n in known]
        name = clamped.get(names[0], names[0]) if names else ""
        if not name or name in found:
            continue
        point = np.zeros(1, np.uint8) if zero is None else zero
        dtype = byte_dtype("zero_point", point.dtype)
        params = QuantParams(float(scale.reshape(-1)[0]), int(point.reshape(-1)[0]), dtype)
        found[name] = ByteTensor(name, node.output, params)
    return list(found.values())


def _clamped(graph: Graph, known: set[str]) -> dict[str, str]:
    """What becomes of tensors whose only reader is a ReLU or Clip that the int8 network lacks.

    Tools leave it out where the range of the bytes clamps as well.
    """
    readers, result = graph.consumers(), dict[str, str]()
    for node in graph.nodes:
        after = readers.get(node.output, [])
        if len(after) == 1 and after[0].op in ("Relu", "Clip") and after[0].output not in known:
            result[node.output] = after[0].output
    return result


def _bare(names: list[str]) -> Iterator[str]:
    """The names, and what they were before a tool appended to them."""
    yield from names
    for name in names:
        for suffix in _SUFFIXES:
            if name.endswith(suffix):
                yield name.removesuffix(suffix)


def layers(float_graph: Graph, int8_graph: Graph) -> list[Layer]:
    """The layers whose weights are integers in the int8 network, in the float network's order."""
    producers = int8_graph.producers()
    by_name = {node.name: node for node in int8_graph.nodes if node.op in WEIGHTED and node.name}
    found = []
    for node in float_graph.nodes:
        if node.op not in WEIGHTED or float_graph.constant(node, 1) is None:
            continue
        outputs = [node.output, *(node.output + suffix for suffix in _SUFFIXES)]
        tried = [producers.get(name) for name in outputs]
        twin = next((n for n in tried if n is not None and n.op == node.op), None)
        twin = twin or by_name.get(node.name) or by_name.get(f"{node.name}_quant")
        maker = None if twin is None else producers.get(twin.input(1))
        if twin is None or maker is None or maker.input(0) not in int8_graph.initializers:
            continue
        quantized = static_quant(int8_graph, maker)
        if quantized.values.shape != float_graph.initializers[node.input(1)].shape:
            continue
        found.append(Layer(node.output, node, twin, _axis(node), quantized, _alpha(twin)))
    return found


def float_rows(graph: Graph, layer: Layer) -> NDArray[np.float64]:
    """A layer's weights in the float network, (output channels, products)."""
    return rows(graph.initializers[layer.node.input(1)] * _alpha(layer.node), layer.axis)


def rows(weight: Array, axis: int) -> NDArray[np.float64]:
    """Weights by output channel."""
    return np.moveaxis(np.asarray(weight, np.float64), axis, 0).reshape(weight.shape[axis], -1)


def _axis(node: Node) -> int:
    if node.op == "Conv" or node.attrs.get("transB", 0):
        return 0
    return 1 if node.op == "Gemm" else -1


def _alpha(node: Node) -> float:
    return float(np.float32(node.attrs.get("alpha", 1.0))) if node.op == "Gemm" else 1.0
