"""Compiled networks as files: the same bits as the ONNX model, on every backend."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import octavo
from cli_support import classifier, network_input, random_images
from graph_support import Array, Builder
from octavo import _core
from octavo.graph.program_file import is_program, read_program
from test_dynamic import dense
from test_graph_transformer import encoder, tokens

F32 = np.float32
Models = dict[str, Callable[[np.random.Generator], tuple[onnx.ModelProto, dict[str, Array]]]]


def images(n: int) -> Array:
    return network_input(random_images(np.random.default_rng(1), n))


def float_network(rng: np.random.Generator) -> tuple[onnx.ModelProto, dict[str, Array]]:
    return classifier(), {"x": images(17)}


def int8_network(rng: np.random.Generator) -> tuple[onnx.ModelProto, dict[str, Array]]:
    return octavo.quantize_model(classifier(), images(20)), {"x": images(17)}


def transformer(rng: np.random.Generator) -> tuple[onnx.ModelProto, dict[str, Array]]:
    return octavo.quantize_model(encoder(rng), tokens(rng, 8)), {"input": tokens(rng, 17)}


def dynamic(rng: np.random.Generator) -> tuple[onnx.ModelProto, dict[str, Array]]:
    model = octavo.quantize_dynamic(dense(rng, ["N", 6, 48], 48, 20, True), per_row=True)
    return model, {"input": rng.standard_normal((17, 6, 48)).astype(F32)}


def integer_products(rng: np.random.Generator) -> tuple[onnx.ModelProto, dict[str, Array]]:
    b = Builder(["N", 6, 40], dtype="int8")
    w = rng.integers(-128, 128, (40, 9)).astype(np.int8)
    zeros = [b.constant(np.array(v, "int8")) for v in (5, -3)]
    total = b.node("MatMulInteger", "input", b.constant(w), *zeros)
    model = b.model(total, b.node("Cast", total, to=1), dtypes=("int32", "float32"))
    return model, {"input": rng.integers(-128, 128, (17, 6, 40)).astype(np.int8)}


def signed_bytes(rng: np.random.Generator) -> tuple[onnx.ModelProto, dict[str, Array]]:
    b = Builder(["N", 4, 5, 5], dtype="int8")
    y = b.node("Relu", b.dequantize("input", 0.5, -3, "int8"))
    model = b.model(b.quantize(y, 0.25, 7, "int8"), dtypes=("int8",))
    return model, {"input": rng.integers(-128, 128, (17, 4, 5, 5)).astype(np.int8)}


NETWORKS: Models = {
    f.__name__: f
    for f in (float_network, int8_network, transformer, dynamic, integer_products, signed_bytes)
}


@pytest.mark.parametrize("name", NETWORKS)
def test_runs_as_the_model_does(name: str, rng: np.random.Generator, tmp_path: Path) -> None:
    model, feeds = NETWORKS[name](rng)
    path = tmp_path / "net.octavo"
    octavo.compile_model(model, path)
    expected = octavo.Session(model)
    for backend in octavo.backends():
        with octavo.use_backend(backend):
            for threads in (1, 2):
                session = octavo.Session(path, threads=threads)
                assert session.backend == backend
                for batch in (1, 3, 17):
                    some = {key: value[:batch] for key, value in feeds.items()}
                    for ours, want in zip(
                        session.run(None, some), expected.run(None, some), strict=True
                    ):
                        assert ours.dtype == want.dtype
                        np.testing.assert_array_equal(ours, want)


def test_says_of_itself_what_the_session_does(rng: np.random.Generator, tmp_path: Path) -> None:
    model, _ = int8_network(rng)
    path = tmp_path / "net.octavo"
    octavo.compile_model(model, path)
    compiled, session = octavo.Session(path), octavo.Session(model)
    assert compiled.describe() == session.describe()
    assert str(compiled.describe()) == str(session.describe())
    assert compiled.memory(3) == session.memory(3)
    assert compiled.get_inputs() == session.get_inputs()
    (output,) = compiled.get_outputs()
    assert (output.name, output.shape, output.type) == ("scores", ["N", 6], "tensor(float)")


def test_the_same_file_from_every_backend(rng: np.random.Generator, tmp_path: Path) -> None:
    model, _ = transformer(rng)
    files = set()
    for backend in octavo.backends():
        with octavo.use_backend(backend):
            octavo.compile_model(model, tmp_path / "net.octavo")
        files.add((tmp_path / "net.octavo").read_bytes())
    assert len(files) == 1
    data = files.pop()
    assert is_program(data)
    session = octavo.Session(data)
    assert session.run(["t34"] if "t34" in session.get_outputs() else None, {"input": tokens(rng)})


def test_quantization_of_inputs_and_outputs(rng: np.random.Generator, tmp_path: Path) -> None:
    octavo.compile_model(signed_bytes(rng)[0], tmp_path / "net.octavo")
    _, inputs, outputs, batch, metadata = _core.load_program(str(tmp_path / "net.octavo"))
    assert inputs == [("input", "s8", [4, 5, 5], 0.5, -3)]
    assert [port[1:] for port in outputs] == [("s8", [4, 5, 5], 0.25, 7)]
    assert batch == 0
    assert dict(metadata)["producer"] == f"octavo {octavo.__version__}"


def test_a_fixed_batch_stays(tmp_path: Path) -> None:
    octavo.compile_model(classifier(batch=4), tmp_path / "net.octavo")
    session = octavo.Session(tmp_path / "net.octavo")
    assert session.fixed_batch == 4
    assert session.get_inputs()[0].shape[0] == 4
    session.run(None, {"x": images(4)})
    with pytest.raises(octavo.InvalidArgumentError, match="the model takes"):
        session.run(None, {"x": images(3)})


def test_open_extents_are_given(tmp_path: Path) -> None:
    model, path = classifier(side="S"), tmp_path / "net.octavo"
    with pytest.raises(octavo.InvalidArgumentError, match=r"input .x. is .*give its extents"):
        octavo.compile_model(model, path)
    for shape in ([4, 8, 8], [3, 8], [3, 0, 8], [3, 8.0, 8]):
        with pytest.raises(octavo.InvalidArgumentError, match="input_shapes: input 'x'"):
            octavo.compile_model(model, path, input_shapes={"x": shape})  # type: ignore[dict-item]
    with pytest.raises(octavo.InvalidArgumentError, match=r"no inputs named \['y'\]"):
        octavo.compile_model(model, path, input_shapes={"y": [3, 8, 8]})
    assert not path.exists()
    octavo.compile_model(model, path, input_shapes={"x": [3, 8, 8]})
    want = octavo.Session(model).run(None, {"x": images(2)})[0]
    np.testing.assert_array_equal(octavo.Session(path).run(None, {"x": images(2)})[0], want)


def test_needs_numpy_alone(tmp_path: Path) -> None:
    octavo.compile_model(classifier(), tmp_path / "net.octavo")
    code = """
import sys
sys.modules.update(dict.fromkeys(("onnx", "google", "ml_dtypes")))
import numpy as np, octavo
session = octavo.Session(sys.argv[1])
print(session.run(None, {"x": np.zeros((2, 3, 8, 8), np.float32)})[0].shape, session.describe())
octavo.Session(sys.argv[1] + ".onnx")
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "net.octavo")], capture_output=True, text=True
    )
    assert done.stdout.startswith("(2, 6)"), done.stderr
    assert 'needs the package onnx: pip install "octavo[onnx]"' in done.stderr


@pytest.fixture
def data(tmp_path: Path) -> bytes:
    octavo.compile_model(classifier(), tmp_path / "net.octavo")
    return (tmp_path / "net.octavo").read_bytes()


def test_damaged_files(data: bytes) -> None:
    for size in (8, 100, len(data) // 2, len(data) - 1):
        with pytest.raises(octavo.InvalidModelError, match="octavo program"):
            octavo.Session(data[:size])
    for at in range(0, len(data), 97):
        damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises((octavo.OctavoError, ImportError)):
            octavo.Session(damaged)
    newer = data[:8] + struct.pack("<I", 2) + data[12:]
    with pytest.raises(octavo.UnsupportedModelError, match="version: got 2, expected 1"):
        octavo.Session(newer)


def test_limit_of_memory(data: bytes) -> None:
    needed = len(data) + octavo.Session(data).memory().weights
    with pytest.raises(octavo.InvalidArgumentError, match="max_bytes: got"):
        octavo.Session(data, max_bytes=needed - 1)
    with pytest.raises(octavo.InvalidArgumentError, match="activations and outputs of a batch"):
        octavo.Session(data, max_bytes=needed)
    for wrong in (-1, True):
        with pytest.raises(octavo.InvalidArgumentError, match="max_bytes must be"):
            octavo.Session(data, max_bytes=wrong)


def with_metadata(data: bytes, change: Callable[[list[Any]], Any]) -> bytes:
    """The file with other texts about its steps, its checksum and offsets set right."""
    entry = struct.Struct("<4sIQQ")
    table = [entry.unpack_from(data, 24 + i * entry.size) for i in range(5)]
    parts = [data[offset : offset + size] for _, _, offset, size in table]
    key = b"octavo.steps"
    at = parts[3].index(key) + len(key)
    (length,) = struct.unpack_from("<I", parts[3], at)
    text = json.dumps(change(json.loads(parts[3][at + 4 : at + 4 + length]))).encode()
    parts[3] = parts[3][:at] + struct.pack("<I", len(text)) + text
    body, entries = bytearray(24 + 5 * entry.size), []
    for (name, *_), part in zip(table, parts, strict=True):
        body += bytes(-len(body) % 64)
        entries.append(entry.pack(name, zlib.crc32(part), len(body), len(part)))
        body += part
    body[: 24 + 5 * entry.size] = data[:16] + struct.pack("<Q", len(body)) + b"".join(entries)
    return bytes(body)


def test_texts_about_steps_are_checked(data: bytes) -> None:
    assert with_metadata(data, lambda steps: steps)[:16] == data[:16]
    assert len(octavo.Session(with_metadata(data, lambda steps: steps)).describe()) > 2
    for change in (
        lambda steps: steps[1:],
        lambda steps: 7,
        lambda steps: [[*step[:-1], ["N"]] for step in steps],
        lambda steps: [[1, *step[1:]] for step in steps],
        lambda steps: [step[1:] for step in steps],
    ):
        with pytest.raises(octavo.InvalidModelError, match=r"META: octavo\.steps"):
            octavo.Session(with_metadata(data, change))


def test_files_without_texts_describe_what_the_program_knows() -> None:
    program = _core.Program()
    x, y = program.tensor("f32", 4), program.tensor("f32", 4)
    program.clamp(x, y, name="limit", lo=0.0, hi=1.0)
    program.finish([x], [y])
    pieces: list[bytes] = []
    ports = [[(name, "f32", [4], 0.0, 0)] for name in "xy"]
    _core.save_program(program, lambda piece: pieces.append(bytes(piece)), *ports)
    _, _, compiled = read_program(b"".join(pieces))
    assert [record.name for record in compiled.records] == ["limit"]
    (result,) = octavo.Session(b"".join(pieces)).run(None, {"x": F32([[-1, 0.5, 2, 0]])})
    np.testing.assert_array_equal(result, F32([[0, 0.5, 1, 0]]))


def test_an_older_file_survives_an_error(tmp_path: Path) -> None:
    path = tmp_path / "net.octavo"
    path.write_bytes(b"older")
    b = Builder(["N", 4])
    with pytest.raises(octavo.OctavoError):
        octavo.compile_model(b.model(b.node("Sin", "input")), path)
    assert path.read_bytes() == b"older"
    assert [p.name for p in tmp_path.iterdir()] == ["net.octavo"]
