"""Which tensors of a float graph become bytes.

Quantized are the inputs of Conv, Gemm and MatMul, and their outputs at the end of what runs as
one step: after the clamp of Conv-ReLU, after the addition (and clamp) of Conv-Add-ReLU. From
there bytes flow on through pooling, Concat, Reshape, Softmax, LayerNormalization, and through
trees of elementwise operators that are a function of one tensor, such as GELU, which become a
table. Nothing is rounded in between.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from octavo.graph.fuse_patterns import bias_vector, scalar_factor
from octavo.graph.ir import Graph, Node
from octavo.graph.qdq import MAX_K
from octavo.quantize.functions import Functions

WEIGHTED = ("Conv", "Gemm", "MatMul")
# These give the same bytes with the same parameters.
_SHARING = ("Flatten", "MaxPool", "Pad", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze")
_NORMALIZING = ("LayerNormalization", "Softmax")
_PASSIVE = ("Flatten", "Reshape", "Squeeze", "Transpose", "Unsqueeze", *_NORMALIZING)
_FLOWING = ("AveragePool", "Clip", "Concat", "GlobalAveragePool", "Relu", *_SHARING, *_NORMALIZING)


@dataclass
class Placement:
    """What to quantize."""

    weighted: list[Node] = field(default_factory=list)
    biased: dict[int, Node] = field(default_factory=dict)  # id(MatMul) -> its Add of a constant
    # quantized tensor -> the tensor whose range gives its parameters
    ranges: dict[str, str] = field(default_factory=dict)
    pairs: list[Node] = field(default_factory=list)  # MatMuls of two computed tensors
    centered: set[str] = field(default_factory=set)  # get a symmetric range: cheaper in MatMul
    fractions: set[str] = field(default_factory=set)  # in 0..1, of which a step is 1/256


PLACEMENTS = ("octavo", "onnxruntime")


def place(graph: Graph, exclude: frozenset[str], style: str = "octavo") -> Placement:
    """Decide; nodes named in `exclude` stay float.

    With style "onnxruntime" an addition is a step of its own: its inputs are rounded to bytes as
    well, which costs accuracy, but ONNX Runtime has no integer kernel for Conv-Add.
    """
    placement = Placement()
    walker = _Walker(graph, exclude, fuse_adds=style == "octavo")
    placement.weighted = [node for node in graph.nodes if walker.quantizable(node)]
    for node in reversed(placement.weighted):  # of two convolutions, the later takes the Add
        end = walker.follow(node, placement)
        for name in (node.input(0), *end):
            placement.ranges.setdefault(name, name)
    placement.pairs = [node for node in graph.nodes if walker.is_pair(node)]
    for node in placement.pairs:
        for name in (*node.inputs, walker.after_clamps(node.output)):
            placement.ranges.setdefault(name, name)
    walker.flow(placement)
    walker.share_concats(placement)
    placement.centered = {placement.ranges[node.input(1)] for node in placement.pairs}
    placement.centered -= placement.fractions
    walker.prune(placement)
    return placement


class _Walker:
    def __init__(self, graph: Graph, exclude: frozenset[str], fuse_adds: bool) -> None:
        self._graph = graph
        self._fuse_adds = fuse_adds
        self._exclude = exclude
        self._producers = graph.producers()
        self._readers = graph.consumers()
        self._claimed: set[int] = set()  # Adds that belong to a convolution
        self._tables: set[str] = set()  # results of functions of one tensor

    def quantizable(self, node: Node) -> bool:
        """Whether a node has constant weights the int8 kernels take."""
        if node.op not in WEIGHTED or node.name in self._exclude:
            return False
        weight = self._graph.constant(node, 1)
        if weight is None or weight.dtype != np.float32 or not np.all(np.isfinite(weight)):
            return False
        if node.input(0) in self._graph.initializers:
            return False
        if node.op == "Conv":
            columns, k = weight.shape[0], math.prod(weight.shape[1:])
        else:
            if weight.ndim != 2:
                return False
            k, columns = weight.shape[:: -1 if node.attrs.get("transB", 0) else 1]
        bias = self._graph.constant(node, 2)
        if node.input(2) and (bias is None or bias_vector(bias, columns) is None):
            return False
        return 0 < k <= MAX_K and not node.attrs.get("transA", 0)

    def is_pair(self, node: Node) -> bool:
        """Whether a node multiplies two computed tensors."""
        if node.op != "MatMul" or (node.name and node.name in self._exclude):
            return False
        return not any(name in self._graph.initializers for name in node.inputs)

    def follow(self, node: Node, placement: Placement) -> list[str]:
        """The tensors to quantize at the end of a node's step: its result, and its residual."""
        name = node.output
        after = self._only_reader(name)
        residual: list[str] = []
        if node.op == "MatMul" and after is not None and self._adds_bias(node, after):
            placement.biased[id(node)] = after
            name = after.output
            after = self._only_reader(name)
        if after is not None and self._takes(after, name):
            self._claimed.add(id(after))
            residual = [other for other in after.inputs if other != name]
            name = after.output
            after = self._only_reader(name)
        return [self.after_clamps(name), *residual]

    def after_clamps(self, name: str) -> str:
        """What a step makes of a tensor in the end: clamped, or times a positive constant."""
        after = self._only_reader(name)
        while after is not None and (
            after.op in ("Relu", "Clip") or scalar_factor(self._graph, after)[1] == name
        ):
            name = after.output
            after = self._only_reader(name)
        return name

    def _only_reader(self, name: str) -> Node | None:
        readers = self._readers.get(name, [])
        if name in self._graph.output_names or len(readers) != 1:
            return None
        return None if readers[0].name in self._exclude and readers[0].name else readers[0]

    def _adds_bias(self, node: Node, add: Node) -> bool:
        weight = self._graph.initializers[node.input(1)]
        if add.op != "Add":
            return False
        constants = [self._graph.constant(add, index) for index in range(2)]
        value = constants[1] if constants[0] is None else constants[0]
        return value is not None and bias_vector(value, weight.shape[-1]) is not None

    def _takes(self, add: Node, name: str) -> bool:
        """Whether an Add becomes part of the step that computes `name`."""
        if not self._fuse_adds or add.op != "Add" or id(add) in self._claimed:
            return False
        others = [other for other in add.inputs if other != name]
        return len(others) == 1 and others[0] not in self._graph.initializers

    def flow(self, placement: Placement) -> None:
        """Carry bytes on through operators that run on bytes."""
        ranges = placement.ranges
        functions = Functions(self._graph, self._readers, ranges)
        for node in self._graph.nodes:
            if node.name and node.name in self._exclude:
                continue
            if node.op in ("Add", "Mul") and id(node) not in self._claimed:
                if all(name in ranges for name in node.inputs):
                    end = self.after_clamps(node.output)
                    ranges.setdefault(end, end)
                else:
                    functions.visit(node)
            elif node.op in _FLOWING and len(node.outputs) == 1:
                count = len(node.inputs) if node.op == "Concat" else 1
                if not all(name in ranges for name in node.inputs[:count]):
                    functions.visit(node)
                    continue
                if node.op == "Softmax" and node.attrs.get("flattens"):
                    continue
                shared = node.op in _SHARING and self._keeps_range(node)
                origin = ranges[node.input(0)] if shared else node.output
                if shared or node.output not in ranges:
                    ranges[node.output] = origin
                if node.op == "Softmax":
                    placement.fractions.add(node.output)
            else:
                functions.visit(node)
        self._tables = functions.found

    def share_concats(self, placement: Placement) -> None:
        """What only a Concat reads takes the parameters of its result: rounded once, not twice."""
        ranges = placement.ranges
        for node in reversed(self._graph.nodes):  # the outer of two nested ones decides
            if node.op != "Concat" or node.output not in ranges:
                continue
            for name in node.inputs:
                own = ranges.get(name) == name and name not in placement.fractions
                if own and self._only_reader(name) is node:
                    ranges[name] = ranges[node.output]

    def _keeps_range(self, node: Node) -> bool:
        """Whether a node's output needs no other parameters than its input: 0 is always in."""
        if node.op != "Pad" or not node.input(2):
            return True
        value = self._graph.constant(node, 2)
        return value is not None and not np.any(value)

    def prune(self, placement: Placement) -> None:
        """What nothing on bytes reads, as at the network's end, gains nothing from being bytes."""
        ranges = placement.ranges
        computing = {id(node) for node in (*placement.weighted, *placement.pairs)} | self._claimed
        for node in reversed(self._graph.nodes):
            if node.output not in ranges:
                continue
            if node.op not in _PASSIVE and node.output not in self._tables:
                continue
            readers = self._readers.get(node.output, [])
            if not any(id(r) in computing or set(r.outputs) & set(ranges) for r in readers):
                del ranges[node.output]
