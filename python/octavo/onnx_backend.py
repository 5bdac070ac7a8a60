"""ONNX's backend interface: ``octavo.onnx_backend.prepare(model).run(inputs)``.

What `onnx.backend.base.Backend` asks for, so that tools and ONNX's own tests can drive octavo. Two
things differ from `octavo.Session`:

- A model input that octavo needs as a constant (weights, scales, zero points, axes) is taken as
  one when the model is run: the model is compiled for its value, and again for another value.
- A model with fixed shapes may work along axis 0, which a session takes for the batch.

Examples
--------
>>> import numpy as np
>>> from onnx import TensorProto, helper
>>> import octavo.onnx_backend as backend
>>> x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [2, 2]) for n in "xy")
>>> graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
>>> model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
>>> backend.run_model(model, [np.float32([[-1, 2], [3, -4]])])
(array([[0., 2.],
       [3., 0.]], dtype=float32),)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, helper
from onnx.backend.base import Backend, BackendRep

from octavo.errors import InvalidArgumentError, OctavoError
from octavo.graph.feeds import checked_feed
from octavo.graph.fuse import dequantize_constants
from octavo.graph.ir import Array, Graph, Node, Value
from octavo.graph.load import load_graph
from octavo.graph.passes import add_batch_axis, simplify
from octavo.graph.passes.lifter import Shapes
from octavo.graph.session import Session

__all__ = ["OctavoBackend", "OctavoRep", "prepare", "run_model", "run_node", "supports_device"]

# Inputs octavo takes as constants, by operator; a product's second factor only as a matrix.
_CONSTANT_INPUTS: dict[str, tuple[int, ...]] = {
    "BatchNormalization": (1, 2, 3, 4),
    "Clip": (1, 2),
    "Conv": (1, 2),
    "ConvInteger": (1, 2, 3),
    "DequantizeLinear": (1, 2),
    "Gemm": (1, 2),
    "LayerNormalization": (1, 2),
    "MatMulInteger": (1, 2, 3),
    "Pad": (1, 2, 3),
    "QLinearConv": (1, 2, 3, 4, 5, 6, 7, 8),
    "QLinearMatMul": (1, 2, 4, 5, 6, 7),
    "QuantizeLinear": (1, 2),
    "ReduceMean": (1,),
    "Reshape": (1,),
    "Slice": (1, 2, 3, 4),
    "Squeeze": (1,),
    "Unsqueeze": (1,),
}
_COMPUTED = ("float32", "uint8", "int8")  # what a program can take at run time


class OctavoRep(BackendRep):
    """A model ready to run."""

    def __init__(self, model: ModelProto) -> None:
        self._graph = load_graph(model)
        self._shapes = _shapes(model)
        self._bound = _bound(self._graph)
        self._compiled: tuple[list[bytes], _Compiled] | None = None
        if not self._bound:
            self._compiled = [], _Compiled(self._graph, self._shapes)

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Run the model.

        Parameters
        ----------
        inputs : array, sequence of arrays, or mapping of names to arrays
            One array per model input, in order.
        **kwargs
            Not used.

        Returns
        -------
        tuple of ndarray
            One per model output.

        Raises
        ------
        InvalidArgumentError, InvalidDtypeError
            Arrays do not fit the model's inputs.
        UnsupportedModelError
            octavo cannot compile the model for these constants.
        """
        feeds = self._feeds(inputs)
        key = [feeds[name].tobytes() for name in self._bound]
        if self._compiled is None or self._compiled[0] != key:
            graph = self._graph.copy()
            graph.inputs = [value for value in graph.inputs if value.name not in self._bound]
            graph.initializers.update({name: feeds[name] for name in self._bound})
            self._compiled = key, _Compiled(graph, self._shapes)
        return tuple(self._compiled[1].run(feeds))

    def _feeds(self, inputs: Any) -> dict[str, NDArray[Any]]:
        values = self._graph.inputs
        names = [value.name for value in values]
        if isinstance(inputs, np.ndarray):
            inputs = [inputs]
        given = dict(inputs) if isinstance(inputs, Mapping) else None
        if given is None:
            if len(inputs) != len(names):
                raise InvalidArgumentError(f"inputs: got {len(inputs)}; the model takes {names}")
            given = dict(zip(names, inputs, strict=True))
        if sorted(given) != sorted(names):
            raise InvalidArgumentError(f"inputs: got {sorted(given)}; the model takes {names}")
        return {value.name: checked_feed(value, given[value.name], axes=0) for value in values}


class _Compiled:
    """A session, and the outputs that turned out to be constants."""

    def __init__(self, graph: Graph, shapes: Shapes) -> None:
        graph = graph.copy()
        simplify(graph)
        self._names = [value.name for value in graph.outputs]
        if not graph.inputs:
            dequantize_constants(graph)
        self._constants = {n: v for n, v in graph.initializers.items() if n in self._names}
        computed = [name for name in self._names if name not in self._constants]
        self._computed = computed
        self._whole = False
        self._session = None
        if not computed:
            return
        try:
            self._session = Session.from_graph(graph.copy(), computed)
        except OctavoError as first:
            if not all(_fixed(value.shape) for value in graph.inputs):
                raise
            try:
                add_batch_axis(graph, shapes)
                self._session = Session.from_graph(graph, computed)
            except OctavoError as second:
                # Which of the two says more: that axis 0 is a batch is the first one's premise.
                raise (first if "axis 0 is a batch" in str(second) else second) from None
            self._whole = True

    def run(self, feeds: dict[str, NDArray[Any]]) -> list[Array]:
        found = dict(self._constants)
        if self._session is not None:
            names = [value.name for value in self._session.get_inputs()]
            given = {name: feeds[name] for name in names}
            if self._whole:
                given = {name: array[np.newaxis] for name, array in given.items()}
            results = self._session.run(None, given)
            if self._whole:
                results = [result[0] for result in results]
            found.update(zip(self._computed, results, strict=True))
        return [np.asarray(found[name]) for name in self._names]


def _fixed(shape: tuple[int | str | None, ...] | None) -> bool:
    return shape is not None and all(isinstance(extent, int) for extent in shape)


def _shapes(model: ModelProto) -> Shapes:
    """Of every tensor ONNX's shape inference knows."""
    inferred = onnx.shape_inference.infer_shapes(model).graph
    infos = [*inferred.input, *inferred.value_info, *inferred.output]
    return {
        info.name: tuple(
            dim.dim_value if dim.HasField("dim_value") else None
            for dim in info.type.tensor_type.shape.dim
        )
        for info in infos
        if info.type.tensor_type.HasField("shape")
    }


def _bound(graph: Graph) -> list[str]:
    """Model inputs that are taken as constants."""
    inputs = {value.name: value for value in graph.inputs}
    bound = {name for name, value in inputs.items() if value.dtype.name not in _COMPUTED}
    for node in graph.nodes:
        indices = _CONSTANT_INPUTS.get(node.op, ())
        if node.op in ("DequantizeLinear", "QuantizeLinear") and not _for_bytes(inputs, node):
            indices = (0, *indices)
        matrix = inputs.get(node.input(3)) if node.op == "QLinearMatMul" else None
        if matrix is not None and matrix.shape is not None and len(matrix.shape) == 2:
            indices = (*indices, 3)
        bound.update(node.input(i) for i in indices if node.input(i) in inputs)
    return [name for name in inputs if name in bound]


def _for_bytes(inputs: dict[str, Value], node: Node) -> bool:
    """Whether a Q or DQ has one scale and 8-bit values, as activations of a program do."""
    scale, zero = inputs.get(node.input(1)), inputs.get(node.input(2))
    one = scale is None or scale.shape in ((), (1,))
    return one and (zero is None or zero.dtype in (np.uint8, np.int8))


class OctavoBackend(Backend):
    """octavo behind ONNX's backend interface."""

    @classmethod
    def is_compatible(cls, model: ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """Whether `prepare` accepts the model."""
        try:
            cls.prepare(model, device, **kwargs)
        except OctavoError:
            return False
        return True

    @classmethod
    def prepare(cls, model: ModelProto, device: str = "CPU", **kwargs: Any) -> OctavoRep:
        """Read and compile a model, as far as that does not depend on inputs.

        Raises
        ------
        InvalidModelError, UnsupportedModelError
            As `octavo.Session`.
        InvalidArgumentError
            A device other than the CPU.
        """
        if not cls.supports_device(device):
            raise InvalidArgumentError(f"device must be 'CPU', got {device!r}")
        return OctavoRep(model)

    @classmethod
    def run_node(
        cls,
        node: NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[np.dtype[Any], tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Run one operator.

        Parameters
        ----------
        node : onnx.NodeProto
        inputs : sequence of arrays
            One per input of the node that is not absent.
        device : str
            "CPU".
        outputs_info : sequence of (dtype, shape), optional
            Of each output; default: inferred.
        **kwargs
            ``opset_version``: of the standard operators; default: ONNX's own.
        """
        arrays = [np.asarray(value) for value in inputs]
        names = [name for name in node.input if name]
        if len(arrays) != len(names):
            raise InvalidArgumentError(f"inputs: got {len(arrays)}; the node reads {names}")
        pairs = zip(names, arrays, strict=True)
        infos = [_info(name, array.dtype, array.shape) for name, array in pairs]
        outputs = [name for name in node.output if name]
        declared = (
            [helper.make_empty_tensor_value_info(name) for name in outputs]
            if outputs_info is None
            else [_info(n, *info) for n, info in zip(outputs, outputs_info, strict=True)]
        )
        graph = helper.make_graph([node], "node", infos, declared)
        version = int(kwargs.get("opset_version", onnx.defs.onnx_opset_version()))
        opsets = [helper.make_opsetid(node.domain, 1), helper.make_opsetid("", version)]
        model = helper.make_model(graph, opset_imports=opsets if node.domain else opsets[1:])
        if outputs_info is None:
            model = onnx.shape_inference.infer_shapes(model)
        return cls.prepare(model, device).run(arrays)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """Only "CPU" (or "CPU:0")."""
        return device.split(":")[0] == "CPU"


def _info(name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(dtype), shape)


prepare = OctavoBackend.prepare
run_model = OctavoBackend.run_model
run_node = OctavoBackend.run_node
supports_device = OctavoBackend.supports_device
is_compatible = OctavoBackend.is_compatible
