"""A small writer of ONNX graphs, so that a network reads as layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[np.generic]

OPSET = 17
IR_VERSION = 9  # what every runtime of the last two years reads


class GraphBuilder:
    """Appends nodes to one graph; every method returns the name of the tensor it made.

    The same seed gives the same weights, whatever the machine.
    """

    def __init__(self, name: str, seed: int) -> None:
        self.name = name
        self.random = np.random.default_rng(seed)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._counts: dict[str, int] = {}

    def node(self, op: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Append one node with one output."""
        name = self._fresh(op.lower())
        self._nodes.append(helper.make_node(op, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, value: Array, label: str = "constant") -> str:
        """Add an initializer."""
        name = self._fresh(label)
        self._constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def scalar(self, value: float) -> str:
        """Add a float32 initializer without axes."""
        return self.constant(np.array(value, np.float32), "scalar")

    def shape(self, *sizes: int) -> str:
        """Add the second input of a Reshape: 0 keeps an axis, -1 takes what is left."""
        return self.constant(np.array(sizes, np.int64), "shape")

    def normal(self, shape: Sequence[int], deviation: float, label: str) -> str:
        """Add float32 weights from N(0, deviation^2)."""
        values = self.random.standard_normal(tuple(shape), np.float32) * np.float32(deviation)
        return self.constant(values, label)

    def uniform(self, shape: Sequence[int], low: float, high: float, label: str) -> str:
        """Add float32 weights from U(low, high)."""
        return self.constant(self.random.uniform(low, high, tuple(shape)).astype(np.float32), label)

    def model(
        self, input_shape: Sequence[int | str], output: str, output_shape: Sequence[int | str]
    ) -> onnx.ModelProto:
        """Close the graph: input "input", output "output", both float32; checked."""
        self._nodes.append(helper.make_node("Identity", [output], ["output"], name="output"))
        graph = helper.make_graph(
            self._nodes,
            self.name,
            [helper.make_tensor_value_info("input", TensorProto.FLOAT, list(input_shape))],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, list(output_shape))],
            self._constants,
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="octavo-bench",
        )
        onnx.checker.check_model(model)
        return model

    def _fresh(self, label: str) -> str:
        count = self._counts[label] = self._counts.get(label, 0) + 1
        return f"{label}_{count}"
