"""Runs of both networks over the same samples: the error of each tensor, alone and in all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from octavo.calibrate.data import Batch
from octavo.errors import CalibrationError
from octavo.graph.feeds import fixed_batch
from octavo.graph.ir import Array, Graph, Value
from octavo.graph.session import Session
from octavo.quantize.pipeline import StageProgress
from octavo.quantize.report import ratio_db
from octavo.quantize.sample import Sample, run_pieces
from octavo.report.regions import Region, RegionRunner
from octavo.report.tensors import TensorRecord

RUNNING, CUTTING = "running both networks", "one layer at a time"
OUTPUT_SAMPLES = 16  # for the error that one layer causes in the network's outputs
OUTPUT_BYTES = 2**28  # kept of them

Floats = NDArray[np.float32]


class Noise:
    """Sums of squares of a signal and of its error."""

    def __init__(self) -> None:
        self.signal = 0.0
        self.noise = 0.0

    def add(self, want: Floats, found: Floats) -> None:
        """Take in some samples."""
        exact = want.astype(np.float64)
        self.signal += float(np.sum(exact * exact))
        self.noise += float(np.sum((exact - found) ** 2))

    @property
    def decibel(self) -> float:
        """Signal to quantization noise ratio."""
        return ratio_db(self.signal, self.noise)


@dataclass
class Measured:
    """What the runs have found, by the regions' names."""

    records: dict[str, TensorRecord]
    isolated: dict[str, Noise]
    propagated: dict[str, Noise]
    outputs: dict[str, Noise]
    kept: list[_Kept] = field(default_factory=list)


@dataclass(frozen=True)
class _Kept:
    """Some samples, the network's outputs for them, and what each region alone makes of them."""

    batch: Batch
    outputs: dict[str, Floats]
    alone: dict[str, Array]


def measure(
    float_graph: Graph,
    int8_graph: Graph,
    regions: list[Region],
    sample: Sample,
    progress: StageProgress,
) -> Measured:
    """Run both networks over the sample and compare every region's tensor.

    Raises
    ------
    CalibrationError
        If a tensor of the float network is NaN or infinite.
    """
    outputs = [value.name for value in float_graph.outputs]
    found = Measured(
        {r.name: TensorRecord(r.tensor) for r in regions if r.tensor is not None},
        {r.name: Noise() for r in regions},
        {r.name: Noise() for r in regions},
        {name: Noise() for name in outputs},
    )
    runners = [RegionRunner(int8_graph, region) for region in regions]
    targets = [*dict.fromkeys([*(r.target for r in regions), *outputs])]
    int8 = Session.from_graph(int8_graph, targets)
    wanted = [*dict.fromkeys([*(r.name for r in regions), *sample.batch, *outputs])]
    done = 0
    for reals in run_pieces(float_graph, wanted, sample):
        feeds = {name: reals[name] for name in sample.batch}
        q = dict(zip(targets, int8.run(None, feeds), strict=True))
        alone: dict[str, Array] = {}
        for region, runner in zip(regions, runners, strict=True):
            want = reals[region.name]
            if not np.all(np.isfinite(want)):
                raise CalibrationError(f"tensor '{region.name}' of float_model is not finite")
            if region.name in found.records:
                found.records[region.name].update(want)
            alone[region.name] = runner.run(reals)
            found.isolated[region.name].add(want, as_reals(region, alone[region.name]))
            found.propagated[region.name].add(want, as_reals(region, q[region.target]))
        for name in outputs:
            found.outputs[name].add(reals[name], q[name])
        size = len(next(iter(feeds.values())))
        if _is_kept(done, size, sample.count, alone):
            found.kept.append(_Kept(feeds, {name: reals[name] for name in outputs}, alone))
        done += size
        progress(RUNNING, done, sample.count)
    return found


def as_reals(region: Region, values: Array) -> Floats:
    """What a region's result stands for."""
    return values if region.tensor is None else region.tensor.dequantize(values)


def _is_kept(start: int, size: int, count: int, alone: Mapping[str, Array]) -> bool:
    """Whether these samples are of those spread evenly for `output_errors`."""
    bytes_each = sum(array.nbytes for array in alone.values()) // size
    most = min(OUTPUT_SAMPLES, max(OUTPUT_BYTES // max(bytes_each, 1), 1))
    pieces = max(most // size, 1)
    number, total = start // size, math.ceil(count / size)
    return number * pieces // total != (number - 1) * pieces // total


def output_errors(
    float_graph: Graph, regions: list[Region], found: Measured, progress: StageProgress
) -> Iterator[tuple[str, float]]:
    """Yield (name, SQNR of all outputs) for the float network with one region quantized."""
    fixed, outputs = fixed_batch(float_graph.inputs), [v.name for v in float_graph.outputs]
    progress(CUTTING, 0, len(regions))
    for number, region in enumerate(regions, 1):
        noise, session = Noise(), None
        for kept in found.kept:
            real = as_reals(region, kept.alone[region.name])
            if region.name in outputs:
                noise.add(kept.outputs[region.name], real)
                continue
            if session is None:
                value = Value(region.name, real.dtype, (fixed, *real.shape[1:]))
                session = _session_behind(float_graph, value, outputs)
            feeds = {**kept.batch, region.name: real}
            for name, result in zip(outputs, session.run(None, feeds), strict=True):
                noise.add(kept.outputs[name], result)
        progress(CUTTING, number, len(regions))
        yield region.name, noise.decibel


def _session_behind(graph: Graph, value: Value, outputs: list[str]) -> Session:
    """A session of the network in which a computed tensor is an input."""
    cut = graph.copy()
    cut.nodes = [node for node in cut.nodes if value.name not in node.outputs]
    if value.name not in {v.name for v in cut.inputs}:
        cut.inputs = [*cut.inputs, value]
    return Session.from_graph(cut, outputs)
