"""`max_bytes`: models that would take more are refused before they take it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto

import octavo
from graph_support import Builder, unchecked

MIB = 2**20
IMAGE = ["N", 4, 8, 8]


def dense(n: int = 512) -> onnx.ModelProto:
    b = Builder(["N", n])
    return b.model(b.node("MatMul", "input", b.constant(np.ones((n, n), np.float32), "w")))


def refused(model: Any, message: str, max_bytes: int = MIB) -> None:
    octavo.Session(model, max_bytes=100 * MIB)
    with pytest.raises(octavo.InvalidArgumentError, match=f"max_bytes: {message}"):
        octavo.Session(model, max_bytes=max_bytes)


def test_the_file(tmp_path: Path) -> None:
    content = dense().SerializeToString()
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    size = len(content)
    refused(content, f"model has {size} bytes; at most {size - 1} are allowed", size - 1)
    refused(path, f"model '.*' has {size} bytes", size - 1)
    refused(dense(), "model has", MIB)


def test_data_in_another_file(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    onnx.save(dense(), path, save_as_external_data=True, location="w", size_threshold=0)
    assert path.stat().st_size < 1000
    refused(path, "tensor 'w' brings the constants to 1048576 bytes", MIB - 1)


def test_values_that_are_packed_in_the_file() -> None:
    b = Builder(["N", 1024])
    w = onnx.helper.make_tensor("w", TensorProto.UINT2, [1024, 1024], bytes(MIB // 4), raw=True)
    b.constants.append(w)
    scale = b.constant(np.float32(1))
    y = b.node("MatMul", "input", b.node("DequantizeLinear", "w", scale))
    with pytest.raises(octavo.InvalidArgumentError, match="constants to 1048576 bytes"):
        octavo.Session(unchecked(b, y), max_bytes=MIB // 2)


@pytest.mark.parametrize("op", ["Add", "Clip", "Mul"])
def test_constants_that_are_computed(op: str) -> None:
    b = Builder(IMAGE)
    row, column = (b.constant(np.ones(shape, np.float32)) for shape in ((1, 1024), (1024, 1)))
    big = b.node(op, row, column)
    y = b.node("Add", "input", b.node("Gather", big, b.constant(np.int64(0))))
    y = b.node("Reshape", y, b.constant(np.int64([0, -1])))
    with pytest.raises(octavo.InvalidArgumentError, match=r"max_bytes: node .* computes 1048576"):
        octavo.Session(unchecked(b, y), max_bytes=MIB - 1)


def test_many_constants_add_up() -> None:
    b = Builder(["N", 1000])
    y, c = "input", b.constant(np.ones(1000, np.float32))
    for _ in range(400):
        y = b.node("Add", y, b.node("Mul", c, c))
    with pytest.raises(octavo.InvalidArgumentError, match="brings the constants to"):
        octavo.Session(unchecked(b, y), max_bytes=MIB)


def test_activations() -> None:
    b = Builder(IMAGE)
    y = b.node("Pad", "input", b.constant(np.int64([0, 0, 0, 0, 0, 0, 500, 500])))
    model = b.model(b.node("GlobalAveragePool", y))
    refused(model, "weights, activations and outputs of a batch of 1 take")


def test_outputs_and_the_batch() -> None:
    b = Builder(IMAGE)
    model = b.model(b.node("Pad", "input", b.constant(np.int64([0, 0, 0, 0, 0, 0, 100, 100]))))
    session = octavo.Session(model, max_bytes=MIB)
    (y,) = session.run(None, {"input": np.ones((1, 4, 8, 8), np.float32)})
    assert y.nbytes > MIB // 10
    with pytest.raises(octavo.InvalidArgumentError, match="of a batch of 8 take"):
        session.run(None, {"input": np.ones((8, 4, 8, 8), np.float32)})


def test_recompiling_counts_each_program_alone() -> None:
    b = Builder(["N", 4, "h", 8])
    columns = b.node("Gather", b.node("Shape", "input"), b.constant(np.int64([3, 3])))
    folded = b.node("Add", columns, b.constant(np.zeros((400, 2), np.int64)))  # 6,400 bytes
    width = b.node("Gather", b.node("Gather", folded, b.constant(np.int64(0))), b.constant([0]))
    target = b.node("Concat", b.constant(np.int64([0, -1])), width, axis=0)
    session = octavo.Session(b.model(b.node("Reshape", "input", target)), max_bytes=30_000)
    for rows in range(1, 20):
        session.run(None, {"input": np.ones((1, 4, rows, 8), np.float32)})


@pytest.mark.parametrize("wrong", [-1, True])
def test_what_is_no_limit(wrong: int) -> None:
    with pytest.raises(octavo.InvalidArgumentError, match="max_bytes must be"):
        octavo.Session(dense(), max_bytes=wrong)


def test_blocks_of_any_size() -> None:
    """A block larger than the axis is the axis: nothing is repeated as often as a file says."""
    b = Builder(["N", 8])
    names = [b.constant(v) for v in (np.ones((8, 4), np.int8), np.ones((1, 4), np.float32))]
    w = b.node("DequantizeLinear", *names, axis=0, block_size=2**40)
    x = np.ones((2, 8), np.float32)
    model = unchecked(b, b.node("MatMul", "input", w))
    model.opset_import[0].version = 21
    (y,) = octavo.Session(model).run(None, {"input": x})
    np.testing.assert_array_equal(y, np.full((2, 4), 8, np.float32))


def test_scales_that_do_not_fit_a_constant() -> None:
    """They were broadcast, to any size."""
    b = Builder(["N", 8])
    scales = [b.constant(np.ones(1 << 20, dtype)) for dtype in (np.float32, np.uint8)]
    q = b.node("QuantizeLinear", b.constant(np.ones((1 << 16, 1), np.float32)), *scales, axis=1)
    with pytest.raises(octavo.errors.InvalidModelError, match="1048576 quantization parameters"):
        octavo.Session(unchecked(b, b.node("Concat", "input", q, axis=1)))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits address space")
def test_under_a_limit_of_the_system(tmp_path: Path) -> None:
    """A file of a megabyte that asks for 4 GiB is refused within 400 MiB."""
    b = Builder(IMAGE)
    y = b.constant(np.ones((1024, 256), np.float32))
    for _ in range(12):
        y = b.node("Concat", y, y, axis=0)
    path = tmp_path / "m.onnx"
    onnx.save(unchecked(b, b.node("Add", "input", y)), path)
    code = (
        "import octavo, onnx, resource, sys\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 400 * 2**20,) * 2)\n"
        "try: octavo.Session(sys.argv[1], max_bytes=50 * 2**20)\n"
        "except octavo.InvalidArgumentError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert "max_bytes: node 'concat" in done.stdout, done.stderr
