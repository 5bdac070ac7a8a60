"""What commands print: results as tables or JSON on stdout, progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

JsonOption = Annotated[
    bool,
    typer.Option(
        "--json",
        help="Print the result as JSON on stdout, and nothing else there. Example: --json",
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        help="Threads to use; default: what OCTAVO_NUM_THREADS says, else one per core. "
        "Example: --threads 1",
        show_default=False,
    ),
]

Update = Callable[[int, int], None]  # takes (done, total)
StageUpdate = Callable[[str, int, "int | None"], None]

PIPE_WIDTH = 240


def print_json(result: Mapping[str, Any]) -> None:
    """Print a result for machines."""
    print(json.dumps(result, indent=2, allow_nan=False))


def show(
    title: str | None,
    columns: Sequence[str],
    rows: Sequence[Sequence[object]],
    *,
    right: Collection[int] = (),
) -> None:
    """Print a table under its title; the columns `right` are set to the right.

    Cells are plain text, no markup. Where stdout is no terminal, rows are not folded.
    """
    if title is not None:
        print(title)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=any(columns))
    for i, column in enumerate(columns):
        table.add_column(column, justify="right" if i in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False).print(table)


def note(message: str) -> None:
    """Print a remark on stderr."""
    print(f"octavo: note: {message}", file=sys.stderr)


@contextmanager
def progress(title: str, *, quiet: bool = False) -> Iterator[Update]:
    """Show a progress bar on stderr; yield a function that takes (done, total).

    No bar appears with `quiet`, nor where stderr is not a terminal.
    """
    shown = sys.stderr.isatty() and not quiet
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown)
    with bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def stages(*, quiet: bool = False) -> Iterator[StageUpdate]:
    """Like `progress`, for work in several stages; yield a function of (stage, done, total)."""
    with ExitStack() as stack:
        current = ""
        update: Update = _nothing

        def report(stage: str, done: int, total: int | None) -> None:
            nonlocal current, update
            if stage != current:
                stack.close()
                current = stage
                update = stack.enter_context(progress(stage, quiet=quiet))
            update(done, total if total is not None else 0)

        yield report


def _nothing(done: int, total: int) -> None:
    """Before the first stage."""


@contextmanager
def ticks(title: str, total: int, *, quiet: bool = False) -> Iterator[Callable[[], None]]:
    """Like `progress`, for work of a known number of equal steps; yield "one more is done"."""
    done = 0
    with progress(title, quiet=quiet) as update:

        def advance() -> None:
            nonlocal done
            done += 1
            update(done, total)

        yield advance


def size(count: int) -> str:
    """Return a number of bytes for people.

    Examples
    --------
    >>> size(812), size(187_512), size(14_200_000)
    ('812 B', '187.5 kB', '14.2 MB')
    """
    for unit, factor in (("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} B"


def rate(per_second: float) -> str:
    """Return a rate for people.

    Examples
    --------
    >>> rate(15963.2), rate(3.14159)
    ('15,963', '3.14')
    """
    return f"{per_second:,.0f}" if per_second >= 100 else f"{per_second:.3g}"


def duration(seconds: float) -> str:
    """Return a time for people, three figures.

    Examples
    --------
    >>> duration(0.0000416), duration(0.0123), duration(2.5)
    ('41.6 µs', '12.3 ms', '2.50 s')
    """
    for unit, factor in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= factor:
            value = seconds / factor
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {unit}"
    return f"{seconds * 1e6:.1f} µs"
