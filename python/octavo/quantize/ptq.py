"""Post-training quantization of an ONNX model."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from numpy.typing import DTypeLike

from octavo import _core
from octavo._checks import byte_dtype
from octavo.calibrate.calibration import Calibration
from octavo.calibrate.collect import Progress, collect
from octavo.calibrate.data import CalibrationData
from octavo.calibrate.observer import observer_type
from octavo.errors import InvalidArgumentError, UnsupportedModelError
from octavo.graph.ir import Graph
from octavo.graph.load import ModelLike, load_graph
from octavo.graph.passes import simplify
from octavo.graph.passes.qoperators import is_quantized
from octavo.graph.save import save_graph
from octavo.graph.shapes import resolve
from octavo.quantization import QuantParams
from octavo.quantize.placement import WEIGHTED, Placement, place
from octavo.quantize.writer import write_qdq


def quantize_model(
    model: ModelLike,
    calibration_data: CalibrationData | Calibration,
    *,
    method: str = "max",
    activation_dtype: DTypeLike = "uint8",
    per_channel: bool = True,
    exclude: Sequence[str] = (),
    progress: Progress | None = None,
) -> onnx.ModelProto:
    """Quantize a float ONNX model to int8, calibrated on sample data.

    BatchNormalization is folded, then the float model runs over the calibration data and the
    range of every tensor that will be quantized is observed. The result is standard ONNX in QDQ
    form, which `octavo.Session` and ONNX Runtime run:

    - weights: int8, symmetric in [-127, 127], per output channel;
    - biases: int32 at activation scale x weight scale;
    - activations: one scale and zero point per tensor; quantized are the inputs of Conv, Gemm and
      MatMul, and results only after the clamp or addition that runs in the same step; the second
      input of a MatMul of two computed tensors symmetrically, a Softmax in steps of 1/256.

    Parameters
    ----------
    model : str, path-like, bytes or onnx.ModelProto
        Float model, opset 11 or later. Not modified.
    calibration_data : array, mapping, iterable or Calibration
        float32 inputs, preprocessed as for inference. One array, or one mapping of input names to
        arrays, holds samples along axis 0; any other iterable gives arrays (a model with one
        input) or mappings, each a sample or a batch. What `calibrate_model` counted over data
        takes their place.
    method : {"max", "percentile", "entropy", "mse", "moving_average"}, default "max"
        How ranges follow from what was seen, see `octavo.calibrate`.
    activation_dtype : {"uint8", "int8"}, default "uint8"
    per_channel : bool, default True
        One weight scale per output channel; False: one per tensor.
    exclude : sequence of str, optional
        Names of nodes to leave in float32.
    progress : callable, optional
        Called as ``progress(done, total)``; total is None where it is not known.

    Returns
    -------
    onnx.ModelProto
        Opset 17, or the model's own if later.

    Raises
    ------
    InvalidArgumentError, InvalidDtypeError
        An argument is out of range; an excluded node does not exist.
    InvalidModelError, UnsupportedModelError
        The model cannot be read or run, or has nothing to quantize.
    CalibrationError
        No calibration data, data that do not fit the inputs, NaN or infinity.

    Notes
    -----
    Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference", CVPR 2018, arXiv:1712.05877.

    Examples
    --------
    >>> import numpy as np
    >>> from onnx import TensorProto, helper, numpy_helper
    >>> x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])
    >>> y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])
    >>> w = numpy_helper.from_array(np.eye(2, dtype=np.float32), "w")
    >>> node = helper.make_node("MatMul", ["x", "w"], ["y"])
    >>> graph = helper.make_graph([node], "g", [x], [y], [w])
    >>> model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    >>> quantized = quantize_model(model, np.float32([[0, 1], [0.5, 0.25]]))
    >>> [node.op_type for node in quantized.graph.node]
    ['QuantizeLinear', 'DequantizeLinear', 'DequantizeLinear', 'MatMul', ...]
    """
    dtype = byte_dtype("activation_dtype", activation_dtype)
    observer_type(method)
    graph = prepare(model)
    placement = _placement(graph, exclude)
    observers = collect(graph, _origins(placement), calibration_data, method, progress)
    params = {
        name: observer.compute(dtype, symmetric=name in placement.centered)
        for name, observer in observers.items()
    }
    for name in placement.fractions:  # exp(x) / sum of exp(x)
        params[name] = QuantParams(1 / 256, 0 if dtype == "uint8" else -128, dtype)
    write_qdq(graph, placement, params, per_channel)
    return save_graph(graph, _core.build_info()["version"])


def prepare(model: ModelLike) -> Graph:
    """Read a float model and fold what does not depend on data: the graph that is calibrated."""
    graph = load_graph(model)
    _check_float(graph)
    simplify(graph)
    _fold_shape_arithmetic(graph)
    return graph


def observed_tensors(graph: Graph, exclude: Sequence[str]) -> list[str]:
    """The tensors whose ranges quantization needs, the nodes named in `exclude` staying float."""
    return _origins(_placement(graph, exclude))


def _placement(graph: Graph, exclude: Sequence[str]) -> Placement:
    placement = place(graph, _excluded(graph, exclude))
    if not placement.weighted:
        raise UnsupportedModelError(
            f"the model has nothing to quantize: no {', '.join(WEIGHTED)} with constant weights"
        )
    return placement


def _origins(placement: Placement) -> list[str]:
    return sorted(set(placement.ranges.values()) - placement.fractions)


def _check_float(graph: Graph) -> None:
    for node in graph.nodes:
        if is_quantized(node):
            raise UnsupportedModelError(f"model is already quantized: it has {node.label}")


def _excluded(graph: Graph, exclude: Sequence[str]) -> frozenset[str]:
    names = [exclude] if isinstance(exclude, str) else list(exclude)
    known = {node.name for node in graph.nodes if node.name}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InvalidArgumentError(
            f"exclude: the model, its BatchNormalization folded, has no nodes named {unknown}"
        )
    return frozenset(names)


def _fold_shape_arithmetic(graph: Graph) -> None:
    """Where the model fixes all extents but the batch, shape computations become constants."""
    shapes = {}
    for value in graph.inputs:
        if value.shape is None or not all(isinstance(n, int) for n in value.shape[1:]):
            return
        shapes[value.name] = tuple(int(n or 0) for n in value.shape[1:])
    batches = [value.shape[0] for value in graph.inputs if value.shape]
    batch = next((n for n in batches if isinstance(n, int)), None)
    inferred = resolve(graph, shapes, batch)
    for node in graph.nodes:  # Softmax over one trailing axis needs no flattening
        if node.op == "Softmax" and node.attrs.get("flattens"):
            rank = 1 + len(inferred[node.input(0)])
            if int(node.attrs["axis"]) % rank == rank - 1:
                del node.attrs["flattens"]
    graph.remove_unused()
