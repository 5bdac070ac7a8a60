"""Method "auto": for every tensor, the calibrator whose range harms its readers least.

The mean squared error of a tensor itself is not what counts: the MSE method would always win, and
clip large values that the next layer gives large weights. So each candidate range is tried on a few
samples, and judged by the squared error it makes in what the layers that read the tensor compute,
relative to those results' energy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike, NDArray

from octavo.calibrate.observer import Observer, create_observer
from octavo.graph.ir import Graph, Node, Value
from octavo.graph.session import Session
from octavo.quantization import QuantParams, dequantize_linear, quantize_linear
from octavo.quantize.placement import Placement
from octavo.quantize.sample import Sample, run_pieces

METHODS = ("max", "percentile", "mse", "entropy")  # of equals, the first
SAMPLES = 32

Array = NDArray[np.float32]


@dataclass
class _Trial:
    """The candidate ranges of one tensor, and the readers they are judged by."""

    methods: list[str]
    params: list[QuantParams]
    readers: list[Node] = field(default_factory=list)
    errors: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))  # (reader, cand.)
    signal: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def best(self) -> int:
        """The candidate with the least relative error, summed over readers."""
        return int(
            np.argmin(np.sum(self.errors / np.maximum(self.signal, 1e-300)[:, None], axis=0))
        )


def choose_ranges(
    graph: Graph,
    placement: Placement,
    observers: dict[str, Observer],
    sample: Sample,
    dtype: DTypeLike,
) -> dict[str, tuple[str, QuantParams]]:
    """The method and the parameters of each tensor that was observed."""
    trials = {
        name: _trial(observer, dtype, name in placement.centered)
        for name, observer in observers.items()
    }
    for node in placement.weighted:
        trials[placement.ranges[node.input(0)]].readers.append(node)
    for trial in trials.values():
        rows = max(len(trial.readers), 1)
        trial.errors, trial.signal = np.zeros((rows, len(trial.params))), np.zeros(rows)
    open_trials = {name: trial for name, trial in trials.items() if len(trial.params) > 1}
    few = sample.spread(SAMPLES)
    tensors = {node.input(0) for trial in open_trials.values() for node in trial.readers}
    layers = _Layers(graph)
    for values in run_pieces(graph, sorted(tensors | set(open_trials)), few):
        for name, trial in open_trials.items():
            _judge(trial, values, name, layers)
    return {
        name: (trial.methods[trial.best()], trial.params[trial.best()])
        for name, trial in trials.items()
    }


def _trial(observer: Observer, dtype: DTypeLike, symmetric: bool) -> _Trial:
    found: dict[QuantParams, str] = {}
    for method in METHODS:
        candidate = create_observer(method, observer.name, statistics=observer.statistics)
        found.setdefault(candidate.compute(dtype, symmetric), method)
    return _Trial(list(found.values()), list(found))


def _judge(trial: _Trial, values: dict[str, Array], name: str, layers: _Layers) -> None:
    """Add what one piece of the sample shows."""
    for row, node in enumerate(trial.readers or [None]):
        x = values[name if node is None else node.input(0)]
        trial.signal[row] += _energy(layers.apply(node, x))
        for column, params in enumerate(trial.params):
            error = _rounded(x, params) - x
            trial.errors[row, column] += _energy(layers.apply(node, error))


def _rounded(x: Array, params: QuantParams) -> Array:
    scale, zero = params.scale, params.zero_point
    return dequantize_linear(quantize_linear(x, scale, zero, dtype=params.dtype), scale, zero)


def _energy(x: Array) -> float:
    flat = x.reshape(-1)
    return float(np.dot(flat, flat))


class _Layers:
    """Layers of a graph without their bias, each as a session of its own."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._sessions: dict[int, Session] = {}

    def apply(self, node: Node | None, x: Array) -> Array:
        """What a layer makes of a tensor, or the tensor itself where no layer reads it."""
        if node is None:
            return x
        session = self._sessions.get(id(node))
        if session is None:
            alone = Node(node.op, node.name, ["x", node.input(1)], ["y"], node.attrs)
            part = Graph(
                [alone],
                {node.input(1): self._graph.initializers[node.input(1)]},
                [Value("x", x.dtype, (None, *x.shape[1:]))],
                [],
                self._graph.opset,
            )
            session = self._sessions[id(node)] = Session.from_graph(part, ["y"], ordered=False)
        result: Array = session.run(None, {"x": x})[0]
        return result
