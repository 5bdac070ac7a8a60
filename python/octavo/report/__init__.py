"""What quantization did to a network, measured layer by layer, and a report of it in HTML."""

from octavo.report.analysis import Analysis, LayerAnalysis, analyze
from octavo.report.causes import Cause
from octavo.report.page import render_html, write_html
from octavo.report.tensors import TensorAnalysis
from octavo.report.weights import WeightAnalysis

__all__ = [
    "Analysis",
    "Cause",
    "LayerAnalysis",
    "TensorAnalysis",
    "WeightAnalysis",
    "analyze",
    "render_html",
    "write_html",
]
