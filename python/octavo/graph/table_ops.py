"""Functions of one byte: trees of elementwise operators that become a table of 256 entries.

Whatever an exporter makes of GELU, SiLU, hard-swish and their like, between one DequantizeLinear
and one QuantizeLinear it is a function of one byte.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from octavo.graph.ir import ByteParams, Node

Reals = NDArray[np.float64]
Unary = Callable[[Node, Reals], Reals]
_erf = np.frompyfunc(math.erf, 1, 1)


def erf(x: Reals) -> Reals:
    """The error function, element by element."""
    return np.asarray(_erf(x), np.float64)


def gelu(x: Reals) -> Reals:
    """Input times the probability that a normal variable is smaller."""
    return 0.5 * x * (1.0 + erf(x / math.sqrt(2.0)))


def gelu_tanh(x: Reals) -> Reals:
    """The tanh approximation of `gelu`."""
    return 0.5 * x * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def sigmoid(x: Reals) -> Reals:
    """1 / (1 + exp(-x))."""
    return 1.0 / (1.0 + np.exp(-x))


def hard_sigmoid(node: Node, x: Reals) -> Reals:
    """Clamp alpha * x + beta to [0, 1]."""
    alpha, beta = node.attrs.get("alpha", 0.2), node.attrs.get("beta", 0.5)
    return np.asarray(np.clip(np.float32(alpha) * x + np.float32(beta), 0.0, 1.0))


def _gelu_node(node: Node, x: Reals) -> Reals:
    return gelu_tanh(x) if node.attrs.get("approximate", "none") == "tanh" else gelu(x)


UNARY: dict[str, Unary] = {
    "Erf": lambda _, x: erf(x),
    "Exp": lambda _, x: np.exp(x),
    "Gelu": _gelu_node,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": lambda _, x: x * np.clip(x / 6.0 + 0.5, 0.0, 1.0),
    "LeakyRelu": lambda node, x: np.where(x < 0, np.float32(node.attrs.get("alpha", 0.01)) * x, x),
    "Neg": lambda _, x: -x,
    "Reciprocal": lambda _, x: 1.0 / x,
    "Relu": lambda _, x: np.maximum(x, 0.0),
    "Sigmoid": lambda _, x: sigmoid(x),
    "Sqrt": lambda _, x: np.sqrt(x),
    "Tanh": lambda _, x: np.tanh(x),
}
BINARY: dict[str, Callable[[Reals, Reals], Reals]] = {
    "Add": np.add,
    "Div": np.divide,
    "Mul": np.multiply,
    "Pow": np.power,
    "Sub": np.subtract,
}
TABLE_OPS = frozenset({*UNARY, *BINARY, "Clip"})


def all_reals(params: ByteParams) -> NDArray[np.float32]:
    """What each of the 256 bytes means."""
    steps = np.arange(256, dtype=np.float32) - np.float32(params.zero_point)
    return np.asarray(steps * np.float32(params.scale))


def quantized(values: Reals, out: ByteParams) -> NDArray[np.uint8]:
    """clamp(rne(float32(value) / scale) + zero_point), NaN as the smallest byte."""
    with np.errstate(all="ignore"):
        steps = np.rint(values.astype(np.float32) / np.float32(out.scale))
        found = np.clip(steps + np.float32(out.zero_point), 0.0, 255.0)
    return np.asarray(np.nan_to_num(found, nan=0.0).astype(np.uint8))
