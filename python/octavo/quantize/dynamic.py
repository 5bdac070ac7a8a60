"""Dynamic quantization: int8 weights now, activations when the network runs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
from numpy.typing import NDArray

from octavo import _core
from octavo._integer_layer import quantize_layer
from octavo.errors import InvalidArgumentError, UnsupportedModelError
from octavo.graph.ir import Array, Graph, Node
from octavo.graph.load import ModelLike, load_graph
from octavo.graph.new_names import NewNames
from octavo.graph.passes import simplify
from octavo.graph.passes.dynamic import FLOAT, PER_ROW
from octavo.graph.save import save_graph


def quantize_dynamic(
    model: ModelLike,
    *,
    per_channel: bool = True,
    per_row: bool = False,
    exclude: Sequence[str] = (),
) -> onnx.ModelProto:
    """Quantize the weights of every Gemm and MatMul; their activations are quantized at run time.

    Needs no calibration data. Everything else, such as products of two computed tensors, Softmax
    and normalization, stays in float32: meant for transformers, whose activations vary too much
    for one fixed range. Each layer computes

        q, s, z = DynamicQuantizeLinear(x)
        y = float(sum over k of (q - z) * w) * (s * w_scale) + bias

    The result is standard ONNX (DynamicQuantizeLinear, MatMulInteger, Cast, Mul), which
    `octavo.Session` and ONNX Runtime each run as one fused step per layer.

    Parameters
    ----------
    model : str, path-like, bytes or onnx.ModelProto
        Float model, opset 11 or later. Not modified.
    per_channel : bool, default True
        One weight scale per output column; False: one per layer.
    per_row : bool, default False
        One activation range per row (token) instead of one per tensor. More exact, and a result
        that does not depend on what else is in the batch. ONNX has no operator for it: the model
        says so in its metadata, which `octavo.Session` follows; other runtimes use one range per
        tensor.
    exclude : sequence of str, optional
        Names of nodes to leave in float32.

    Returns
    -------
    onnx.ModelProto
        Opset 17, or the model's own if later.

    Raises
    ------
    InvalidArgumentError
        An excluded node does not exist.
    InvalidModelError, UnsupportedModelError
        The model cannot be read, or has nothing to quantize.

    Notes
    -----
    Source: the ONNX operator DynamicQuantizeLinear, opset 11.

    Examples
    --------
    >>> import numpy as np
    >>> from onnx import TensorProto, helper, numpy_helper
    >>> x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", 2]) for n in "xy")
    >>> w = numpy_helper.from_array(np.eye(2, dtype=np.float32), "w")
    >>> node = helper.make_node("MatMul", ["x", "w"], ["y"])
    >>> graph = helper.make_graph([node], "g", [x], [y], [w])
    >>> model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    >>> [node.op_type for node in quantize_dynamic(model).graph.node]
    ['DynamicQuantizeLinear', 'MatMulInteger', 'Cast', 'Mul', 'Mul']
    """
    graph = load_graph(model)
    simplify(graph)
    names = {node.name for node in graph.nodes if node.name}
    unknown = [name for name in exclude if name not in names]
    if unknown:
        raise InvalidArgumentError(f"exclude: the model has no nodes named {unknown}")
    writer = _Writer(graph, per_channel)
    for node in graph.nodes:
        if node.name in exclude or not writer.quantizes(node):
            writer.nodes.append(node)
    if writer.layers == 0:
        raise UnsupportedModelError(
            "the model has nothing to quantize: no Gemm or MatMul with constant float weights"
        )
    graph.nodes = writer.nodes
    graph.metadata[PER_ROW] = "per_row" if per_row else "per_tensor"
    graph.remove_unused()
    return save_graph(graph, _core.build_info()["version"])


class _Writer:
    def __init__(self, graph: Graph, per_channel: bool) -> None:
        self.nodes: list[Node] = []
        self.layers = 0
        self._graph = graph
        self._per_channel = per_channel
        self._new = NewNames(graph)
        self._quantized: dict[str, list[str]] = {}  # by input: bytes, scale, zero point

    def quantizes(self, node: Node) -> bool:
        """Replace a Gemm or MatMul by constant float weights; False for any other node."""
        weight = self._graph.constant(node, 1)
        if node.op not in ("Gemm", "MatMul") or weight is None or weight.dtype != np.float32:
            return False
        bias = self._bias(node) if node.input(2) else None
        if weight.ndim != 2 or weight.size == 0 or node.attrs.get("transA", 0):
            return False
        if node.input(2) and bias is None:
            return False
        if node.attrs.get("transB", 0):
            weight = weight.T
        self._write(node, weight * np.float32(node.attrs.get("alpha", 1.0)), bias)
        self.layers += 1
        return True

    def _bias(self, node: Node) -> Array | None:
        value = self._graph.constant(node, 2)
        if value is None or value.dtype != np.float32:
            return None
        return np.asarray(value * np.float32(node.attrs.get("beta", 1.0)))

    def _write(self, node: Node, weight: NDArray[np.float32], bias: Array | None) -> None:
        layer = quantize_layer(weight, 1, None, 1.0, self._per_channel)
        stem, scale = node.name or node.output, layer.scale
        constants = [
            self._new.constant(f"{stem}.weight", np.ascontiguousarray(layer.weight)),
            self._new.constant(f"{stem}.weight_zero_point", np.zeros((), np.int8)),
            self._new.constant(
                f"{stem}.weight_scale", scale if scale.size > 1 else scale.reshape(())
            ),
        ]
        q, s, z = self._quantized_input(node.input(0))
        total, floats, unit = (self._new(f"{stem}.{n}") for n in ("sum", "float", "unit"))
        product = node.output if bias is None else self._new(f"{stem}.product")
        self.nodes += [
            Node("MatMulInteger", stem, [q, constants[0], z, constants[1]], [total]),
            Node("Cast", f"{stem}.cast", [total], [floats], {"to": FLOAT}),
            Node("Mul", f"{stem}.scales", [s, constants[2]], [unit]),
            Node("Mul", f"{stem}.scale", [floats, unit], [product]),
        ]
        if bias is not None:
            inputs = [product, self._new.constant(f"{stem}.bias", bias)]
            self.nodes.append(Node("Add", f"{stem}.add", inputs, [node.output]))

    def _quantized_input(self, name: str) -> list[str]:
        """Outputs of the DynamicQuantizeLinear all readers of a tensor share."""
        if name not in self._quantized:
            outputs = [self._new(f"{name}.{part}") for part in ("q", "scale", "zero_point")]
            self.nodes.append(Node("DynamicQuantizeLinear", f"{name}.quantize", [name], outputs))
            self._quantized[name] = outputs
        return self._quantized[name]
