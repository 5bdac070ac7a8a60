"""Which tensors of a quantized network share a scale."""

from __future__ import annotations

import numpy as np

from graph_support import Builder, steps
from octavo.quantize import quantize_with_report
from test_quantize_model import IMAGE


def test_what_only_moves_bytes_shares_a_scale(rng: np.random.Generator) -> None:
    b = Builder(IMAGE)
    y = b.node("Conv", "input", b.constant(np.float32(rng.standard_normal((4, 3, 3, 3)))))
    pooled = b.node("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    shaped = b.node("Reshape", pooled, b.constant(np.int64([0, 4, 49])))
    other = b.node("Reshape", y, b.constant(np.int64([0, 4, 196])))
    joined = b.node("Concat", shaped, other, axis=2)
    last = b.node("Conv", joined, b.constant(np.float32(rng.standard_normal((2, 4, 1)))))
    x = rng.standard_normal((40, 3, 16, 16)).astype(np.float32)
    quantized, report = quantize_with_report(b.model(last), x)
    params = {t.name: t.params for t in report.tensors}
    assert params[y] == params[pooled] == params[shaped] == params[other]
    floats = {s for s in steps(quantized) if s.endswith("float32")}
    assert floats <= {"Transpose:float32", "DequantizeLinear:float32"}
    assert set(params) == {"input", y, pooled, shaped, other, joined, last}


def test_what_only_a_concat_reads_shares_its_scale(rng: np.random.Generator) -> None:
    b = Builder(IMAGE)
    left, right, both = (
        b.node("Conv", "input", b.constant(np.float32(scale * rng.standard_normal((4, 3, 3, 3)))))
        for scale in (0.1, 4, 1)
    )
    inner = b.node("Concat", left, right, axis=1)
    outer = b.node("Concat", inner, both, axis=1)
    sides = [
        b.node("Conv", name, b.constant(np.float32(rng.standard_normal((2, channels, 1, 1)))))
        for name, channels in ((outer, 12), (both, 4))
    ]
    x = rng.standard_normal((40, 3, 16, 16)).astype(np.float32)
    _, report = quantize_with_report(b.model(*sides), x)
    params = {t.name: t.params for t in report.tensors}
    assert params[left] == params[right] == params[inner] == params[outer]
    assert params[both] != params[outer]  # it has another reader
