"""Calibrating a model without quantizing it: one pass over the data, kept for later."""

from __future__ import annotations

from collections.abc import Sequence

from octavo.calibrate.calibration import Calibration
from octavo.calibrate.collect import Progress, observe
from octavo.calibrate.data import CalibrationData
from octavo.calibrate.observer import MaxObserver, Observer
from octavo.graph.fingerprint import fingerprint
from octavo.graph.load import ModelLike
from octavo.quantize.prepare import observed_tensors, prepare


def calibrate_model(
    model: ModelLike,
    calibration_data: CalibrationData,
    *,
    exclude: Sequence[str] = (),
    progress: Progress | None = None,
) -> Calibration:
    """Run a float ONNX model over sample data and count the values of its activations.

    The result takes the place of the data in `quantize_model`, for any method. It depends neither
    on the size of batches nor on their order, and parts of the data may be calibrated apart and
    merged (`Calibration.merged`).

    Parameters
    ----------
    model : str, path-like, bytes or onnx.ModelProto
        Float model, opset 11 or later. Not modified.
    calibration_data : array, mapping or iterable
        As for `quantize_model`.
    exclude : sequence of str, optional
        Names of nodes that will be left in float32.
    progress : callable, optional
        Called as ``progress(done, total)``; total is None where it is not known.

    Returns
    -------
    Calibration
        With statistics of every tensor that `quantize_model` needs the range of.

    Raises
    ------
    InvalidArgumentError
        An excluded node does not exist.
    InvalidModelError, UnsupportedModelError
        The model cannot be read or run, or has nothing to quantize.
    CalibrationError
        No calibration data, data that do not fit the inputs, NaN or infinity.

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
    >>> calibration = calibrate_model(model, np.float32([[0, 1], [0.5, -0.25]]))
    >>> calibration.samples, calibration.observer("x", "max").range()
    (2, (-0.25, 1.0))
    """
    graph = prepare(model)
    tensors = observed_tensors(graph, exclude)
    observers: dict[str, Observer] = {name: MaxObserver(name) for name in tensors}
    samples = observe(graph, observers, calibration_data, progress)
    counted = {name: observer.statistics for name, observer in observers.items()}
    return Calibration(fingerprint(graph), samples, counted)
