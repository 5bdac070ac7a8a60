"""`compile_model`: an ONNX model to an octavo program."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from octavo.errors import InvalidArgumentError
from octavo.graph.compiler import open_model
from octavo.graph.feeds import check_inputs, fixed_batch
from octavo.graph.ir import Value
from octavo.graph.program_file import write_program
from octavo.graph.shape_rules import Shape

if TYPE_CHECKING:
    from octavo.graph.load import ModelLike


def compile_model(
    model: ModelLike,
    output: str | os.PathLike[str],
    *,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Compile an ONNX model to a file that runs without ONNX, and without Python.

    `Session` and the C interface load the file on any CPU, for any batch size unless the model
    fixes it, and return the same bits as a `Session` of the model. The file is written whole or
    not at all, in place of an older one.

    Parameters
    ----------
    model : str, path-like, bytes or onnx.ModelProto
        Float or quantized, whatever `Session` takes.
    output : str or path-like
        Where to write; by custom the name ends in .octavo.
    input_shapes : mapping of str to sequence of int, optional
        The shapes without the batch of inputs whose extents the model leaves open.

    Raises
    ------
    InvalidArgumentError
        An input's shape stays open, or contradicts the model's.
    InvalidModelError
        The model is damaged or contradicts itself.
    UnsupportedModelError
        The model needs what octavo does not do.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import octavo
    >>> from onnx import TensorProto, helper
    >>> shape = ["N", 4]
    >>> x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in "xy")
    >>> graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    >>> opset = [helper.make_opsetid("", 17)]
    >>> model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     octavo.compile_model(model, f"{folder}/relu.octavo")
    ...     session = octavo.Session(f"{folder}/relu.octavo")
    >>> session.run(None, {"x": np.array([[-1, 0, 1, 2]], np.float32)})
    [array([[0., 0., 1., 2.]], dtype=float32)]
    """
    compiler = open_model(model, keep_weights=True)
    inputs = compiler.graph.inputs
    check_inputs(inputs)
    given = dict(input_shapes or {})
    unknown = [name for name in given if name not in [value.name for value in inputs]]
    if unknown:
        raise InvalidArgumentError(f"input_shapes: the model has no inputs named {unknown}")
    shapes = tuple(_shape(value, given.get(value.name)) for value in inputs)
    write_program(compiler.compile(shapes), fixed_batch(inputs), Path(output))


def _shape(value: Value, given: Sequence[int] | None) -> Shape:
    """The one shape of an input: the model's, or the given one where that leaves it open."""
    model = None if value.shape is None else value.shape[1:]
    shape = model if given is None else tuple(given)
    if shape is None or not all(type(extent) is int and extent > 0 for extent in shape):
        shown = "of any rank" if model is None else f"{model}"
        raise InvalidArgumentError(
            f"input_shapes: input '{value.name}' is {shown}; give its extents without the batch, "
            f"all positive, got {given}"
        )
    fits = model is None or len(model) == len(shape)
    pairs = zip(model or (), shape, strict=False)
    if not fits or any(isinstance(m, int) and m != n for m, n in pairs):
        raise InvalidArgumentError(
            f"input_shapes: input '{value.name}' is {model} in the model, got {tuple(shape)}"
        )
    return tuple(int(extent) for extent in shape if extent is not None)
