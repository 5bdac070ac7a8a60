"""Charts: who is faster where, networks, and the roofline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt

from .report import Json, best_rival, integer, speedup

_COLOURS = {
    "octavo": "#1b6ca8",
    "octavo-own": "#7fb2d9",
    "onnxruntime": "#e08e45",
    "openvino": "#7a5195",
    "onnxruntime-own": "#f2c79b",
    "openvino-own": "#9a7cae",
    "openvino-bf16": "#c9b5d8",
    "torch-fbgemm": "#5b8c5a",
    "torch-onednn": "#9fc490",
    "onnxruntime-f32": "#999999",
    "openvino-f32": "#bbbbbb",
    "numpy": "#555555",
}
_MARKERS = {"gemm": "s", "conv": "o", "geometry": "D", "depthwise": "^"}
_LOSS = "#c0392b"


def _of(results: Json, *names: str, threads: int = 1) -> list[Json]:
    """Suites at the CPU's full width."""
    wide = [s for s in results["suites"] if not s["avx2"]]
    return [s for s in wide if s["suite"] in names and s["threads"] == threads]


def _threads(results: Json) -> int:
    """The smallest count measured: where limits are sharpest."""
    return min(int(s["threads"]) for s in results["suites"])


def draw_speedups(results: Json, path: Path) -> bool:
    """Bars of octavo against the best int8 peer, one per problem; losses in red."""
    suites = _of(
        results, "gemm", "conv", "geometry", "depthwise", "elementwise", threads=_threads(results)
    )
    problems = [p for s in suites for p in s["problems"] if speedup(p["results"]) is not None]
    if not problems:
        return False
    ratios = [speedup(p["results"]) or 0 for p in problems]
    rivals = [best_rival(p["results"]) for p in problems]
    figure, axes = plt.subplots(figsize=(8, 1.2 + 0.22 * len(problems)), layout="constrained")
    colours = [_COLOURS["octavo"] if r >= 1 else _LOSS for r in ratios]
    axes.barh(range(len(problems)), ratios, color=colours)
    for i, (ratio, rival) in enumerate(zip(ratios, rivals, strict=True)):
        axes.text(ratio, i, f" {ratio:.2f}  {rival}", va="center", fontsize=7)
    axes.set_yticks(range(len(problems)), [p["name"] for p in problems], fontsize=7)
    axes.invert_yaxis()
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlim(0, max(ratios) * 1.25)
    axes.set_xlabel("speed relative to the best int8 peer (named at the bar); below 1 octavo loses")
    return _save(figure, path)


def draw_networks(results: Json, path: Path) -> bool:
    """Latency bars per network and peer, at the smallest batch."""
    suites = _of(results, "network", threads=_threads(results))
    problems = [p for s in suites for p in s["problems"]]
    if not problems:
        return False
    smallest = min(p["batch"] for p in problems)
    problems = [p for p in problems if p["batch"] == smallest]
    figure, grid = plt.subplots(
        1,
        len(problems),
        figsize=(2.6 * len(problems) + 1.2, 3),
        layout="constrained",
        squeeze=False,
    )
    for axes, problem in zip(grid[0], problems, strict=True):
        names = list(problem["results"])
        values = [1e3 * problem["results"][n]["median"] for n in names]
        axes.barh(names, values, color=[_COLOURS[n] for n in names])
        for i, value in enumerate(values):
            axes.text(value, i, f" {value:.1f}", va="center", fontsize=7)
        axes.set_title(f"{problem['name']}, batch {smallest}", fontsize=9)
        axes.set_xlim(0, max(values) * 1.2)
        axes.set_xlabel("ms", fontsize=8)
        axes.tick_params(labelsize=7)
        axes.invert_yaxis()
    return _save(figure, path)


def draw_roofline(results: Json, path: Path) -> bool:
    """GMAC/s over MACs per byte for every layer, under the measured limits."""
    threads = _threads(results)
    suites = _of(results, *_MARKERS, threads=threads)
    if not suites:
        return False
    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for suite in suites:
        for name in _COLOURS:
            points = [
                (p["macs"] / p["bytes"], p["macs"] / p["results"][name]["median"] / 1e9)
                for p in suite["problems"]
                if name in p["results"] and integer(name)
            ]
            if points:
                x, y = zip(*points, strict=True)
                front = name == "octavo"
                axes.plot(
                    x,
                    y,
                    _MARKERS[suite["suite"]],
                    color=_COLOURS[name],
                    markersize=6 if front else 4,
                    alpha=1 if front else 0.55,
                    zorder=3 if front else 2,
                    label=f"{name}, {suite['suite']}",
                )
    low, high = axes.get_xlim()
    _ceilings(axes, results, suites, threads, (max(low, 0.5), high))
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("multiply-adds per byte of input, weights and output")
    axes.set_ylabel("GMAC/s")
    axes.legend(fontsize=7, ncols=2)
    axes.grid(True, which="major", linewidth=0.3)
    return _save(figure, path)


def _ceilings(
    axes: Any, results: Json, suites: list[Json], threads: int, span: tuple[float, float]
) -> None:
    """Horizontal: arithmetic. Sloped: bytes a second that copying moves, of the largest tensor."""
    top = 0.0
    for kind in ("int8", "float32"):
        rates = [r for s in suites for p in s["problems"] for r in p["limits"].get(kind, [])]
        if rates:
            height = median(rates) / 1e9
            top = max(top, height)
            axes.axhline(height, color="black", linewidth=0.9, linestyle="--")
            axes.text(span[1], height, f"{kind} {height:.0f}", ha="right", va="bottom", fontsize=7)
    elementwise = [p for s in _of(results, "elementwise", threads=threads) for p in s["problems"]]
    if elementwise and top:
        largest = max(elementwise, key=lambda p: p["bytes"])
        rate = max(median(rates) for rates in largest["limits"].values()) / 1e9
        text = f"copying {largest['bytes'] / 2**20:.1f} MiB: {rate:.0f} GB/s"
        reach = (span[0], min(span[1], top / rate))
        axes.plot(reach, [rate * x for x in reach], color="grey", linewidth=0.9, label=text)


def _save(figure: Any, path: Path) -> bool:
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "octavo"}):
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
    return True


_CHARTS: tuple[tuple[str, str, Callable[[Json, Path], bool]], ...] = (
    ("Latency of networks", "networks", draw_networks),
    ("Speed relative to the best int8 peer", "speedups", draw_speedups),
    ("Roofline of all layers", "roofline", draw_roofline),
)


def draw(results: Json, folder: Path, suffix: str = ".svg") -> list[tuple[str, Path]]:
    """Draw what the results allow; return titles and files."""
    charts = [(title, folder / f"{stem}{suffix}", make) for title, stem, make in _CHARTS]
    return [(title, path) for title, path, make in charts if make(results, path)]
