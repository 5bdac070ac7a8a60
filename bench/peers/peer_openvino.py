"""OpenVINO's CPU plugin on a QDQ model of the problem.

The plugin computes convolutions and pooling channels last, but takes a model's input as NCHW:
around a single op it converts twice, which a network does not. There the plugin's own profile of
the op counts, in OpenVINO's favour: without its conversions and without the cost of the call.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import openvino as ov

from .onnx_ops import knows_axes, nhwc, qdq_inputs, qdq_model
from .problems import Array, Problem
from .timing import Runner

_CONVERSIONS = {"Reorder", "Transpose", "Parameter", "Result", "Constant", "Input", "Output"}


def compile_model(
    model: bytes | str, threads: int, *, precision: str | None, profile: bool = False
) -> ov.CompiledModel:
    """Compile for one stream of `threads` threads. `precision` is for what is not int8."""
    settings: dict[str, Any] = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "PERF_COUNT": profile,
    }
    if precision is not None:
        settings["INFERENCE_PRECISION_HINT"] = precision
    core = ov.Core()
    return core.compile_model(core.read_model(model), "CPU", settings)


class OpenVino:
    """u8 x s8 through FakeQuantize and the plugin's int8 primitives."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def runner(self, p: Problem) -> Runner:
        """Prepare one problem."""
        convert = knows_axes(p)
        compiled = compile_model(qdq_model(p), self.threads, precision="f32", profile=convert)
        request = compiled.create_infer_request()
        arrays = qdq_inputs(p)
        for i, x in enumerate(arrays):
            request.set_tensor(f"x{i}", ov.Tensor(x, shared_memory=True))

        def output(_: object = arrays) -> Array:  # the request does not keep its inputs alive
            request.infer()
            y = np.array(request.get_output_tensor().data)
            return nhwc(y) if convert else y

        def own_seconds() -> float:
            request.infer()
            return math.fsum(
                node.real_time.total_seconds()
                for node in request.get_profiling_info()
                if node.node_type not in _CONVERSIONS
            )

        return Runner(
            request.infer, output, _primitives(compiled), own_seconds if convert else None
        )


def _primitives(compiled: ov.CompiledModel) -> str:
    """What the plugin chose, such as brgconv_avx512_I8."""
    found = []
    for node in compiled.get_runtime_model().get_ordered_ops():
        info = node.get_rt_info()
        if "primitiveType" not in info or "layerType" not in info:
            continue
        kind, primitive = str(info["layerType"].value), str(info["primitiveType"].value)
        if kind not in _CONVERSIONS | {"Const", "Reshape"} and primitive not in found:
            found.append(primitive)
    return ", ".join(found)
