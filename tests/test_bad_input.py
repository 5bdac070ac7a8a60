"""Every wrong argument is an error that names it, says what came and what is expected."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import octavo
from octavo import InvalidArgumentError, InvalidDtypeError

Call = Callable[[], object]
NAN, INF = float("nan"), float("inf")
X = np.zeros((2, 3), np.float32)
ACC = np.zeros((2, 3), np.int32)
Q = np.zeros((2, 3), np.uint8)
S = np.zeros((2, 3), np.int8)
IMAGE = np.zeros((1, 4, 4, 2), np.uint8)
W = np.ones((4, 3), np.int8)
K = np.ones((4, 2, 3, 3), np.int8)


def zeros(*shape: int, dtype: Any = np.uint8) -> Any:
    """An array of any extent that takes no memory."""
    return np.broadcast_to(np.zeros(1, dtype), shape)


def quantize(x: Any = X, scale: Any = 1.0, zero_point: Any = 0, **more: Any) -> Call:
    return lambda: octavo.quantize_linear(x, scale, zero_point, **more)


def dequantize(q: Any = Q, scale: Any = 1.0, zero_point: Any = 0, **more: Any) -> Call:
    return lambda: octavo.dequantize_linear(q, scale, zero_point, **more)


def pack(weight: Any = W, **more: Any) -> Call:
    scales = {"weight_scale": 1.0, "a_scale": 1.0, "out_scale": 1.0}
    return lambda: octavo.pack_linear(weight, **(scales | more))


def pack_conv(weight: Any = K, **more: Any) -> Call:
    return lambda: octavo.pack_conv2d(weight, **more)


def linear(a: Any = Q, residual: Any = None, **more: Any) -> Call:
    return lambda: octavo.linear(a, pack(**more)(), residual=residual)  # type: ignore[arg-type]


def conv(x: Any = IMAGE, residual: Any = None, **more: Any) -> Call:
    return lambda: octavo.conv2d(x, pack_conv(**more)(), residual=residual)  # type: ignore[arg-type]


def matmul(a: Any = Q, b: Any = W.T, *zero_points: Any) -> Call:
    return lambda: octavo.matmul_integer(a, b, *zero_points)


def add(a: Any = Q, b: Any = Q, **more: Any) -> Call:
    scales = {"a_scale": 1.0, "b_scale": 1.0, "out_scale": 1.0}
    return lambda: octavo.add(a, b, **(scales | more))


def max_pool(x: Any = IMAGE, kernel: Any = 2, **more: Any) -> Call:
    return lambda: octavo.max_pool2d(x, kernel, **more)


def average(x: Any = IMAGE, **more: Any) -> Call:
    return lambda: octavo.global_avg_pool(x, **({"x_scale": 1.0, "out_scale": 1.0} | more))


def concat(arrays: Any, *axis: Any, **more: Any) -> Call:
    return lambda: octavo.concat(arrays, *axis, **more)


def requantize(acc: Any = ACC, multiplier: Any = 0.5, **more: Any) -> Call:
    return lambda: octavo.requantize(acc, multiplier, **more)


VALUES: list[tuple[Call, str]] = [
    *((quantize(scale=s), r"scale: .*finite and positive") for s in (0, -1, NAN, INF, 1e-50, 1e39)),
    *((dequantize(scale=s), r"scale: .*finite and positive") for s in (0, -1.0, NAN, -INF)),
    (quantize(zero_point=256), r"zero_point: .*0\.\.255.*256"),
    (quantize(zero_point=-1), r"zero_point: .*0\.\.255.*-1"),
    (quantize(zero_point=128, dtype="int8"), r"zero_point: .*-128\.\.127.*128"),
    (quantize(zero_point=2**70), r"zero_point: .*1180591620717411303424"),
    (quantize(scale=[1.0, 2.0]), r"scale: .*one scale.*\(2,\)"),
    (quantize(scale=[1.0, 2.0], axis=1), r"scale: .*\(3,\).*\(2,\)"),
    (quantize(scale=[1.0, 2.0, NAN], axis=1), r"scale: .*nan"),
    (quantize(zero_point=[1, 2], axis=1), r"zero_point: .*\(3,\).*\(2,\)"),
    (quantize(axis=2), r"axis: .*-2\.\.1.*2"),
    (quantize(x=np.float32(1), axis=0), r"axis: .*None"),
    (dequantize(zero_point=300), r"zero_point: .*0\.\.255.*300"),
    (dequantize(q=ACC, zero_point=1), r"zero_point: .*0\.\.0.*1"),
    (requantize(multiplier=NAN), r"multiplier: .*nan"),
    (requantize(multiplier=[1.0, 1.0]), r"multiplier: .*\(3,\).*\(2,\)"),
    (requantize(clamp=(5, 4)), r"clamp\[1\]: .*5\.\.255.*4"),
    (requantize(clamp=(-1, 4)), r"clamp\[0\]: .*0\.\.255.*-1"),
    (requantize(clamp=(1, 2, 3)), r"clamp: .*pair"),
    (lambda: octavo.requantize_linear(Q, 0.0, 0, 1.0, 0), r"x_scale: .*0\.0"),
    (lambda: octavo.requantize_linear(Q, 3e38, 0, 1e-3, 0), r"x_scale / out_scale: .*3e\+41"),
    (lambda: octavo.choose_qparams(2.0, 1.0), r"lo: .*hi \(1\.0\).*2\.0"),
    (lambda: octavo.choose_qparams(NAN, 1.0), r"lo: .*finite.*nan"),
    (lambda: octavo.choose_qparams(0.0, 1e39), r"hi: .*finite.*1e\+39"),
    (lambda: octavo.QuantParams(1.0, -1), r"zero_point: .*0\.\.255.*-1"),
    (pack(W[0]), r"weight: .*\(n, k\).*\(3,\)"),
    (pack(np.ones((0, 3), np.int8)), r"weight: .*no axis empty.*\(0, 3\)"),
    (pack(np.ones((4, 0), np.int8)), r"weight: .*no axis empty.*\(4, 0\)"),
    (pack(np.ones((1, 65_537), np.int8)), r"weight: .*65536.*65537"),
    (pack(np.ones((1, 33_026), np.int8), weight_zero_point=1), r"weight: .*33025.*33026"),
    (pack(weight_scale=NAN), r"weight_scale: .*nan"),
    (pack(weight_scale=[1, 2, 3]), r"weight_scale: .*\(4,\).*\(3,\)"),
    (pack(weight_scale=[1, 0, 1, 1]), r"weight_scale: .*positive.*0"),
    (pack(weight_scale=None), r"weight_scale: .*out_scale is given"),
    (pack(a_scale=None), r"a_scale: .*out_scale is given"),
    (pack(a_scale=-1), r"a_scale: .*-1"),
    (pack(out_scale=INF), r"out_scale: .*inf"),
    (pack(weight_scale=1e30, a_scale=1e30), r"a_scale \* weight_scale / out_scale: .*1e\+60"),
    (pack(a_zero_point=256), r"a_zero_point: .*0\.\.255.*256"),
    (pack(a_zero_point=128, a_dtype="int8"), r"a_zero_point: .*-128\.\.127 \(int8\).*128"),
    (pack(out_zero_point=-1), r"out_zero_point: .*-1"),
    (pack(weight_zero_point=128), r"weight_zero_point: .*-128\.\.127.*128"),
    (pack(weight_zero_point=[0, 1]), r"weight_zero_point: .*\(4,\).*\(2,\)"),
    (pack(bias=[1, 2, 3]), r"bias: .*\(4,\).*\(3,\)"),
    (pack(bias=[0, 0, 0, 2**31]), r"bias: .*2147483648"),
    (pack(bias=7), r"bias: .*\(4,\).*\(\)"),
    (pack(activation="tanh"), r"activation: .*relu6.*'tanh'"),
    (pack(activation=(2, 1)), r"activation: .*lo <= hi.*2"),
    (pack(activation=(NAN, 1)), r"activation: .*nan"),
    (pack(activation=(1,)), r"activation: .*pair"),
    (pack(activation=3.0), r"activation: .*3\.0"),
    (pack(out_scale=None, activation="relu"), r"activation: .*int32 output.*relu"),
    (pack(out_scale=None, residual_scale=1.0), r"residual_scale: .*int32 output.*1\.0"),
    (pack(residual_dtype="int8"), r"residual_scale: .*residual_dtype is given"),
    (pack(residual_scale=0.0), r"residual_scale: .*0\.0"),
    (pack(residual_scale=1.0, residual_zero_point=999), r"residual_zero_point: .*999"),
    (pack_conv(W), r"weight: .*kh, kw.*\(4, 3\)"),
    (pack_conv(zeros(4, 2, 0, 3, dtype=np.int8)), r"weight: .*no axis empty"),
    (pack_conv(zeros(1, 8000, 3, 3, dtype=np.int8)), r"weight: .*65536.*72000"),
    (pack_conv(groups=3), r"groups: .*4 output channels.*3"),
    (pack_conv(groups=0), r"groups: .*0"),
    (pack_conv(stride=0), r"stride: .*0"),
    (pack_conv(stride=(1, 2, 3)), r"stride: .*pair.*3 values"),
    (pack_conv(dilation=(1, -1)), r"dilation: .*-1"),
    (pack_conv(padding=-1), r"padding: .*-1"),
    (pack_conv(padding=(1, 2, 3)), r"padding: .*3 values"),
    (pack_conv(padding=2**40), r"padding: .*1099511627776"),
    (linear(np.zeros((2, 4), np.uint8)), r"a: .*\(\.\.\., 3\).*\(2, 4\)"),
    (linear(np.uint8(3)), r"a: .*\(\.\.\., 3\).*\(\)"),
    (linear(residual=np.zeros((2, 4), np.uint8)), r"residual: .*without residual_scale"),
    (linear(residual_scale=1.0), r"residual: .*\(2, 4\).*None"),
    (linear(residual=Q, residual_scale=1.0), r"residual: .*\(2, 4\).*\(2, 3\)"),
    (conv(IMAGE[0]), r"x: .*\(batch, h, w, 2\).*\(4, 4, 2\)"),
    (conv(IMAGE.transpose(0, 3, 1, 2)), r"x: .*\(batch, h, w, 2\)"),
    (conv(IMAGE[:, :2]), r"x: .*kernel \(3, 3\).*2 x 4"),
    (conv(IMAGE[:, :0], padding=3), r"x: .*0 x 4"),
    (conv(dilation=3), r"x: .*dilation \(3, 3\).*4 x 4"),
    (conv(residual=IMAGE), r"residual: .*without residual_scale"),
    (matmul(b=W), r"a: .*\(4, 3\).*\(2, 3\)"),
    (matmul(b=W[0]), r"b: .*2 dimensions.*1"),
    (matmul(np.uint8(1)), r"a: .*\(\)"),
    (matmul(Q, W.T, 256), r"a_zero_point: .*256"),
    (matmul(S, W.T, 128), r"a_zero_point: .*128"),
    (matmul(Q, W.T, 0, [1, 2]), r"b_zero_point: .*\(4,\).*\(2,\)"),
    (matmul(Q, W.T, 0, 200), r"b_zero_point: .*-128\.\.127.*200"),
    (matmul(Q[:, :0], W.T[:0]), r"b: .*K = 0"),
    (matmul(zeros(1, 65_537), zeros(65_537, 1, dtype=np.int8)), r"b: .*65536.*65537"),
    (add(b=Q[:1]), r"b: .*\(2, 3\).*\(1, 3\)"),
    (add(a_scale=NAN), r"a_scale: .*nan"),
    (add(out_scale=0), r"out_scale: .*0"),
    (add(b_zero_point=256), r"b_zero_point: .*256"),
    (add(activation="gelu"), r"activation: .*'gelu'"),
    (max_pool(Q), r"x: .*4 dimensions.*2"),
    (max_pool(kernel=5), r"x: .*kernel \(5, 5\).*4 x 4"),
    (max_pool(kernel=0), r"kernel: .*0"),
    (max_pool(padding=2), r"padding: .*at least one pixel.*\(2, 2, 2, 2\)"),
    (max_pool(IMAGE[:, :1], dilation=3, padding=(2, 0)), r"padding: .*at least one pixel"),
    (max_pool(IMAGE[..., :0]), r"x: .*channel"),
    (max_pool(IMAGE[:, :0], padding=1), r"x: .*0 x 4"),
    (average(IMAGE[:, :0]), r"x: .*1 to 8388608 pixels.*\(1, 0, 4, 2\)"),
    (average(zeros(1, 4096, 4096, 1)), r"x: .*8388608 pixels"),
    (average(x_zero_point=-1), r"x_zero_point: .*-1"),
    (average(x_scale=0.0), r"x_scale: .*0\.0"),
    (concat([]), r"arrays: .*at least one"),
    (concat([Q, Q[0]]), r"arrays\[1\]: .*\(3,\)"),
    (concat([Q, Q.T]), r"arrays\[1\]: .*axis -1.*\(3, 2\)"),
    (concat([Q], 2), r"axis: .*2"),
    (concat([Q, Q], scales=[1.0], out_scale=1.0), r"scales: .*2 values.*1"),
    (concat([Q, Q], scales=[1, 0], out_scale=1.0), r"scales\[1\]: .*0"),
    (
        concat([Q, S], scales=[1, 1], zero_points=[0, 200], out_scale=1.0),
        r"zero_points\[1\]: .*200",
    ),
    (concat([Q], scales=[1.0]), r"out_scale: .*scales is given"),
    (concat([Q], out_scale=1.0), r"scales: .*out_scale is given"),
    (concat([Q], zero_points=[0]), r"zero_points: .*None without scales"),
]

TYPES: list[tuple[Call, str]] = [
    (quantize(x=[[1, 2]]), r"x: .*float32.*int64"),
    (quantize(x=X > 0), r"x: .*float32.*bool"),
    (quantize(x="text"), r"x: .*float32"),
    (quantize(x=X.astype(complex)), r"x: .*float32.*complex128"),
    (quantize(scale="1"), r"scale: .*number.*'1'"),
    (quantize(scale=None), r"scale: .*number.*None"),
    (quantize(scale=1j), r"scale: .*number"),
    (quantize(zero_point=1.0), r"zero_point: .*integer.*1\.0"),
    (quantize(zero_point=True), r"zero_point: .*integer.*True"),
    (quantize(dtype="float32"), r"dtype: .*'float32'"),
    (quantize(dtype=None), r"dtype: .*None"),
    (quantize(dtype="no such"), r"dtype: .*'no such'"),
    (quantize(axis=0.5), r"axis: .*integer"),
    (dequantize(X), r"q: .*uint8 or int8 or int32.*float32"),
    (dequantize([1, 2]), r"q: .*list"),
    (dequantize(Q.astype(np.int64)), r"q: .*int64"),
    (requantize(Q), r"acc: .*int32.*uint8"),
    (requantize(ACC.astype(">i4")), r"acc: .*int32.*>i4"),
    (lambda: octavo.requantize_linear(X, 1.0, 0, 1.0, 0), r"x: .*float32"),  # type: ignore[arg-type]
    (lambda: octavo.QuantParams(1.0, 0.5), r"zero_point: .*0\.5"),  # type: ignore[arg-type]
    (pack(W.astype(np.float32)), r"weight: .*int8.*float32"),
    (pack(W.astype(np.uint8)), r"weight: .*int8.*uint8"),
    (pack(W.tolist()), r"weight: .*int8.*list"),
    (pack(bias=[0.5, 1, 2, 3]), r"bias: .*integers.*float64"),
    (pack(a_dtype="int16"), r"a_dtype: .*'int16'"),
    (pack(out_dtype="int32"), r"out_dtype: .*'int32'"),
    (pack(residual_scale=1.0, residual_dtype=float), r"residual_dtype"),
    (pack(a_zero_point=0.0), r"a_zero_point: .*0\.0"),
    (pack_conv(stride=1.5), r"stride: .*integer.*1\.5"),
    (pack_conv(padding="same"), r"padding: .*integer.*'same'"),
    (pack_conv(groups=True), r"groups: .*True"),
    (linear(X), r"a: .*uint8 or int8.*float32"),
    (linear(S), r"a: .*uint8, as packed.*int8"),
    (linear(Q, a_dtype="int8"), r"a: .*int8, as packed.*uint8"),
    (linear(residual=np.zeros((2, 4), np.int8), residual_scale=1.0), r"residual: .*uint8.*int8"),
    (lambda: octavo.linear(Q, pack_conv()()), r"packed: .*PackedLinear.*PackedConv2d"),  # type: ignore[arg-type]
    (lambda: octavo.linear(Q, W), r"packed: .*pack_linear.*ndarray"),  # type: ignore[arg-type]
    (lambda: octavo.conv2d(IMAGE, pack()()), r"packed: .*PackedConv2d.*PackedLinear"),  # type: ignore[arg-type]
    (conv(IMAGE.astype(np.float32)), r"x: .*uint8 or int8.*float32"),
    (matmul(X), r"a: .*float32"),
    (matmul(b=W.T.astype(np.int32)), r"b: .*int32"),
    (add(X), r"a: .*float32"),
    (max_pool(IMAGE.astype(np.int16)), r"x: .*int16"),
    (max_pool(kernel=2.0), r"kernel: .*2\.0"),
    (average(IMAGE.astype(np.float32)), r"x: .*float32"),
    (concat([Q, X]), r"arrays\[1\]: .*float32"),
    (concat([Q, S]), r"arrays\[1\]: .*uint8 \(or scales, to convert\).*int8"),
]


@pytest.mark.parametrize(("call", "message"), VALUES, ids=[m for _, m in VALUES])
def test_wrong_values(call: Call, message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message) as caught:
        call()
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, octavo.OctavoError)


@pytest.mark.parametrize(("call", "message"), TYPES, ids=[m for _, m in TYPES])
def test_wrong_types(call: Call, message: str) -> None:
    with pytest.raises(InvalidDtypeError, match=message) as caught:
        call()
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, octavo.OctavoError)


def test_an_output_too_large_for_memory() -> None:
    packed = octavo.pack_conv2d(K, padding=2**20)
    with pytest.raises(MemoryError):
        octavo.conv2d(IMAGE, packed)


def test_the_right_calls_pass() -> None:
    for call in (quantize(), dequantize(), requantize(), pack(), pack_conv(), linear(), conv()):
        call()
    for call in (matmul(), add(), max_pool(), average(), concat([Q, Q])):
        call()
