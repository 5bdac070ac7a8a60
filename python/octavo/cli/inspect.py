"""`octavo inspect`: what a network is made of, and how octavo runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from octavo.cli import output
from octavo.cli.models import is_compiled, load_graph, open_session

if TYPE_CHECKING:
    from octavo.graph.ir import Graph, Node

EXAMPLE = "octavo inspect net_int8.onnx"


def command(
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", help="ONNX network or octavo program. Example: net.onnx"),
    ],
    qparams: Annotated[
        bool,
        typer.Option(
            "--qparams",
            help="Also list every quantized tensor with scale and zero point. Example: --qparams",
        ),
    ] = False,
    as_json: output.JsonOption = False,
) -> None:
    """Show a network's sizes and every step octavo runs: op, fused with what, kernel, shape."""
    graph = None if is_compiled(model) else load_graph(model)
    session = open_session(model, None)
    compiled = all(isinstance(e, int) for v in session.get_inputs() for e in v.shape[1:])
    if not compiled:
        output.note("the network's input extents are free: its steps are known once it has run")
    steps = [
        {
            "op": step.op,
            "name": step.name,
            "fused": list(step.fused),
            "dtype": step.dtype,
            "kernel": step.kernel,
            "shape": list(step.shape),
        }
        for step in (session.describe() if compiled else [])
    ]
    memory = session.memory(session.fixed_batch or 1) if compiled else None
    tensors = quantized_tensors(graph) if graph else []
    summary = {
        "model": str(model),
        "file_bytes": model.stat().st_size,
        **(graph_facts(graph) if graph else {}),
        "backend": session.backend,
        "weight_bytes": memory.weights if memory else None,
        "arena_bytes": memory.arena if memory else None,
        "arena_batch": session.fixed_batch or 1,
        "inputs": [interface(value) for value in session.get_inputs()],
        "outputs": [interface(value) for value in session.get_outputs()],
    }
    if as_json:
        described = [tensor.as_dict() for tensor in tensors]
        output.print_json({**summary, "steps": steps, "quantized_tensors": described})
        return
    print_tables(summary, steps, tensors, all_tensors=qparams)


def graph_facts(graph: Graph) -> dict[str, int]:
    """Return what only an ONNX file says."""
    return {
        "constants": len(graph.initializers),
        "constant_bytes": sum(array.nbytes for array in graph.initializers.values()),
        "opset": graph.opset,
        "nodes": len(graph.nodes),
    }


def print_tables(
    summary: dict[str, Any],
    steps: list[dict[str, Any]],
    tensors: list[QuantizedTensor],
    *,
    all_tensors: bool,
) -> None:
    """Print the summary, the steps and, on request, the quantized tensors."""
    rows: list[Sequence[object]] = [["file", output.size(summary["file_bytes"])]]
    if "nodes" in summary:
        constants = output.size(summary["constant_bytes"])
        rows.append(["constants", f"{summary['constants']}, {constants}"])
        rows.append(["graph", f"{summary['nodes']} nodes, opset {summary['opset']}"])
    rows += [["input", line(value)] for value in summary["inputs"]]
    rows += [["output", line(value)] for value in summary["outputs"]]
    if "nodes" in summary:
        more = "" if all_tensors else " (see --qparams)"
        rows.append(["quantized", f"{len(tensors)} tensors{more}"])
    rows.append(["backend", summary["backend"]])
    if summary["weight_bytes"] is not None:
        batch = summary["arena_batch"]
        rows.append(["packed weights", output.size(summary["weight_bytes"])])
        rows.append(["activations", f"{output.size(summary['arena_bytes'])} at batch {batch}"])
    output.show(None, [summary["model"], ""], rows)
    columns = ["step", "op", "name", "fused", "dtype", "kernel", "shape"]
    lines = [
        [i, s["op"], s["name"], "+".join(s["fused"]), s["dtype"], s["kernel"], shape(s["shape"])]
        for i, s in enumerate(steps)
    ]
    output.show("Steps", columns, lines, right=(0,))
    if all_tensors:
        columns = ["tensor", "dtype", "scale", "zero point"]
        output.show("Quantized tensors", columns, [t.row() for t in tensors])


@dataclass(frozen=True)
class QuantizedTensor:
    """A tensor's quantization parameters; several scales are per channel along `axis`."""

    name: str
    dtype: str
    scale: NDArray[Any]
    zero_point: NDArray[Any]
    axis: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON, every scale included."""
        return {
            "name": self.name,
            "dtype": self.dtype,
            "scale": self.scale.astype(np.float64).tolist(),
            "zero_point": self.zero_point.tolist(),
            "axis": self.axis,
        }

    def row(self) -> list[object]:
        """Return it as it stands in the table."""
        if self.axis is None:
            return [self.name, self.dtype, f"{float(self.scale):.6g}", str(int(self.zero_point))]
        spread = f"{self.scale.size} of {self.scale.min():.3g} .. {self.scale.max():.3g}"
        zeros = sorted(set(self.zero_point.tolist()))
        return [
            self.name,
            self.dtype,
            f"{spread} along axis {self.axis}",
            str(zeros[0]) if len(zeros) == 1 else f"{zeros[0]} .. {zeros[-1]}",
        ]


def quantized_tensors(graph: Graph) -> list[QuantizedTensor]:
    """Return the tensors that QuantizeLinear writes or DequantizeLinear reads, each once."""
    found: dict[str, QuantizedTensor] = {}
    for node in graph.nodes:
        if node.op in ("QuantizeLinear", "DequantizeLinear"):
            name = node.output if node.op == "QuantizeLinear" else node.input(0)
            tensor = quantized_tensor(graph, node, name)
            if tensor is not None:
                found.setdefault(name, tensor)
    return list(found.values())


def quantized_tensor(graph: Graph, node: Node, name: str) -> QuantizedTensor | None:
    """Return what a (De)QuantizeLinear node says of a tensor, None where it is not constant."""
    scale, zero_point = graph.constant(node, 1), graph.constant(node, 2)
    if scale is None or (zero_point is None and node.input(2)):
        return None
    if zero_point is None:
        zero_point = np.zeros(scale.shape, np.uint8)  # ONNX's default
    if scale.size == 1:
        scale, zero_point, axis = scale.reshape(()), zero_point.reshape(()), None
    else:
        axis = int(node.attrs.get("axis", 1))
    return QuantizedTensor(name, str(zero_point.dtype), scale, zero_point, axis)


def interface(value: Any) -> dict[str, Any]:
    """Return an input or output of the session for JSON."""
    return {"name": value.name, "type": value.type, "shape": list(value.shape)}


def line(value: dict[str, Any]) -> str:
    """Return an input or output on one line."""
    return f"{value['name']}: {value['type']}, {shape(value['shape'])}"


def shape(extents: list[Any]) -> str:
    """Return a shape as text.

    Examples
    --------
    >>> shape(["N", 3, 224, 224]), shape([])
    ('N x 3 x 224 x 224', 'scalar')
    """
    return " x ".join(map(str, extents)) or "scalar"
