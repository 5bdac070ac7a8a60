"""Command line of the comparison; see `python -m bench.peers --help`."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from . import machine, network, page, report, roster, shapes, worker

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Time octavo and other libraries in turns on the same data, their results checked first.",
)
ALL_PEERS = [*roster.PEERS, *(p for p in network.PEERS if p not in roster.PEERS)]

ThreadsOption = Annotated[
    list[int] | None,
    typer.Option(min=1, help="Threads, each on a CPU of its own; repeatable. Default: 1."),
]
RepeatsOption = Annotated[
    int | None, typer.Option(min=1, help="Rounds. Default: 15, 5 with --quick.")
]
PeersOption = Annotated[str, typer.Option(help=f"Comma-separated, of: {', '.join(ALL_PEERS)}.")]
Avx2Option = Annotated[
    bool, typer.Option("--avx2", help="Hold to AVX2 all peers that can be; leave out the others.")
]
JsonOption = Annotated[Path | None, typer.Option("--json", help="Write the results here.")]
QuickOption = Annotated[bool, typer.Option("--quick", help="Fewer problems and rounds.")]
BatchOption = Annotated[
    list[int] | None, typer.Option(min=1, help="Batch size; repeatable. Default: 1.")
]
NetworkOption = Annotated[
    list[str] | None,
    typer.Option("--network", help=f"Repeatable, of: {', '.join(network.NETWORKS)}. Default: all."),
]
LayersOption = Annotated[int, typer.Option(min=1, help="Number of BERT-base layers.")]


def _chosen(text: str, known: Sequence[str]) -> list[str]:
    """Names of `text` that are in `known`, in their order; unknown ones are an error."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in ALL_PEERS:
            raise typer.BadParameter(f"{name!r} is not one of {', '.join(ALL_PEERS)}")
    return [name for name in known if not names or name in names]


def _networks(names: list[str] | None, quick: bool) -> list[str]:
    default = network.QUICK_NETWORKS if quick else tuple(network.NETWORKS)
    for name in names or []:
        if name not in network.NETWORKS:
            raise typer.BadParameter(f"{name!r} is not one of {', '.join(network.NETWORKS)}")
    return list(names or default)


def _request(
    suite: str, threads: int, repeats: int | None, peers: str, quick: bool, avx2: bool
) -> dict[str, Any]:
    known = network.PEERS if suite == "network" else roster.PEERS
    return {
        "suite": suite,
        "threads": threads,
        "repeats": repeats or (5 if quick else 15),
        "peers": _chosen(peers, list(known)),
        "quick": quick,
        "avx2": avx2,
    }


def _steps(request: dict[str, Any]) -> int:
    if request["suite"] == "network":
        return len(request["networks"]) * (1 + 2 * len(request["batches"]))
    return shapes.suite(request["suite"], request["quick"]).size


def _run(requests: list[dict[str, Any]], json_path: Path | None) -> None:
    """Run the requests one after another, print the tables, write the file."""
    columns = (
        TextColumn("{task.description:>24}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[step]}"),
    )
    suites = []
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for request in requests:
            title = f"{request['suite']}, threads {request['threads']}"
            task = progress.add_task(title, total=_steps(request), step="starting")

            def advance(step: str, task: Any = task) -> None:
                progress.update(task, advance=1, step=step)

            suites.append(worker.start(request, advance))
            progress.update(task, step="done")
    now = datetime.datetime.now(datetime.timezone.utc)
    results = {
        "date": now.isoformat(timespec="seconds"),
        "machine": machine.describe(),
        "suites": suites,
    }
    if json_path is not None:
        json_path.write_text(json.dumps(results, indent=1) + "\n", "utf-8")
    Console().print(Markdown(report.markdown(results)))


def _requests(
    names: Sequence[str],
    threads: list[int] | None,
    repeats: int | None,
    peers: str,
    quick: bool,
    avx2: bool,
    networks: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    available = machine.usable_cpus()
    if threads and max(threads) > available:
        raise typer.BadParameter(f"threads must be at most {available}, got {max(threads)}")
    return [
        {
            **_request(name, count, repeats, peers, quick, avx2),
            **((networks or {}) if name == "network" else {}),
        }
        for count in threads or [1]
        for name in names
    ]


def _op_command(suite: str) -> Callable[..., None]:
    """The command of one suite of operators; all take the same options."""

    def command(
        threads: ThreadsOption = None,
        repeats: RepeatsOption = None,
        peers: PeersOption = "",
        json_path: JsonOption = None,
        quick: QuickOption = False,
        avx2: Avx2Option = False,
    ) -> None:
        _run(_requests([suite], threads, repeats, peers, quick, avx2), json_path)

    return command


for suite_name, suite_help in {
    "gemm": "Fully connected layers, requantized to u8.",
    "conv": "Every distinct convolution of ResNet-50.",
    "geometry": "Large kernels, dilation, groups, padding on one side.",
    "depthwise": "Every distinct depthwise layer of MobileNetV2, and 5x5.",
    "elementwise": "Add, quantize, pooling, concat, transposing and tables, in and out of cache.",
}.items():
    app.command(suite_name, help=suite_help)(_op_command(suite_name))


@app.command("network")
def networks_command(
    threads: ThreadsOption = None,
    repeats: RepeatsOption = None,
    peers: PeersOption = "",
    json_path: JsonOption = None,
    quick: QuickOption = False,
    avx2: Avx2Option = False,
    networks: NetworkOption = None,
    batch: BatchOption = None,
    layers: LayersOption = 4,
) -> None:
    """ResNet-50, ResNet-18, MobileNetV2 and BERT layers: latency and peak memory."""
    chosen = {"networks": _networks(networks, quick), "batches": batch or [1], "layers": layers}
    _run(_requests(["network"], threads, repeats, peers, quick, avx2, chosen), json_path)


@app.command("all")
def everything(
    threads: ThreadsOption = None,
    repeats: RepeatsOption = None,
    peers: PeersOption = "",
    json_path: JsonOption = None,
    quick: QuickOption = False,
    avx2: Avx2Option = False,
    batch: BatchOption = None,
    layers: LayersOption = 4,
) -> None:
    """All suites; with --quick in less than five minutes."""
    chosen = {"networks": _networks(None, quick), "batches": batch or [1], "layers": layers}
    names = [*shapes.OP_SUITES, "network"]
    _run(_requests(names, threads, repeats, peers, quick, avx2, chosen), json_path)


@app.command("report")
def report_command(
    results: Annotated[list[Path], typer.Argument(help="Files that --json wrote.")],
    path: Annotated[
        Path, typer.Option("--page", help="Markdown page whose generated part is replaced.")
    ] = worker.ROOT / "docs" / "benchmarks.md",
) -> None:
    """Write tables into a page and charts beside it."""
    loaded = [json.loads(file.read_text("utf-8")) for file in results]
    page.write_page(page.merged(loaded), path)


if __name__ == "__main__":
    app()
