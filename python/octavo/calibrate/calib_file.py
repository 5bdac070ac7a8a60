"""The .calib file: what calibration has counted. docs/calib-format.md describes it.

Equal contents give equal bytes, whoever counted which part in which order: nothing in the file
depends on time, machine or the version of a compression library.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from octavo.calibrate import varint
from octavo.calibrate.histogram import SIGN, Summary
from octavo.calibrate.statistics import TensorStatistics
from octavo.errors import CalibrationError

MAGIC = b"\x89CALIB\r\n"
VERSION = 1
_START = struct.Struct("<8sII")  # magic, version, bytes of the header
_DIGEST = hashlib.sha256().digest_size
_INFINITE_KEY = 0x7F800000 >> 13
_NO_KEY = 0xFFFFFFFF >> 13
_APART = Summary._fields[:4]


@dataclass(frozen=True)
class Contents:
    """What a file holds: of which network, over how many samples, what was counted."""

    fingerprint: str
    samples: int
    tensors: Mapping[str, TensorStatistics]


def encode(contents: Contents) -> bytes:
    """Return the file's bytes."""
    entries, body = [], []
    for name in sorted(contents.tensors):
        entry, data = _encode_tensor(name, contents.tensors[name])
        entries.append(entry)
        body.append(data)
    header = {"fingerprint": contents.fingerprint, "samples": contents.samples, "tensors": entries}
    text = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    data = b"".join([_START.pack(MAGIC, VERSION, len(text)), text, *body])
    return data + hashlib.sha256(data).digest()


def decode(data: bytes, source: str) -> Contents:
    """Read a file's bytes; `source` names it in messages.

    Raises
    ------
    CalibrationError
        If this is no .calib file, one of another version, or one that is damaged.
    """
    if len(data) < _START.size or data[: len(MAGIC)] != MAGIC:
        raise CalibrationError(f"{source}: not a .calib file")
    _, version, header_bytes = _START.unpack_from(data)
    if version != VERSION:
        raise CalibrationError(f"{source}: version {version}; this octavo reads version {VERSION}")
    if hashlib.sha256(data[:-_DIGEST]).digest() != data[-_DIGEST:]:
        raise CalibrationError(f"{source}: the file is damaged or not whole")
    try:
        at = _START.size + header_bytes
        header = json.loads(data[_START.size : at])
        tensors: dict[str, TensorStatistics] = {}
        for entry in header["tensors"]:
            end = at + _count(entry, "bytes")
            tensors[str(entry["name"])] = _decode_tensor(entry, data[at:end])
            at = end
        _expect(at == len(data) - _DIGEST, "the length of the body")
        _expect(list(tensors) == sorted(tensors), "the order of the tensors")
        _expect(len(tensors) == len(header["tensors"]), "two tensors of one name")
        return Contents(str(header["fingerprint"]), _count(header, "samples"), tensors)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise CalibrationError(f"{source}: the file contradicts itself: {error}") from error


def _encode_tensor(name: str, statistics: TensorStatistics) -> tuple[dict[str, Any], bytes]:
    keys, counts = statistics.histogram.keys()
    summary = statistics.histogram.summary
    steps = np.diff(keys, prepend=np.uint32(0)).astype(np.uint64)
    data = varint.encode(steps) + varint.encode(counts)
    entry = {
        "name": name,
        "samples": statistics.samples,
        # Integers beyond 64 bits, which not every JSON reader takes as numbers.
        "low_sum": str(statistics.low_sum),
        "high_sum": str(statistics.high_sum),
        "min": _bits(summary.min),
        "max": _bits(summary.max),
        "smallest": summary.smallest,
        "bins": len(keys),
        "bytes": len(data),
    }
    return {**entry, **dict(zip(_APART, summary, strict=False))}, data


def _decode_tensor(entry: Mapping[str, Any], data: bytes) -> TensorStatistics:
    bins = _count(entry, "bins")
    values = varint.decode(data)
    _expect(len(values) == 2 * bins, "the number of bins")
    _expect(bool(np.all(values[:bins] < 2 * SIGN)), "a bin's key")
    keys, counts = np.cumsum(values[:bins], dtype=np.uint64), values[bins:]
    _expect(bool(np.all(np.diff(keys.astype(np.int64)) > 0)), "the order of the bins")
    _expect(bool(np.all(keys % SIGN < _INFINITE_KEY) and np.all(keys < 2 * SIGN)), "a bin's key")
    _expect(bool(np.all(counts > 0)), "an empty bin")
    apart = {field: _count(entry, field) for field in _APART}
    least, most, smallest = _float(entry, "min"), _float(entry, "max"), _count(entry, "smallest")
    summary = Summary(**apart, min=least, max=most, smallest=smallest)
    _expect(sum(counts.tolist()) + sum(apart.values()) < 2**63, "the sum of the counts")
    statistics = TensorStatistics()
    statistics.samples = _count(entry, "samples")
    statistics.low_sum, statistics.high_sum = int(entry["low_sum"]), int(entry["high_sum"])
    _expect(statistics.samples > 0 or summary.min > summary.max, "no samples")
    _check_summary(keys.astype(np.uint32), summary)
    statistics.histogram.add(keys.astype(np.uint32), counts, summary)
    return statistics


def _check_summary(keys: NDArray[np.uint32], summary: Summary) -> None:
    """The extremes lie in the outermost bins, and say so where there are none."""
    positive, negative = keys[keys < SIGN].tolist(), keys[keys >= SIGN].tolist()
    zero = [None] if summary.zeros else []
    ordered = [*reversed(negative), *zero, *positive]
    for what, value, at, nothing in (
        ("the minimum", summary.min, 0, np.inf),
        ("the maximum", summary.max, -1, -np.inf),
    ):
        if not ordered or ordered[at] is None:
            _expect(value == (0.0 if ordered else nothing), what)
        else:
            _expect(_bits(value) >> 13 == ordered[at] and value != 0.0, what)
    smallest = min((key % int(SIGN) for key in (*negative, *positive)), default=_NO_KEY)
    _expect(summary.smallest >> 13 == smallest and summary.smallest != 0, "the smallest magnitude")


def _expect(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)


def _count(entry: Mapping[str, Any], field: str) -> int:
    value = entry[field]
    _expect(type(value) is int and 0 <= value < 2**63, f"'{field}' is {value!r}")
    return int(value)


def _float(entry: Mapping[str, Any], field: str) -> float:
    bits = _count(entry, field)
    _expect(bits < 2**32, f"'{field}' is {bits}")
    return float(np.uint32(bits).view(np.float32))


def _bits(value: float) -> int:
    return int(np.float32(value).view(np.uint32))
