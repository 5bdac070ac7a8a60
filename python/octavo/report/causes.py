"""Why a layer's error is what it is: its largest source, and what that source suffers from."""

from __future__ import annotations

from dataclasses import dataclass

from octavo.report.tensors import TensorAnalysis
from octavo.report.weights import WeightAnalysis

CLIPPED = 0.5  # share of a tensor's noise that is clipping
UNUSED = 2.0  # range over the largest value
OUTLYING = 4.0  # range over that of 99.99% of the values
WIDE = 8.0  # range over the root mean square of the values
FEW_LEVELS = 64  # of 256
UNEVEN = 8.0  # largest channel over the median one
SPREAD = 4.0  # the same of weights that share a scale
COARSE = 0.1  # share of channels
PEAKED = 10.0  # largest weight over root mean square


@dataclass(frozen=True)
class Cause:
    """What explains most of a layer's error.

    `code` is one of "saturation", "unused range", "outliers", "few levels", "uneven channels",
    "wide range", "shared scale", "coarse weights", "peaked weights", "rounding" and "exact";
    `source` what it is found in: "input", "weights" or "output".
    """

    code: str
    source: str
    text: str


def find_cause(
    isolated: float,
    output: TensorAnalysis | None,
    inputs: list[TensorAnalysis],
    weights: WeightAnalysis | None,
    powers: dict[str, float],
) -> Cause:
    """Return the cause of a layer's isolated error.

    Parameters
    ----------
    isolated : float
        Noise of the layer's tensor, as a share of its power.
    output, inputs, weights
        What is quantized there.
    powers : dict
        Mean square of each tensor.
    """
    if isolated == 0.0:
        return Cause("exact", "output", "no error")
    of_output = _share(output, powers) if output is not None else 0.0
    of_inputs = [_share(tensor, powers) for tensor in inputs]
    of_weights = weights.noise if weights is not None else 0.0
    before = max([*of_inputs, of_weights])
    # A sum over many products has the relative noise of its factors.
    passed_on = weights is None and any(output.params == t.params for t in inputs if output)
    if output is not None and not passed_on and (of_output >= isolated / 2 or before == 0.0):
        return _tensor_cause(output, "output")
    if weights is not None and of_weights >= before:
        return _weight_cause(weights)
    if inputs:
        return _tensor_cause(inputs[of_inputs.index(max(of_inputs))], "input")
    return Cause("rounding", "output", "its result")


def _share(tensor: TensorAnalysis, powers: dict[str, float]) -> float:
    power = powers[tensor.name]
    return tensor.noise / power if power else 0.0


def _tensor_cause(tensor: TensorAnalysis, source: str) -> Cause:
    what = f"{source} {tensor.name}" if source == "input" else "its result"
    if tensor.clipped > CLIPPED:
        return Cause(
            "saturation",
            source,
            f"{what}: {tensor.saturated:.2%} of the values lie beyond the range and make "
            f"{tensor.clipped:.0%} of its error",
        )
    seen = tensor.statistics.histogram.summary
    reached, covered = max(-seen.min, seen.max), max(-tensor.lo, tensor.hi)
    if covered > UNUSED * reached:
        text = f"{what}: the range is {covered / reached:.0f} times what the values reach"
        return Cause("unused range", source, text)
    if tensor.reach > OUTLYING:
        return Cause(
            "outliers",
            source,
            f"{what}: the range is {tensor.reach:.1f} times that of 99.99% of the values",
        )
    if tensor.channel_spread > UNEVEN:
        return Cause(
            "uneven channels",
            source,
            f"{what}: the largest channel reaches {tensor.channel_spread:.0f} times as far as the "
            "median one, and they share a scale",
        )
    if tensor.levels < FEW_LEVELS:
        text = f"{what}: the values take only {tensor.levels} of 256 levels"
        return Cause("few levels", source, text)
    if tensor.crest > WIDE:
        return Cause(
            "wide range",
            source,
            f"{what}: the range is {tensor.crest:.0f} times the root mean square of the values, so "
            "that most share few levels",
        )
    return Cause("rounding", source, f"{what}, spread over {tensor.levels} levels")


def _weight_cause(weights: WeightAnalysis) -> Cause:
    if not weights.per_channel and (weights.spread > SPREAD or weights.coarse > COARSE):
        return Cause(
            "shared scale",
            "weights",
            f"weights: one scale for channels of which the largest is {weights.spread:.0f} times "
            f"the median one; {weights.coarse:.0%} of them use less than 7 bits",
        )
    if weights.coarse > COARSE:
        text = f"weights: {weights.coarse:.0%} of the channels use less than 7 bits"
        return Cause("coarse weights", "weights", text)
    if weights.peak > PEAKED:
        return Cause(
            "peaked weights",
            "weights",
            f"weights: a channel's largest is {weights.peak:.0f} times its root mean square",
        )
    return Cause("rounding", "weights", "weights, rounded to 8 bits")
