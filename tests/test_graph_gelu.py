"""GELU as exporters write it becomes one step in float, and only where it is GELU."""

from __future__ import annotations

import math

import numpy as np
import pytest

from graph_support import Builder, both, steps


def gelu(b: Builder, form: str, half: float = 0.5, root: float = math.sqrt(2)) -> str:
    """x * (1 + erf(x / root)) * half in one of the orders exporters use."""
    c = {k: b.constant(np.float32(v)) for k, v in (("half", half), ("one", 1), ("root", root))}
    if form == "half first":
        inner = b.node("Mul", "input", b.constant(np.float32(1 / root)))
        total = b.node("Add", c["one"], b.node("Erf", inner))
        return b.node("Mul", b.node("Mul", "input", c["half"]), total)
    total = b.node("Add", b.node("Erf", b.node("Div", "input", c["root"])), c["one"])
    if form == "half last":
        return b.node("Mul", b.node("Mul", "input", total), c["half"])
    return b.node("Mul", "input", b.node("Mul", c["half"], total))


@pytest.mark.parametrize("form", ["half first", "half last", "half in the middle"])
def test_one_step(rng: np.random.Generator, form: str) -> None:
    b = Builder(["N", 70])
    model = b.model(gelu(b, form))
    assert steps(model) == ["Gelu:float32"]
    x = np.concatenate([rng.normal(0, 3, 135), [0.0, -0.0, 30, -30, 5]]).astype(np.float32)
    (ours,), (theirs,) = both(model, input=x.reshape(2, 70))
    np.testing.assert_allclose(ours, theirs, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize(("half", "root"), [(0.25, math.sqrt(2)), (0.5, 1.0)])
def test_other_constants_are_no_gelu(rng: np.random.Generator, half: float, root: float) -> None:
    b = Builder(["N", 9])
    model = b.model(gelu(b, "half last", half, root))
    assert "Gelu:float32" not in steps(model)
    (ours,), (theirs,) = both(model, input=rng.standard_normal((4, 9)).astype(np.float32))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)


def test_an_inner_tensor_with_another_reader_stays(rng: np.random.Generator) -> None:
    b = Builder(["N", 9])
    y = gelu(b, "half last")
    total = next(node.output[0] for node in b.nodes if node.op_type == "Add")
    model = b.model(y, b.node("Tanh", total))
    assert "Gelu:float32" not in steps(model)
    ours, theirs = both(model, input=rng.standard_normal((4, 9)).astype(np.float32))
    for a, c in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, c, rtol=1e-5, atol=1e-6)
