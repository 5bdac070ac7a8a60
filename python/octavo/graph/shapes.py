"""Shapes of every computed tensor for given input shapes, and the end of shape arithmetic.

All shapes here are per sample: axis 0, the batch, is left out, because it varies from call to
call. `resolve` also evaluates chains such as Shape - Gather - Concat that end in a Reshape.
"""

from __future__ import annotations

import math

import numpy as np

from octavo.errors import InvalidArgumentError
from octavo.graph.evaluate import EVALUATORS, evaluate
from octavo.graph.ir import Array, Graph, Node
from octavo.graph.math_rules import MATH_RULES
from octavo.graph.reshape_rules import RESHAPE_RULES
from octavo.graph.shape_rules import RULES, Shape, ShapeContext

MAX_ELEMENTS = 2**31 - 1  # of one tensor, per sample

# Stands for a batch extent that is not fixed, where a constant holds shape entries.
BATCH = int(np.iinfo(np.int64).min)
# Ops that only move entries of a shape, so that BATCH may pass through them.
_MOVING_OPS = {"Cast", "Concat", "Gather", "Identity", "Reshape", "Slice", "Squeeze", "Unsqueeze"}
_RULES = {**RULES, **RESHAPE_RULES, **MATH_RULES}
# Inputs that are reals, where they are constant.
_FLOAT_CONSTANTS: dict[str, tuple[int, ...]] = {
    "Add": (0, 1),
    "BatchNormalization": (1, 2, 3, 4),
    "Clip": (1, 2),
    "Conv": (1, 2),
    "Div": (0, 1),
    "Gemm": (1, 2),
    "LayerNormalization": (1, 2),
    "MatMul": (0, 1),
    "Mul": (0, 1),
    "Pad": (2,),
    "Pow": (0, 1),
    "Sub": (0, 1),
}


def resolve(graph: Graph, sample_shapes: dict[str, Shape], batch: int | None) -> dict[str, Shape]:
    """Infer all shapes and replace shape arithmetic by constants, in place.

    Parameters
    ----------
    graph : Graph
    sample_shapes : dict
        The shape of each graph input without its batch axis.
    batch : int or None
        The batch extent where the model fixes it.

    Returns
    -------
    dict
        Per-sample shape of every computed tensor.

    Raises
    ------
    UnsupportedModelError, InvalidModelError
        Naming the node whose shape cannot be had.
    """
    context = ShapeContext(graph, dict(sample_shapes), batch)
    for name, shape in sample_shapes.items():
        check_elements(f"input '{name}'", shape)
    kept: list[Node] = []
    for node in graph.nodes:
        value = _shape_arithmetic(context, node)
        if value is not None:
            graph.initializers[node.output] = value
            continue
        _end_symbols(graph, node)
        if node.op == "DequantizeLinear" and node.input(0) in graph.initializers:
            context.static[node.output] = graph.initializers[node.input(0)].shape
        else:
            _infer(context, node)
        kept.append(node)
    graph.nodes = kept
    return context.shapes


def _infer(context: ShapeContext, node: Node) -> None:
    rule = _RULES.get(node.op)
    if rule is None:
        known = ", ".join(sorted(_RULES))
        raise node.unsupported(f"operator {node.op} is not supported; supported are {known}")
    for index in _FLOAT_CONSTANTS.get(node.op, ()):
        value = context.graph.constant(node, index)
        if value is not None and value.dtype != np.float32:
            raise node.unsupported(f"input {index} is {value.dtype}; octavo computes in float32")
    if any(name and name in context.shapes for name in node.outputs):
        raise node.invalid("writes a tensor that already exists")
    shape = rule(context, node)
    check_elements(f"{node.label}: its output", shape)
    context.shapes[node.output] = shape


def check_elements(what: str, shape: Shape) -> None:
    """Refuse a tensor that is empty or too large to plan for."""
    elements = math.prod(shape)
    if not 0 < elements <= MAX_ELEMENTS:
        raise InvalidArgumentError(
            f"{what} would have shape (batch, {', '.join(map(str, shape))}); "
            f"1 to {MAX_ELEMENTS} elements per sample are possible"
        )


def _shape_arithmetic(context: ShapeContext, node: Node) -> Array | None:
    graph = context.graph
    if node.op == "Shape" and node.input(0) in context.shapes:
        full = (BATCH if context.batch is None else context.batch, *context.shapes[node.input(0)])
        start, end = node.attrs.get("start", 0), node.attrs.get("end", len(full))
        return np.array(full[start:end], dtype=np.int64)
    if node.op not in EVALUATORS:
        return None
    values = [graph.initializers.get(name) for name in node.inputs]
    if any(value is None for name, value in zip(node.inputs, values, strict=True) if name):
        return None
    if node.op not in _MOVING_OPS and any(_symbolic(value) for value in values):
        raise node.unsupported("computes with the batch extent, which is not fixed")
    return evaluate(node, values, graph.limit)


def _symbolic(value: Array | None) -> bool:
    return value is not None and value.dtype == np.int64 and bool(np.any(value == BATCH))


def _end_symbols(graph: Graph, node: Node) -> None:
    """A Reshape to (batch, ...) keeps axis 0, which ONNX writes as 0; nothing else may see it."""
    for index, name in enumerate(node.inputs):
        value = graph.initializers.get(name)
        if value is None or not _symbolic(value):
            continue
        if node.op != "Reshape" or value[0] != BATCH or np.count_nonzero(value == BATCH) != 1:
            raise node.unsupported("uses the batch extent, which is not fixed, as a constant")
        target = value.copy()
        target[0] = 0
        fixed = f"{name}.sample"
        graph.initializers[fixed] = target
        node.inputs[index] = fixed
