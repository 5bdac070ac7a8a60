"""Timing in turns: one round measures every runner once, the order changes from round to round."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from .problems import Array


@dataclass(frozen=True)
class Runner:
    """One peer's way to compute one problem.

    `run` computes once, with everything that can be prepared already prepared. `output` computes
    and returns the result, in the problem's layout. Where a library needs conversions around the op
    that a network would not pay for, `own_seconds` computes once and returns what the library's
    profiler says of the op alone. `note` names the library's kernel, where it tells.
    """

    run: Callable[[], object]
    output: Callable[[], Array]
    note: str = ""
    own_seconds: Callable[[], float] | None = None


@dataclass(frozen=True)
class Plan:
    """How long to measure: rounds, and the least time of a turn within a round."""

    rounds: int
    turn_seconds: float
    settle_seconds: float  # slept before a turn, until the threads of the peer before stop spinning


def _calls(runner: Runner, plan: Plan) -> int:
    """Calls that fill a turn."""
    runner.run()
    start = time.perf_counter()
    runner.run()
    single = time.perf_counter() - start
    return max(1, math.ceil(plan.turn_seconds / max(single, 1e-7)))


def _turn(runner: Runner, calls: int) -> float:
    runner.run()  # brings data and code back into the caches, wakes the threads
    if runner.own_seconds is not None:
        return sum(runner.own_seconds() for _ in range(calls)) / calls
    run = runner.run
    start = time.perf_counter()
    for _ in range(calls):
        run()
    return (time.perf_counter() - start) / calls


def interleaved(runners: Mapping[str, Runner], plan: Plan) -> dict[str, list[float]]:
    """Seconds a call of every runner, one figure a round.

    Figures of one round were taken right after each other, so ratios are formed round by round.
    """
    names = list(runners)
    calls = {name: _calls(runners[name], plan) for name in names}
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for i in range(plan.rounds):
        first = i % len(names)
        order = names[first:] + names[:first]
        for name in order if i % 2 == 0 else reversed(order):
            if plan.settle_seconds:
                time.sleep(plan.settle_seconds)
            seconds[name].append(_turn(runners[name], calls[name]))
    return seconds


def spread(values: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {"median": float(middle), "q1": float(low), "q3": float(high)}
