"""`octavo bench`: how long one call of a network takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from octavo.cli import output
from octavo.cli.files import existing_file
from octavo.cli.models import fixed_batch, model_inputs
from octavo.demo.runtimes import Runner, float_runner, octavo_runner, threads_text
from octavo.demo.timing import interleaved

if TYPE_CHECKING:
    from octavo.graph.ir import Value

EXAMPLE = "octavo bench net_int8.onnx --threads 1 --compare net.onnx"


def command(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="ONNX network or octavo program. Example: net.octavo"),
    ],
    batch: Annotated[
        int | None,
        typer.Option(
            "--batch",
            min=1,
            help="Samples per call; default: what the network fixes, else 1. Example: --batch 8",
        ),
    ] = None,
    threads: output.ThreadsOption = None,
    repeat: Annotated[
        int, typer.Option("--repeat", min=1, help="Timed calls. Example: --repeat 200")
    ] = 50,
    compare: Annotated[
        list[Path] | None,
        typer.Option(
            "--compare",
            help="Another network (the float one, or the same for the other runtime) timed in turn "
            "with MODEL by ONNX Runtime, or by octavo where that is not installed; repeatable. "
            "Example: --compare net.onnx",
        ),
    ] = None,
    as_json: output.JsonOption = False,
) -> None:
    """Time a network on random input, in turn with others on request."""
    import octavo

    count = octavo.get_num_threads() if threads is None else threads
    size = batch or fixed_batch(model_inputs(model)) or 1
    paths = [model, *(existing_file(path, "--compare") for path in compare or [])]
    calls, labels = [], []
    for i, path in enumerate(paths):
        inputs = model_inputs(path)
        runner = (octavo_runner if i == 0 else float_runner)(path, count)
        calls.append(bound(runner, {value.name: random_input(value, size) for value in inputs}))
        labels.append(runner.label)
    with output.ticks("timing", repeat, quiet=as_json) as advance:
        times = interleaved(calls, repeat=repeat, advance=advance)
    results = [
        {
            "model": str(path),
            "runtime": label,
            "median_ms": float(np.median(t.elapsed)) * 1e3,
            "min_ms": float(t.elapsed.min()) * 1e3,
            "p90_ms": float(np.percentile(t.elapsed, 90)) * 1e3,
            "samples_per_second": size / float(np.median(t.elapsed)),
            "times_model": float(np.median(t.elapsed) / np.median(times[0].elapsed)),
        }
        for path, label, t in zip(paths, labels, times, strict=True)
    ]
    if as_json:
        shared = {"batch": size, "threads": count, "repeat": repeat}
        output.print_json({**shared, "results": results})
        return
    columns = ["network", "runtime", "median", "min", "p90", "samples/s", "relative"]
    rows = [row(result) for result in results]
    title = f"batch {size}, {threads_text(count)}, {repeat} calls each, in turn"
    output.show(title, columns, rows, right=range(2, 7))


def row(result: dict[str, Any]) -> list[object]:
    """Return a result as it stands in the table."""
    times = [output.duration(result[key] / 1e3) for key in ("median_ms", "min_ms", "p90_ms")]
    rate, relative = output.rate(result["samples_per_second"]), f"{result['times_model']:.2f}x"
    return [result["model"], result["runtime"], *times, rate, relative]


def bound(runner: Runner, feeds: dict[str, NDArray[Any]]) -> Callable[[], object]:
    """Return a call of the network on these arrays."""
    return lambda: runner.run(feeds)


def random_input(value: Value, batch: int) -> NDArray[Any]:
    """Return random values of an input's shape: normal for floats, all values for bytes.

    Raises
    ------
    ValueError
        If the shape is open beyond the batch, or holds another batch size.
    """
    shape = value.shape
    if not shape or not all(isinstance(extent, int) for extent in shape[1:]):
        raise ValueError(f"MODEL: input '{value.name}' has no fixed shape: {shape}")
    if isinstance(shape[0], int) and shape[0] != batch:
        raise ValueError(f"--batch: input '{value.name}' takes batches of {shape[0]}, got {batch}")
    extents = (batch, *(int(extent) for extent in shape[1:] if extent is not None))
    rng = np.random.default_rng(0)
    if value.dtype.kind == "f":
        return rng.standard_normal(extents).astype(value.dtype)
    limits = np.iinfo(value.dtype)
    return rng.integers(limits.min, limits.max, extents, value.dtype, endpoint=True)
