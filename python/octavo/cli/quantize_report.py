"""How `octavo quantize` shows what it did."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from octavo.cli import output

if TYPE_CHECKING:
    from octavo.quantize.report import QuantizationReport


def show(report: QuantizationReport) -> None:
    """Print a report as tables; warnings go to stderr."""
    rows = [
        (
            tensor.name,
            f"{tensor.lo:.4g}",
            f"{tensor.hi:.4g}",
            f"{tensor.params.scale:.4g}",
            tensor.params.zero_point,
            tensor.method,
            decibels(tensor.sqnr),
        )
        for tensor in report.tensors
    ]
    columns = ["tensor", "seen from", "to", "scale", "zero point", "method", "SQNR dB"]
    output.show("quantized tensors", columns, rows, right=(1, 2, 3, 4, 6))
    if report.fused:
        fused = [(kind, count) for kind, count in report.fused.items()]
        output.show("int8 steps", ["operators in one step", "steps"], fused, right=(1,))
    if report.float_nodes:
        nodes = [(node.name, node.op, node.reason) for node in report.float_nodes]
        output.show("left in float32", ["node", "operator", "because"], nodes)
    if report.corrected:
        print(f"biases corrected: {len(report.corrected)} layers, on {report.samples} samples")
    if report.equalized:
        print(f"channels equalized: {len(report.equalized)} tensors")
    for name, value in report.output_sqnr.items():
        print(f"expected error of output {name}: SQNR {decibels(value)} dB")
    for warning in report.warnings:
        output.note(warning)


def decibels(value: float | None) -> str:
    """Return a ratio in dB for people.

    Examples
    --------
    >>> decibels(31.456), decibels(None), decibels(float("inf"))
    ('31.5', '', 'exact')
    """
    if value is None:
        return ""
    return "exact" if value == math.inf else f"{value:.1f}"


def as_json(report: QuantizationReport) -> dict[str, Any]:
    """Return a report as plain values; an infinite ratio, which JSON lacks, is null."""

    def finite(value: float | None) -> float | None:
        return value if value is not None and math.isfinite(value) else None

    return {
        "tensors": [
            {
                "name": tensor.name,
                "lo": tensor.lo,
                "hi": tensor.hi,
                "scale": tensor.params.scale,
                "zero_point": tensor.params.zero_point,
                "method": tensor.method,
                "sqnr_db": finite(tensor.sqnr),
            }
            for tensor in report.tensors
        ],
        "int8_steps": report.fused,
        "float_nodes": [vars(node) for node in report.float_nodes],
        "equalized": report.equalized,
        "corrected": report.corrected,
        "output_sqnr_db": {name: finite(value) for name, value in report.output_sqnr.items()},
        "warnings": report.warnings,
    }
