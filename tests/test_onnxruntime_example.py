"""examples/onnxruntime: octavo as operators of ONNX Runtime gives the bytes of its own kernels."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import octavo
import real_networks

ort = pytest.importorskip("onnxruntime")
FOLDER = Path(__file__).resolve().parents[1] / "examples" / "onnxruntime"
HEADER = "onnxruntime_cxx_api.h"
PLACES = [
    *filter(None, [os.environ.get("ORT_INCLUDE_DIR")]),
    "/usr/include/onnxruntime",
    "/usr/local/include/onnxruntime",
]
INCLUDE = next((place for place in PLACES if Path(place, HEADER).is_file()), None)
pytestmark = [
    pytest.mark.skipif(
        INCLUDE is None,
        reason=f"needs {HEADER}: libonnxruntime-dev, or ORT_INCLUDE_DIR",
    ),
    pytest.mark.skipif(
        shutil.which("c++") is None or shutil.which("cmake") is None, reason="needs C++ and CMake"
    ),
]


def example(name):
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rewrite():
    return example("rewrite")


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    try:
        package = octavo.get_cmake_dir()
    except FileNotFoundError as error:
        pytest.skip(str(error))
    build = tmp_path_factory.mktemp("onnxruntime")
    arguments = [f"-DORT_INCLUDE_DIR={INCLUDE}", f"-Doctavo_DIR={package}"]
    flags = "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wconversion -Werror"
    subprocess.run(["cmake", "-S", FOLDER, "-B", build, flags, *arguments], check=True)
    subprocess.run(["cmake", "--build", build], check=True)
    return build / "liboctavo_onnxruntime.so"


def open_session(model, library=None, threads=2, optimized=None):
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    if library is not None:
        options.register_custom_ops_library(str(library))
    if optimized is not None:
        options.optimized_model_filepath = str(optimized)
    return ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


class Builder:
    """A network of QLinear operators with random constants.

    Weights have 7 bits: ONNX Runtime's kernels without VNNI saturate for more.
    """

    def __init__(self, rng, x_dtype=np.uint8, w_dtype=np.int8):
        self.rng = rng
        self.x_dtype, self.w_dtype = np.dtype(x_dtype), np.dtype(w_dtype)
        self.nodes, self.constants = [], []

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def scale(self, name):
        return self.constant(name, np.float32(self.rng.uniform(0.03, 0.05)))

    def zero(self, name):
        center = 128 if self.x_dtype == np.uint8 else 0
        return self.constant(name, self.x_dtype.type(center + self.rng.integers(-9, 9)))

    def operands(self, name, shape, columns):
        """Weights, their scales and zero point, scale and zero point of the output."""
        center = 120 if self.w_dtype == np.uint8 else 0
        weight = (center + self.rng.integers(-63, 64, shape)).astype(self.w_dtype)
        w_scale = self.rng.uniform(0.001, 0.01, columns).astype(np.float32)
        zero = np.full(columns, center, self.w_dtype)
        return [
            self.constant(f"{name}_w", weight),
            self.constant(f"{name}_ws", w_scale),
            self.constant(f"{name}_wz", zero),
            self.scale(f"{name}_s"),
            self.zero(f"{name}_z"),
        ]

    def conv(self, x, name, shape, bias=True, **attributes):
        inputs = [x, f"{x}_s", f"{x}_z", *self.operands(name, shape, shape[0])]
        if bias:
            values = self.rng.integers(-5000, 5000, shape[0]).astype(np.int32)
            inputs.append(self.constant(f"{name}_b", values))
        self.nodes.append(helper.make_node("QLinearConv", inputs, [name], name, **attributes))
        return name

    def matmul(self, x, name, k, n):
        inputs = [x, f"{x}_s", f"{x}_z", *self.operands(name, (k, n), n)]
        self.nodes.append(helper.make_node("QLinearMatMul", inputs, [name], name))
        return name

    def quantized(self, op, xs, name):
        inputs = [part for x in xs for part in (x, f"{x}_s", f"{x}_z")]
        inputs += [self.scale(f"{name}_s"), self.zero(f"{name}_z")]
        self.nodes.append(helper.make_node(op, inputs, [name], name, domain="com.microsoft"))
        return name

    def model(self, x_shape, y, y_shape):
        byte = helper.np_dtype_to_tensor_dtype(self.x_dtype)
        x_info = helper.make_tensor_value_info("x", byte, x_shape)
        y_info = helper.make_tensor_value_info(y, byte, y_shape)
        graph = helper.make_graph(self.nodes, "network", [x_info], [y_info], self.constants)
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=8)

    def image(self, shape):
        info = np.iinfo(self.x_dtype)
        return self.rng.integers(info.min, info.max + 1, shape).astype(self.x_dtype)


def residual_network(builder):
    """A stem, a depthwise and a dilated grouped convolution, a residual, a pool."""
    builder.scale("x_s")
    builder.zero("x_z")
    stem = builder.conv("x", "stem", (16, 3, 3, 3), strides=[2, 2], pads=[1, 0, 1, 1])
    wise = builder.conv(stem, "wise", (16, 1, 3, 3), pads=[1, 1, 1, 1], group=16)
    one = builder.conv(wise, "one", (16, 16, 1, 1), bias=False)
    added = builder.quantized("QLinearAdd", [one, stem], "added")
    last = builder.conv(added, "last", (24, 8, 3, 3), dilations=[2, 2], group=2)
    return builder.model(["n", 3, "h", "w"], last, ["n", 24, "h2", "w2"])


@pytest.mark.parametrize(
    ("x_dtype", "w_dtype"), [(np.uint8, np.int8), (np.uint8, np.uint8), (np.int8, np.int8)]
)
def test_convolutions_give_the_same_bytes(rng, library, rewrite, x_dtype, w_dtype, tmp_path):
    builder = Builder(rng, x_dtype, w_dtype)
    model = residual_network(builder)
    replaced, count = rewrite.rewrite(model)
    assert count == 4
    optimized = tmp_path / "optimized.onnx"
    own, changed = open_session(model), open_session(replaced, library, optimized=optimized)
    for shape in ((2, 3, 18, 21), (1, 3, 33, 14)):
        x = builder.image(shape)
        np.testing.assert_array_equal(
            changed.run(None, {"x": x})[0], own.run(None, {"x": x})[0], strict=True
        )
    # Of eight transposes, one at each end is left.
    kinds = [node.op_type for node in onnx.load(optimized).graph.node]
    assert kinds.count("Transpose") == 2


def test_matrix_products_give_the_same_bytes(rng, library, rewrite):
    builder = Builder(rng)
    builder.scale("x_s")
    builder.zero("x_z")
    first = builder.matmul("x", "first", 40, 70)
    model = builder.model(["n", 5, 40], builder.matmul(first, "second", 70, 9), ["n", 5, 9])
    replaced, count = rewrite.rewrite(model)
    assert count == 2
    x = builder.image((3, 5, 40))
    np.testing.assert_array_equal(
        open_session(replaced, library).run(None, {"x": x})[0],
        open_session(model).run(None, {"x": x})[0],
        strict=True,
    )


def test_threads_share_a_session(rng, library, rewrite):
    builder = Builder(rng)
    replaced, _ = rewrite.rewrite(residual_network(builder))
    session = open_session(replaced, library)
    images = [builder.image((1, 3, 64, 64)) for _ in range(8)]
    expected = [session.run(None, {"x": x})[0] for x in images]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            results = list(pool.map(lambda x: session.run(None, {"x": x})[0], images))
            for got, want in zip(results, expected, strict=True):
                np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("constant", "value", "message"),
    [
        ("one_s", np.float32(0), r"multiplier\[0\]"),
        ("x_z", np.int8(3), "its zero point has another type"),
        ("stem_b", np.zeros(5, np.int32), "bias: wrong length"),
    ],
)
def test_what_is_wrong_is_said_when_the_session_is_made(
    rng, library, rewrite, constant, value, message
):
    replaced, _ = rewrite.rewrite(residual_network(Builder(rng)))
    for tensor in replaced.graph.initializer:
        if tensor.name == constant:
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(value), constant))
    with pytest.raises(Exception, match=message):
        open_session(replaced, library)


def test_a_stride_of_zero_is_refused(rng, library, rewrite):
    replaced, _ = rewrite.rewrite(residual_network(Builder(rng)))
    node = next(node for node in replaced.graph.node if node.name == "one")
    for attribute in node.attribute:
        if attribute.name == "strides":
            attribute.ints[:] = [0, 1]
    with pytest.raises(Exception, match="strides: expected 2 values of at least 1"):
        open_session(replaced, library)


def test_an_image_of_other_channels_is_an_error_of_the_run(rng, library, rewrite):
    builder = Builder(rng)
    replaced, _ = rewrite.rewrite(residual_network(builder))
    replaced.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "channels"
    session = open_session(replaced, library)
    with pytest.raises(Exception, match=r"x: expected \(n, h, w, 3\)"):
        session.run(None, {"x": builder.image((1, 4, 16, 16))})


def test_weights_that_vary_stay_with_onnxruntime(rng, rewrite):
    builder = Builder(rng)
    model = residual_network(builder)
    kept = [t for t in model.graph.initializer if t.name != "one_w"]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    model.graph.input.append(
        helper.make_tensor_value_info("one_w", TensorProto.INT8, [16, 16, 1, 1])
    )
    replaced, count = rewrite.rewrite(model)
    assert count == 3
    assert [n.name for n in replaced.graph.node if n.op_type == "QLinearConv" and not n.domain] == [
        "one"
    ]


@pytest.mark.skipif(not real_networks.AVAILABLE, reason="needs OCTAVO_DATA")
def test_a_real_network_gives_the_same_logits(library, rewrite):
    x, _ = real_networks.cifar("calib")
    model = octavo.quantize_model(
        real_networks.FOLDER / "cifar_resnet20.onnx",
        [{"input": x[:32]}],
        placement="onnxruntime",
    )
    replaced, count = rewrite.rewrite(rewrite.fuse(model))
    assert count == 20  # 19 convolutions and the classifier
    changed, own = open_session(replaced, library), open_session(model)
    got, want = (s.run(None, {"input": x[32:96]})[0] for s in (changed, own))
    if "vnni" in Path("/proc/cpuinfo").read_text() or os.uname().machine == "aarch64":
        np.testing.assert_array_equal(got, want)
    else:  # there ONNX Runtime's sums of 8-bit weights saturate
        assert np.mean(got.argmax(1) == want.argmax(1)) > 0.9
