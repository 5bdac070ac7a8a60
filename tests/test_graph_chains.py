"""Random networks: quantized, run in both runtimes, compared layer by layer."""

from __future__ import annotations

import numpy as np
import onnx
from hypothesis import given, settings
from hypothesis import strategies as st

import octavo
from graph_support import Array, Builder, ort_run, step_distance
from real_networks import cut_at_bytes, quantized_tensors

OPS = ("conv", "depthwise", "residual", "relu", "clip", "max", "average", "concat", "pad", "slice")


@st.composite
def networks(draw: st.DrawFn) -> tuple[onnx.ModelProto, Array]:
    """A chain of layers with branches; every shape stays valid."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    channels, side = draw(st.integers(1, 6)), draw(st.integers(5, 9))
    b = Builder(["N", channels, side, side])
    y = _layer(b, rng, "input", channels, draw(st.integers(1, 9)))
    channels = int(onnx.numpy_helper.to_array(b.constants[-1]).shape[0])
    for op in draw(st.lists(st.sampled_from(OPS), min_size=1, max_size=7)):
        if op == "conv":
            out = draw(st.integers(1, 9))
            y, channels = _layer(b, rng, y, channels, out), out
        elif op == "depthwise":
            y = _layer(b, rng, y, channels, channels, group=channels)
        elif op == "residual":
            y = b.node("Add", _layer(b, rng, y, channels, channels), y)
        elif op == "relu":
            y = b.node("Relu", y)
        elif op == "clip":
            y = b.node("Clip", y, *(b.constant(np.float32(v)) for v in (-0.5, 1)))
        elif op == "max":
            y = b.node("MaxPool", y, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        elif op == "average":
            y = b.node("AveragePool", y, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        elif op == "concat":
            y, channels = b.node("Concat", y, b.node("Relu", y), axis=1), channels * 2
        elif op == "pad":
            y = b.node("Pad", y, b.constant(np.int64([0, 0, 1, 0, 0, 0, 0, 1])))
        else:
            bounds = (b.constant(np.int64(v)) for v in ([1], [2**40], [3]))
            y = b.node("Slice", y, *bounds) if side > 6 else y
            side = side - 1 if side > 6 else side
        side += op == "pad"
    if draw(st.booleans()):
        y = b.node("Flatten", b.node("GlobalAveragePool", y))
        w = rng.standard_normal((channels, 3)).astype(np.float32)
        y = b.node("MatMul", y, b.constant(w))
    shape = (draw(st.integers(1, 5)), *(d.dim_value for d in _dims(b)[1:]))
    return b.model(y), rng.standard_normal(shape).astype(np.float32)


def _dims(b: Builder) -> list[onnx.TensorShapeProto.Dimension]:
    return list(b.inputs[0].type.tensor_type.shape.dim)


def _layer(
    b: Builder, rng: np.random.Generator, x: str, channels: int, out: int, group: int = 1
) -> str:
    w = rng.standard_normal((out, channels // group, 3, 3)) / np.sqrt(9 * channels / group)
    bias = b.constant(rng.standard_normal(out).astype(np.float32))
    inputs = (b.constant(w.astype(np.float32)), bias)
    return b.node("Conv", x, *inputs, pads=[1, 1, 1, 1], group=group)


@settings(deadline=None, max_examples=60)
@given(networks(), st.sampled_from(["uint8", "int8"]))
def test_random_networks(network: tuple[onnx.ModelProto, Array], dtype: str) -> None:
    model, x = network
    np.testing.assert_allclose(
        octavo.Session(model).run(None, {"input": x})[0],
        ort_run(model, {"input": x})[0],
        atol=1e-4,
    )
    quantized = octavo.quantize_model(model, x, activation_dtype=dtype)
    assert all(
        step.dtype == "int8" or step.op == "DequantizeLinear"
        for step in octavo.Session(quantized).describe()
        if step.op != "Transpose"
    )
    want = quantized_tensors(quantized, x)
    session = octavo.Session(cut_at_bytes(quantized))
    feeds = {i.name: want.get(i.name, x) for i in session.get_inputs()}
    for info, ours in zip(session.get_outputs(), session.run(None, feeds), strict=True):
        theirs = want[info.name.removesuffix(".again")]
        assert step_distance(ours, theirs) <= 1, info.name
