"""Remove Identity, and Dropout, which does nothing at inference."""

from __future__ import annotations

from octavo.graph.ir import Graph, Node


def remove_identities(graph: Graph, keep: tuple[str, ...] = ()) -> None:
    """Make readers of a copy read the original.

    A copy that is a graph output (or in `keep`) gives its name to the original, if that is
    computed by a node and not itself such a tensor; otherwise the node stays.
    """
    fixed = graph.output_names | set(keep)
    producers = graph.producers()
    consumers = graph.consumers()
    renamed: dict[str, str] = {}
    kept: list[Node] = []
    for node in graph.nodes:
        node.inputs = [renamed.get(name, name) for name in node.inputs]
        if not _is_identity(graph, node, consumers):
            kept.append(node)
            continue
        source, copy = node.input(0), node.output
        producer = producers.get(source)
        if copy not in fixed:
            renamed[copy] = source
        elif producer is not None and source not in fixed and source not in renamed:
            producer.outputs = [copy if name == source else name for name in producer.outputs]
            producers[copy] = producer
            renamed[source] = copy
        else:
            kept.append(node)
    graph.nodes = kept
    for node in kept:  # those before a renamed original's copy still use the old name
        node.inputs = [_final(renamed, name) for name in node.inputs]


def _final(renamed: dict[str, str], name: str) -> str:
    while name in renamed:
        name = renamed[name]
    return name


def _is_identity(graph: Graph, node: Node, consumers: dict[str, list[Node]]) -> bool:
    if node.op == "Identity":
        return True
    if node.op != "Dropout":
        return False
    training = graph.constant(node, 2)
    if node.input(2) and (training is None or bool(training.all())):
        raise node.unsupported("training mode is not supported")
    if len(node.outputs) > 1 and (
        node.outputs[1] in graph.output_names or node.outputs[1] in consumers
    ):
        raise node.unsupported("its mask output is not supported")
    return True
