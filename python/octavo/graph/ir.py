"""The graph all passes work on: nodes in execution order, named tensors, constants as arrays.

A tensor is a name. It is an input, a constant (`initializers`) or the output of exactly one node.
Axis 0 of every computed tensor is the batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.errors import InvalidModelError, UnsupportedModelError
from octavo.graph.limit import MemoryLimit

Array = NDArray[Any]


@dataclass(eq=False)
class Node:
    """One operation. An optional input that is absent has the name ""."""

    op: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attrs: dict[str, Any] = field(default_factory=dict)

    @property
    def output(self) -> str:
        """The first output."""
        return self.outputs[0]

    @property
    def label(self) -> str:
        """How messages name the node."""
        return f"node '{self.name or self.output}' ({self.op})"

    def input(self, index: int) -> str:
        """The name of an input, "" where it is absent."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def unsupported(self, missing: str) -> UnsupportedModelError:
        """The error that says what octavo lacks to run this node."""
        return UnsupportedModelError(f"{self.label}: {missing}")

    def invalid(self, reason: str) -> InvalidModelError:
        """The error that says why this node cannot be right."""
        return InvalidModelError(f"{self.label}: {reason}")


@dataclass(frozen=True)
class Value:
    """A graph input or output. A dimension is an extent, a symbol or None; shape may be unknown."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int | str | None, ...] | None


@dataclass(frozen=True)
class ByteParams:
    """What a byte tensor's values mean, as the uint8 tensor octavo stores.

    An int8 tensor with zero point z is stored as uint8 with zero point z + 128; `signed` says
    that the model's own tensor is int8.
    """

    scale: float
    zero_point: int
    signed: bool

    def quantize(self, value: float) -> int:
        """The byte of a real value: clamp(rne(value / scale) + zero_point, 0, 255)."""
        steps = np.rint(np.float32(value) / np.float32(self.scale))
        return int(np.clip(float(steps) + self.zero_point, 0, 255))


@dataclass
class Graph:
    """Nodes in execution order and everything they name."""

    nodes: list[Node]
    initializers: dict[str, Array]
    inputs: list[Value]
    outputs: list[Value]
    opset: int
    name: str = "graph"
    metadata: dict[str, str] = field(default_factory=dict)
    bytes: dict[str, ByteParams] = field(default_factory=dict)
    limit: MemoryLimit = field(default_factory=MemoryLimit)
    whole: bool = False  # axis 0 was added: a batch is one set of the model's own tensors

    def copy(self) -> Graph:
        """Return a graph whose nodes and tables may be changed; the arrays are shared."""
        nodes = [Node(n.op, n.name, [*n.inputs], [*n.outputs], {**n.attrs}) for n in self.nodes]
        return Graph(
            nodes,
            {**self.initializers},
            [*self.inputs],
            [*self.outputs],
            self.opset,
            self.name,
            {**self.metadata},
            {**self.bytes},
            replace(self.limit),
            self.whole,
        )

    def signature(self) -> Graph:
        """Return a graph with the same inputs and outputs, and nothing between them."""
        return Graph([], {}, [*self.inputs], [*self.outputs], self.opset, self.name)

    @property
    def output_names(self) -> set[str]:
        """The names of the graph's outputs."""
        return {value.name for value in self.outputs}

    def producers(self) -> dict[str, Node]:
        """The node that computes each tensor."""
        return {name: node for node in self.nodes for name in node.outputs if name}

    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that read each tensor, once per input that names it."""
        readers: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.inputs:
                if name:
                    readers.setdefault(name, []).append(node)
        return readers

    def constant(self, node: Node, index: int) -> Array | None:
        """The array an input names, or None if the input is absent or computed."""
        return self.initializers.get(node.input(index))

    def names(self) -> set[str]:
        """Every tensor name in use."""
        used = {value.name for value in [*self.inputs, *self.outputs]} | set(self.initializers)
        for node in self.nodes:
            used.update(node.inputs, node.outputs)
        return used

    def sort(self) -> None:
        """Put the nodes in execution order, keeping theirs where it already is one."""
        self.nodes = _topological(self.nodes, self.producers())

    def remove_unused(self, keep: Iterable[str] = ()) -> None:
        """Drop nodes and constants nothing reads."""
        needed = self.output_names | set(keep)
        kept: list[Node] = []
        for node in reversed(self.nodes):
            if needed.intersection(node.outputs):
                kept.append(node)
                needed.update(node.inputs)
        self.nodes = kept[::-1]
        self.initializers = {k: v for k, v in self.initializers.items() if k in needed}

    def check(self) -> None:
        """Raise InvalidModelError unless every tensor has one origin and comes before its use."""
        known = set(self.initializers) | {value.name for value in self.inputs}
        for node in self.nodes:
            for name in node.inputs:
                if name and name not in known:
                    raise node.invalid(f"reads tensor '{name}', which nothing before it computes")
            for name in node.outputs:
                if name and name in known:
                    raise node.invalid(f"writes tensor '{name}', which already exists")
                known.add(name)
        for value in self.outputs:
            if value.name not in known:
                raise InvalidModelError(f"graph output '{value.name}' is never computed")


def _topological(nodes: list[Node], producers: dict[str, Node]) -> list[Node]:
    """Depth-first order with an explicit stack: a hostile graph may be as deep as it is long."""
    order: list[Node] = []
    state: dict[int, bool] = {}  # id(node) -> finished
    for root in nodes:
        stack = [root]
        while stack:
            node = stack[-1]
            if id(node) in state:
                stack.pop()
                if not state[id(node)]:
                    state[id(node)] = True
                    order.append(node)
                continue
            state[id(node)] = False
            for name in reversed(node.inputs):
                before = producers.get(name)
                if before is None or state.get(id(before)) is True:
                    continue
                if id(before) in state:  # entered and not finished: it waits for this node
                    raise node.invalid("is part of a cycle")
                stack.append(before)
    return order
