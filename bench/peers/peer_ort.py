"""ONNX Runtime: its integer ops (MLAS), and float32 beside them."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort

from .onnx_ops import float_model, integer_model, nchw, nhwc
from .problems import Array, Conv, Elementwise, Problem
from .timing import Runner


def open_session(model: bytes | str, threads: int) -> ort.InferenceSession:
    """Open on exactly `threads` threads, all optimisations on."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def _runner(session: ort.InferenceSession, inputs: tuple[Array, ...], note: str) -> Runner:
    """Inputs are bound once; ONNX Runtime allocates the output, as octavo does."""
    binding = session.io_binding()
    for i, x in enumerate(inputs):
        binding.bind_cpu_input(f"x{i}", x)
    binding.bind_output("y", "cpu")

    def run() -> None:
        session.run_with_iobinding(binding)

    def output() -> Array:
        run()
        return np.asarray(binding.copy_outputs_to_cpu()[0])

    return Runner(run, output, note)


class OnnxRuntime:
    """u8 x s8 in QGemm, QLinearConv (channels last) and its elementwise ops."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def runner(self, p: Problem) -> Runner:
        """Prepare one problem."""
        inputs = p.inputs if isinstance(p, Elementwise) else (p.a,)
        return _runner(open_session(integer_model(p), self.threads), inputs, "")


class OnnxRuntimeF32:
    """The same GEMM or convolution in float32: what int8 is to be compared with."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def runner(self, p: Problem) -> Runner | None:
        """Prepare one problem; elementwise ops are left to NumPy."""
        if isinstance(p, Elementwise):
            return None
        real = p.real(p.a)
        x = nchw(real) if isinstance(p, Conv) else real
        raw = _runner(open_session(float_model(p), self.threads), (x,), "float32")

        def output() -> Array:
            y = raw.output()
            return p.quantized(nhwc(y) if isinstance(p, Conv) else y)

        return Runner(raw.run, output, raw.note)
