"""`quantize_model`: post-training quantization of an ONNX model."""

from __future__ import annotations

from collections.abc import Sequence

import onnx
from numpy.typing import DTypeLike

from octavo.calibrate.collect import Progress
from octavo.graph.load import ModelLike
from octavo.quantize.options import QuantizeOptions
from octavo.quantize.pipeline import CALIBRATING, StageProgress, quantize_with_report
from octavo.quantize.sample import Data


def quantize_model(
    model: ModelLike,
    calibration_data: Data,
    *,
    method: str = "max",
    percentile: float | None = None,
    activation_dtype: DTypeLike = "uint8",
    per_channel: bool = True,
    exclude: Sequence[str] = (),
    equalize: bool = False,
    bias_correction: bool | None = None,
    weight_method: str = "max",
    rounding: str = "nearest",
    placement: str = "octavo",
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
    method : {"max", "percentile", "entropy", "mse", "moving_average", "auto"}, default "max"
        How ranges follow from what was seen, see `octavo.calibrate`; "auto" chooses for every
        tensor, by the error in the results of the layers that read it.
    percentile : float, optional
        For method "percentile" alone, in 50..100; default 99.99.
    activation_dtype : {"uint8", "int8"}, default "uint8"
    per_channel : bool, default True
        One weight scale per output channel; False: one per tensor.
    exclude : sequence of str, optional
        Names of nodes to leave in float32.
    equalize : bool, default False
        Rescale channels between layers so that both have equal weight ranges (cross-layer
        equalization). The float network stays the same; ranges of activations change.
    bias_correction : bool, optional
        Correct biases for what quantization shifts on average, layer by layer, on at most 512 of
        the samples. Default: where there are samples, that is, not with a Calibration.
    weight_method : {"max", "mse"}, default "max"
        Range of weights: the largest magnitude, or what has the least squared error.
    rounding : {"nearest", "compensated"}, default "nearest"
        Of weights; "compensated": so that errors cancel in each layer's sums, as far as its inputs
        go together in at most 128 of the samples.
    placement : {"octavo", "onnxruntime"}, default "octavo"
        "octavo": an addition behind a convolution is rounded once, after it. "onnxruntime": the
        convolution's result is rounded as well, which ONNX Runtime needs to run it in int8.
    progress : callable, optional
        Called as ``progress(done, total)`` while ranges are calibrated; total is None where it is
        not known.

    Returns
    -------
    onnx.ModelProto
        Opset 17, or the model's own if later.

    Raises
    ------
    InvalidArgumentError, InvalidDtypeError
        An argument is out of range; an excluded node does not exist; bias correction or method
        "auto" is asked for, and there are no samples.
    InvalidModelError, UnsupportedModelError
        The model cannot be read or run, or has nothing to quantize.
    CalibrationError
        No calibration data, data that do not fit the inputs, NaN or infinity.

    Warns
    -----
    QuantizationWarning
        With a code, OCT001 and so on; docs/quantization.md lists them.

    See Also
    --------
    octavo.quantize.quantize_with_report : the same, and what was done.

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
    options = QuantizeOptions(
        method=method,
        percentile=percentile,
        activation_dtype=activation_dtype,
        per_channel=per_channel,
        exclude=exclude,
        equalize=equalize,
        bias_correction=bias_correction,
        weight_method=weight_method,
        rounding=rounding,
        placement=placement,
    )
    stages = None if progress is None else _only_calibration(progress)
    return quantize_with_report(model, calibration_data, options, progress=stages, errors=False)[0]


def _only_calibration(progress: Progress) -> StageProgress:
    def report(stage: str, done: int, total: int | None) -> None:
        if stage == CALIBRATING:
            progress(done, total)

    return report
