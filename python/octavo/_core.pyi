"""The compiled module: thin, checked access to the C++ ops. The public API is `octavo`.

Arrays are C-contiguous and already of the dtype stated; the Python layer converts and explains,
this module refuses (ValueError) whatever would be wrong. All calls that compute release the GIL.
In the op-level classes tensors are uint8 or int8 as the `*_signed` flags say; inside a `Program`
every byte tensor is uint8 and quantization parameters are those of the uint8 tensor.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
Bytes = NDArray[np.uint8] | NDArray[np.int8]
F32 = NDArray[np.float32]
S32 = NDArray[np.int32]

# ---- backends, threads, build -------------------------------------------------------------------

def all_backends() -> list[str]:
    """Every backend compiled in, best first."""

def backends() -> list[str]:
    """Those this CPU can run, best first."""

def backend() -> str:
    """The one in use on this thread. Raises ValueError when OCTAVO_BACKEND names an unusable one."""

def set_backend_override(name: str | None) -> str | None:
    """Set (or clear) this thread's override; returns the previous override."""

def select_backend(features: Sequence[str]) -> str:
    """The backend a CPU with exactly these features would get."""

def cpu_features() -> list[str]: ...
def backend_info(name: str) -> dict[str, Any]:
    """{'name', 'required': list of features, 'supported': bool, 'layout': str, 'kernels': list[str]}."""

def build_info() -> dict[str, str]:
    """{'version', 'compiler', 'build_type', 'sanitizer'}."""

def set_num_threads(n: int) -> None: ...
def get_num_threads() -> int: ...
def trim_memory() -> None:
    """Give freed memory back to the system, where the C library can."""

# ---- op level -----------------------------------------------------------------------------------

def quantize(
    x: F32, scale: float, zero_point: int, qmin: int, qmax: int, signed: bool
) -> Bytes: ...
def dequantize(x: Bytes, scale: float, zero_point: int) -> F32: ...
def requantize_s32(
    acc: S32,  # (m, n)
    multiplier: F32,  # (n,)
    zero_point: int,
    qmin: int,
    qmax: int,
    signed: bool,
) -> Bytes: ...
def requantize(
    x: Bytes,
    x_zero_point: int,
    multiplier: float,
    zero_point: int,
    qmin: int,
    qmax: int,
    signed: bool,
) -> Bytes: ...
def add(
    a: Bytes,
    a_zero_point: int,
    a_multiplier: float,
    b: Bytes,
    b_zero_point: int,
    b_multiplier: float,
    zero_point: int,
    qmin: int,
    qmax: int,
    signed: bool,
) -> Bytes: ...
def max_pool2d(
    x: Bytes,  # (n, h, w, c)
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int, int, int],  # top, left, bottom, right; padded pixels never win
    dilation: tuple[int, int],
) -> Bytes: ...
def global_avg_pool(
    x: Bytes,
    x_zero_point: int,
    multiplier: float,
    zero_point: int,
    qmin: int,
    qmax: int,
    signed: bool,
) -> Bytes:
    """(n, h, w, c) -> (n, 1, 1, c); multiplier = x_scale / out_scale, the mean's 1/(h*w) is applied here."""

def lookup(x: Bytes, table: Bytes) -> Bytes:
    """table: (256,), of the output's dtype, for x from its dtype's least value (-128 or 0) up."""

def softmax(
    x: Bytes, x_scale: float, out_scale: float, zero_point: int, qmin: int, qmax: int, signed: bool
) -> Bytes:
    """Over the last axis."""

def layer_norm(
    x: Bytes,
    gamma: F32,  # (n,), divided by the output's scale, as beta
    beta: F32,
    epsilon: float,  # divided by the square of the input's scale
    zero_point: int,
    qmin: int,
    qmax: int,
    signed: bool,
) -> Bytes:
    """Over the last axis."""

def concat(
    arrays: Sequence[Bytes],  # each (outer, its own inner extent)
    outer: int,
    zero_points: Sequence[int],
    multipliers: Sequence[float],  # scale / the output's scale
    shape: Sequence[int],
    zero_point: int,
    qmin: int,
    qmax: int,
    signed: bool,
) -> Bytes:
    """Joined by rows, requantized."""

def mul(
    a: Bytes,
    a_zero_point: int,
    b: Bytes,
    b_zero_point: int,
    outer: int,  # a is (outer, inner, c), b is (outer, c)
    inner: int,
    multiplier: float,
    zero_point: int,
    qmin: int,
    qmax: int,
    signed: bool,
) -> Bytes: ...

class FloatHistogram:
    """Counts of float32 values by the top 19 bits of their representation; thread safe.

    A summary is ((zeros, NaN, +inf, -inf), min, max, smallest); the extremes are those of finite
    values (inf and -inf where there are none), `smallest` is the bits of the smallest magnitude
    that is not 0 (2**32 - 1 where there is none).
    """

    def __init__(self) -> None: ...
    def update(self, x: F32) -> tuple[F32, F32]:
        """Count x (samples, values); return the samples' minima and maxima."""

    def merge(self, other: FloatHistogram) -> None: ...
    def add(
        self,
        keys: NDArray[np.uint32],
        counts: NDArray[np.uint64],
        apart: tuple[int, int, int, int],
        min: float,
        max: float,
        smallest: int,
    ) -> None: ...
    def bins(self) -> tuple[NDArray[np.uint32], NDArray[np.uint64]]:
        """Keys and counts of the non-empty bins, by ascending key."""

    def summary(self) -> tuple[tuple[int, int, int, int], float, float, int]: ...

class OutputSpec:
    """How an accumulator becomes the output. `multiplier=None` in the op means int32 output."""

    def __init__(
        self,
        *,
        signed: bool = False,
        zero_point: int = 0,
        qmin: int = 0,
        qmax: int = 255,
        residual: bool = False,
        residual_signed: bool = False,
        residual_multiplier: float = 0.0,
        residual_zero_point: int = 0,
    ) -> None: ...

class Linear:
    """Packed weights of a fully connected layer, bound to the layout of the current backend."""

    def __init__(
        self,
        weight: NDArray[np.int8],  # (n, k)
        *,
        bias: S32 | None = None,  # (n,)
        multiplier: F32 | None = None,  # (n,)
        weight_zero_point: S32 | None = None,  # (n,)
        a_signed: bool = False,
        a_zero_point: int = 0,
        output: OutputSpec | None = None,
        keep: bool = False,  # the arrays, for save_program
    ) -> None: ...
    @property
    def n(self) -> int: ...
    @property
    def k(self) -> int: ...
    @property
    def layout(self) -> str: ...
    @property
    def packed_bytes(self) -> int: ...
    def run(self, a: NDArray[Any], residual: Bytes | None = None, threads: int = 0) -> NDArray[Any]:
        """(m, k) -> (m, n). Rows may be strided; a row itself must be contiguous."""

class Conv2d:
    """Packed weights of a convolution, bound to the layout of the current backend."""

    def __init__(
        self,
        weight: NDArray[np.int8],  # (out, in / groups, kh, kw)
        *,
        bias: S32 | None = None,
        multiplier: F32 | None = None,
        weight_zero_point: S32 | None = None,
        a_signed: bool = False,
        a_zero_point: int = 0,
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),  # top, left, bottom, right
        dilation: tuple[int, int] = (1, 1),
        groups: int = 1,
        output: OutputSpec | None = None,
        keep: bool = False,
    ) -> None: ...
    @property
    def out_channels(self) -> int: ...
    @property
    def in_channels(self) -> int: ...
    @property
    def layout(self) -> str: ...
    @property
    def packed_bytes(self) -> int: ...
    @property
    def kernel(self) -> str:
        """Name of the micro-kernel that will run."""
    def output_size(self, h: int, w: int) -> tuple[int, int]: ...
    def run(self, x: Bytes, residual: Bytes | None = None, threads: int = 0) -> NDArray[Any]:
        """NHWC -> NHWC."""

class LinearF32:
    def __init__(
        self,
        weight: F32,
        *,
        bias: F32 | None = None,
        lo: float = ...,
        hi: float = ...,
        keep: bool = False,
    ) -> None: ...
    def run(self, a: F32, threads: int = 0) -> F32: ...

class Conv2dF32:
    def __init__(
        self,
        weight: F32,
        *,
        bias: F32 | None = None,
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
        dilation: tuple[int, int] = (1, 1),
        groups: int = 1,
        lo: float = ...,
        hi: float = ...,
        keep: bool = False,
    ) -> None: ...
    def run(self, x: F32, threads: int = 0) -> F32: ...

# ---- program ------------------------------------------------------------------------------------

class Program:
    """A network as a list of steps over tensors, executed in one call.

    A tensor is a dtype and a number of elements per sample; sample i of a batch lies at
    i * elements. Steps are appended in execution order; `name` is the node they come from.
    Bound to the backend current at creation.
    """

    def __init__(self) -> None: ...
    def tensor(self, dtype: str, elements: int) -> int:
        """dtype 'u8', 'f32' or 's32'. Returns the tensor's id."""
    def constant(self, value: NDArray[Any]) -> int:
        """A tensor of fixed content, the same for every sample of a batch (elements = value.size)."""
    def quantize(
        self,
        src: int,
        dst: int,
        *,
        name: str,
        scale: float,
        zero_point: int,
        qmin: int = 0,
        qmax: int = 255,
        planes: int = 1,
    ) -> None: ...
    def dequantize(
        self, src: int, dst: int, *, name: str, scale: float, zero_point: int, planes: int = 1
    ) -> None: ...
    def requantize(
        self,
        src: int,
        dst: int,
        *,
        name: str,
        src_zero_point: int,
        multiplier: float,
        zero_point: int,
        qmin: int = 0,
        qmax: int = 255,
    ) -> None: ...
    def transpose(self, src: int, dst: int, *, name: str, rows: int, cols: int) -> None:
        """Per sample, a (rows, cols) matrix to (cols, rows); u8 or f32. NCHW -> NHWC: rows=C, cols=H*W."""
    def linear(
        self,
        src: int,
        dst: int,
        packed: Linear | LinearF32,
        *,
        name: str,
        rows: int = 1,
        residual: int | None = None,
    ) -> None:
        """`rows` rows per sample."""
    def conv2d(
        self,
        src: int,
        dst: int,
        packed: Conv2d | Conv2dF32,
        *,
        name: str,
        height: int,
        width: int,
        residual: int | None = None,
    ) -> None: ...
    def add(
        self,
        a: int,
        b: int,
        dst: int,
        *,
        name: str,
        a_zero_point: int = 0,
        a_multiplier: float = 1.0,
        b_zero_point: int = 0,
        b_multiplier: float = 1.0,
        zero_point: int = 0,
        qmin: int = 0,
        qmax: int = 255,
        lo: float = ...,
        hi: float = ...,
    ) -> None:
        """u8 with the quantization parameters, or f32 with the clamp lo..hi."""
    def dynamic_params(
        self, src: int, dst: int, *, name: str, rows: int, k: int, per_row: bool = False
    ) -> None:
        """Scale and zero point, as f32, of every row, or of the batch (once per sample)."""
    def dynamic_quantize(
        self,
        src: int,
        params: int,
        dst: int,
        *,
        name: str,
        rows: int,
        k: int,
        per_row: bool = False,
    ) -> None: ...
    def dynamic_linear(
        self,
        src: int,
        params: int,
        dst: int,
        packed: Linear,
        *,
        name: str,
        weight_sum: S32,  # (n,)
        weight_scale: F32,
        bias: F32,
        rows: int = 1,
        per_row: bool = False,
        lo: float = ...,
        hi: float = ...,
    ) -> None:
        """To f32; `packed` has int32 output and activation zero point 0."""
    def dynamic_conv2d(
        self,
        src: int,
        params: int,
        dst: int,
        packed: Conv2d,
        *,
        name: str,
        weight_sum: S32,
        weight_scale: F32,
        bias: F32,
        height: int,
        width: int,
        lo: float = ...,
        hi: float = ...,
    ) -> None: ...
    def cast(self, src: int, dst: int, *, name: str) -> None:
        """From s32 to f32."""
    def max_pool2d(
        self,
        src: int,
        dst: int,
        *,
        name: str,
        height: int,
        width: int,
        channels: int,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int, int, int],
        dilation: tuple[int, int] = (1, 1),
    ) -> None:
        """u8 or f32. The output extent follows from the number of elements of dst (ceil_mode)."""
    def avg_pool2d(
        self,
        src: int,
        dst: int,
        *,
        name: str,
        height: int,
        width: int,
        channels: int,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int, int, int],
        count_include_pad: bool = False,
        src_zero_point: int = 0,
        multiplier: float = 1.0,
        zero_point: int = 0,
        qmin: int = 0,
        qmax: int = 255,
    ) -> None:
        """u8 (with the quantization parameters) or f32. Global pooling: kernel = (height, width)."""
    def concat(
        self, srcs: Sequence[int], dst: int, *, name: str, outer: int, inner: Sequence[int]
    ) -> None:
        """Per sample, dst[outer][sum(inner)] from srcs[i][outer][inner[i]]; u8 or f32."""
    def pad(
        self,
        src: int,
        dst: int,
        *,
        name: str,
        shape: Sequence[int],
        before: Sequence[int],
        after: Sequence[int],
        value: float,
    ) -> None:
        """Per-sample shape, storage order, at most 5 axes."""
    def slice(
        self,
        src: int,
        dst: int,
        *,
        name: str,
        shape: Sequence[int],
        start: Sequence[int],
        step: Sequence[int],
        out_shape: Sequence[int],
    ) -> None:
        """Per-sample shape, storage order; steps may be negative."""
    def clamp(self, src: int, dst: int, *, name: str, lo: float, hi: float) -> None: ...
    def scale_shift(self, src: int, dst: int, *, name: str, scale: F32, shift: F32) -> None:
        """f32, y = fma(x, scale[c], shift[c]) over the innermost axis (BatchNorm, constant Add / Mul)."""
    def softmax(self, src: int, dst: int, *, name: str, outer: int, n: int, inner: int) -> None:
        """f32, per sample over the middle axis of (outer, n, inner)."""
    def lookup(self, src: int, dst: int, *, name: str, table: NDArray[np.uint8]) -> None:
        """u8, dst = table[src]; 256 entries."""
    def softmax_u8(
        self,
        src: int,
        dst: int,
        *,
        name: str,
        rows: int,
        n: int,
        src_scale: float,
        scale: float,
        zero_point: int = 0,
        qmin: int = 0,
        qmax: int = 255,
    ) -> None:
        """u8, over the last axis of (rows, n)."""
    def layer_norm(
        self,
        src: int,
        dst: int,
        *,
        name: str,
        rows: int,
        gamma: F32,
        beta: F32,
        epsilon: float,
        zero_point: int = 0,
        qmin: int = 0,
        qmax: int = 255,
    ) -> None:
        """u8 (gamma and beta in output steps, epsilon in squared input steps) or f32; (rows, n)."""
    def mul(
        self,
        a: int,
        b: int,
        dst: int,
        *,
        name: str,
        outer: int,
        inner: int,
        channels: int,
        a_zero_point: int = 0,
        b_zero_point: int = 0,
        multiplier: float = 1.0,
        zero_point: int = 0,
        qmin: int = 0,
        qmax: int = 255,
    ) -> None:
        """u8, a (outer, inner, channels) times b (outer, channels)."""
    def matmul(
        self,
        a: int,
        b: int,
        dst: int,
        *,
        name: str,
        heads: int,
        m: int,
        n: int,
        k: int,
        a_strides: tuple[int, int],  # of a head and of a row; columns are adjacent
        b_strides: tuple[int, int],
        dst_strides: tuple[int, int],
        b_transposed: bool = False,
        a_zero_point: int = 0,
        b_zero_point: int = 128,
        multiplier: float = 1.0,
        zero_point: int = 0,
        qmin: int = 0,
        qmax: int = 255,
    ) -> None:
        """u8 or f32, per sample and head a (m, k) times b (k, n), or (n, k) where transposed."""
    def permute(
        self, src: int, dst: int, *, name: str, shape: Sequence[int], strides: Sequence[int]
    ) -> None:
        """u8 or f32, dst[i...] = src[i . strides], dst of `shape`, at most 5 axes."""
    def activation(self, src: int, dst: int, *, name: str, function: str) -> None:
        """f32: sigmoid, tanh, erf, exp, gelu, gelu_tanh, silu, hard_sigmoid or hard_swish."""
    def binary(
        self,
        a: int,
        b: int,
        dst: int,
        *,
        name: str,
        op: str,
        shape: Sequence[int],
        a_strides: Sequence[int],
        b_strides: Sequence[int],
    ) -> None:
        """f32: add, sub, mul, div or pow; a stride of 0 repeats an operand along an axis."""
    def reduce_mean(self, src: int, dst: int, *, name: str, outer: int, n: int, inner: int) -> None:
        """f32, over the middle axis."""
    def finish(
        self,
        inputs: Sequence[int],
        outputs: Sequence[int],
        cache_bytes: int = 0,
        views: bool = True,
    ) -> None:
        """Close the program: check every tensor is written before it is read, compute lifetimes.

        A batch runs in groups whose activations fit into `cache_bytes`; 0: this machine's L2.
        With `views`, Concat and Slice of channels copy nothing where that is possible.
        """
    def run(
        self, inputs: Sequence[NDArray[Any]], batch: int, threads: int = 0
    ) -> list[NDArray[Any]]:
        """Flat C-contiguous arrays of batch * elements in; new flat arrays out. One GIL-free C++ call."""
    def time_steps(
        self, inputs: Sequence[NDArray[Any]], batch: int, threads: int = 0
    ) -> list[float]:
        """Run once; seconds of each step."""
    def describe(self) -> list[dict[str, Any]]:
        """Per step: {'op', 'name', 'kernel', 'inputs': ids, 'output': id, 'detail': str}."""
    def weight_bytes(self) -> int: ...
    def arena_bytes(self, batch: int) -> int: ...
    @property
    def backend(self) -> str: ...

# name, type ('u8', 's8', 'f32' or 's32'), shape per sample, scale (0: unknown), zero point
Port = tuple[str, str, list[int], float, int]

def save_program(
    program: Program,
    write: Callable[[memoryview], object],
    inputs: list[Port],
    outputs: list[Port],
    batch: int = 0,  # 0: any
    metadata: list[tuple[str, str]] = ...,
) -> None:
    """Write a program whose layers were packed with `keep`, piece by piece."""

def load_program(
    source: str | bytes, max_bytes: int | None = None
) -> tuple[Program, list[Port], list[Port], int, list[tuple[str, str]]]:
    """Load a path, or bytes, for the current backend: program, inputs, outputs, batch, metadata."""
