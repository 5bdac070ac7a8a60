"""Run a float graph over calibration data and feed an observer per tensor."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from octavo.calibrate.calibration import Calibration
from octavo.calibrate.data import Batch, CalibrationData, items, split, total_of
from octavo.calibrate.observer import Observer, create_observer
from octavo.errors import CalibrationError
from octavo.graph.fingerprint import fingerprint
from octavo.graph.ir import Graph
from octavo.graph.session import Session

Progress = Callable[[int, "int | None"], None]

# Observed tensors are returned from the run, so a batch is no larger than this many floats.
MAX_FLOATS = 2**25
MAX_BATCH = 64


def collect(
    graph: Graph,
    tensors: list[str],
    data: CalibrationData | Calibration,
    method: str,
    progress: Progress | None = None,
    *,
    percentile: float | None = None,
) -> dict[str, Observer]:
    """Observe tensors of a float graph, or look up what was observed before.

    Parameters
    ----------
    graph : Graph
        Simplified; not changed.
    tensors : list of str
        Inputs or computed tensors to observe.
    data : array, mapping, iterable, or Calibration of this very graph
        See `octavo.calibrate.data.items`.
    method : str
        A key of OBSERVERS.
    progress : callable, optional
        Called as progress(items done, items in all or None).
    percentile : float, optional
        For that method alone; default 99.99.

    Raises
    ------
    CalibrationError
        No data, or data that do not fit the model or are not finite; a calibration of another
        graph or of other tensors.
    """
    if isinstance(data, Calibration):
        data.check_network(fingerprint(graph))
        return {name: data.observer(name, method, percentile=percentile) for name in tensors}
    observers = {name: create_observer(method, name, percentile=percentile) for name in tensors}
    observe(graph, observers, data, progress)
    return observers


def observe(
    graph: Graph,
    observers: dict[str, Observer],
    data: CalibrationData,
    progress: Progress | None = None,
) -> int:
    """Run a float graph over the data and update an observer per tensor; return the samples."""
    inputs = {value.name for value in graph.inputs}
    computed = [name for name in observers if name not in inputs]
    outputs = computed or [value.name for value in graph.outputs]
    session = Session.from_graph(graph, outputs, ordered=False)
    total, done, seen = total_of(data), 0, 0
    for batch, count in items(data, graph.inputs):
        samples = len(next(iter(batch.values())))
        finished = 0
        for piece in split(batch, _piece_size(session, batch)):
            _observe(session, computed, piece, observers)
            finished += len(next(iter(piece.values())))
            if progress is not None and count == samples:
                progress(done + finished, total)
        done += count
        seen += samples
        if progress is not None and count != samples:
            progress(done, total)
    if done == 0:
        raise CalibrationError("calibration_data is empty: at least one sample is needed")
    return seen


def _observe(
    session: Session, computed: list[str], piece: Batch, observers: dict[str, Observer]
) -> None:
    for name, array in piece.items():
        if name in observers:
            observers[name].update(array)
    if session.fixed_batch not in (None, len(next(iter(piece.values())))):
        raise CalibrationError(
            f"calibration_data: the model takes batches of {session.fixed_batch} samples; "
            f"{len(next(iter(piece.values())))} are left over"
        )
    for name, value in zip(computed, session.run(None, piece), strict=False):
        observers[name].update(np.asarray(value))


def _piece_size(session: Session, batch: Batch) -> int:
    if session.fixed_batch is not None:
        return session.fixed_batch
    shapes = tuple(array.shape[1:] for array in batch.values())
    floats = sum(math.prod(info.shape) for info in session.compiled_for(shapes).outputs)
    return min(max(MAX_FLOATS // max(floats, 1), 1), MAX_BATCH)
