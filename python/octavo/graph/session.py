"""Run a network: `Session`, with the call of ONNX Runtime's InferenceSession."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from octavo import _core
from octavo._optional import needs_onnx
from octavo.errors import InvalidArgumentError
from octavo.graph.compiled import Compiled, Shape
from octavo.graph.describe import MemoryUse, StepTable, describe_steps, memory_use
from octavo.graph.feeds import (
    NodeArg,
    check_inputs,
    checked_feeds,
    fixed_batch,
    fixed_shapes,
    node_arg,
    to_bytes,
    to_signed,
)
from octavo.graph.ir import Graph, Value
from octavo.graph.limit import MemoryLimit
from octavo.graph.program_file import is_program, read_program

if TYPE_CHECKING:
    from octavo.graph.compiler import Compiler
    from octavo.graph.load import ModelLike

MAX_PROGRAMS = 8  # kept per session, for different input shapes


class Session:
    """A model compiled to one program of int8 and float32 steps.

    The model is float ONNX, or quantized ONNX in QDQ form (octavo's or another tool's). What lies
    between DequantizeLinear and QuantizeLinear runs on bytes, from weights packed once; anything
    else runs in float32. Axis 0 of every input and output is the batch and may vary from call to
    call, unless the model fixes it.

    A model with fixed spatial extents is compiled here; otherwise each new input shape is
    compiled when it is first seen, and the latest few are kept. An octavo program, which
    `octavo.compile_model` writes, is compiled already and needs no onnx.

    Parameters
    ----------
    model : str, path-like, bytes or onnx.ModelProto
        External data are read for a path only, and from its own folder only.
    threads : int, optional
        Threads per run; default: `octavo.get_num_threads()` at the time of the run.
    max_bytes : int, optional
        For models that are not trusted: refuse one whose file, constants, packed weights or
        activations of a run take more; SECURITY.md says what is counted.

    Raises
    ------
    InvalidModelError
        The model is damaged or contradicts itself.
    UnsupportedModelError
        The model needs what octavo does not do; names node, operator and what is missing.

    Notes
    -----
    The session runs on the backend that is current when it is created. It may be used from
    several threads at once.

    Examples
    --------
    >>> import numpy as np
    >>> from onnx import TensorProto, helper
    >>> shape = ["N", 4]
    >>> x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in "xy")
    >>> graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", [x], [y])
    >>> opset = [helper.make_opsetid("", 17)]
    >>> session = Session(helper.make_model(graph, opset_imports=opset, ir_version=8))
    >>> session.run(None, {"x": np.array([[-1, 0, 1, 2]], np.float32)})
    [array([[0., 0., 1., 2.]], dtype=float32)]
    """

    _compiler: Compiler | None  # where other input shapes may be asked for

    def __init__(
        self, model: ModelLike, *, threads: int | None = None, max_bytes: int | None = None
    ) -> None:
        if is_program(model):
            inputs, outputs, compiled = read_program(model, max_bytes)
            self._start(inputs, outputs, [value.name for value in outputs], threads, max_bytes)
            self._keep(tuple(port.shape for port in compiled.inputs), compiled)
            return
        with needs_onnx("octavo.Session of an ONNX model"):
            from octavo.graph.compiler import open_model

            self._compile_with(open_model(model, max_bytes=max_bytes), threads, max_bytes)
        _core.trim_memory()

    @classmethod
    def from_graph(cls, graph: Graph, outputs: Sequence[str], *, ordered: bool = True) -> Session:
        """Make a session that returns any computed tensors of an already simplified graph.

        Without `ordered` they come as they lie, with the channels last or not.
        """
        from octavo.graph.compiler import Compiler

        session = cls.__new__(cls)
        session._compile_with(Compiler(graph, outputs, ordered=ordered))
        return session

    def _compile_with(
        self, compiler: Compiler, threads: int | None = None, max_bytes: int | None = None
    ) -> None:
        graph = compiler.graph
        check_inputs(graph.inputs)
        self._start(graph.inputs, graph.outputs, compiler.outputs, threads, max_bytes)
        shapes = fixed_shapes(graph.inputs)
        if shapes is None:
            self._compiler = compiler
        else:
            self._keep(shapes, compiler.compile(shapes))  # no other will be asked for

    def _start(
        self,
        inputs: list[Value],
        outputs: list[Value],
        returned: list[str],
        threads: int | None,
        max_bytes: int | None,
    ) -> None:
        if threads is not None and (isinstance(threads, bool) or threads < 1):
            raise InvalidArgumentError(f"threads must be a positive int or None, got {threads!r}")
        self._inputs, self._outputs, self._returned = inputs, outputs, returned
        self._threads = threads or 0
        self._limit = MemoryLimit(max_bytes)
        self._backend = _core.backend()
        self._lock = threading.Lock()
        self._compiler = None
        self._programs: OrderedDict[tuple[Shape, ...], Compiled] = OrderedDict()
        self._latest: Compiled | None = None
        self._batch = fixed_batch(inputs)

    @property
    def backend(self) -> str:
        """Name of the backend this session runs on."""
        return self._backend

    @property
    def fixed_batch(self) -> int | None:
        """The only batch the model takes, or None where it may vary."""
        return self._batch

    def get_inputs(self) -> list[NodeArg]:
        """The model's inputs, with name, shape and type."""
        return [node_arg(value) for value in self._inputs]

    def get_outputs(self) -> list[NodeArg]:
        """The model's outputs, with name, shape and type."""
        return [node_arg(value) for value in self._outputs]

    def describe(self) -> StepTable:
        """Every step of the program: operator, what is fused in it, dtype, kernel, shape.

        Returns
        -------
        StepTable
            A list of StepInfo; `str` of it is a table. For a model compiled per input shape, the
            program used last.
        """
        return describe_steps(self._compiled())

    def memory(self, batch: int = 1) -> MemoryUse:
        """Bytes of weights, and of activations at this batch.

        For a model compiled per input shape, those of the program used last.

        Raises
        ------
        InvalidArgumentError
            No program exists yet, or a batch of this size cannot be run.
        """
        return memory_use(self._compiled(), batch)

    def _compiled(self) -> Compiled:
        if self._latest is None:
            raise InvalidArgumentError(
                "the model has free spatial extents and nothing was run yet: run it once first"
            )
        return self._latest

    def run(
        self, output_names: Sequence[str] | None, feeds: Mapping[str, Any], run_options: Any = None
    ) -> list[NDArray[Any]]:
        """Run the model.

        Parameters
        ----------
        output_names : sequence of str, or None
            Which outputs to return, in this order; None: all.
        feeds : mapping of str to array
            One array per model input, of its dtype and shape.
        run_options : object, optional
            Accepted for compatibility and ignored.

        Returns
        -------
        list of ndarray

        Raises
        ------
        InvalidArgumentError
            A name is unknown or missing, or a shape does not fit.
        InvalidDtypeError
            An array has another dtype than the model's input.
        """
        wanted = self._wanted(output_names)
        compiled, flat, batch = self._prepare(feeds)
        try:
            results = compiled.program.run(flat, batch, self._threads)
        except (MemoryError, ValueError) as error:
            raise InvalidArgumentError(
                f"feeds: a batch of {batch} cannot be run: {error}"
            ) from error
        returned = [
            to_signed(flat_result).reshape(batch, *info.shape)
            if info.signed
            else flat_result.reshape(batch, *info.shape)
            for info, flat_result in zip(compiled.outputs, results, strict=True)
        ]
        return [returned[index] for index in wanted]

    def time_steps(self, feeds: Mapping[str, Any]) -> list[float]:
        """Run the model once and return how many seconds each step of `describe()` took.

        Parameters
        ----------
        feeds : mapping of str to array
            As for `run`.

        Returns
        -------
        list of float

        Raises
        ------
        InvalidArgumentError, InvalidDtypeError
            As for `run`.
        """
        compiled, flat, batch = self._prepare(feeds)
        return compiled.program.time_steps(flat, batch, self._threads)

    def _prepare(self, feeds: Mapping[str, Any]) -> tuple[Compiled, list[NDArray[Any]], int]:
        """Return the program for these arrays, what it reads, and the batch."""
        arrays, batch = checked_feeds(self._inputs, feeds)
        compiled = self.compiled_for(tuple(array.shape[1:] for array in arrays))
        self._check_memory(compiled, batch)
        return compiled, [to_bytes(array).reshape(-1) for array in arrays], batch

    def _wanted(self, output_names: Sequence[str] | None) -> list[int]:
        if output_names is None:
            return list(range(len(self._returned)))
        names = [output_names] if isinstance(output_names, str) else list(output_names)
        for name in names:
            if name not in self._returned:
                raise InvalidArgumentError(
                    f"output_names: no output '{name}'; the model has {self._returned}"
                )
        return [self._returned.index(name) for name in names]

    def compiled_for(self, shapes: tuple[Shape, ...]) -> Compiled:
        """Return the program for these per-sample input shapes, compiled now if it is new."""
        with self._lock:
            compiled = self._programs.get(shapes)
            if compiled is None:
                if self._compiler is None:
                    raise InvalidArgumentError(f"inputs of {shapes} are not what was compiled")
                compiled = self._compiler.compile(shapes)
            self._keep(shapes, compiled)
            return compiled

    def _check_memory(self, compiled: Compiled, batch: int) -> None:
        if self._limit.max_bytes is not None:
            use = memory_use(compiled, batch)
            total = use.weights + use.arena + batch * compiled.output_bytes
            self._limit.check(f"weights, activations and outputs of a batch of {batch} take", total)

    def _keep(self, shapes: tuple[Shape, ...], compiled: Compiled) -> None:
        self._check_memory(compiled, self._batch or 1)
        self._programs[shapes] = compiled
        self._programs.move_to_end(shapes)
        if len(self._programs) > MAX_PROGRAMS:
            self._programs.popitem(last=False)
        self._latest = compiled
