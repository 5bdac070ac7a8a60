"""Results as Markdown: losses stand in the tables like everything else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from .network import PEERS as NETWORK_PEERS
from .roster import PEERS

Json = dict[str, Any]
# Of what only moves bytes: the kinds of limit, of which the higher one counts.
COPY_LIMITS = {"memcpy": ("copy",), "the best copy": ("copy", "streamed")}
TITLES = {
    "gemm": "GEMM, requantized to u8",
    "conv": "Convolutions of ResNet-50",
    "geometry": "Convolutions of other geometries",
    "depthwise": "Depthwise convolutions",
    "elementwise": "Elementwise",
    "network": "Networks",
}


def integer(name: str) -> bool:
    """Whether a peer computes in int8 and so competes with octavo."""
    peer: Any = PEERS.get(name) or NETWORK_PEERS[name]
    return bool(peer.integer)


def best_rival(results: dict[str, Json]) -> str | None:
    """The fastest int8 peer that is not octavo."""
    rivals = [name for name in results if not name.startswith("octavo") and integer(name)]
    return min(rivals, key=lambda name: results[name]["median"], default=None)


def speedup(results: dict[str, Json]) -> float | None:
    """How much faster than the best rival octavo is; the median of the rounds' ratios."""
    rival = best_rival(results)
    if rival is None or "octavo" not in results:
        return None
    pairs = zip(results[rival]["seconds"], results["octavo"]["seconds"], strict=True)
    return float(median(theirs / ours for theirs, ours in pairs))


def share_of_limit(problem: Json, name: str, kinds: Sequence[str] = ()) -> float | None:
    """What a peer reaches of the highest of some limits measured in the same rounds."""
    arithmetic = "int8" if integer(name) else "float32"
    limits = [problem["limits"][k] for k in kinds or [arithmetic] if k in problem["limits"]]
    if not limits or name not in problem["results"]:
        return None
    limit = [max(rates) for rates in zip(*limits, strict=True)]
    work = problem["macs"] or problem["bytes"]
    pairs = zip(problem["results"][name]["seconds"], limit, strict=True)
    return float(median(work / seconds / rate for seconds, rate in pairs))


def geometric_mean(values: Iterable[float]) -> float:
    """The mean for ratios."""
    logs = [math.log(value) for value in values]
    return math.exp(sum(logs) / len(logs))


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.0f}%"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}x" if value >= 1 else f"**{value:.2f}x**"


def _spread(result: Json) -> str:
    return f"±{50 * (result['q3'] - result['q1']) / result['median']:.0f}%"


def _names(problems: list[Json]) -> list[str]:
    """Peers with a result anywhere, in the order of the roster."""
    order = dict.fromkeys([*NETWORK_PEERS, *PEERS])
    return [name for name in order if any(name in p["results"] for p in problems)]


def _rate(problem: Json, name: str) -> str:
    result = problem["results"].get(name)
    if result is None:
        return "–"
    work = problem["macs"] or problem["bytes"]
    mark = "*" if result["deviation"]["max"] > 1 else ""
    return f"{work / result['median'] / 1e9:.1f} {_spread(result)}{mark}"


def _op_table(suite: Json) -> str:
    problems = suite["problems"]
    names = _names(problems)
    moves = suite["suite"] == "elementwise"
    limits = COPY_LIMITS if moves else {"peak": ()}
    shares = {
        f"octavo, % of {title}": [share_of_limit(p, "octavo", kinds) for p in problems]
        for title, kinds in limits.items()
    }
    shares = {title: found for title, found in shares.items() if any(found)}
    with_octavo = "octavo" in names and len(names) > 1
    header = ["GB/s" if moves else "GMAC/s", *names, *shares]
    header += ["octavo / best int8 peer"] * with_octavo
    rows = [
        [
            problem["name"],
            *(_rate(problem, name) for name in names),
            *(_percent(found[i]) for found in shares.values()),
            *[_ratio(speedup(problem["results"]))] * with_octavo,
        ]
        for i, problem in enumerate(problems)
    ]
    return _table(header, rows) + "\n" + _summary(problems)


def _summary(problems: list[Json]) -> str:
    ratios = {p["name"]: s for p in problems if (s := speedup(p["results"])) is not None}
    if not ratios:
        return ""
    losses = [name for name, ratio in ratios.items() if ratio < 1]
    lost = f"slower on {len(losses)} of {len(ratios)}: {'; '.join(losses)}" if losses else "no loss"
    return f"Geometric mean {geometric_mean(ratios.values()):.2f}x the best int8 peer; {lost}.\n"


def _exactness(suite: Json) -> str:
    """Who computes what the definition says."""
    lines = []
    for name in _names(suite["problems"]):
        found = [p["results"][name]["deviation"] for p in suite["problems"] if name in p["results"]]
        worst, share = (max(d[key] for d in found) for key in ("max", "share"))
        what = (
            "exact" if worst == 0 else f"off by up to {worst:g} in up to {share:.1g} of all values"
        )
        lines.append(f"{name} {what}")
    text = "Results against exact arithmetic: " + "; ".join(lines) + "."
    return text + (" `*`: by more than one step.\n" if worst_of(suite) > 1 else "\n")


def worst_of(suite: Json) -> float:
    """The largest deviation of any peer."""
    results = [r for p in suite["problems"] for r in p["results"].values()]
    return max((float(r["deviation"]["max"]) for r in results), default=0.0)


def _network_table(suite: Json) -> str:
    problems = suite["problems"]
    names = _names(problems)
    rows = []
    for problem in problems:
        results = problem["results"]
        cells = [f"{problem['name']}, batch {problem['batch']}"]
        for name in names:
            result = results.get(name)
            cells.append(f"{1e3 * result['median']:.2f} {_spread(result)}" if result else "–")
        ratio = speedup(results)
        rows.append([*cells, "" if ratio is None else f"{1 / ratio:.2f}x"])
    latency = _table(["ms", *names, "octavo's time / best int8 peer's"], rows)
    memory = []
    for problem in problems:
        found = [(problem["results"].get(name) or {}).get("memory") for name in names]
        cells = [
            f"{m['peak'] / 2**20:.0f} ({m['library'] / 2**20:.0f})" if m else "–" for m in found
        ]
        memory.append([f"{problem['name']}, batch {problem['batch']}", *cells])
    text = "Peak memory of a process, MiB (of that, the library before the network is loaded):\n\n"
    return f"{latency}\n{text}{_table(['MiB', *names], memory)}\n{_distances(problems)}"


def _distances(problems: list[Json]) -> str:
    lines = []
    for problem in problems:
        found = [
            f"{name} {result['difference']['mean']:.3f}"
            for name, result in problem["results"].items()
            if integer(name) and "difference" in result
        ]
        title = f"{problem['name']}, batch {problem['batch']}, by {problem['quantized_by']}"
        lines.append(f"{title}: {', '.join(found) or 'no reference'}")
    return (
        (
            "`-own`: the file of ONNX Runtime's quantizer; the other int8 columns run octavo's. "
            "Mean distance from the float network, in standard deviations of its output: "
        )
        + "; ".join(lines)
        + ".\n"
    )


def _absences(suite: Json) -> str:
    lines = [f"- {name}: {why}" for name, why in suite["missing"].items()]
    reasons: dict[tuple[str, str], list[str]] = {}
    for problem in suite["problems"]:
        for name, why in problem["absent"].items():
            reasons.setdefault((name, why), []).append(problem["name"])
    for (name, why), where in reasons.items():
        if why != "no such op":
            lines.append(f"- {name}: {why} ({'; '.join(where)})")
    return "Missing:\n\n" + "\n".join(lines) + "\n" if lines else ""


def _machine(results: Json) -> str:
    m = results["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in m["versions"].items() if v)
    caches = ", ".join(f"{k} {v}" for k, v in m["caches"].items())
    lines = [
        f"{m['cpu']} (family/model/stepping {m['family_model_stepping']}), "
        f"{m['cores']} cores, {caches}.",
        f"{m['system']}, Python {m['python']}; {versions}. {results['date'][:10]}.",
    ]
    limits: dict[str, list[float]] = {}
    for suite in results["suites"]:
        for problem in suite["problems"] if suite["threads"] == 1 and not suite["avx2"] else []:
            for key, rates in problem.get("limits", {}).items():
                if key in {"int8", "float32"}:
                    limits.setdefault(key, []).extend(rates)
    found = [f"{key} {median(rates) / 1e9:.0f}" for key, rates in limits.items()]
    if found:
        lines.append(f"Measured limits of one thread, GMAC/s: {', '.join(found)}.")
    return "\n".join(lines) + "\n"


def suite_markdown(suite: Json) -> str:
    """One section."""
    threads = suite["threads"]
    isa = ", all held to AVX2" if suite["avx2"] else ""
    title = f"## {TITLES[suite['suite']]}, {threads} thread{'s' if threads > 1 else ''}{isa}\n"
    if suite["suite"] == "network":
        parts = [title, _network_table(suite), _absences(suite)]
    else:
        parts = [title, _op_table(suite), _exactness(suite), _absences(suite)]
    return "\n".join(part for part in parts if part)


def _paths(results: Json) -> str:
    """What each column of the op tables is."""
    suites = [s for s in results["suites"] if s["suite"] != "network"]
    names = _names([p for s in suites for p in s["problems"]])
    return "\n".join(f"- {name}: {PEERS[name].path}" for name in names) + "\n" if names else ""


def _scaling(results: Json) -> str:
    """How much faster more threads make whole networks; runs of other processes, so medians."""
    networks = [s for s in results["suites"] if s["suite"] == "network" and not s["avx2"]]
    suites = {s["threads"]: s for s in networks}
    if 1 not in suites or len(suites) == 1:
        return ""
    alone = {(p["name"], p["batch"]): p["results"] for p in suites[1]["problems"]}
    names = _names(suites[1]["problems"])
    rows = []
    for threads, suite in sorted(suites.items()):
        for problem in suite["problems"] if threads > 1 else []:
            one = alone.get((problem["name"], problem["batch"]), {})
            ratios = [
                f"{one[n]['median'] / problem['results'][n]['median']:.2f}x"
                if n in one and n in problem["results"]
                else "–"
                for n in names
            ]
            rows.append([f"{problem['name']}, batch {problem['batch']}, {threads}", *ratios])
    return "## Networks, several threads against one\n\n" + _table(["threads", *names], rows)


def markdown(results: Json) -> str:
    """All sections."""
    sections = map(suite_markdown, results["suites"])
    parts = [_machine(results), _paths(results), *sections, _scaling(results)]
    return "\n".join(part for part in parts if part)
