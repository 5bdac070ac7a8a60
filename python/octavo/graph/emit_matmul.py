"""Steps that read matrices where they lie: MatMul of computed tensors, and Transpose."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np

from octavo.graph.emit_int8 import bounds, requantized
from octavo.graph.ir import ByteParams, Node
from octavo.graph.lowering import Lowering, Stored, contiguous, step_name, transposed
from octavo.graph.math_rules import permutation
from octavo.graph.shape_rules import Shape


def transpose(low: Lowering, node: Node) -> None:
    """Transpose: another way to read the same elements, until somebody needs them in order."""
    source: Node = node.attrs.get("node", node)
    x = low.view(node.input(0))
    moved = transposed(x, permutation(source, len(x.shape)))
    if "node" not in node.attrs:
        low.put(node.output, moved, node)
        return
    params, out = node.attrs["sources"][0], node.attrs["out"]
    if (params, bounds(node)) != (out, (0, 255)):
        low.put(node.output, moved, node)
        moved = requantized(low, node, low.get(node.output), params)
    low.put(node.output, moved, node)


def matmul(low: Lowering, node: Node) -> None:
    """MatMul of two computed tensors, read and written where they lie."""
    a, b = (_matrices(low, node, index) for index in (0, 1))
    m, k, n = a.shape[-2], a.shape[-1], b.shape[-1]
    lead = tuple(np.broadcast_shapes(a.shape[:-2], b.shape[:-2]))
    a_head, b_head = (_head_stride(low.strides(x), x.shape[:-2], lead) for x in (a, b))
    if a_head is None or b_head is None:
        a, b = low.plain(node.input(0), node), low.plain(node.input(1), node)
        a_head, b_head = (_head_stride(low.strides(x), x.shape[:-2], lead) for x in (a, b))
    if a_head is None or b_head is None:
        raise node.unsupported(f"cannot broadcast {a.shape} and {b.shape}")
    out, out_strides = _matmul_output(low, node, a.dtype, (*lead, m, n))
    out_head = _head_stride(out_strides, lead, lead) or 0
    k_stride, n_stride = low.strides(b)[-2:]
    by_column = k_stride == 1 and (n_stride != 1 or n == 1)
    low.program.matmul(
        a.id,
        b.id,
        out.id,
        name=step_name(node),
        heads=math.prod(lead),
        m=m,
        n=n,
        k=k,
        a_strides=(a_head, low.strides(a)[-2]),
        b_strides=(b_head, n_stride if by_column else k_stride),
        dst_strides=(out_head, out_strides[-2]),
        b_transposed=by_column,
        **_matmul_quant(node),
    )
    low.record("MatMul", node, out, node.attrs.get("fused", ()))
    low.put(node.output, out, node)


def _matrices(low: Lowering, node: Node, index: int) -> Stored:
    """An operand whose rows, or for the second columns, are adjacent elements."""
    x = low.view(node.input(index))
    adjacent = low.strides(x)[-1] == 1 or (index == 1 and low.strides(x)[-2] == 1)
    return x if adjacent else low.plain(node.input(index), node)


def _head_stride(strides: Shape, extents: Shape, lead: Shape) -> int | None:
    """The one stride that walks all leading axes in order, or None if there is none."""
    missing = len(lead) - len(extents)
    walked = [
        (n, 0 if i < missing or extents[i - missing] != n else strides[i - missing])
        for i, n in enumerate(lead)
        if n != 1
    ]
    for (_, outer), (inner_extent, inner) in pairwise(walked):
        if outer != inner_extent * inner:
            return None
    return walked[-1][1] if walked else 0


def _matmul_output(low: Lowering, node: Node, dtype: str, shape: Shape) -> tuple[Stored, Shape]:
    """The result in such an order that a Transpose behind it has nothing to do."""
    out, strides = low.new(dtype, shape), contiguous(shape)
    reader = low.sole_reader(node.output)
    if reader is not None and reader.op in ("Transpose", "QTranspose"):
        perm = permutation(reader.attrs.get("node", reader), len(shape))
        after = contiguous(tuple(shape[axis] for axis in perm))
        wanted = tuple(after[perm.index(axis)] for axis in range(len(shape)))
        if wanted[-1] == 1 and _head_stride(wanted, shape[:-2], shape[:-2]) is not None:
            return Stored(out.id, dtype, shape, False, wanted), wanted
    return out, strides


def _matmul_quant(node: Node) -> dict[str, Any]:
    if "sources" not in node.attrs:
        return {}
    a, b = node.attrs["sources"]
    out: ByteParams = node.attrs["out"]
    qmin, qmax = bounds(node)
    scale = np.float64(a.scale) * np.float64(b.scale) / np.float64(out.scale)
    return {
        "a_zero_point": a.zero_point,
        "b_zero_point": b.zero_point,
        "multiplier": float(np.float32(scale)),
        "zero_point": out.zero_point,
        "qmin": qmin,
        "qmax": qmax,
    }


EMITTERS = {
    "QMatMul": matmul,
    "QTranspose": transpose,
    "Transpose": transpose,
}
