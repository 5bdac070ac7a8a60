"""Where tensors lie while a graph becomes a program.

Shapes are per sample and in the model's order (channels first). In storage a tensor is either in
that order ("plain") or has axis 0, the channels, moved to the end ("last"): NHWC. A Transpose may
leave the elements where they are: a view, with a stride per axis, which few operators read as it
is; for the others it is put in order.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from octavo import _core
from octavo.graph.compiled import Record
from octavo.graph.ir import Array, Graph, Node
from octavo.graph.shape_rules import Shape, ShapeContext

MAX_AXES = 5  # of the permute step
_READ_LAST = frozenset({"QAveragePool", "QConv", "QGlobalAveragePool", "QMaxPool"})
_READ_PLAIN = frozenset({"Flatten", "Gemm", "MatMul", "Reshape", "Squeeze", "Unsqueeze"})
DTYPES = {"u8": "int8", "f32": "float32", "s32": "int32"}  # as records name them


@dataclass(frozen=True)
class Stored:
    """A tensor of the program."""

    id: int
    dtype: str  # "u8", "f32" or "s32"
    shape: Shape
    last: bool
    view: Shape | None = None  # strides in elements, for what is neither plain nor last

    @property
    def free(self) -> bool:
        """Whether both orders are the same bytes."""
        return len(self.shape) < 2 or self.shape[0] == 1 or math.prod(self.shape[1:]) == 1

    def order(self, values: list[int] | Shape) -> list[int]:
        """Entries per axis, from the model's order to storage order."""
        return [*values[1:], values[0]] if self.last else list(values)

    def storage_axis(self, axis: int) -> int:
        """Where a sample axis lies in storage."""
        return (axis - 1) % len(self.shape) if self.last else axis


def contiguous(shape: Shape) -> Shape:
    """Strides of adjacent elements."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


def strides_of(value: Stored) -> Shape:
    """Strides in elements, per axis of the model's order."""
    if value.view is not None:
        return value.view
    if not value.last or len(value.shape) < 2:
        return contiguous(value.shape)
    stored = contiguous((*value.shape[1:], value.shape[0]))
    return (stored[-1], *stored[:-1])


def transposed(value: Stored, perm: list[int]) -> Stored:
    """The same elements read with output axis i being axis perm[i]."""
    strides = strides_of(value)
    shape = tuple(value.shape[axis] for axis in perm)
    view = tuple(strides[axis] for axis in perm)
    for last in (False, True):
        ordered = Stored(value.id, value.dtype, shape, last)
        pairs = zip(shape, view, strides_of(ordered), strict=True)
        if all(n == 1 or s == t for n, s, t in pairs):
            return ordered
    return Stored(value.id, value.dtype, shape, False, view)


class Lowering:
    """Appends steps to a program and remembers where each tensor of the graph lies.

    `packed` keeps packed weights between programs of one model for different input shapes. With
    `keep_weights` they hold what they were packed from as well, so that the program can be saved.
    """

    def __init__(
        self,
        graph: Graph,
        shapes: dict[str, Shape],
        batch: int | None,
        packed: dict[Hashable, Any],
        keep: frozenset[str] = frozenset(),
        keep_weights: bool = False,
    ) -> None:
        self.graph = graph
        self.context = ShapeContext(graph, shapes, batch)
        self.program = _core.Program()
        self.records: list[Record] = []
        self.packed = packed
        self.keep_weights = keep_weights
        self.quantized: dict[tuple[int, bool], tuple[Stored, Stored]] = {}  # at run time
        self._values: dict[str, Stored] = {}
        self._sources: dict[str, Node] = {}  # of views
        self._reordered: dict[tuple[int, bool, Shape], Stored] = {}
        self._readers = graph.consumers()
        self._kept = keep | graph.output_names

    def new(self, dtype: str, shape: Shape, last: bool = False) -> Stored:
        """Create a tensor of the program."""
        return Stored(self.program.tensor(dtype, math.prod(shape)), dtype, shape, last)

    def get(self, name: str) -> Stored:
        """Where a computed tensor lies; a view is put in order first."""
        value = self._values[name]
        if value.view is not None:
            value = self._values[name] = self._ordered(value, self._sources[name])
        return value

    def holds(self, name: str) -> bool:
        """Whether a name is a computed tensor."""
        return name in self._values

    def view(self, name: str) -> Stored:
        """Where a computed tensor lies, be it a view."""
        return self._values[name]

    def strides(self, value: Stored) -> Shape:
        """Strides in elements, per axis of the model's order."""
        return strides_of(value)

    def put(self, name: str, value: Stored, node: Node | None = None) -> None:
        """Say where a computed tensor lies; `node` is what a view comes from."""
        self._values[name] = value
        if node is not None:
            self._sources[name] = node

    def sole_reader(self, name: str) -> Node | None:
        """The one node that reads a tensor; None if there are others, or it is an output."""
        readers = self._readers.get(name, ())
        return readers[0] if len(readers) == 1 and name not in self._kept else None

    def wanted_last(self, name: str) -> bool:
        """Whether all who read a tensor want it in NHWC order."""
        readers = self._readers.get(name, ())
        return len(readers) > 0 and all(reader.op in _READ_LAST for reader in readers)

    def wanted_plain(self, name: str) -> bool:
        """Whether all who read a tensor, the model's user included, want the model's order."""
        return all(reader.op in _READ_PLAIN for reader in self._readers.get(name, ()))

    def is_read(self, name: str) -> bool:
        """Whether anything reads a tensor, or it is an output."""
        return name in self._readers or name in self._kept

    def _ordered(self, value: Stored, node: Node) -> Stored:
        """Copy a view into the model's order."""
        if len(value.shape) > MAX_AXES:
            raise node.unsupported(f"transposes more than {MAX_AXES} axes besides the batch")
        out = self.new(value.dtype, value.shape)
        self.program.permute(
            value.id, out.id, name=step_name(node), shape=value.shape, strides=value.view or ()
        )
        self.record("Transpose", node, out)
        return out

    def constant(self, value: Array, last: bool) -> Stored:
        """A tensor every sample shares, given in the model's order."""
        ordered = np.moveaxis(value, 0, -1) if last and value.ndim > 1 else value
        flat = np.ascontiguousarray(ordered).reshape(-1)
        dtype = "u8" if value.dtype == np.uint8 else "f32"
        return Stored(self.program.constant(flat), dtype, value.shape, last)

    def record(
        self, op: str, node: Node, out: Stored, fused: tuple[str, ...] = (), dtype: str = ""
    ) -> None:
        """Note where the step just appended came from; `dtype` where it is not the output's."""
        dtype = dtype or DTYPES[out.dtype]
        self.records.append(Record(op, step_name(node), fused or (op,), dtype, out.shape))

    def channels_last(self, name: str, node: Node) -> Stored:
        """A tensor in NHWC order, transposed first where it is not."""
        return self._in_order(self.get(name), True, node)

    def plain(self, name: str, node: Node) -> Stored:
        """A tensor in the model's order, transposed first where it is not."""
        return self._in_order(self.get(name), False, node)

    def in_order_of(self, name: str, like: Stored, node: Node) -> Stored:
        """A tensor in the same order as another of the same shape."""
        return self._in_order(self.get(name), like.last, node)

    def _in_order(self, value: Stored, last: bool, node: Node) -> Stored:
        if value.last == last or value.free:
            return replace(value, last=last)
        key = (value.id, last, value.shape)
        if key not in self._reordered:
            channels, pixels = value.shape[0], math.prod(value.shape[1:])
            out = self.new(value.dtype, value.shape, last)
            rows, cols = (channels, pixels) if last else (pixels, channels)
            name = step_name(node)
            self.program.transpose(value.id, out.id, name=name, rows=rows, cols=cols)
            self.record("Transpose", node, out)
            self._reordered[key] = out
        return self._reordered[key]


def step_name(node: Node) -> str:
    """The name a node's steps carry."""
    return node.name or node.output
