"""The steps of post-training quantization, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray

from octavo import _core
from octavo.calibrate.collect import collect
from octavo.calibrate.observer import Observer
from octavo.graph.ir import Graph
from octavo.graph.load import ModelLike
from octavo.graph.save import save_graph
from octavo.quantization import QuantParams
from octavo.quantize.auto import choose_ranges
from octavo.quantize.bias_correction import correct_biases
from octavo.quantize.equalization import equalize_layers
from octavo.quantize.moments import covariances
from octavo.quantize.notices import FEW_SAMPLES, Notices
from octavo.quantize.options import QuantizeOptions
from octavo.quantize.placement import Placement
from octavo.quantize.prepare import excluded_nodes, origins, placement_of, prepare
from octavo.quantize.report import (
    QuantizationReport,
    TensorReport,
    float_steps,
    fusions,
    measure_sqnr,
    program_steps,
)
from octavo.quantize.sample import Data, Sample, draw_sample
from octavo.quantize.writer import WeightOptions, Written, write_qdq

StageProgress: TypeAlias = "Callable[[str, int, int | None], None]"
CALIBRATING, ROUNDING = "calibrating", "rounding weights"
CORRECTING, MEASURING = "correcting biases", "measuring errors"


def quantize_with_report(
    model: ModelLike,
    calibration_data: Data,
    options: QuantizeOptions | None = None,
    *,
    progress: StageProgress | None = None,
    errors: bool = True,
) -> tuple[onnx.ModelProto, QuantizationReport]:
    """Quantize a float ONNX model, and say what was done.

    Parameters
    ----------
    model, calibration_data
        As for `octavo.quantize_model`, which also says what is raised.
    options : QuantizeOptions, optional
    progress : callable, optional
        Called as ``progress(stage, done, total)``; total is None where it is not known.
    errors : bool, default True
        Measure the error of every quantized tensor and output, on 32 of the samples.

    Returns
    -------
    model : onnx.ModelProto
    report : QuantizationReport
    """
    options = options or QuantizeOptions()
    options.check_samples(calibration_data)
    tell = progress or (lambda stage, done, total: None)
    graph, notices = prepare(model), Notices()
    excluded = excluded_nodes(graph, options.exclude)
    gains = equalize_layers(graph, excluded) if options.equalize else {}
    placed = placement_of(graph, excluded, options.placement)
    sample, data = draw_sample(calibration_data, graph)
    observers = _observe(graph, placed, data, options, tell)
    _check_data(notices, sample, observers, options.method)
    ranges = _ranges(graph, placed, observers, sample, options)
    original = graph.copy()
    written, shifts = _write(graph, original, placed, ranges, sample, options, tell)
    notices.check_layers(written.layers)
    notices.check_weights(original)
    found = _Found(original, placed, written, observers, ranges, sample)
    report = replace(
        _report(graph, found, excluded, errors, tell),
        equalized={name: float(gain.max() / gain.min()) for name, gain in gains.items()},
        corrected={name: float(np.abs(shift).max()) for name, shift in shifts.items()},
        warnings=notices.found,
    )
    return save_graph(graph, _core.build_info()["version"]), report


def _observe(
    graph: Graph, placed: Placement, data: Data, options: QuantizeOptions, tell: StageProgress
) -> dict[str, Observer]:
    return collect(
        graph,
        origins(placed),
        data,
        options.observed,
        lambda done, total: tell(CALIBRATING, done, total),
        percentile=options.percentile,
    )


def _write(
    graph: Graph,
    original: Graph,
    placed: Placement,
    ranges: dict[str, tuple[str, QuantParams]],
    sample: Sample | None,
    options: QuantizeOptions,
    tell: StageProgress,
) -> tuple[Written, dict[str, NDArray[np.float64]]]:
    """Quantize `graph` in place; what was written, and what was added to biases."""
    correct = sample is not None and options.bias_correction is not False
    inputs: dict[str, NDArray[np.float64]] = {}
    if sample is not None and options.rounding == "compensated":
        inputs = covariances(
            original, placed.weighted, sample, lambda done, total: tell(ROUNDING, done, total)
        )
    how = WeightOptions(options.per_channel, options.weight_method, correct, inputs)
    written = write_qdq(graph, placed, {name: found for name, (_, found) in ranges.items()}, how)
    if sample is None or not correct:
        return written, {}
    shifts = correct_biases(
        original,
        graph,
        written.layers,
        sample,
        lambda done, total: tell(CORRECTING, done, total),
    )
    return written, shifts


def _check_data(
    notices: Notices, sample: Sample | None, observers: dict[str, Observer], method: str
) -> None:
    count = min(observer.statistics.samples for observer in observers.values())
    if count < FEW_SAMPLES:
        notices.add("OCT001", f"{count} samples; ranges are steady from some {FEW_SAMPLES} on")
    if sample is None:
        notices.add("OCT007", "a Calibration holds ranges alone: biases are not corrected")
    elif sample.ragged:
        notices.add(
            "OCT006",
            f"{sample.ragged} items differ in shape from the first and serve for ranges alone",
        )
    notices.check_ranges(observers, method == "max")


def _ranges(
    graph: Graph,
    placed: Placement,
    observers: dict[str, Observer],
    sample: Sample | None,
    options: QuantizeOptions,
) -> dict[str, tuple[str, QuantParams]]:
    """The method and the parameters of each tensor whose range counts."""
    dtype = options.dtype
    if options.method == "auto" and sample is not None:
        ranges = choose_ranges(graph, placed, observers, sample, dtype)
    else:
        ranges = {
            name: (options.method, observer.compute(dtype, symmetric=name in placed.centered))
            for name, observer in observers.items()
        }
    for name in placed.fractions:  # exp(x) / sum of exp(x)
        ranges[name] = ("softmax", QuantParams(1 / 256, 0 if dtype == "uint8" else -128, dtype))
    return ranges


@dataclass(frozen=True)
class _Found:
    """What a report is made of."""

    original: Graph
    placed: Placement
    written: Written
    observers: dict[str, Observer]
    ranges: dict[str, tuple[str, QuantParams]]
    sample: Sample | None


def _report(
    graph: Graph,
    found: _Found,
    excluded: frozenset[str],
    errors: bool,
    progress: StageProgress,
) -> QuantizationReport:
    origin, sample = found.placed.ranges, found.sample
    tensors = {t: (q, found.ranges[origin[t]][1]) for t, q in found.written.tensors.items()}
    sqnr: dict[str, float] = {}
    if errors and sample is not None:

        def step(done: int, total: int) -> None:
            progress(MEASURING, done, total)

        sqnr = measure_sqnr(found.original, graph, tensors, sample, step)
    rows = []
    for name, (_, params) in tensors.items():
        observer = found.observers.get(origin[name])
        seen = observer.statistics.histogram.summary if observer is not None else None
        lo, hi = (0.0, 1.0) if seen is None else (seen.min, seen.max)
        method = found.ranges[origin[name]][0]
        rows.append(TensorReport(name, lo, hi, params, method, sqnr.get(name)))
    steps = program_steps(graph, sample) if errors else []
    taken = {layer.name for layer in found.written.layers}
    return QuantizationReport(
        rows,
        float_steps(found.original, steps, taken, excluded),
        fusions(steps),
        {v.name: sqnr[v.name] for v in graph.outputs if v.name in sqnr},
        0 if sample is None else sample.count,
    )
