"""Pad before a convolution or pooling becomes that operator's own padding.

Pad(0) -> Conv                                  Conv
QPad(the zero point) -> QConv                   QConv
QPad(the smallest byte) -> QMaxPool             QMaxPool
"""

from __future__ import annotations

from octavo.graph.ir import ByteParams, Graph, Node
from octavo.graph.shape_rules import Shape, ShapeContext, pad_extents
from octavo.graph.windows import kernel_shape, reach

Extents = tuple[list[int], list[int]]  # before and after, of the spatial axes


def fold_pads(
    graph: Graph, shapes: dict[str, Shape], batch: int | None, keep: frozenset[str] = frozenset()
) -> None:
    """Rewrite, in place, a graph that `fuse` is done with; tensors named in `keep` survive."""
    context, consumers = ShapeContext(graph, shapes, batch), graph.consumers()
    kept: list[Node] = []
    for node in graph.nodes:
        readers = consumers.get(node.output, [])
        extents = _extents(context, node) if node.op in ("Pad", "QPad") else None
        fixed = node.output in keep or node.output in graph.output_names
        if extents is None or fixed or not readers:
            kept.append(node)
        elif all(_takes(graph, node, reader, extents) for reader in readers):
            for reader in readers:
                _fold(node, reader, extents)
            kept += _requantization(node, readers)
            shapes[node.output] = shapes[node.input(0)]
        else:
            kept.append(node)
    graph.nodes = kept


def _extents(context: ShapeContext, node: Node) -> Extents | None:
    """What a Pad adds to the spatial axes; None where it adds to others, or to a third."""
    before, after = pad_extents(context, node.attrs.get("node", node))
    if not 2 <= len(before) <= 3 or before[0] or after[0]:
        return None
    return before[1:], after[1:]


def _source(node: Node) -> Node:
    """The model's node, which has the attributes."""
    source: Node = node.attrs.get("node", node)
    return source


def _takes(graph: Graph, pad: Node, reader: Node, extents: Extents) -> bool:
    """Whether the reader's own padding would do the same."""
    source = _source(reader)
    auto = source.attrs.get("auto_pad", "NOTSET") or "NOTSET"
    if reader.inputs.count(pad.output) != 1 or reader.input(0) != pad.output:
        return False  # also read as what is added
    if auto not in ("NOTSET", "VALID"):
        return False
    given = graph.constant(_source(pad), 2)
    if _source(pad).input(2) and (given is None or given.size != 1):
        return False
    real = 0.0 if given is None else float(given.reshape(-1)[0])
    if pad.op == "Pad":
        return reader.op == "Conv" and real == 0.0
    out: ByteParams = pad.attrs["out"]
    lo, hi = out.quantize(pad.attrs["lo"]), out.quantize(pad.attrs["hi"])
    byte = min(max(out.quantize(real), lo), hi)
    if reader.op == "QConv":
        return byte == out.zero_point
    return reader.op == "QMaxPool" and byte == 0 and _windows_hold_pixels(source, extents)


def _windows_hold_pixels(source: Node, extents: Extents) -> bool:
    """Whether no pooling window lies in the padding alone, which no pool allows."""
    axes = len(extents[0])
    dilations = source.attrs.get("dilations", [1] * axes)
    pads = _pads(source, extents)
    spans = [reach(k, d) for k, d in zip(kernel_shape(source, axes), dilations, strict=True)]
    fits = all(pad < span for pad, span in zip(pads, spans * 2, strict=True))
    return fits and not source.attrs.get("ceil_mode", 0)


def _pads(source: Node, extents: Extents) -> list[int]:
    added = [*extents[0], *extents[1]]
    if source.attrs.get("auto_pad") == "VALID":
        return added
    return [a + b for a, b in zip(source.attrs.get("pads", [0] * len(added)), added, strict=True)]


def _fold(pad: Node, reader: Node, extents: Extents) -> None:
    source = _source(reader)
    attrs = {**source.attrs, "pads": _pads(source, extents), "auto_pad": "NOTSET"}
    fused = reader.attrs.get("fused", (reader.op,))
    if source is reader:
        reader.attrs = attrs
    else:
        reader.attrs["node"] = Node(source.op, source.name, source.inputs, source.outputs, attrs)
    reader.attrs["fused"] = ("Pad", *fused)
    if not _requantization(pad, [reader]):
        reader.inputs[0] = pad.input(0)


def _requantization(pad: Node, readers: list[Node]) -> list[Node]:
    """What remains of a QPad that also changes parameters or clamps: a QClamp."""
    if pad.op == "Pad" or not readers:
        return []
    out: ByteParams = pad.attrs["out"]
    source: ByteParams = pad.attrs["sources"][0]
    same = (source.scale, source.zero_point) == (out.scale, out.zero_point)
    if same and (out.quantize(pad.attrs["lo"]), out.quantize(pad.attrs["hi"])) == (0, 255):
        return []
    return [Node("QClamp", pad.name, [pad.input(0)], pad.outputs, {**pad.attrs})]
