"""One list of problems: peers are checked against the exact result, then timed in turns."""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from . import machine
from .peak import Limit, arithmetic_limits, copy_limits
from .problems import Array, Problem
from .roster import Peer, load
from .shapes import suite
from .timing import Plan, Runner, interleaved, spread

Json = dict[str, Any]


def plan_for(repeats: int, threads: int, quick: bool) -> Plan:
    """Spinning threads of one library would slow the next one down: with several, wait for them."""
    return Plan(repeats, 0.004 if quick else 0.02, 0.02 if threads > 1 else 0.0)


def deviation(result: Array, expected: Array) -> Json:
    """How far a result is from the exact one: the largest distance, and the share that differs.

    Of float results last bits do not count: a product may come before or after a difference.
    """
    if result.shape != expected.shape or result.dtype != expected.dtype:
        raise ValueError(
            f"result must be {expected.dtype}{expected.shape}, got {result.dtype}{result.shape}"
        )
    distance = np.abs(result.astype(np.float64) - expected.astype(np.float64))
    if expected.dtype == np.float32:
        distance[distance <= 1e-6 * np.abs(expected).max()] = 0
    return {"max": float(distance.max()), "share": float((distance > 0).mean())}


def prepare(
    peers: Mapping[str, Peer], problem: Problem
) -> tuple[dict[str, Runner], dict[str, Json], dict[str, str]]:
    """Runners, their deviation from the exact result, and why a peer takes no part."""
    runners: dict[str, Runner] = {}
    deviations: dict[str, Json] = {}
    absent: dict[str, str] = {}
    for name, peer in peers.items():
        try:
            runner = peer.runner(problem)
            if runner is None:
                absent[name] = "no such op"
                continue
            deviations[name] = deviation(runner.output(), problem.expected)
        except Exception as error:  # a peer's refusal is a result of the comparison
            absent[name] = f"{type(error).__name__}: {error}".splitlines()[0][:200]
            continue
        runners[name] = runner
    return runners, deviations, absent


def _measure(
    peers: Mapping[str, Peer], problem: Problem, limits: Mapping[str, Limit], plan: Plan
) -> Json:
    runners, deviations, absent = prepare(peers, problem)
    ceilings = {f"limit:{key}": limit for key, limit in limits.items()}
    timed = {**runners, **{key: limit.runner for key, limit in ceilings.items()}}
    seconds = interleaved(timed, plan)
    return {
        "name": problem.name,
        "macs": problem.macs,
        "bytes": problem.bytes_moved,
        "results": {
            name: {
                **spread(seconds[name]),
                "seconds": seconds[name],
                "deviation": deviations[name],
                "kernel": runners[name].note,
                "profiled": runners[name].own_seconds is not None,
            }
            for name in runners
        },
        "absent": absent,
        # Units a second of the limits, round by round as the peers' seconds.
        "limits": {
            key.removeprefix("limit:"): [limit.work / s for s in seconds[key]]
            for key, limit in ceilings.items()
        },
    }


def run_suite(
    name: str,
    *,
    threads: int,
    repeats: int,
    peers: list[str],
    quick: bool,
    avx2: bool,
    advance: Callable[[str], None],
) -> Json:
    """Measure one suite in this process, which should be pinned already."""
    loaded, missing = load(peers, threads, avx2)
    if not loaded:
        raise RuntimeError(f"none of the peers can be loaded: {missing}")
    plan = plan_for(repeats, threads, quick)
    flags = {f for f in machine.cpu_flags() if not (avx2 and f.startswith(("avx512", "avx_")))}
    arithmetic = arithmetic_limits(flags, threads)
    records = []
    for problem in suite(name, quick).problems():
        limits = arithmetic
        if name == "elementwise":
            limits = copy_limits(flags, problem.bytes_moved, threads)
        records.append(_measure(loaded, problem, limits, plan))
        gc.collect()
        advance(problem.name)
    return {
        "suite": name,
        "threads": threads,
        "avx2": avx2,
        "repeats": repeats,
        "limits": {key: limit.name for key, limit in arithmetic.items()},
        "missing": missing,
        "problems": records,
    }
