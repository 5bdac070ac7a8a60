"""How much of a network's weights the AVX2 backend can multiply with `vpmaddubsw`.

Development only; needs onnx. For every convolution and matrix product of the given ONNX files,
weights are quantized per output channel (symmetric, max|w| / 127) and cut into panels of 8 and 16
columns and groups of four k, as the packer does. The table shows the share of

- pairs: two adjacent weights of one column whose sums of positive and of negative weights stay
  within 128, so that 255 * 128 fits int16;
- quads: the same over the four weights of one group and column;
- pair8, pair16, quad8, quad16: groups where that holds in all columns of the panel at once, with
  the four k as they come;
- paired8: groups with some pairing of the four k that is safe in all 8 columns;
- steps: how many groups the packer stores per group (an unsafe one is stored as two halves), and
- matched: the share of them that share an int16 sum with another group (csrc/pack/schedule.cc).

BatchNorm need not be folded: a factor per channel does not change the integers, up to their sign.

    python tools/safe_groups.py model.onnx [...]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

BOUND = 128
PAIRINGS = ((0, 1, 2, 3), (0, 2, 1, 3), (0, 3, 1, 2))
WINDOW = 64
COLUMNS = ("pairs", "quads", "pair8", "pair16", "quad8", "quad16", "paired8", "steps", "matched")

IntArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]


def weights_of(model: onnx.ModelProto) -> Iterator[IntArray]:
    """Yield the integer weights of each layer, shape (n, segments, segment_k)."""
    constants = {i.name: i for i in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul") or node.input[1] not in constants:
            continue
        w = numpy_helper.to_array(constants[node.input[1]]).astype(np.float64)
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "Conv":
            if w.shape[1] == 1 and attributes.get("group", 1) > 1:
                continue  # depthwise layers have kernels of their own
            w = np.moveaxis(w, 1, -1)
            rows = w.shape[1] if w.shape[-1] % 4 else w.shape[1] * w.shape[2]
            w = w.reshape(w.shape[0], rows, -1)
        else:
            transposed = node.op_type == "Gemm" and attributes.get("transB", 0)
            w = (w if transposed else w.T)[:, None, :]
        largest = np.abs(w).max(axis=(1, 2), keepdims=True)
        yield np.rint(w / np.where(largest > 0, largest, 1) * 127).astype(np.int32)


def groups_of(w: IntArray, width: int) -> IntArray:
    """Return panels of groups, shape (panels, groups, width, 4), padded with zeros."""
    n, segments, k = w.shape
    padded = np.zeros((-(-n // width) * width, segments, -(-k // 4) * 4), np.int32)
    padded[:n, :, :k] = w
    groups: IntArray = padded.reshape(-1, width, padded[0].size // 4, 4).swapaxes(1, 2)
    return groups


def loads(groups: IntArray, order: tuple[int, ...]) -> IntArray:
    """Magnitudes per pair and sign: shape (..., width, 4) -> (..., width * 4)."""
    pairs = groups[..., order].reshape(*groups.shape[:-1], 2, 2)
    both = np.concatenate([np.maximum(pairs, 0).sum(-1), np.maximum(-pairs, 0).sum(-1)], axis=-1)
    flat: IntArray = both.reshape(*groups.shape[:-2], -1)
    return flat


def safe_in_quads(groups: IntArray) -> BoolArray:
    """Whether four weights keep the bound, per group and column."""
    positive, negative = np.maximum(groups, 0).sum(-1), np.maximum(-groups, 0).sum(-1)
    safe: BoolArray = (positive <= BOUND) & (negative <= BOUND)
    return safe


def schedule(panel: IntArray) -> tuple[int, int]:
    """Return (steps, steps in quads) of one panel, as csrc/pack/schedule.cc finds them."""
    halves = [(g,) if is_paired(g) else (g >> 1, g - (g >> 1)) for g in panel if g.any()]
    waiting: list[tuple[int, IntArray]] = []
    steps = matched = 0
    for group in (half for pair in halves for half in pair):
        steps += 1
        load = np.stack([loads(group, order) for order in PAIRINGS])
        fits = [i for i, (_, other) in enumerate(waiting) if fit_together(load, other)]
        if fits:
            del waiting[max(fits, key=lambda i: waiting[i][0])]
            matched += 2
        else:
            waiting = [*waiting[-(WINDOW - 1) :], (int(load[0].sum()), load)]
    return steps, matched


def is_paired(group: IntArray) -> bool:
    """Whether some pairing of the four k is safe in all columns."""
    return any(bool((loads(group, order) <= BOUND).all()) for order in PAIRINGS)


def fit_together(a: IntArray, b: IntArray) -> bool:
    """Whether two groups keep the bound together under some pairings."""
    return any(
        bool((a[p] + b[q] <= BOUND).all()) for p, q in product(range(len(PAIRINGS)), repeat=2)
    )


def shares(w: IntArray, panels: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return one row of the table; the schedule comes from a sample of `panels` panels."""
    narrow, wide = groups_of(w, 8), groups_of(w, 16)
    adjacent = [loads(g, PAIRINGS[0]) <= BOUND for g in (narrow, wide)]
    chosen = random.permutation(len(narrow))[:panels]
    counts = [schedule(narrow[i]) for i in chosen]
    steps, matched = (sum(c) for c in zip(*counts, strict=True))
    stored = sum(int(narrow[i].any(axis=(1, 2)).sum()) for i in chosen)
    by_column = adjacent[0].reshape(*narrow.shape[:-1], 2, 2).all(-2)
    paired = np.any([(loads(narrow, order) <= BOUND).all(-1) for order in PAIRINGS], axis=0)
    values = [
        by_column.mean(),
        safe_in_quads(narrow).mean(),
        adjacent[0].all(-1).mean(),
        adjacent[1].all(-1).mean(),
        safe_in_quads(narrow).all(-1).mean(),
        safe_in_quads(wide).all(-1).mean(),
        paired.mean(),
        steps / max(stored, 1),
        matched / max(steps, 1),
    ]
    return np.array(values)


def main() -> None:
    """Print one row per file, layers weighted by their weights."""
    parser = argparse.ArgumentParser(description="Share of weights that vpmaddubsw may multiply.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--panels", type=int, default=2, help="panels scheduled per layer")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    print(f"{'file':28s}", *(f"{name:>8s}" for name in COLUMNS))
    for file in options.files:
        layers = list(weights_of(onnx.load(file)))
        rows = np.array([shares(w, options.panels, random) for w in layers])
        row = np.average(rows, axis=0, weights=[w.size for w in layers])
        print(f"{file.stem:28s}", *(f"{value:8.3f}" for value in row))


if __name__ == "__main__":
    main()
