"""Timing of alternatives against each other: interleaved, so that drift hits all of them alike."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Call = Callable[[], object]
Seconds = NDArray[np.float64]

BUSY = 1.2  # time over processor time: above it, other processes have their share


@dataclass(frozen=True)
class Times:
    """The runs of one call: elapsed seconds, and seconds of processor time of this process."""

    elapsed: Seconds
    processor: Seconds


def interleaved(
    calls: Sequence[Call],
    *,
    repeat: int,
    seconds: float = math.inf,
    warmup: int = 3,
    advance: Callable[[], None] | None = None,
) -> list[Times]:
    """Time every call `repeat` times, or as often as `seconds` allow; one of each per round.

    The order alternates from round to round, so that no call always runs after the same other one
    and a change of clock frequency or a busy neighbour meets all of them.

    Parameters
    ----------
    calls
        The alternatives; their results are thrown away.
    repeat
        Number of rounds, at least 1.
    seconds
        No round begins later than this after the first, except the first timed one.
    warmup
        Untimed rounds before the first timed one.
    advance
        Called after every timed round, for progress bars.

    Returns
    -------
    list of Times
        For every call its times, at most `repeat`, in the order of `calls`.

    Raises
    ------
    ValueError
        If `repeat` is below 1.

    Examples
    --------
    >>> fast, slow = interleaved([lambda: None, lambda: sum(range(10_000))], repeat=5)
    >>> fast.elapsed.shape, bool(np.median(fast.elapsed) < np.median(slow.elapsed))
    ((5,), True)
    """
    if repeat < 1:
        raise ValueError(f"repeat must be at least 1, got {repeat}")
    end = time.perf_counter() + seconds
    for i in range(warmup):
        if i > 0 and time.perf_counter() > end:
            break
        for call in calls:
            call()
    times = [Times(np.empty(repeat), np.empty(repeat)) for _ in calls]
    done = 0
    while done < repeat and (done == 0 or time.perf_counter() <= end):
        order = range(len(calls)) if done % 2 == 0 else reversed(range(len(calls)))
        for j in order:
            processor = time.process_time()
            start = time.perf_counter()
            calls[j]()
            times[j].elapsed[done] = time.perf_counter() - start
            times[j].processor[done] = time.process_time() - processor
        if advance is not None:
            advance()
        done += 1
    return [Times(t.elapsed[:done], t.processor[:done]) for t in times]


def typical(times: Sequence[Times], *, threads: int) -> tuple[list[float], str]:
    """Return the median time of every call, and which time it is: "elapsed" or "processor".

    Elapsed time is what a user waits for. On a busy machine it is no measure: other processes
    interrupt long calls more often than short ones, and the ratio of two calls comes out wrong.
    If any call on one thread took 1.2 times its processor time, processor time is taken of all.
    (On several threads the two cannot be compared, and elapsed time stays.)

    Examples
    --------
    >>> quiet = Times(np.array([1.0, 1.1, 1.2]), np.array([1.0, 1.05, 1.1]))
    >>> busy = Times(np.array([5.0, 6.0, 7.0]), np.array([2.0, 2.1, 2.2]))
    >>> typical([quiet], threads=1), typical([quiet, busy], threads=1)
    (([1.1], 'elapsed'), ([1.05, 2.1], 'processor'))
    """
    elapsed = [float(np.median(t.elapsed)) for t in times]
    processor = [float(np.median(t.processor)) for t in times]
    busy = any(e > BUSY * p for e, p in zip(elapsed, processor, strict=True))
    return (processor, "processor") if busy and threads == 1 else (elapsed, "elapsed")
