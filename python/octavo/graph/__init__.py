"""ONNX in and out, passes over graphs, compilation and execution.

All but the execution of octavo programs needs the package onnx.
"""

from octavo.graph.describe import MemoryUse, StepInfo, StepTable
from octavo.graph.feeds import NodeArg
from octavo.graph.session import Session

__all__ = ["MemoryUse", "NodeArg", "Session", "StepInfo", "StepTable"]
