"""What a session will do, step by step, as a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields

from octavo.errors import InvalidArgumentError
from octavo.graph.compiled import Compiled


@dataclass(frozen=True)
class StepInfo:
    """One step of a compiled network.

    Parameters
    ----------
    op : str
        What the step computes.
    name : str
        The model's node it comes from.
    fused : tuple of str
        The model's operators this one step replaces, in order.
    dtype : str
        "int8" or "float32": the arithmetic and the type of the result.
    kernel : str
        The kernel that runs.
    shape : tuple
        Shape of the result, in the model's order; "N" is the batch.
    """

    op: str
    name: str
    fused: tuple[str, ...]
    dtype: str
    kernel: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class MemoryUse:
    """What a compiled network holds in memory, in bytes.

    Parameters
    ----------
    weights : int
        Packed weights and constants, which every run shares.
    arena : int
        Activations of one run; runs at the same time have one each. Inputs and outputs are the
        caller's and not counted.
    """

    weights: int
    arena: int


def memory_use(compiled: Compiled, batch: int) -> MemoryUse:
    """What a program holds in memory; InvalidArgumentError for batches that cannot be planned."""
    program = compiled.program
    try:
        return MemoryUse(program.weight_bytes(), program.arena_bytes(batch))
    except (MemoryError, TypeError, ValueError) as error:
        raise InvalidArgumentError(f"batch: {batch!r} cannot be planned: {error}") from error


class StepTable(list[StepInfo]):
    """The steps in execution order; `str` of it is a table."""

    def __init__(self, steps: Iterable[StepInfo] = ()) -> None:
        super().__init__(steps)

    def __str__(self) -> str:
        head = tuple(field.name for field in fields(StepInfo))
        rows = [head, *(_cells(step) for step in self)]
        widths = [max(len(row[i]) for row in rows) for i in range(len(head))]
        rows.insert(1, tuple("-" * width for width in widths))
        lines = (
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )
        return "\n".join(lines)


def _cells(step: StepInfo) -> tuple[str, ...]:
    op, name, fused, dtype, kernel, shape = astuple(step)
    return op, name, "+".join(fused), dtype, kernel, "x".join(map(str, shape))


def describe_steps(compiled: Compiled) -> StepTable:
    """Join what the graph knows of each step with what the program knows."""
    steps = compiled.program.describe()
    return StepTable(
        StepInfo(r.op, r.name, r.fused, r.dtype, str(step["kernel"]), ("N", *r.shape))
        for r, step in zip(compiled.records, steps, strict=True)
    )
