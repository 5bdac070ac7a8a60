"""The samples of the calibration data that are kept, and runs over them.

Ranges are drawn from all the data, which are seen once and never held. Equalization, bias
correction and the error report need the same samples more than once, so some are kept.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from octavo.calibrate.calibration import Calibration
from octavo.calibrate.data import Batch, CalibrationData, items, split
from octavo.graph.feeds import fixed_batch
from octavo.graph.ir import Graph
from octavo.graph.session import Session
from octavo.graph.shapes import resolve

MAX_SAMPLES = 512
MAX_BYTES = 2**29  # for the kept inputs, and the largest byte tensor of as many samples
MAX_FLOATS = 2**23  # returned from one run
MAX_PIECE = 32  # samples of one run

Data: TypeAlias = "CalibrationData | Calibration"


@dataclass(frozen=True)
class Sample:
    """Some of the data."""

    batch: Batch
    fixed: int | None = None  # the batch that the network fixes; divides the count
    ragged: int = 0  # items left out because their shape is not the first one's

    @property
    def count(self) -> int:
        """How many samples."""
        return len(next(iter(self.batch.values())))

    def spread(self, most: int) -> Sample:
        """At most so many of the samples, spread evenly."""
        if self.fixed is not None:
            most -= most % self.fixed
            most = most or self.fixed
        count = min(self.count, most)
        index = np.arange(count) * self.count // count
        return Sample({name: array[index] for name, array in self.batch.items()}, self.fixed)


def draw_sample(data: Data, graph: Graph) -> tuple[Sample | None, Data]:
    """Keep at most MAX_SAMPLES samples, fewer where they are large.

    Of an array, of a mapping of arrays and of a sequence they are spread evenly; of any other
    iterable they are the first ones. All have the shape of the first.

    Returns
    -------
    sample : Sample or None
        None where the data are a Calibration or empty.
    data : as given
        What is to be iterated over now: an iterator has begun.
    """
    if isinstance(data, Calibration):
        return None, data
    if isinstance(data, (np.ndarray, Mapping)):
        batch = next(items(data, graph.inputs))[0]
        total = len(next(iter(batch.values())))
        count = min(total, _limit(graph, batch))
        index = np.arange(count) * total // max(count, 1)
        return _sample(graph, [{name: a[index] for name, a in batch.items()}], count), data
    if isinstance(data, Iterator):
        seen: list[Any] = []
        sample = _from_items(_remembering(data, seen), graph)
        return sample, itertools.chain(seen, data)
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)) and len(data):
        return _from_sequence(data, graph), data
    return _from_items(data, graph), data


def _from_sequence(data: Sequence[Any], graph: Graph) -> Sample | None:
    first, last = (next(items([data[i]], graph.inputs))[0] for i in (0, -1))
    size, rest = (len(next(iter(batch.values()))) for batch in (first, last))
    total, limit = (len(data) - 1) * size + rest, _limit(graph, first)
    if total <= limit:
        return _from_items(data, graph)
    index = np.arange(limit) * total // limit
    where = np.minimum(index // size, len(data) - 1)

    def chosen() -> Iterator[Batch]:
        for number in np.unique(where).tolist():
            batch = next(items([data[number]], graph.inputs))[0]
            inside = index[where == number] - number * size
            inside = inside[inside < len(next(iter(batch.values())))]
            yield {name: array[inside] for name, array in batch.items()}

    return _from_items(chosen(), graph)


def _remembering(data: Iterator[Any], seen: list[Any]) -> Iterator[Any]:
    for item in data:
        seen.append(item)
        yield item


def _from_items(data: CalibrationData, graph: Graph) -> Sample | None:
    parts: list[Batch] = []
    shapes: set[tuple[tuple[int, ...], ...]] = set()
    count = limit = ragged = 0
    for batch, _ in items(data, graph.inputs):
        found = tuple(array.shape[1:] for array in batch.values())
        shapes = shapes or {found}
        if found not in shapes:
            ragged += 1
            continue
        limit = limit or _limit(graph, batch)
        parts.append(batch)
        count += len(next(iter(batch.values())))
        if count >= limit:
            break
    return _sample(graph, parts, min(count, limit), ragged)


def _sample(graph: Graph, parts: list[Batch], count: int, ragged: int = 0) -> Sample | None:
    fixed = fixed_batch(graph.inputs)
    count -= count % fixed if fixed else 0
    if not count:
        return None
    names = [value.name for value in graph.inputs]
    joined = {name: np.concatenate([part[name] for part in parts])[:count] for name in names}
    return Sample(joined, fixed, ragged)


def _limit(graph: Graph, batch: Batch) -> int:
    shapes = {name: array.shape[1:] for name, array in batch.items()}
    largest = max(map(math.prod, resolve(graph.copy(), shapes, fixed_batch(graph.inputs)).values()))
    given = sum(math.prod(shape) for shape in shapes.values())
    return min(MAX_SAMPLES, max(MAX_BYTES // (4 * given + largest), 1))


def run_pieces(
    graph: Graph, tensors: Iterable[str], sample: Sample
) -> Iterator[dict[str, NDArray[np.float32]]]:
    """Run a float graph over a sample, some of it at a time; yield the named tensors."""
    names = list(tensors)
    computed = [name for name in names if name not in sample.batch]
    session = Session.from_graph(graph, computed) if computed else None
    size = MAX_PIECE
    if session is not None:
        shapes = tuple(sample.batch[value.name].shape[1:] for value in graph.inputs)
        floats = sum(math.prod(info.shape) for info in session.compiled_for(shapes).outputs)
        size = session.fixed_batch or min(max(MAX_FLOATS // floats, 1), MAX_PIECE)
    for piece in split(sample.batch, size):
        results = session.run(None, piece) if session is not None else []
        found = {**piece, **dict(zip(computed, results, strict=True))}
        yield {name: found[name] for name in names}
