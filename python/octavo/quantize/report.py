"""What quantization did to a network, tensor by tensor and node by node."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from octavo.errors import InvalidArgumentError
from octavo.graph.describe import StepInfo
from octavo.graph.ir import Graph, Node
from octavo.graph.session import Session
from octavo.quantization import QuantParams, dequantize_linear
from octavo.quantize.placement import WEIGHTED
from octavo.quantize.sample import Sample, run_pieces

SAMPLES = 32  # of the kept ones, for errors
_CONVERSIONS = ("DequantizeLinear", "QuantizeLinear", "Transpose")


@dataclass(frozen=True)
class TensorReport:
    """A tensor of bytes.

    `sqnr` is 10 log10 of its float values' energy over that of the difference between them and
    what the quantized network computes, in dB: the error of all layers up to here.
    """

    name: str
    lo: float
    hi: float
    params: QuantParams
    method: str
    sqnr: float | None


@dataclass(frozen=True)
class FloatNode:
    """A node that stays float32, and why."""

    name: str
    op: str
    reason: str


@dataclass(frozen=True)
class QuantizationReport:
    """What `quantize_with_report` found and did."""

    tensors: list[TensorReport]
    float_nodes: list[FloatNode]
    fused: dict[str, int]  # "Conv+Add+Relu" -> how many steps of the int8 program are that
    output_sqnr: dict[str, float]
    samples: int  # kept for bias correction and errors
    equalized: dict[str, float] = field(default_factory=dict)  # tensor -> largest / least gain
    corrected: dict[str, float] = field(default_factory=dict)  # layer -> largest shift, in reals
    warnings: list[str] = field(default_factory=list)  # "OCT001: ..."


def measure_sqnr(
    float_graph: Graph,
    graph: Graph,
    tensors: dict[str, tuple[str, QuantParams]],
    sample: Sample,
    progress: Callable[[int, int], None],
) -> dict[str, float]:
    """SQNR in dB of quantized tensors and of the network's outputs, by their float names.

    `tensors` maps a float tensor to its byte tensor in `graph` and the parameters.
    """
    few = sample.spread(SAMPLES)
    outputs = [value.name for value in graph.outputs]
    names = [name for name in tensors if name not in sample.batch]
    bytes_of = [tensors[name][0] for name in names]
    int8 = Session.from_graph(graph, [*dict.fromkeys([*bytes_of, *outputs])])
    signal: dict[str, float] = dict.fromkeys([*names, *outputs], 0.0)
    noise = dict(signal)

    def add(name: str, want: NDArray[np.float32], found: NDArray[np.float32]) -> None:
        with np.errstate(invalid="ignore", over="ignore"):
            signal[name] += _energy(want)
            noise[name] += _energy(want - found)

    done = 0
    for want in run_pieces(float_graph, [*signal, *few.batch], few):
        feeds = {name: want[name] for name in few.batch}
        for name, q in zip(names, int8.run(bytes_of, feeds), strict=True):
            params = tensors[name][1]
            if name not in outputs:
                add(name, want[name], dequantize_linear(q, params.scale, params.zero_point))
        for name, found in zip(outputs, int8.run(outputs, feeds), strict=True):
            add(name, want[name], found)
        done += len(next(iter(feeds.values())))
        progress(done, few.count)
    return {name: ratio_db(signal[name], noise[name]) for name in signal}


def ratio_db(signal: float, noise: float) -> float:
    """10 log10(signal / noise); infinite without noise, NaN where a value was not finite."""
    if not (math.isfinite(signal) and math.isfinite(noise)):
        return math.nan
    if noise == 0.0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal > 0.0 else -math.inf


def _energy(x: NDArray[np.float32]) -> float:
    return float(np.sum(np.square(x, dtype=np.float64)))


def program_steps(graph: Graph, sample: Sample | None) -> list[StepInfo]:
    """The steps of the compiled program; none where extents are free and nothing is known."""
    session = Session.from_graph(graph, [value.name for value in graph.outputs])
    if sample is not None:
        session.compiled_for(tuple(sample.batch[v.name].shape[1:] for v in graph.inputs))
    try:
        return session.describe()
    except InvalidArgumentError:
        return []


def fusions(steps: list[StepInfo]) -> dict[str, int]:
    """How often each kind of int8 step occurs."""
    kinds = Counter("+".join(s.fused) or s.op for s in steps if s.dtype == "int8")
    return dict(kinds.most_common())


def float_steps(
    graph: Graph, steps: list[StepInfo], weighted: set[str], exclude: frozenset[str]
) -> list[FloatNode]:
    """The steps that compute in float32, each with the reason; `graph` is the float network."""
    nodes = {name: node for node in graph.nodes for name in (node.name, *node.outputs) if name}
    found = []
    for step in steps:
        node = nodes.get(step.name)
        if step.dtype != "float32" or node is None or step.op in _CONVERSIONS:
            continue
        reason = _reason(graph, node, exclude, node.output in weighted)
        found.append(FloatNode(step.name, node.op, reason))
    return found


def _reason(graph: Graph, node: Node, exclude: frozenset[str], taken: bool) -> str:
    if node.name and node.name in exclude:
        return "excluded by name"
    if taken:
        return "its sums might not fit 32 bits"
    if node.op not in WEIGHTED:
        return "what it reads is not in bytes, or nothing behind it reads bytes"
    weight = graph.constant(node, 1)
    if weight is None:
        return "its weights are computed"
    if weight.dtype != np.float32:
        return f"its weights are {weight.dtype}"
    if not np.all(np.isfinite(weight)):
        return "its weights hold NaN or infinity"
    return "its weights or bias have a form the int8 kernels do not take"
