"""Exact int8 neural-network inference on CPUs, called from NumPy.

Every operator returns the same bits on every instruction set, for any number of threads;
`octavo.reference` says which bits, in NumPy. Quantized tensors are uint8 or int8 arrays with
``real = scale * (q - zero_point)``, see `octavo.quantization`.

Examples
--------
>>> import numpy as np
>>> import octavo
>>> x = octavo.quantize_linear(np.float32([[0.5, -1.0, 2.0]]), 0.5, 128)
>>> weight = np.int8([[64, -128, 127], [1, 2, 3]])
>>> packed = octavo.pack_linear(
...     weight, weight_scale=[0.01, 0.1], a_scale=0.5, a_zero_point=128, out_scale=0.1
... )
>>> octavo.linear(x, packed)
array([[41,  4]], dtype=uint8)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from octavo import _core, errors, reference
from octavo._optional import needs_onnx
from octavo.activation import activation_table, layer_norm, lookup, softmax
from octavo.backend import (
    backend,
    backends,
    cpu_features,
    get_num_threads,
    set_num_threads,
    use_backend,
)
from octavo.calibrate import Calibration
from octavo.elementwise import add, concat, mul
from octavo.embed import get_cmake_dir, get_include
from octavo.errors import (
    BackendError,
    CalibrationError,
    InvalidArgumentError,
    InvalidDtypeError,
    InvalidModelError,
    OctavoError,
    UnsupportedModelError,
)
from octavo.functional import conv2d, linear, matmul_integer
from octavo.measures import ErrorMeasures, measure_errors
from octavo.packed import PackedConv2d, PackedLinear, pack_conv2d, pack_linear
from octavo.pooling import global_avg_pool, max_pool2d
from octavo.quantization import QuantParams, choose_qparams, dequantize_linear, quantize_linear
from octavo.requantization import requantize, requantize_linear
from octavo.schemes import Quantized, Scheme, choose_scales, fake_quantize

if TYPE_CHECKING:
    from octavo.graph import Session
    from octavo.graph.compile_model import compile_model
    from octavo.quantize import calibrate_model, quantize_dynamic, quantize_model
    from octavo.report import analyze

__all__ = [
    "BackendError",
    "Calibration",
    "CalibrationError",
    "ErrorMeasures",
    "InvalidArgumentError",
    "InvalidDtypeError",
    "InvalidModelError",
    "OctavoError",
    "PackedConv2d",
    "PackedLinear",
    "QuantParams",
    "Quantized",
    "Scheme",
    "Session",
    "UnsupportedModelError",
    "__version__",
    "activation_table",
    "add",
    "analyze",
    "backend",
    "backends",
    "calibrate_model",
    "choose_qparams",
    "choose_scales",
    "compile_model",
    "concat",
    "conv2d",
    "cpu_features",
    "dequantize_linear",
    "errors",
    "fake_quantize",
    "get_cmake_dir",
    "get_include",
    "get_num_threads",
    "global_avg_pool",
    "layer_norm",
    "linear",
    "lookup",
    "matmul_integer",
    "max_pool2d",
    "measure_errors",
    "mul",
    "pack_conv2d",
    "pack_linear",
    "quantize_dynamic",
    "quantize_linear",
    "quantize_model",
    "reference",
    "requantize",
    "requantize_linear",
    "set_num_threads",
    "softmax",
    "use_backend",
]

__version__: str = _core.build_info()["version"]

# Networks are imported when first asked for. All but a Session of an octavo program need onnx.
_LATE = {
    "Session": "octavo.graph",
    "analyze": "octavo.report",
    "calibrate_model": "octavo.quantize",
    "compile_model": "octavo.graph.compile_model",
    "quantize_dynamic": "octavo.quantize",
    "quantize_model": "octavo.quantize",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module 'octavo' has no attribute {name!r}")
    with needs_onnx(f"octavo.{name}"):
        value = getattr(import_module(_LATE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
