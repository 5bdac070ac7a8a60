"""What depends on constants only is computed when the model is loaded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

import octavo
from graph_support import Array, Builder, both, ort_run, steps, unchecked
from octavo.errors import InvalidModelError

Build = Callable[[Builder, Array], str]


def ints(b: Builder, *values: int) -> str:
    return b.constant(np.int64(values))


WEIGHTS: dict[str, Build] = {
    "transpose": lambda b, w: b.node("Transpose", b.constant(w.T), perm=[1, 0]),
    "transpose all": lambda b, w: b.node("Transpose", b.constant(w.T)),
    "reshape": lambda b, w: b.node("Reshape", b.constant(w.reshape(-1)), ints(b, 6, -1)),
    "reshape 0": lambda b, w: b.node("Reshape", b.constant(w.reshape(6, 5, 1)), ints(b, 0, 5)),
    "squeeze": lambda b, w: b.node("Squeeze", b.constant(w[None]), ints(b, 0)),
    "squeeze all": lambda b, w: b.node("Squeeze", b.constant(w[None, :, None])),
    "unsqueeze": lambda b, w: b.node(
        "Squeeze", b.node("Unsqueeze", b.constant(w), ints(b, 1, 3)), ints(b, 1, -1)
    ),
    "concat": lambda b, w: b.node("Concat", b.constant(w[:2]), b.constant(w[2:]), axis=0),
    "slice": lambda b, w: b.node(
        "Slice", b.constant(np.vstack([w, w])), ints(b, -7), ints(b, -(2**40)), "", ints(b, -1)
    ),
    "gather": lambda b, w: b.node("Gather", b.constant(w), ints(b, 3, 1, 0, 2, 5, 4)),
    "cast": lambda b, w: b.node("Cast", b.constant(w.astype(np.float64)), to=1),
    "arithmetic": lambda b, w: b.node(
        "Div",
        b.node("Sub", b.node("Mul", b.constant(w), b.constant(np.float32(2))), b.constant(w[0])),
        b.constant(np.float32(3)),
    ),
    "constants": lambda b, w: b.node("Add", b.constant(w), b.node("Constant", value_float=0.5)),
    "identity": lambda b, w: b.node("Identity", b.constant(w)),
    "quantized": lambda b, w: b.dequantize(
        b.quantize(b.constant(w), 0.02, 3, "int8"), 0.02, 3, "int8"
    ),
}


@pytest.mark.parametrize("build", WEIGHTS.values(), ids=WEIGHTS)
def test_weights_computed_from_constants(rng: np.random.Generator, build: Build) -> None:
    b = Builder(["N", 6])
    w = rng.standard_normal((6, 5)).astype(np.float32)
    model = b.model(b.node("MatMul", "input", build(b, w)))
    x = rng.standard_normal((3, 6)).astype(np.float32)
    (ours,) = octavo.Session(model).run(None, {"input": x})
    # Not optimised: ONNX Runtime would quantize the activations of a MatMul by int8 weights.
    (theirs,) = ort_run(model, {"input": x}, optimize=False)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert steps(model) == ["MatMul:float32"]


def test_integer_division_truncates(rng: np.random.Generator) -> None:
    b = Builder(["N", 4, 6])
    shape = b.node("Shape", "input", start=1)
    half = b.node("Div", b.node("Sub", ints(b, -1), shape), ints(b, -2))  # -5 / -2, -7 / -2
    target = b.node("Concat", ints(b, 0), half, ints(b, -1), axis=0)
    model = b.model(b.node("Reshape", "input", target))
    x = rng.standard_normal((2, 4, 6)).astype(np.float32)
    (ours,), (theirs,) = both(model, input=x)
    np.testing.assert_array_equal(ours, theirs)
    assert ours.shape == (2, 2, 3, 4)


@pytest.mark.parametrize(
    "build",
    [
        lambda b: b.node("Div", ints(b, 4), ints(b, 0)),
        lambda b: b.node("Gather", ints(b, 4), ints(b, 9)),
        lambda b: b.node("Reshape", ints(b, 4), ints(b, 3)),
        lambda b: b.node("Squeeze", ints(b, 4, 5), ints(b, 0)),
    ],
    ids=["division by zero", "gather", "reshape", "squeeze"],
)
def test_constants_that_do_not_fit(build: Callable[[Builder], str]) -> None:
    b = Builder(["N", 4])
    model_output = b.node("Reshape", "input", build(b))
    with pytest.raises(InvalidModelError, match="its constant inputs do not fit together"):
        octavo.Session(unchecked(b, model_output))
