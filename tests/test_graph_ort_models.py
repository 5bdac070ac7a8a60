"""Models quantized by ONNX Runtime's own tool run on bytes here, and give its results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime.quantization as ortq
import pytest
from onnxruntime.quantization.shape_inference import quant_pre_process

import octavo
from graph_support import Array, expose_bytes, ort_run, step_distance, steps
from test_quantize_model import residual_net


class Reader(ortq.CalibrationDataReader):  # type: ignore[misc, unused-ignore]
    def __init__(self, batches: list[Array]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, Array] | None:
        batch = next(self._batches, None)
        return None if batch is None else {"input": batch}


def quantized_by_ort(
    model: onnx.ModelProto, folder: Path, batches: list[Array], prepare: bool, **options: Any
) -> onnx.ModelProto:
    onnx.save(model, folder / "float.onnx")
    if prepare:
        paths = str(folder / "float.onnx"), str(folder / "float.onnx")
        quant_pre_process(*paths, skip_symbolic_shape=True)
    ortq.quantize_static(
        folder / "float.onnx",
        folder / "int8.onnx",
        Reader(batches),
        **{"quant_format": ortq.QuantFormat.QDQ, **options},
    )
    return onnx.load(folder / "int8.onnx")


OPTIONS: dict[str, dict[str, Any]] = {
    "u8 activations, per channel": {"per_channel": True, "activation_type": ortq.QuantType.QUInt8},
    "s8 activations, per tensor": {"activation_type": ortq.QuantType.QInt8},
    "u8 weights": {
        "activation_type": ortq.QuantType.QUInt8,
        "weight_type": ortq.QuantType.QUInt8,
    },
    "symmetric": {
        "per_channel": True,
        "activation_type": ortq.QuantType.QInt8,
        "extra_options": {"ActivationSymmetric": True},
    },
    "weights as float behind Q": {
        "per_channel": True,
        "extra_options": {"AddQDQPairToWeight": True},
    },
    "dedicated pairs": {"extra_options": {"DedicatedQDQPair": True}},
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_residual_network(
    tmp_path: Path, rng: np.random.Generator, options: dict[str, Any]
) -> None:
    data = rng.standard_normal((24, 3, 16, 16)).astype(np.float32)
    model = quantized_by_ort(residual_net(rng), tmp_path, [data[:12], data[12:]], True, **options)
    found = steps(model)
    assert found.count("DequantizeLinear:float32") == 1
    assert all(step.endswith(":int8") for step in found[1:-1] if not step.startswith("Transpose"))
    assert sum(step.startswith("Conv") for step in found) == 8
    assert "Gemm:int8" in found
    compare(model, data)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_batch_norm_left_in_place(tmp_path: Path, rng: np.random.Generator) -> None:
    """Without its preparation step ONNX Runtime's tool quantizes BatchNormalization by itself."""
    data = rng.standard_normal((24, 3, 16, 16)).astype(np.float32)
    model = quantized_by_ort(residual_net(rng), tmp_path, [data], False, per_channel=True)
    found = steps(model)
    assert found.count("BatchNormalization:float32") == 8
    assert sum(step.startswith("Conv") and step.endswith("int8") for step in found) == 8
    compare(model, data)


def compare(model: onnx.ModelProto, data: Array) -> None:
    exposed, names = expose_bytes(model)
    want = ort_run(exposed, {"input": data})[-len(names) :]
    ours = octavo.Session(exposed).run(names, {"input": data})
    for a, b in zip(ours, want, strict=True):
        assert step_distance(a, b) <= 2  # one step, and what a layer makes of the one before
        assert np.mean(a != b) < 0.03
