"""A graph and its input shapes to a compiled program: resolve, fuse, lower."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from octavo.errors import InvalidModelError, OctavoError, UnsupportedModelError
from octavo.graph import (
    emit_dynamic,
    emit_float,
    emit_int8,
    emit_layout,
    emit_math,
    emit_matmul,
)
from octavo.graph.compiled import Compiled, Port
from octavo.graph.fold_pads import fold_pads
from octavo.graph.fuse import fuse
from octavo.graph.ir import ByteParams, Graph, Node
from octavo.graph.lowering import DTYPES, Lowering, Stored
from octavo.graph.qdq import byte_params
from octavo.graph.shape_rules import Shape
from octavo.graph.shapes import resolve

Emitter = Callable[[Lowering, Node], None]
EMITTERS: dict[str, Emitter] = {
    **emit_dynamic.EMITTERS,
    **emit_float.EMITTERS,
    **emit_layout.EMITTERS,
    **emit_int8.EMITTERS,
    **emit_math.EMITTERS,
    **emit_matmul.EMITTERS,
}


# What is computed in float32 and has no other form; Q-operators have names of their own.
_FLOAT_ONLY = {*emit_float.EMITTERS, *emit_math.EMITTERS} - {
    "DequantizeLinear",
    *(op for op in emit_math.EMITTERS if op.startswith("Q")),
}


def compile_graph(
    graph: Graph,
    sample_shapes: dict[str, Shape],
    batch: int | None,
    outputs: list[str],
    packed: dict[Hashable, Any],
    ordered: bool = True,
    keep_weights: bool = False,
) -> Compiled:
    """Compile a copy of `graph`.

    Parameters
    ----------
    graph : Graph
        Already simplified; not changed.
    sample_shapes : dict
        Input shapes without the batch axis.
    batch : int or None
        The batch extent where the model fixes it.
    outputs : list of str
        Tensors to return, in this order; any computed tensors, not only graph outputs.
    packed : dict
        Packed weights, shared between programs of one session.
    ordered : bool
        Whether outputs are returned in the model's order of axes, or as they lie (NHWC).
    keep_weights : bool
        Whether the program can be saved; it then holds its weights twice.
    """
    graph = graph.copy()
    keep = frozenset(outputs)
    graph.outputs = [value for value in graph.outputs if value.name in keep]
    shapes = resolve(graph, sample_shapes, batch)
    graph.remove_unused(keep)
    input_params = _input_params(graph)
    fuse(graph, shapes, keep)
    fold_pads(graph, shapes, batch, keep)
    low = Lowering(graph, shapes, batch, packed, keep, keep_weights)
    inputs = [_input(low, value.name, value.dtype, shapes[value.name]) for value in graph.inputs]
    for node in graph.nodes:
        _emit(low, node)
    returned = [_output(low, name, inputs, ordered) for name in outputs]
    low.program.finish([value.id for value in inputs], [value.id for value in returned])
    _check_types(graph, dict(zip(outputs, returned, strict=True)))
    return Compiled(
        low.program,
        low.records,
        [
            _port(value.name, stored, value.dtype == np.int8, input_params.get(value.name))
            for value, stored in zip(graph.inputs, inputs, strict=True)
        ],
        [
            _port(name, stored, _signed(graph.bytes.get(name)), graph.bytes.get(name))
            for name, stored in zip(outputs, returned, strict=True)
        ],
    )


def _input_params(graph: Graph) -> dict[str, ByteParams]:
    """What the graph says of its inputs that are bytes: how it dequantizes them."""
    names = {value.name for value in graph.inputs}
    return {
        node.input(0): byte_params(graph, node)
        for node in graph.nodes
        if node.op == "DequantizeLinear" and node.input(0) in names
    }


def _port(name: str, stored: Stored, signed: bool, params: ByteParams | None) -> Port:
    kind = "s8" if stored.dtype == "u8" and signed else stored.dtype
    shape = tuple(stored.order(stored.shape))
    if stored.dtype != "u8" or params is None:
        return Port(name, kind, shape)
    return Port(name, kind, shape, params.scale, params.zero_point - (128 if signed else 0))


def _check_types(graph: Graph, returned: dict[str, Stored]) -> None:
    for value in graph.outputs:
        signed = _signed(graph.bytes.get(value.name))
        kind = "int8" if signed else "uint8"
        stored = returned[value.name].dtype
        found = kind if stored == "u8" else DTYPES[stored]
        if value.dtype != found:
            raise InvalidModelError(
                f"output '{value.name}' is declared {value.dtype}; the model computes {found}"
            )


def _signed(params: ByteParams | None) -> bool:
    return params is not None and params.signed


def _input(low: Lowering, name: str, dtype: np.dtype[Any], shape: Shape) -> Stored:
    value = low.new("f32" if dtype == np.float32 else "u8", shape)
    low.put(name, value)
    return value


def _emit(low: Lowering, node: Node) -> None:
    emitter = EMITTERS.get(node.op)
    if emitter is None:
        raise node.unsupported(f"operator {node.op} is not supported")
    if node.op in _FLOAT_ONLY:
        for name in node.inputs:
            if low.holds(name) and low.view(name).dtype != "f32":
                raise node.unsupported(f"computes in float32; its input '{name}' is an integer")
    try:
        emitter(low, node)
    except OctavoError:
        raise
    except (ValueError, NotImplementedError, OverflowError) as error:
        raise node.unsupported(str(error)) from error


def _output(low: Lowering, name: str, inputs: list[Stored], ordered: bool) -> Stored:
    if name in low.graph.initializers:
        raise UnsupportedModelError(f"output '{name}' is a constant, not a computed tensor")
    node = Node("Output", name, [name], [name])
    value = low.plain(name, node) if ordered else low.get(name)
    if all(value.id != entry.id for entry in inputs):
        return value
    # An input returned as it is: a step has to write the output.
    out = low.new(value.dtype, value.shape)
    if value.dtype == "f32":
        low.program.clamp(value.id, out.id, name=name, lo=-np.inf, hi=np.inf)
    else:
        low.program.requantize(
            value.id, out.id, name=name, src_zero_point=0, multiplier=1.0, zero_point=0
        )
    low.record("Copy", node, out)
    return out
