"""Replace the quantized convolutions and matrix products of a model by octavo's operators.

    python rewrite.py model.onnx model.octavo.onnx

The result runs in ONNX Runtime with the library of this folder registered. Its kernels take images
as NHWC, ONNX as NCHW: each convolution is written between two Transposes, which ONNX Runtime
cancels when it loads the model, so that they stay only where a region of convolutions, additions
and other operators that do not mind ends.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from onnx import helper, numpy_helper

DOMAIN = "octavo"
X, X_SCALE, X_ZERO, W, W_SCALE, W_ZERO, Y_SCALE, Y_ZERO, BIAS = range(9)

# Longest sum that octavo takes: without and with zero points of the weights.
MAX_K, MAX_K_ZERO_POINT = 65536, 33025


def fuse(model: onnx.ModelProto) -> onnx.ModelProto:
    """A QDQ model with the quantized operators that ONNX Runtime makes of it, still in NCHW."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "fused.onnx")
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
        options.optimized_model_filepath = str(path)
        options.log_severity_level = 3  # it warns that such a file is for this machine
        ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return onnx.load(path)


def rewrite(model: onnx.ModelProto) -> tuple[onnx.ModelProto, int]:
    """A copy of a fused model that uses octavo, and how many nodes of it do.

    QLinearConv, QLinearMatMul and QGemm are replaced where all but `x` is constant. What is left
    to ONNX Runtime: convolutions that are not 2-D, sums longer than octavo takes, QGemm with a
    float result, and what neither of them has.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    graph = result.graph
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    count = 0
    for node in graph.node:
        replace = REPLACEMENTS.get(node.op_type)
        made = list(replace(node, constants)) if replace else []
        count += bool(made)
        nodes += made or [node]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input} | {out.name for out in graph.output}
    graph.initializer.extend(t for name, t in constants.items() if name in used)
    if not any(entry.domain == DOMAIN for entry in result.opset_import):
        result.opset_import.append(helper.make_opsetid(DOMAIN, 1))
    return result, count


Constants = dict[str, onnx.TensorProto]


def _is_replaceable(inputs: list[str], constants: Constants, k: int) -> bool:
    if not all(name in constants for name in inputs[X_SCALE:]):
        return False
    weight, zero = (numpy_helper.to_array(constants[inputs[i]]) for i in (W, W_ZERO))
    center = 128 if weight.dtype == np.uint8 else 0
    longest = MAX_K_ZERO_POINT if np.any(zero != center) else MAX_K
    return weight.dtype.itemsize == 1 and k <= longest


def _conv(node: onnx.NodeProto, constants: Constants) -> Iterator[onnx.NodeProto]:
    inputs = [name for name in node.input if name]
    given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    weight = constants.get(inputs[W])
    if weight is None or len(weight.dims) != 4 or given.get("channels_last", 0):
        return
    if given.get("auto_pad", b"NOTSET") != b"NOTSET":
        return
    if not _is_replaceable(inputs, constants, prod(weight.dims[1:])):
        return
    attributes = {
        "pads": given.get("pads", [0, 0, 0, 0]),
        "strides": given.get("strides", [1, 1]),
        "dilations": given.get("dilations", [1, 1]),
        "group": given.get("group", 1),
    }
    x, y = f"{node.output[0]}/x_nhwc", f"{node.output[0]}/y_nhwc"
    yield helper.make_node("Transpose", inputs[:1], [x], perm=[0, 2, 3, 1])
    yield helper.make_node(
        "QLinearConv", [x, *inputs[1:]], [y], node.name, domain=DOMAIN, **attributes
    )
    yield helper.make_node("Transpose", [y], node.output, perm=[0, 3, 1, 2])


def _matmul(node: onnx.NodeProto, constants: Constants) -> Iterator[onnx.NodeProto]:
    inputs = list(node.input)
    weight = constants.get(inputs[W])
    if weight is None or len(weight.dims) != 2:
        return
    if _is_replaceable(inputs, constants, weight.dims[0]):
        yield helper.make_node("QLinearMatMul", inputs, node.output, node.name, domain=DOMAIN)


def _gemm(node: onnx.NodeProto, constants: Constants) -> Iterator[onnx.NodeProto]:
    """ONNX Runtime's Gemm of bytes: it has its bias before the output's scale and zero point."""
    inputs = list(node.input)
    given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    weight = constants.get(inputs[W])
    if weight is None or given.get("transA", 0) or given.get("alpha", 1.0) != 1.0:
        return
    if len(inputs) < 9 or not inputs[7]:
        return
    matrix = numpy_helper.to_array(weight)
    if given.get("transB", 0):
        matrix = matrix.T
    operands = [*inputs[:6], *inputs[7:9]]
    if inputs[6]:
        bias = constants.get(inputs[6])
        if bias is None or list(bias.dims) != [matrix.shape[1]]:
            return
        operands.append(inputs[6])
    if not _is_replaceable(operands, constants, matrix.shape[0]):
        return
    operands[W] = f"{inputs[W]}/{node.output[0]}"
    constants[operands[W]] = numpy_helper.from_array(np.ascontiguousarray(matrix), operands[W])
    yield helper.make_node("QLinearMatMul", operands, node.output, node.name, domain=DOMAIN)


REPLACEMENTS: dict[str, Callable[[onnx.NodeProto, Constants], Iterator[onnx.NodeProto]]] = {
    "QLinearConv": _conv,
    "QLinearMatMul": _matmul,
    "QGemm": _gemm,
}


def main() -> int:
    """Rewrite one file."""
    parser = argparse.ArgumentParser(description="Make a quantized model use octavo's operators.")
    parser.add_argument("source", type=Path, help="quantized model, QDQ or of QLinear operators")
    parser.add_argument("target", type=Path, help="file to write")
    arguments = parser.parse_args()
    model, count = rewrite(fuse(onnx.load(arguments.source)))
    onnx.save(model, arguments.target)
    print(f"{count} operators are octavo's: {arguments.target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
