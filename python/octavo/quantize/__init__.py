"""Post-training quantization: float ONNX in, int8 ONNX (QDQ) out. Needs the package onnx."""

from octavo.quantize.calibrated import calibrate_model
from octavo.quantize.dynamic import quantize_dynamic
from octavo.quantize.ptq import quantize_model

__all__ = ["calibrate_model", "quantize_dynamic", "quantize_model"]
