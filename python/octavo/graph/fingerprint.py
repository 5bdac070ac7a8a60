"""What identifies a network: the same operations on the same constants give the same digest."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from octavo.graph.ir import Graph


def fingerprint(graph: Graph) -> str:
    """Return a SHA-256 digest of all that decides what a graph computes, in hexadecimal.

    Names of tensors count, those of nodes and of the graph, and metadata, do not.
    """
    digest = hashlib.sha256()

    def add(*values: Any) -> None:
        for value in values:
            if isinstance(value, np.ndarray):
                add(value.dtype.str, value.shape)
                digest.update(value.tobytes())
            elif isinstance(value, (list, tuple)):
                add(len(value), *value)
            else:
                text = f"{type(value).__name__}:{value!r}".encode()
                digest.update(len(text).to_bytes(8, "little") + text)

    for value in (*graph.inputs, *graph.outputs):
        add(value.name, value.dtype.str, value.shape)
    for node in graph.nodes:
        add(node.op, node.inputs, node.outputs)
        for key in sorted(node.attrs):
            add(key, node.attrs[key])
    for name in sorted(graph.initializers):
        add(name, graph.initializers[name])
    add(graph.opset)
    return digest.hexdigest()
