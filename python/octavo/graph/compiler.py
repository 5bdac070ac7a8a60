"""One model compiled for any input shapes."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from octavo import _core
from octavo.graph.compile import compile_graph
from octavo.graph.compiled import Compiled
from octavo.graph.feeds import fixed_batch
from octavo.graph.ir import Graph
from octavo.graph.load import load_graph
from octavo.graph.passes import simplify
from octavo.graph.shape_rules import Shape

if TYPE_CHECKING:
    from octavo.graph.load import ModelLike


class Compiler:
    """Compiles a simplified graph, on the backend current now; weights are packed once.

    Parameters
    ----------
    graph : Graph
        Not changed.
    outputs : sequence of str
        Tensors to return, in this order; any computed tensors.
    ordered : bool
        Whether outputs are returned in the model's order of axes, or as they lie.
    keep_weights : bool
        Whether programs can be saved; they then hold their weights twice.
    """

    def __init__(
        self,
        graph: Graph,
        outputs: Sequence[str],
        *,
        ordered: bool = True,
        keep_weights: bool = False,
    ) -> None:
        self.graph = graph
        self.outputs = list(outputs)
        self._ordered = ordered
        self._keep_weights = keep_weights
        self._backend = _core.backend()
        self._packed: dict[Hashable, Any] = {}

    def compile(self, shapes: tuple[Shape, ...]) -> Compiled:
        """Compile for these input shapes, without the batch."""
        names = [value.name for value in self.graph.inputs]
        previous = _core.set_backend_override(self._backend)
        try:
            return compile_graph(
                self.graph,
                dict(zip(names, shapes, strict=True)),
                fixed_batch(self.graph.inputs),
                self.outputs,
                self._packed,
                self._ordered,
                self._keep_weights,
            )
        finally:
            _core.set_backend_override(previous)


def open_model(
    model: ModelLike, *, keep_weights: bool = False, max_bytes: int | None = None
) -> Compiler:
    """Return the compiler of an ONNX model."""
    graph = load_graph(model, max_bytes)
    simplify(graph)
    _core.trim_memory()  # the file and its parsed form, twice the weights
    return Compiler(graph, [value.name for value in graph.outputs], keep_weights=keep_weights)
