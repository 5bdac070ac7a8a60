"""Encoder layers of BERT with random weights: the part of a transformer that costs time."""

from __future__ import annotations

import math

import onnx

from .builder import GraphBuilder


def _linear(g: GraphBuilder, x: str, inputs: int, outputs: int) -> str:
    weight = g.normal((inputs, outputs), math.sqrt(1 / inputs), "weight")
    return g.node("Add", [g.node("MatMul", [x, weight]), g.normal((outputs,), 0.02, "bias")])


def _layer_norm(g: GraphBuilder, x: str, hidden: int) -> str:
    gamma = g.uniform((hidden,), 0.8, 1.2, "gamma")
    beta = g.normal((hidden,), 0.1, "beta")
    return g.node("LayerNormalization", [x, gamma, beta], axis=-1, epsilon=1e-12)


def _gelu(g: GraphBuilder, x: str) -> str:
    """x / 2 * (1 + erf(x / sqrt 2))."""
    erf = g.node("Erf", [g.node("Div", [x, g.scalar(math.sqrt(2))])])
    return g.node("Mul", [g.node("Mul", [x, g.node("Add", [erf, g.scalar(1)])]), g.scalar(0.5)])


def _attention(g: GraphBuilder, x: str, tokens: int, hidden: int, heads: int) -> str:
    size = hidden // heads

    def split(y: str, perm: list[int]) -> str:
        y = g.node("Reshape", [y, g.shape(0, tokens, heads, size)])
        return g.node("Transpose", [y], perm=perm)

    query = split(_linear(g, x, hidden, hidden), [0, 2, 1, 3])
    key = split(_linear(g, x, hidden, hidden), [0, 2, 3, 1])
    value = split(_linear(g, x, hidden, hidden), [0, 2, 1, 3])
    scores = g.node("Div", [g.node("MatMul", [query, key]), g.scalar(math.sqrt(size))])
    context = g.node("MatMul", [g.node("Softmax", [scores], axis=-1), value])
    context = g.node("Transpose", [context], perm=[0, 2, 1, 3])
    context = g.node("Reshape", [context, g.shape(0, tokens, hidden)])
    return _linear(g, context, hidden, hidden)


def bert_layers(
    layers: int = 4,
    *,
    tokens: int = 128,
    hidden: int = 768,
    heads: int = 12,
    ffn: int = 3072,
    seed: int = 7,
) -> onnx.ModelProto:
    """Build `layers` encoder layers: input and output (batch, tokens, hidden), no mask."""
    if hidden % heads:
        raise ValueError(f"heads must divide hidden = {hidden}, got {heads}")
    g = GraphBuilder(f"bert_{layers}_layers", seed)
    x = "input"
    for _ in range(layers):
        y = _attention(g, x, tokens, hidden, heads)
        x = _layer_norm(g, g.node("Add", [y, x]), hidden)
        y = _linear(g, _gelu(g, _linear(g, x, hidden, ffn)), ffn, hidden)
        x = _layer_norm(g, g.node("Add", [y, x]), hidden)
    return g.model(("batch", tokens, hidden), x, ("batch", tokens, hidden))
