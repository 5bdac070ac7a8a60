"""Post-training quantization: float ONNX in, int8 ONNX (QDQ) out. Needs the package onnx."""

from octavo.quantize.calibrated import calibrate_model
from octavo.quantize.dynamic import quantize_dynamic
from octavo.quantize.options import QuantizeOptions
from octavo.quantize.pipeline import quantize_with_report
from octavo.quantize.ptq import quantize_model
from octavo.quantize.report import FloatNode, QuantizationReport, TensorReport

__all__ = [
    "FloatNode",
    "QuantizationReport",
    "QuantizeOptions",
    "TensorReport",
    "calibrate_model",
    "quantize_dynamic",
    "quantize_model",
    "quantize_with_report",
]
