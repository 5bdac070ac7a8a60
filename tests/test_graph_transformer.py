"""Transformers and gated networks: what becomes bytes, what needs no step, what the values are."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import onnx
import pytest

import octavo
from graph_support import Array, Builder, both, expose_bytes, ort_run, step_distance, steps

TOKENS, HEADS, SIZE = 11, 3, 8
WIDTH = HEADS * SIZE
SHAPE = ["N", TOKENS, WIDTH]


def tokens(rng: np.random.Generator, n: int = 2) -> Array:
    return rng.standard_normal((n, TOKENS, WIDTH)).astype(np.float32)


def dense(b: Builder, x: str, rng: np.random.Generator, outputs: int) -> str:
    w = rng.standard_normal((WIDTH, outputs)).astype(np.float32) / math.sqrt(WIDTH)
    bias = rng.standard_normal(outputs).astype(np.float32) * 0.1
    return b.node("Add", b.node("MatMul", x, b.constant(w)), b.constant(bias))


def split(b: Builder, x: str, *perm: int) -> str:
    shape = b.constant(np.int64([0, TOKENS, HEADS, SIZE]))
    return b.node("Transpose", b.node("Reshape", x, shape), perm=list(perm))


def attention(b: Builder, x: str, rng: np.random.Generator) -> str:
    q = split(b, dense(b, x, rng, WIDTH), 0, 2, 1, 3)
    k = split(b, dense(b, x, rng, WIDTH), 0, 2, 3, 1)
    v = split(b, dense(b, x, rng, WIDTH), 0, 2, 1, 3)
    scores = b.node("Div", b.node("MatMul", q, k), b.constant(np.float32(math.sqrt(SIZE))))
    y = b.node("MatMul", b.node("Softmax", scores, axis=-1), v)
    y = b.node("Transpose", y, perm=[0, 2, 1, 3])
    y = b.node("Reshape", y, b.constant(np.int64([0, TOKENS, WIDTH])))
    return b.node("Add", dense(b, y, rng, WIDTH), x)


def gelu(b: Builder, x: str) -> str:
    erf = b.node("Erf", b.node("Div", x, b.constant(np.float32(math.sqrt(2)))))
    y = b.node("Mul", x, b.node("Add", erf, b.constant(np.float32(1))))
    return b.node("Mul", y, b.constant(np.float32(0.5)))


def layer_norm(b: Builder, x: str, rng: np.random.Generator) -> str:
    gamma = b.constant(rng.uniform(0.8, 1.2, WIDTH).astype(np.float32))
    beta = b.constant(rng.normal(0, 0.1, WIDTH).astype(np.float32))
    return b.node("LayerNormalization", x, gamma, beta, axis=-1, epsilon=1e-6)


def decomposed_norm(b: Builder, x: str, rng: np.random.Generator) -> str:
    centered = b.node("Sub", x, b.node("ReduceMean", x, axes=[-1]))
    square = b.node("Pow", centered, b.constant(np.float32(2)))
    variance = b.node("Add", b.node("ReduceMean", square, axes=[-1]), b.constant(np.float32(1e-6)))
    y = b.node("Div", centered, b.node("Sqrt", variance))
    y = b.node("Mul", y, b.constant(rng.uniform(0.8, 1.2, WIDTH).astype(np.float32)))
    return b.node("Add", y, b.constant(rng.normal(0, 0.1, WIDTH).astype(np.float32)))


def encoder(rng: np.random.Generator) -> onnx.ModelProto:
    b = Builder(SHAPE)
    x = layer_norm(b, attention(b, "input", rng), rng)
    return b.model(dense(b, gelu(b, dense(b, x, rng, WIDTH)), rng, WIDTH))


def test_an_encoder_layer_runs_on_bytes_without_transposes(rng: np.random.Generator) -> None:
    model = octavo.quantize_model(encoder(rng), tokens(rng, 8))
    dense_step = "MatMul+Add:int8"
    assert steps(model) == [
        "QuantizeLinear:int8",
        *[dense_step] * 3,
        "MatMul+Div:int8",
        "Softmax:int8",
        "MatMul:int8",
        "MatMul+Add+Add:int8",
        "LayerNormalization:int8",
        dense_step,
        "Div+Erf+Add+Mul+Mul:int8",
        dense_step,
        "DequantizeLinear:float32",
    ]


def test_an_encoder_layer_is_close_to_float_and_to_onnx_runtime(rng: np.random.Generator) -> None:
    model = encoder(rng)
    quantized = octavo.quantize_model(model, tokens(rng, 8))
    x = tokens(rng)
    (ours,), (theirs,) = both(quantized, input=x)
    (real,) = ort_run(model, {"input": x})
    for found in (ours, theirs):
        cosine = (found * real).sum() / np.sqrt((found**2).sum() * (real**2).sum())
        assert cosine > 0.999
    exposed, names = expose_bytes(quantized)
    own, other = both(exposed, input=x)
    distances = {n: step_distance(a, c) for n, a, c in zip(names, own[1:], other[1:], strict=True)}
    assert max(distances.values()) <= 2, distances


def test_every_backend_and_thread_count_gives_the_same_bits(rng: np.random.Generator) -> None:
    model = octavo.quantize_model(encoder(rng), tokens(rng, 8))
    x, results = tokens(rng, 3), set()
    for backend in octavo.backends():
        with octavo.use_backend(backend):
            for threads in (1, 2):
                (y,) = octavo.Session(model, threads=threads).run(None, {"input": x})
                results.add(y.tobytes())
    assert len(results) == 1


def test_parameters_of_attention(rng: np.random.Generator) -> None:
    """Probabilities come in steps of 1/256; the second factor of a product is symmetric."""
    model = octavo.quantize_model(encoder(rng), tokens(rng, 4))
    constants = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    producers = {name: n for n in model.graph.node for name in n.output}
    for node in model.graph.node:
        if node.op_type != "MatMul" or producers[node.input[1]].input[0] in constants:
            continue
        left, right = (producers[name] for name in node.input)
        assert constants[right.input[2]] == 128
        before = producers[producers[left.input[0]].input[0]]
        if before.op_type == "Softmax":
            assert constants[left.input[1]] == np.float32(1 / 256)
            assert constants[left.input[2]] == 0


def test_decomposed_layer_norm_is_one_step(rng: np.random.Generator) -> None:
    b = Builder(SHAPE)
    y = decomposed_norm(b, dense(b, "input", rng, WIDTH), rng)
    model = b.model(dense(b, y, rng, WIDTH))
    found = steps(octavo.quantize_model(model, tokens(rng, 4)))
    assert found[2] == "LayerNormalization:int8"
    assert len(found) == 5
    (ours,), (theirs,) = both(model, input=tokens(rng))
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


FUNCTIONS: dict[str, Callable[[Builder, str], str]] = {
    "gelu": gelu,
    "silu": lambda b, x: b.node("Mul", x, b.node("Sigmoid", x)),
    "hard_swish": lambda b, x: b.node("HardSwish", x),
    "tanh": lambda b, x: b.node("Tanh", x),
    "relu6 gate": lambda b, x: b.node(
        "Mul", x, b.node("Clip", b.node("Add", x, c(b, 3)), c(b, 0), c(b, 6))
    ),
    "arithmetic": lambda b, x: b.node(
        "Sub", c(b, 1), b.node("Div", x, b.node("Exp", b.node("Neg", x)))
    ),
    "root": lambda b, x: b.node("Sqrt", b.node("HardSigmoid", x, alpha=0.25)),
    "square": lambda b, x: b.node("Reciprocal", b.node("Add", b.node("Mul", x, x), c(b, 1))),
}


def c(b: Builder, value: float) -> str:
    return b.constant(np.float32(value))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_one_byte_are_tables(name: str, rng: np.random.Generator) -> None:
    b = Builder(SHAPE)
    y = FUNCTIONS[name](b, b.qdq("input", 0.02, 120))
    q = b.quantize(y, 0.03, 50)
    model = b.model(q, dtypes=["uint8"])
    x = (np.arange(2 * TOKENS * WIDTH).reshape(2, TOKENS, WIDTH) % 256 - 120).astype(np.float32)
    (ours,), (theirs,) = both(model, input=x * np.float32(0.02))
    assert step_distance(ours, theirs) <= 1
    assert np.mean(ours != theirs) < 0.02
    assert len(steps(model)) == 2
    assert steps(model)[1].endswith(":int8")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_in_float(name: str, rng: np.random.Generator) -> None:
    b = Builder(SHAPE)
    model = b.model(FUNCTIONS[name](b, "input"))
    (ours,), (theirs,) = both(model, input=tokens(rng))
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=2e-6)


def test_a_function_read_in_between_stays_float(rng: np.random.Generator) -> None:
    b = Builder(SHAPE)
    inner = b.node("Sigmoid", b.qdq("input", 0.02, 120))
    q = b.quantize(b.node("Tanh", inner), 0.01, 0)
    model = b.model(q, inner, dtypes=["uint8", "float32"])
    ours, theirs = both(model, input=tokens(rng))
    assert step_distance(ours[0], theirs[0]) <= 1
    np.testing.assert_allclose(ours[1], theirs[1], atol=1e-6)


@pytest.mark.parametrize("perm", [(0, 2, 1, 3), (0, 3, 1, 2), (0, 2, 3, 1), (0, 3, 2, 1)])
@pytest.mark.parametrize("on_bytes", [False, True])
def test_any_transpose(perm: tuple[int, ...], on_bytes: bool, rng: np.random.Generator) -> None:
    b = Builder(["N", 3, 4, 5])
    x = b.qdq("input", 0.02, 128) if on_bytes else "input"
    y = b.node("Transpose", x, perm=list(perm))
    y = b.qdq(y, 0.02, 128) if on_bytes else y
    model = b.model(b.node("Reshape", y, b.constant(np.int64([0, -1]))))
    (ours,), (theirs,) = both(model, input=rng.standard_normal((2, 3, 4, 5)).astype(np.float32))
    np.testing.assert_array_equal(ours, theirs)


def test_transpose_of_a_convolution_to_channels_last_is_free(rng: np.random.Generator) -> None:
    b = Builder(["N", 4, 6, 6])
    w = rng.standard_normal((8, 4, 1, 1)).astype(np.float32)
    y = b.node("Transpose", b.node("Conv", "input", b.constant(w)), perm=[0, 2, 3, 1])
    model = b.model(b.node("Reshape", y, b.constant(np.int64([0, 36, 8]))))
    assert steps(model) == ["Transpose:float32", "Conv:float32"]
    (ours,), (theirs,) = both(model, input=rng.standard_normal((2, 4, 6, 6)).astype(np.float32))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize(("a_shape", "b_shape"), [((2, 5, 7), (2, 7, 4)), ((1, 5, 7), (3, 7, 4))])
def test_stacks_of_matrices_broadcast(
    a_shape: tuple[int, ...], b_shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    b = Builder(["N", *a_shape])
    other = b.add_input("other", ["N", *b_shape])
    model = b.model(b.node("Relu", b.node("MatMul", "input", other)))
    feeds = {
        "input": rng.standard_normal((2, *a_shape)).astype(np.float32),
        "other": rng.standard_normal((2, *b_shape)).astype(np.float32),
    }
    (ours,), (theirs,) = both(model, **feeds)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_squeeze_and_excite_runs_on_bytes(rng: np.random.Generator) -> None:
    b = Builder(["N", 4, 6, 6])

    def conv(x: str) -> str:
        return b.node("Conv", x, b.constant(rng.standard_normal((4, 4, 1, 1)).astype(np.float32)))

    x = b.node("HardSwish", conv("input"))
    gate = b.node("HardSigmoid", conv(b.node("GlobalAveragePool", x)))
    model = b.model(conv(b.node("Mul", x, gate)))
    samples = rng.standard_normal((8, 4, 6, 6)).astype(np.float32)
    quantized = octavo.quantize_model(model, samples)
    found = [s for s in steps(quantized) if not s.startswith("Transpose")]
    assert found == [
        "QuantizeLinear:int8",
        "Conv:int8",
        "HardSwish:int8",
        "GlobalAveragePool:int8",
        "Conv:int8",
        "HardSigmoid:int8",
        "Mul:int8",
        "Conv:int8",
        "DequantizeLinear:float32",
    ]
    (ours,) = octavo.Session(quantized).run(None, {"input": samples})
    (real,), (theirs,) = both(model, input=samples)
    np.testing.assert_allclose(real, theirs, atol=1e-4)
    assert np.abs(ours - real).max() < 0.05 * np.abs(real).max()


@pytest.mark.parametrize("op", ["Add", "Mul", "Sub"])
def test_broadcast_of_bytes_runs_in_float(op: str, rng: np.random.Generator) -> None:
    b = Builder(["N", 4, 6, 6])
    x = b.qdq("input", 0.02, 128)
    row = b.qdq(b.node("ReduceMean", x, axes=[2]), 0.02, 128)
    model = b.model(b.quantize(b.node(op, x, row), 0.03, 100), dtypes=["uint8"])
    (ours,), (theirs,) = both(model, input=rng.standard_normal((2, 4, 6, 6)).astype(np.float32))
    assert step_distance(ours, theirs) <= 1


def test_add_of_a_broadcast_tensor_behind_a_convolution(rng: np.random.Generator) -> None:
    b = Builder(["N", 4, 6, 6])
    w = b.constant(rng.standard_normal((4, 4, 1, 1)).astype(np.float32))
    y = b.node("Conv", "input", w)
    y = b.node("Relu", b.node("Add", y, b.node("GlobalAveragePool", "input")))
    model = b.model(b.node("Conv", y, w))
    samples = rng.standard_normal((4, 4, 6, 6)).astype(np.float32)
    (ours,) = octavo.Session(octavo.quantize_model(model, samples)).run(None, {"input": samples})
    (real,), (theirs,) = both(model, input=samples)
    np.testing.assert_allclose(real, theirs, atol=1e-4)
    assert np.abs(ours - real).max() < 0.05 * np.abs(real).max()
