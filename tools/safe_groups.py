"""How much of a network's weights the AVX2 backend can multiply with `vpmaddubsw`.

Development only; needs onnx. For every convolution and matrix product of the given ONNX files,
weights are quantized per output channel (symmetric, max|w| / 127) and cut into columns two by two
and groups of four k, as the packer does. The table shows the share of

- pairs: two adjacent weights of one column whose sums of positive and of negative weights stay
  within 128, so that 255 * 128 fits int16;
- quads: the same over the four weights of one group and column;
- pair2: groups where all pairs of both columns are safe, with the four k as they come;
- paired: groups with some pairing of the four k that is safe in both columns;

and, as csrc/pack/schedule.cc finds them,

- steps: how many groups the packer stores per group (an unsafe one is stored as two halves);
- chain: how many of them are added in int16 before they are widened, on average;
- long: the share of them in chains of three and more.

BatchNorm need not be folded: a factor per channel does not change the integers, up to their sign.

    python tools/safe_groups.py model.onnx [...]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import numpy_helper

BOUND = 128
PAIRINGS = ((0, 1, 2, 3), (0, 2, 1, 3), (0, 3, 1, 2))
BLOCK = 256  # groups that may form chains
SMALL_BLOCK = 80  # in which every group may take any pairing
COLUMNS = ("pairs", "quads", "pair2", "paired", "steps", "chain", "long")

IntArray = npt.NDArray[np.int32]


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


def groups_of(w: IntArray) -> IntArray:
    """Return pairs of columns, shape (n / 2, groups, 2, 4), padded with zeros."""
    n, segments, k = w.shape
    padded = np.zeros((-(-n // 2) * 2, segments, -(-k // 4) * 4), np.int32)
    padded[:n, :, :k] = w
    groups: IntArray = padded.reshape(-1, 2, padded[0].size // 4, 4).swapaxes(1, 2)
    return groups


def loads(groups: IntArray, order: tuple[int, ...]) -> IntArray:
    """Magnitudes per pair and sign: shape (..., 2, 4) -> (..., 8)."""
    pairs = groups[..., order].reshape(*groups.shape[:-1], 2, 2)
    both = np.concatenate([np.maximum(pairs, 0).sum(-1), np.maximum(-pairs, 0).sum(-1)], axis=-1)
    flat: IntArray = both.reshape(*groups.shape[:-2], 8)
    return flat


def all_loads(groups: IntArray) -> IntArray:
    """Return the loads of every pairing, shape (..., 3, 8)."""
    return np.stack([loads(groups, order) for order in PAIRINGS], axis=-2)


def chains(block: IntArray) -> list[int]:
    """Return the lengths of one block's chains, shape (groups, 2, 4), as the packer forms them."""
    block = block[block.any(axis=(1, 2))]
    safe = (all_loads(block) <= BOUND).all(-1).any(-1)
    low = block[~safe] >> 1
    stored = np.concatenate([block[safe], low, block[~safe] - low])
    stored = stored[np.argsort(-np.abs(stored).sum(axis=(1, 2)), kind="stable")]
    left = all_loads(stored)
    if len(block) > SMALL_BLOCK:  # only groups that need another pairing may have one
        left[(left[:, 0] <= BOUND).all(-1), 1:] = 2 * BOUND
    lengths = []
    while len(left):
        room, taken = np.full(left.shape[-1], BOUND), np.zeros(len(left), np.bool_)
        for i, group in enumerate(left):
            fits = (group <= room).all(-1)
            if fits.any():
                room = room - group[fits.argmax()]
                taken[i] = True
        lengths.append(int(taken.sum()))
        left = left[~taken]
    return lengths


def shares(w: IntArray, sample: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """Return one row of the table; the chains come from a sample of `sample` pairs of columns."""
    groups = groups_of(w)
    chosen = groups[random.permutation(len(groups))[:sample]]
    blocks = [columns[i : i + BLOCK] for columns in chosen for i in range(0, len(columns), BLOCK)]
    lengths = np.array([length for block in blocks for length in chains(block)])
    steps = lengths.sum()
    adjacent = loads(groups, PAIRINGS[0]) <= BOUND
    positive, negative = np.maximum(groups, 0).sum(-1), np.maximum(-groups, 0).sum(-1)
    values = [
        adjacent.reshape(*groups.shape[:-1], 2, 2).all(-2).mean(),
        ((positive <= BOUND) & (negative <= BOUND)).mean(),
        adjacent.all(-1).mean(),
        (all_loads(groups) <= BOUND).all(-1).any(-1).mean(),
        steps / max(int(chosen.any(axis=(2, 3)).sum()), 1),
        steps / max(len(lengths), 1),
        lengths[lengths >= 3].sum() / max(steps, 1),
    ]
    return np.array(values)


def main() -> None:
    """Print one row per file, layers weighted by their weights."""
    parser = argparse.ArgumentParser(description="Share of weights that vpmaddubsw may multiply.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument(
        "--sample", type=int, default=8, help="pairs of columns scheduled per layer"
    )
    options = parser.parse_args()
    random = np.random.default_rng(0)
    print(f"{'file':28s}", *(f"{name:>8s}" for name in COLUMNS))
    for file in options.files:
        layers = list(weights_of(onnx.load(file)))
        rows = np.array([shares(w, options.sample, random) for w in layers])
        row = np.average(rows, axis=0, weights=[w.size for w in layers])
        print(f"{file.stem:28s}", *(f"{value:8.3f}" for value in row))


if __name__ == "__main__":
    main()
