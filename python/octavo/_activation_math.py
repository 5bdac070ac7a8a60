"""Activation functions in float64, NumPy alone."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]


def _sigmoid(x: F64) -> F64:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


def _erf(x: F64) -> F64:
    return np.fromiter((math.erf(v) for v in x.ravel()), np.float64, x.size).reshape(x.shape)


def _gelu(x: F64) -> F64:
    return np.asarray(0.5 * x * (1.0 + _erf(x * math.sqrt(0.5))))


def _gelu_tanh(x: F64) -> F64:
    inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)
    return np.asarray(0.5 * x * (1.0 + np.tanh(inner)))


def _hard_sigmoid(x: F64) -> F64:
    return np.asarray(np.clip(x / 6.0 + 0.5, 0.0, 1.0))


#: By the names that `octavo.activation_table` takes.
FUNCTIONS: dict[str, Callable[[F64], F64]] = {
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "erf": _erf,
    "exp": np.exp,
    "gelu": _gelu,
    "gelu_tanh": _gelu_tanh,
    "silu": lambda x: np.asarray(x * _sigmoid(x)),
    "hard_sigmoid": _hard_sigmoid,
    "hard_swish": lambda x: np.asarray(x * _hard_sigmoid(x)),
    "relu": lambda x: np.asarray(np.maximum(x, 0.0)),
}
