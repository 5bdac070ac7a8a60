"""Run ONNX's own backend tests and write down which octavo passes.

    python tools/onnx_claims.py          writes tests/onnx_claims.txt and the tables of docs/onnx.md

A test that octavo refuses is not claimed; one that fails in any other way is an error here.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import onnx
from onnx import TensorProto, numpy_helper

from octavo.errors import OctavoError
from octavo.graph.compile import EMITTERS
from octavo.onnx_backend import OctavoBackend

ROOT = Path(__file__).resolve().parents[1]
CLAIMS = ROOT / "tests" / "onnx_claims.txt"
PAGE = ROOT / "docs" / "onnx.md"
_MARKS = "<!-- from here: tools/onnx_claims.py -->", "<!-- to here -->"


@dataclass(frozen=True)
class Outcome:
    """What came of one test; `reason` is "" where octavo passes it."""

    name: str
    operators: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Case:
    """One test of ONNX: a model, and inputs with the outputs they must give."""

    name: str
    model: onnx.ModelProto
    data_sets: list[tuple[list[Any], list[Any]]]
    rtol: float
    atol: float


@lru_cache(maxsize=1)
def cases() -> list[Case]:
    """ONNX's node tests, and the models that come with them."""
    from onnx.backend.test.loader import load_model_tests

    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for kind in ("node", "simple", "pytorch-converted", "pytorch-operator"):
            for test in load_model_tests(kind=kind):
                model, data = test.model, test.data_sets
                if model is None:
                    folder = Path(test.model_dir)
                    model, data = onnx.load(folder / "model.onnx"), list(_data_sets(folder))
                data = [([*map(_array, x)], [*map(_array, y)]) for x, y in data]
                found.append(Case(test.name, model, data, test.rtol, test.atol))
    return found


def _data_sets(folder: Path) -> Iterator[tuple[list[TensorProto], list[TensorProto]]]:
    for data in sorted(folder.glob("test_data_set_*")):
        names = [f"{kind}_{i}.pb" for kind in ("input", "output") for i in range(99)]
        files = [data / name for name in names if (data / name).is_file()]
        tensors = [onnx.load_tensor(file) for file in files]
        inputs = sum(1 for file in files if file.name.startswith("input"))
        yield tensors[:inputs], tensors[inputs:]


def run(case: Case) -> str:
    """Why octavo refuses a test; "" if it passes. Raises where it gives another result."""
    from onnx.backend.test.runner import Runner

    try:
        prepared = OctavoBackend.prepare(case.model)
        for inputs, expected in case.data_sets:
            results = prepared.run(inputs)
            Runner.assert_similar_outputs(expected, results, case.rtol, case.atol)
    except OctavoError as error:
        return str(error)
    return ""


def _array(value: Any) -> Any:
    return numpy_helper.to_array(value) if isinstance(value, TensorProto) else value


def outcomes() -> Iterator[Outcome]:
    """Run every test."""
    for case in cases():
        operators = tuple(sorted({node.op_type for node in case.model.graph.node}))
        yield Outcome(case.name, operators, run(case))


def tables(found: list[Outcome]) -> str:
    """The generated part of the page."""
    passed = [o for o in found if not o.reason]
    known = {op for op in EMITTERS if not re.match(r"Q[A-Z]|Dynamic(Linear|Conv)", op)}
    known |= {"QLinearConv", "QLinearMatMul", "Constant"}
    lines = [
        f"ONNX {onnx.__version__} has {len(found)} backend tests. octavo passes {len(passed)} and "
        f"refuses {len(found) - len(passed)}, each with an error that says why.",
        "",
        "| operator | tests passed | refused, and why |",
        "|---|---|---|",
    ]
    by_op: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in found:
        if len(outcome.operators) == 1:
            by_op[outcome.operators[0]].append(outcome)
    for op in sorted(known):
        own = by_op.get(op, [])
        count = sum(1 for o in own if not o.reason)
        lines.append(f"| {op} | {count} of {len(own)} | {_reasons(own)} |")
    others = sorted(set(by_op) - known)
    lines += ["", "Operators that octavo does not have, with their number of tests:", ""]
    lines.append(", ".join(f"{op} {len(by_op[op])}" for op in others) + ".")
    expanded = [o for o in found if len(o.operators) > 1]
    refused = sum(1 for o in expanded if o.reason)
    lines += ["", f"Of {len(expanded)} tests of several operators {refused} are refused."]
    return "\n".join(lines)


def _reasons(own: list[Outcome]) -> str:
    names: dict[str, list[str]] = defaultdict(list)
    for outcome in own:
        if outcome.reason:
            names[_short(outcome.reason)].append(outcome.name.removeprefix("test_"))
    return "; ".join(f"{reason}: {', '.join(tests)}" for reason, tests in sorted(names.items()))


def _short(reason: str) -> str:
    """A refusal without the names of its model, fit for a table."""
    text = re.sub(r"^node '[^']*' \(\w+\): ", "", reason)
    text = re.sub(r"^step '[^']*' \(\w+\): ", "", text)
    text = re.sub(r"; octavo (reads|takes).*|graph input or output '[^']*' (is|has) ", "", text)
    text = re.sub(r"; supported are .*|; 1 to \d+ elements.*", "", text)
    return text.replace("|", "/").strip()


def write() -> None:
    """Run all tests and write both files."""
    found = list(outcomes())
    CLAIMS.write_text("".join(f"{o.name}\n" for o in found if not o.reason), "utf-8")
    text = PAGE.read_text("utf-8")
    before, rest = text.split(_MARKS[0])
    after = rest.split(_MARKS[1])[1]
    PAGE.write_text(f"{before}{_MARKS[0]}\n\n{tables(found)}\n\n{_MARKS[1]}{after}", "utf-8")
    print(f"{sum(1 for o in found if not o.reason)} of {len(found)} backend tests pass")


if __name__ == "__main__":
    sys.exit(write())
