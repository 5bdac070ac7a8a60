"""A float model made ready: what does not depend on data is folded, names are checked."""

from __future__ import annotations

from collections.abc import Sequence

from octavo.errors import InvalidArgumentError, UnsupportedModelError
from octavo.graph.ir import Graph
from octavo.graph.load import ModelLike, load_graph
from octavo.graph.passes import simplify
from octavo.graph.passes.qoperators import is_quantized
from octavo.graph.shapes import resolve
from octavo.quantize.placement import WEIGHTED, Placement, place


def prepare(model: ModelLike) -> Graph:
    """Read a float model and fold what does not depend on data: the graph that is calibrated."""
    graph = load_graph(model)
    _check_float(graph)
    simplify(graph)
    _fold_shape_arithmetic(graph)
    return graph


def observed_tensors(graph: Graph, exclude: Sequence[str]) -> list[str]:
    """The tensors whose ranges quantization needs, the nodes named in `exclude` staying float."""
    return origins(placement_of(graph, excluded_nodes(graph, exclude)))


def placement_of(graph: Graph, excluded: frozenset[str], style: str = "octavo") -> Placement:
    """What to quantize; an error where that is nothing."""
    placement = place(graph, excluded, style)
    if not placement.weighted:
        raise UnsupportedModelError(
            f"the model has nothing to quantize: no {', '.join(WEIGHTED)} with constant weights"
        )
    return placement


def origins(placement: Placement) -> list[str]:
    """The tensors whose ranges have to be found."""
    return sorted(set(placement.ranges.values()) - placement.fractions)


def _check_float(graph: Graph) -> None:
    for node in graph.nodes:
        if is_quantized(node):
            raise UnsupportedModelError(f"model is already quantized: it has {node.label}")


def excluded_nodes(graph: Graph, exclude: Sequence[str]) -> frozenset[str]:
    """The names as a set; an error where the graph has no such node."""
    names = [exclude] if isinstance(exclude, str) else list(exclude)
    known = {node.name for node in graph.nodes if node.name}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InvalidArgumentError(
            f"exclude: the model, its BatchNormalization folded, has no nodes named {unknown}"
        )
    return frozenset(names)


def _fold_shape_arithmetic(graph: Graph) -> None:
    """Where the model fixes all extents but the batch, shape computations become constants."""
    shapes = {}
    for value in graph.inputs:
        if value.shape is None or not all(isinstance(n, int) for n in value.shape[1:]):
            return
        shapes[value.name] = tuple(int(n or 0) for n in value.shape[1:])
    batches = [value.shape[0] for value in graph.inputs if value.shape]
    batch = next((n for n in batches if isinstance(n, int)), None)
    inferred = resolve(graph, shapes, batch)
    for node in graph.nodes:  # Softmax over one trailing axis needs no flattening
        if node.op == "Softmax" and node.attrs.get("flattens"):
            rank = 1 + len(inferred[node.input(0)])
            if int(node.attrs["axis"]) % rank == rank - 1:
                del node.attrs["flattens"]
    graph.remove_unused()
