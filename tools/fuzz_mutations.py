"""How tools/fuzz_loaders.py damages files: any bytes, or fields of a format with sums set right."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import onnx
from onnx import TensorProto, helper

Random = np.random.Generator
T = TypeVar("T")

NUMBERS = [
    *(0, 1, 2, 3, 4, 7, 8, 13, 16, 64, 127, 128, 255, 256, 1024, 32768, 65535, 65536),
    *(2**20, 2**24, 2**30, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63 - 1),
    *(-1, -2, -128, -(2**31), -(2**63)),
]
REALS = [0.0, -0.0, 1.0, -1.0, 1e-45, 1e-38, 3e38, float("inf"), float("nan"), 0.1, 255.0]


def pick(rng: Random, values: Sequence[T]) -> T:
    """One of the values."""
    return values[int(rng.integers(len(values)))]


def change_bytes(content: bytes, rng: Random) -> bytes:
    """Flip, overwrite, cut, repeat or remove bytes."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 6))):
        if not data:
            break
        at, kind = int(rng.integers(len(data))), int(rng.integers(6))
        length = int(rng.integers(1, 40))
        if kind == 0:
            data[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[at] = int(rng.integers(256))
        elif kind == 2:
            width = pick(rng, (1, 2, 4, 8))
            number = pick(rng, NUMBERS) % 256**width
            data[at : at + width] = number.to_bytes(width, "little")
        elif kind == 3:
            del data[at : at + length]
        elif kind == 4:
            data[at:at] = data[at : at + length]
        elif rng.random() < 0.2:
            del data[at:]
    return bytes(data)


# ---- ONNX ----------------------------------------------------------------------------------------


def change_onnx(content: bytes, rng: Random) -> bytes:
    """Change some fields of a model."""
    model = onnx.ModelProto()
    model.ParseFromString(content)
    for _ in range(int(rng.geometric(0.7))):
        pick(rng, _ONNX_CHANGES)(model.graph, rng)
    try:
        return bytes(model.SerializeToString())
    except ValueError:  # a string that is no longer UTF-8
        return change_bytes(content, rng)


def _tensors(graph: Any) -> list[str]:
    names = [value.name for value in (*graph.input, *graph.initializer)]
    return [*names, *(name for node in graph.node for name in node.output), "", "nowhere"]


def _change_op(graph: Any, rng: Random) -> None:
    others = [schema.name for schema in onnx.defs.get_all_schemas()]
    node = pick(rng, graph.node)
    own = [other.op_type for other in graph.node]
    node.op_type = pick(rng, own if rng.random() < 0.6 else others)


def _change_attribute(graph: Any, rng: Random) -> None:
    node = pick(rng, graph.node)
    if not node.attribute or rng.random() < 0.3:
        name = pick(rng, ("axis", "group", "pads", "strides", "dilations", "kernel_shape", "to"))
        value: Any = pick(rng, NUMBERS)
        if name not in ("axis", "group", "to"):
            value = [pick(rng, NUMBERS) for _ in range(int(rng.integers(0, 9)))]
        kept = [a for a in node.attribute if a.name != name]
        del node.attribute[:]
        node.attribute.extend([*kept, helper.make_attribute(name, value, attr_type=(
            onnx.AttributeProto.INTS if isinstance(value, list) else onnx.AttributeProto.INT
        ))])  # fmt: skip
        return
    attribute = pick(rng, node.attribute)
    kind = int(rng.integers(4))
    if kind == 0:
        node.attribute.remove(attribute)
    elif kind == 1:
        attribute.name = pick(rng, [a.name for n in graph.node for a in n.attribute])
    elif len(attribute.ints):
        attribute.ints[int(rng.integers(len(attribute.ints)))] = pick(rng, NUMBERS)
    elif kind == 2:
        attribute.f = pick(rng, REALS)
    else:
        attribute.i = pick(rng, NUMBERS)


def _rewire(graph: Any, rng: Random) -> None:
    node = pick(rng, graph.node)
    side = node.output if rng.random() < 0.2 else node.input
    if len(side):
        side[int(rng.integers(len(side)))] = pick(rng, _tensors(graph))
    else:
        side.append(pick(rng, _tensors(graph)))


def _add_or_drop(graph: Any, rng: Random) -> None:
    kind = int(rng.integers(4))
    if kind == 0 and len(graph.node) > 1:
        del graph.node[int(rng.integers(len(graph.node)))]
    elif kind == 1:
        graph.node.append(pick(rng, graph.node))
    elif kind == 2:
        node = pick(rng, graph.node)
        (node.input.pop if len(node.input) else node.input.append)(*([] if node.input else [""]))
    else:
        pick(rng, graph.node).input.append(pick(rng, _tensors(graph)))


def _change_tensor(graph: Any, rng: Random) -> None:
    stored = [a.t for node in graph.node for a in node.attribute if a.HasField("t")]
    tensor = pick(rng, [*graph.initializer, *stored])
    kind = int(rng.integers(6))
    if kind == 0 and len(tensor.dims):
        tensor.dims[int(rng.integers(len(tensor.dims)))] = pick(rng, NUMBERS)
    elif kind == 1:
        tensor.dims.append(pick(rng, (0, 1, 2, 2**40)))
    elif kind == 2:
        tensor.data_type = pick(rng, list(TensorProto.DataType.values()))
    elif kind == 3:
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", pick(rng, ("w", "../w", "/etc/passwd", "\0", ""))
    elif kind == 4:
        tensor.raw_data = change_bytes(tensor.raw_data, rng)
    elif tensor.data_type == TensorProto.INT64 and tensor.raw_data:
        values = np.frombuffer(tensor.raw_data, np.int64).copy()
        values[int(rng.integers(values.size))] = pick(rng, NUMBERS)
        tensor.raw_data = values.tobytes()
    elif tensor.data_type == TensorProto.FLOAT and len(tensor.raw_data) >= 4:
        reals = np.frombuffer(tensor.raw_data, np.float32).copy()
        reals[int(rng.integers(reals.size))] = np.float32(pick(rng, REALS))
        tensor.raw_data = reals.tobytes()


def _change_interface(graph: Any, rng: Random) -> None:
    value = pick(rng, [*graph.input, *graph.output])
    tensor = value.type.tensor_type
    kind = int(rng.integers(5))
    if kind == 0:
        tensor.elem_type = pick(rng, list(TensorProto.DataType.values()))
    elif kind == 1:
        value.name = pick(rng, _tensors(graph))
    elif kind == 2:
        graph.output.add().CopyFrom(value)
    elif len(tensor.shape.dim):
        pick(rng, tensor.shape.dim).dim_value = pick(rng, NUMBERS)


_ONNX_CHANGES: list[Callable[[Any, Random], None]] = [
    _change_op,
    _change_attribute,
    _rewire,
    _add_or_drop,
    _change_tensor,
    _change_tensor,
    _change_interface,
]

# ---- .calib --------------------------------------------------------------------------------------

_DIGEST = hashlib.sha256().digest_size


def change_calib(content: bytes, rng: Random) -> bytes:
    """Change the header's JSON or the counts of a calibration."""
    magic, version, length = struct.unpack_from("<8sII", content)
    text, body = content[16 : 16 + length], content[16 + length : -_DIGEST]
    if rng.random() < 0.3:
        body = change_bytes(body, rng)
    else:
        text = change_bytes(text, rng) if rng.random() < 0.3 else _change_json(text, rng)
    length = len(text) if rng.random() < 0.95 else pick(rng, NUMBERS) % 2**32
    data = struct.pack("<8sII", magic, version, length) + text + body
    return data + hashlib.sha256(data).digest()


def _change_json(text: bytes, rng: Random) -> bytes:
    header = json.loads(text)
    for _ in range(int(rng.integers(1, 3))):
        where: Any = pick(rng, [header, *header["tensors"]])
        key = pick(rng, list(where))
        near = [where[key] + step for step in (-1, 1)] if isinstance(where[key], int) else []
        strange = [None, [], {}, "", "1" * 5000, "x", True, *REALS, *map(str, NUMBERS)]
        where[key] = pick(rng, [*near, *NUMBERS, *strange])
        if not isinstance(header.get("tensors"), list) or not header["tensors"]:
            break
        if not all(isinstance(entry, dict) and entry for entry in header["tensors"]):
            break
    return json.dumps(header, sort_keys=True, separators=(",", ":")).encode()


# ---- octavo programs -----------------------------------------------------------------------------

_HEADER, _SECTION, _ALIGNMENT = struct.Struct("<8sIIQ"), struct.Struct("<4sIQQ"), 64


def change_program(content: bytes, rng: Random) -> bytes:
    """Change sections of a program, and write header, lengths and checksums to fit."""
    magic, version, count, _ = _HEADER.unpack_from(content)
    entries = [
        _SECTION.unpack_from(content, _HEADER.size + i * _SECTION.size) for i in range(count)
    ]
    sections = [content[at : at + size] for _, _, at, size in entries]
    for _ in range(int(rng.geometric(0.7))):
        which = int(rng.choice(count, p=[0.2, 0.45, 0.15, 0.1, 0.1]))
        change = _change_words if rng.random() < 0.8 else change_bytes
        sections[which] = change(sections[which], rng)
    body, table = b"", b""
    first = _HEADER.size + count * _SECTION.size
    for (name, *_), section in zip(entries, sections, strict=True):
        body += bytes(-(first + len(body)) % _ALIGNMENT)
        at = first + len(body)
        table += _SECTION.pack(name, zlib.crc32(section), at, len(section))
        body += section
    return _HEADER.pack(magic, version, count, first + len(body)) + table + body


def _change_words(section: bytes, rng: Random) -> bytes:
    """Overwrite numbers where numbers are: at multiples of four."""
    data = bytearray(section)
    for _ in range(int(rng.geometric(0.7))):
        if len(data) < 8:
            break
        at, kind = 4 * int(rng.integers(len(data) // 4 - 1)), int(rng.integers(4))
        if kind == 0:
            data[at : at + 8] = struct.pack("<Q", pick(rng, NUMBERS) % 2**64)
        elif kind == 1:
            data[at : at + 4] = struct.pack("<f", pick(rng, REALS))
        elif kind == 2:
            data[at : at + 4] = struct.pack("<I", pick(rng, NUMBERS) % 2**32)
        else:
            (old,) = struct.unpack_from("<I", data, at)
            data[at : at + 4] = struct.pack("<I", (old + int(rng.integers(-3, 4))) % 2**32)
    return bytes(data)
