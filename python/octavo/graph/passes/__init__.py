"""Rewrites of a `Graph` that keep what it computes."""

from __future__ import annotations

from octavo.graph.ir import Graph
from octavo.graph.passes.batch_norm import fold_batch_norm
from octavo.graph.passes.byte_clip import clip_before_quantizing
from octavo.graph.passes.constants import dequantize_parameters, fold_constants
from octavo.graph.passes.dynamic import fuse_dynamic
from octavo.graph.passes.identity import remove_identities
from octavo.graph.passes.layer_norm import fuse_layer_norm
from octavo.graph.passes.qoperators import expand_qoperators
from octavo.graph.passes.simulate import simulate_widths
from octavo.graph.passes.whole import add_batch_axis

__all__ = [
    "add_batch_axis",
    "clip_before_quantizing",
    "dequantize_parameters",
    "expand_qoperators",
    "fold_batch_norm",
    "fold_constants",
    "fuse_dynamic",
    "fuse_layer_norm",
    "remove_identities",
    "simplify",
    "simulate_widths",
]


def simplify(graph: Graph, keep: tuple[str, ...] = ()) -> None:
    """Fold constants and BatchNorm, fuse LayerNorm, remove what does nothing; `keep` survives."""
    fold_constants(graph)
    clip_before_quantizing(graph)
    expand_qoperators(graph)
    dequantize_parameters(graph)
    remove_identities(graph, keep)
    simulate_widths(graph, keep)
    fold_batch_norm(graph, keep)
    fuse_layer_norm(graph, keep)
    fuse_dynamic(graph, keep)
    graph.remove_unused(keep)
