"""Ranges found by search: of all candidates, the one that loses least by quantization.

A candidate is an interval [lo, hi] around 0; it becomes levels as `choose_qparams` would make
them. Zeros are left out of every measure: whatever the range, they are represented exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from octavo.calibrate.histogram import Bins

Floats = NDArray[np.float64]

#: Fractions of an end that the MSE method tries, first and then around the best of them.
COARSE = np.arange(1, 65) / 64
FINE = np.arange(-16, 17) / 1024
#: Linear bins from 0 to the largest magnitude, in which the entropy method sees the values.
ENTROPY_BINS = 4096
#: Entropy candidates are so many of these bins apart.
ENTROPY_STEP = 16


@dataclass(frozen=True)
class Levels:
    """The integers qmin..qmax that quantized values take."""

    qmin: int
    qmax: int
    symmetric: bool

    def parameters(self, lo: Floats, hi: Floats) -> tuple[Floats, Floats]:
        """Return (scale, zero point) of the intervals [lo, hi]; every one contains 0."""
        if self.symmetric:
            middle = (self.qmin + self.qmax + 1) // 2
            scale = np.maximum(-lo, hi) / (self.qmax - middle)
            return scale, np.full_like(scale, middle)
        scale = (hi - lo) / (self.qmax - self.qmin)
        return scale, np.clip(self.qmin + np.rint(-lo / scale), self.qmin, self.qmax)

    def values(self, scale: Floats, zero: Floats) -> Floats:
        """Return what the levels stand for, (candidates, levels), ascending."""
        narrow = self.symmetric and self.qmin < 0  # -127..127
        q = np.arange(self.qmin + narrow, self.qmax + 1, dtype=np.float64)
        return np.asarray((q - zero[:, None]) * scale[:, None])


def squared_errors(bins: Bins, scale: Floats, zero: Floats, levels: Levels) -> Floats:
    """Return the mean squared error of rounding to levels, for each candidate.

    Every value of a bin counts as the bin's center. Between two levels all values become the
    nearest: with sums over the values below, and over their squares, a level costs one step.

    Parameters
    ----------
    bins : Bins
    scale, zero : ndarray of float64, shape (candidates,)
    levels : Levels

    Returns
    -------
    ndarray of float64, shape (candidates,)
    """
    center, counts = bins.center, bins.counts.astype(np.float64)
    values = levels.values(scale, zero)
    cuts = np.searchsorted(center, (values[:, 1:] + values[:, :-1]) / 2)
    edge = np.zeros((len(scale), 1), cuts.dtype)
    cuts = np.concatenate([edge, cuts, edge + center.size], axis=1)

    def per_level(weights: Floats) -> Floats:
        sums = np.concatenate([[0.0], np.cumsum(weights)])
        return np.asarray(np.diff(sums[cuts], axis=1))

    n, first = per_level(counts), per_level(counts * center)
    second = float(np.sum(counts * center * center))
    lost = second - np.sum(values * (2 * first - values * n), axis=1)
    return np.asarray(np.maximum(lost, 0.0) / counts.sum())


def mse_range(bins: Bins, lo: float, hi: float, levels: Levels) -> tuple[float, float]:
    """Return the interval within [lo, hi] with the least mean squared error.

    Each end in turn moves towards 0, the other one held, until neither moves; symmetric levels
    have one threshold for both. An end is found in steps of 1/64 of `lo` or `hi`, then in steps of
    1/1024 around the best; of equals the widest is taken.
    """

    def lows_and_highs(low: Floats, high: Floats) -> tuple[Floats, Floats]:
        if levels.symmetric:
            reach = high * max(-lo, hi)
            return np.maximum(lo, -reach), np.minimum(hi, reach)
        return low * lo, high * hi

    def loss(low: Floats, high: Floats) -> Floats:
        return squared_errors(bins, *levels.parameters(*lows_and_highs(low, high)), levels)

    fractions = [1.0, 1.0]
    moving = [1] if levels.symmetric else [end for end, limit in ((0, lo), (1, hi)) if limit]
    for _ in range(4 if len(moving) == 2 else 1):
        before = list(fractions)
        for end in moving:
            for tried in (lambda _: COARSE, lambda best: best + FINE):
                candidates = np.append(tried(fractions[end]), fractions[end])
                candidates = np.unique(np.clip(candidates, COARSE[0], 1.0))[::-1]
                held = np.full_like(candidates, fractions[1 - end])
                pair = (held, candidates) if end else (candidates, held)
                fractions[end] = float(candidates[np.argmin(loss(*pair))])
        if fractions == before:
            break
    low, high = lows_and_highs(np.array(fractions[:1]), np.array(fractions[1:]))
    return float(low[0]), float(high[0])


@dataclass(frozen=True)
class EntropyGrid:
    """What the entropy method compares: linear bins, and candidate intervals made of them.

    counts : of the bins between `start` * width and (start + len(counts)) * width, zeros left out;
        a float bin that lies in several of these is spread evenly.
    first, last : (candidates,) the first bin of each candidate, and the first one after it
    cuts : (candidates, levels - 1) the first bin of every level but the lowest
    reach : (candidates,) the magnitude up to which a candidate goes
    """

    counts: Floats
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    cuts: NDArray[np.int64]
    reach: Floats


def entropy_grid(bins: Bins, lo: float, hi: float, levels: Levels) -> EntropyGrid:
    """Lay out the bins and candidates for `entropy_range`."""
    width = max(-lo, hi) / ENTROPY_BINS
    below, above = (min(math.ceil(end / width), ENTROPY_BINS) for end in (-lo, hi))
    ends = np.stack([bins.low, bins.high], axis=1).ravel()
    cumulative = np.cumsum(np.where(bins.low == 0.0, 0, bins.counts), dtype=np.float64)
    seen = np.stack([np.append(0.0, cumulative[:-1]), cumulative], axis=1).ravel()
    edges = np.interp(np.arange(-below, above + 1) * width, ends, seen)
    edges[0], edges[-1] = 0.0, cumulative[-1]
    reach = np.arange(ENTROPY_BINS, 0, -ENTROPY_STEP)
    # An interval of fewer bins than levels would look perfect whatever it holds.
    enough = np.minimum(reach, below) + np.minimum(reach, above) >= levels.qmax - levels.qmin
    enough[0] = True
    reach = reach[enough]
    first, last = below - np.minimum(reach, below), below + np.minimum(reach, above)
    low, high = (first - below).astype(np.float64), (last - below).astype(np.float64)
    values = levels.values(*levels.parameters(low, high))
    middle = np.rint((values[:, 1:] + values[:, :-1]) / 2).astype(np.int64) + below
    cuts = np.clip(middle, first[:, None], last[:, None])
    return EntropyGrid(np.diff(edges), first, last, cuts, np.asarray(reach * width, np.float64))


def divergences(grid: EntropyGrid) -> Floats:
    """Return the Kullback-Leibler divergence of the values from what quantization leaves of them.

    For a candidate, P is the distribution over its bins, with what lies outside added to its
    outermost bins; Q spreads each level's own share evenly over the level's non-empty bins. With
    sums over the bins below (of counts, of non-empty bins, of c * log c) a candidate costs one
    step a level:

        KL(P || Q) = sum P * log(P) - sum over levels of P_level * log(Q_level / bins of the level)

    Infinite where a value outside would be put into a level without values of its own.

    Notes
    -----
    Source: Migacz, "8-bit Inference with TensorRT", GTC 2017.
    """
    c, first, last = grid.counts, grid.first, grid.last
    row = np.arange(len(first))
    below, inside = (np.append(0.0, np.cumsum(x)) for x in (c, c > 0))
    logs = np.append(0.0, np.cumsum(_xlogx(c)))
    cuts = np.concatenate([first[:, None], grid.cuts, last[:, None]], axis=1)
    share, bins = np.diff(below[cuts], axis=1), np.diff(inside[cuts], axis=1)
    total, p_level, p_logs = c.sum(), share.copy(), logs[last] - logs[first]
    for bin_, outside in ((first, below[first]), (last - 1, below[-1] - below[last])):
        level = np.count_nonzero(grid.cuts <= bin_[:, None], axis=1)
        p_logs += _xlogx(c[bin_] + outside) - _xlogx(c[bin_])
        bins[row, level] += (c[bin_] == 0) & (outside > 0)
        p_level[row, level] += outside
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.where(p_level > 0, p_level * np.log(share / bins), 0.0)
        inside_total = share.sum(axis=1)
        kl = (p_logs - spread.sum(axis=1)) / total - np.log(total) + np.log(inside_total)
    return np.where(np.isnan(kl), np.inf, kl)


def entropy_range(bins: Bins, lo: float, hi: float, levels: Levels) -> tuple[float, float]:
    """Return the interval within [lo, hi] that keeps the distribution best, see `divergences`.

    Candidates are [lo, hi] cut at every magnitude that is a multiple of 1/256 of the largest, down
    to as many bins as there are levels; of equals the widest is taken.
    """
    if not np.any(bins.low != 0.0):
        return lo, hi
    grid = entropy_grid(bins, lo, hi, levels)
    reach = float(grid.reach[np.argmin(divergences(grid))])
    return max(lo, -reach), min(hi, reach)


def _xlogx(x: Floats) -> Floats:
    return np.asarray(x * np.log(np.where(x > 0, x, 1.0)))
