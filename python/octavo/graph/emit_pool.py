"""Pooling steps, for bytes and floats alike."""

from __future__ import annotations

from typing import Any

from octavo.graph.ir import Node
from octavo.graph.lowering import Lowering, Stored, step_name
from octavo.graph.windows import kernel_shape, spatial_pair, window_of


def max_pool_step(low: Lowering, node: Node, source: Node, dtype: str) -> Stored:
    """MaxPool of the node's input; `source` is the model's node, `dtype` that of the result."""
    x, out, geometry, dilation = _prepare(low, node, source, dtype)
    low.program.max_pool2d(x.id, out.id, dilation=dilation, **geometry)
    return out


def avg_pool_step(low: Lowering, node: Node, source: Node, dtype: str, **quant: Any) -> Stored:
    """AveragePool or GlobalAveragePool; `quant` are the parameters a result of bytes has."""
    x, out, geometry, _ = _prepare(low, node, source, dtype)
    counts_padding = bool(source.attrs.get("count_include_pad", 0))
    low.program.avg_pool2d(x.id, out.id, count_include_pad=counts_padding, **geometry, **quant)
    return out


def _prepare(
    low: Lowering, node: Node, source: Node, dtype: str
) -> tuple[Stored, Stored, dict[str, Any], tuple[int, int]]:
    """Input, output, what both kinds of step are told, and the dilation."""
    x = low.channels_last(node.input(0), node)
    spatial, axes = spatial_pair(source, x.shape), len(x.shape) - 1
    whole = source.op == "GlobalAveragePool"
    window = window_of(source, spatial, axes, x.shape[1:] if whole else kernel_shape(source, axes))
    shape = (x.shape[0], *window.output_size(spatial)[2 - axes :])
    geometry = {
        "name": step_name(node),
        "height": spatial[0],
        "width": spatial[1],
        "channels": x.shape[0],
        "kernel": window.kernel,
        "stride": window.stride,
        "padding": window.padding,
    }
    return x, low.new(dtype, shape, last=True), geometry, window.dilation
