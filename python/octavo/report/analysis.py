"""`analyze`: a float network and its int8 form beside each other, layer by layer."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from octavo._checks import integer
from octavo.calibrate.calibration import Calibration
from octavo.calibrate.data import CalibrationData
from octavo.errors import CalibrationError, InvalidDtypeError, InvalidModelError
from octavo.graph.load import ModelLike
from octavo.quantize.pipeline import StageProgress
from octavo.quantize.prepare import prepare
from octavo.quantize.sample import MAX_SAMPLES, draw_sample
from octavo.report.causes import Cause, find_cause
from octavo.report.gauge import follow_equalization
from octavo.report.measure import Measured, measure, output_errors
from octavo.report.networks import (
    Layer,
    byte_tensors,
    check_same_interface,
    float_rows,
    layers,
    load_quantized,
)
from octavo.report.regions import Region, find_regions
from octavo.report.tensors import TensorAnalysis
from octavo.report.weights import WeightAnalysis, analyze_weights


@dataclass(frozen=True)
class LayerAnalysis:
    """A step of the int8 network: what computes one byte tensor, or a float output.

    Every ratio is a signal to quantization noise ratio in dB, ``10 * log10(sum(x^2) / sum((x -
    y)^2))`` with x of the float network, over all samples; inf where there is no error.

    Parameters
    ----------
    name : str
        The tensor it computes, as the float network calls it.
    ops : tuple of str
        Operators that the step holds; none for an input that is only quantized.
    isolated : float
        SQNR of the tensor if this step alone is quantized: what it reads is the float network's,
        rounded to bytes.
    propagated : float
        SQNR of the tensor in the int8 network, with the errors of all steps before.
    on_outputs : float or None
        SQNR of the network's outputs if this step alone is quantized; None if not asked for.
    tensor : TensorAnalysis or None
        Of the result; None if it is float.
    weights : WeightAnalysis or None
        None if the step has no weights.
    cause : Cause
        What explains most of the isolated error.
    """

    name: str
    ops: tuple[str, ...]
    isolated: float
    propagated: float
    on_outputs: float | None
    tensor: TensorAnalysis | None
    weights: WeightAnalysis | None
    cause: Cause


@dataclass(frozen=True)
class Analysis:
    """What `analyze` has found.

    Parameters
    ----------
    layers : list of LayerAnalysis
        In the order of execution.
    outputs : dict
        Output -> SQNR in dB of the whole int8 network.
    samples : int
        How many samples were run.
    equalized : dict
        Tensor whose channels were rescaled -> largest over smallest gain.
    """

    layers: list[LayerAnalysis]
    outputs: dict[str, float]
    samples: int
    equalized: dict[str, float]

    def worst(self) -> list[LayerAnalysis]:
        """The layers, those first that alone disturb the outputs most, or else themselves."""

        def rank(layer: LayerAnalysis) -> float:
            value = layer.isolated if layer.on_outputs is None else layer.on_outputs
            return -math.inf if math.isnan(value) else value

        return sorted(self.layers, key=rank)


def analyze(
    float_model: ModelLike,
    int8_model: ModelLike,
    data: CalibrationData,
    *,
    samples: int = 64,
    on_outputs: bool = True,
    progress: StageProgress | None = None,
) -> Analysis:
    """Measure what quantization did to a network, layer by layer.

    Parameters
    ----------
    float_model : str, path-like, bytes or onnx.ModelProto
        Float ONNX network.
    int8_model : str, path-like, bytes or onnx.ModelProto
        Its quantized form, octavo's or another tool's, which kept the tensors' names.
    data : array, mapping or iterable
        Inputs, as for `octavo.quantize_model`. No labels are needed.
    samples : int, default 64
        How many to use, spread evenly; at most 512.
    on_outputs : bool, default True
        Measure the error each layer alone causes in the outputs, on up to 16 of the samples: the
        network is compiled and run once per layer.
    progress : callable, optional
        Called as ``progress(stage, done, total)``.

    Returns
    -------
    Analysis

    Raises
    ------
    InvalidArgumentError
        If `samples` is not in 1..512.
    InvalidDtypeError
        If `data` is a Calibration, which holds no samples.
    InvalidModelError, UnsupportedModelError
        A model cannot be read or run; `float_model` is quantized, or `int8_model` is not; their
        inputs or outputs differ; they have no tensor names in common.
    CalibrationError
        No data, data that do not fit the inputs, NaN or infinity.

    See Also
    --------
    octavo.report.write_html : writes what was found as one page.

    Examples
    --------
    >>> import numpy as np
    >>> import octavo
    >>> from onnx import TensorProto, helper, numpy_helper
    >>> x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 2])
    >>> y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])
    >>> w = numpy_helper.from_array(np.float32([[1, 0.3], [-0.2, 0.7]]), "w")
    >>> node = helper.make_node("MatMul", ["x", "w"], ["y"])
    >>> graph = helper.make_graph([node], "g", [x], [y], [w])
    >>> model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    >>> data = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)
    >>> found = analyze(model, octavo.quantize_model(model, data), data)
    >>> [(layer.name, layer.ops, layer.isolated > 35) for layer in found.layers]
    [('x', (), True), ('y', ('MatMul',), True)]
    """
    samples = integer("samples", samples, 1, MAX_SAMPLES)
    if isinstance(data, Calibration):
        raise InvalidDtypeError("data: expected samples, got a Calibration, which holds none")
    tell = _silent if progress is None else progress
    float_graph, int8_graph = prepare(float_model), load_quantized(int8_model)
    check_same_interface(float_graph, int8_graph)
    tensors = byte_tensors(float_graph, int8_graph)
    if not tensors:
        raise InvalidModelError("int8_model quantizes no tensor that float_model has by that name")
    found = layers(float_graph, int8_graph)
    before = {layer.name: float_rows(float_graph, layer) for layer in found}
    gains = follow_equalization(float_graph, found)
    weights = {}
    for layer in found:
        after = float_rows(float_graph, layer)
        equalized = not np.array_equal(after, before[layer.name])
        weights[layer.name] = analyze_weights(layer, before[layer.name], after, equalized)
    regions = find_regions(int8_graph, tensors)
    sample = draw_sample(data, float_graph)[0]
    if sample is None:
        raise CalibrationError("data is empty: at least one sample is needed")
    sample = sample.spread(samples)
    measured = measure(float_graph, int8_graph, regions, sample, tell)
    caused: dict[str, float] = {}
    if on_outputs:
        caused = dict(output_errors(float_graph, regions, measured, tell))
    return Analysis(
        _judged(regions, found, weights, measured, caused),
        {name: noise.decibel for name, noise in measured.outputs.items()},
        sample.count,
        {name: float(gain.max() / gain.min()) for name, gain in gains.items()},
    )


def _silent(stage: str, done: int, total: int | None) -> None:
    """No progress."""


def _judged(
    regions: list[Region],
    layers: list[Layer],
    weights: dict[str, WeightAnalysis],
    measured: Measured,
    caused: dict[str, float],
) -> list[LayerAnalysis]:
    analyzed = {name: record.finish() for name, record in measured.records.items()}
    powers = {name: record.energy for name, record in measured.records.items()}
    weight_of = {id(layer.twin): weights[layer.name] for layer in layers}
    results = []
    for region in regions:
        weight = next((weight_of[id(n)] for n in region.nodes if id(n) in weight_of), None)
        isolated = measured.isolated[region.name]
        cause = find_cause(
            isolated.noise / isolated.signal if isolated.signal else 0.0,
            analyzed.get(region.name),
            [analyzed[source.name] for source in region.sources],
            weight,
            powers,
        )
        results.append(
            LayerAnalysis(
                region.name,
                region.ops,
                isolated.decibel,
                measured.propagated[region.name].decibel,
                caused.get(region.name),
                analyzed.get(region.name),
                weight,
                cause,
            )
        )
    return results
