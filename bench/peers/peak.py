"""The machine's limits, measured without any library: dot products, float FMA, copying.

The two loops are machine code written here, 24 independent accumulators and nothing else. They run
through ctypes, which lets go of the interpreter's lock, on as many threads as the peers have.
"""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from .timing import Runner

_ACCUMULATORS = 24
_ITERATIONS = 600_000  # some milliseconds, so that handing the work to threads does not count
_VPDPBUSD, _VFMADD231PS = 0x50, 0xB8  # in the opcode map 0F38, prefix 66, W0


def _evex(opcode: int, register: int) -> bytes:
    """Encode `op zmm<register>, zmm31, zmm30`; bits 3 and 4 of the register are stored inverted."""
    payload0 = 0x02 | (0 if register & 8 else 0x80) | (0 if register & 16 else 0x10)
    return bytes([0x62, payload0, 0x05, 0x40, opcode, 0xC6 | (register & 7) << 3])


def _vex(opcode: int, register: int) -> bytes:
    """Encode `op ymm<register>, ymm15, ymm14`; bit 3 of the register is stored inverted."""
    payload0 = 0x42 | (0 if register & 8 else 0x80)
    return bytes([0xC4, payload0, 0x05, opcode, 0xC6 | (register & 7) << 3])


def _loop(body: bytes) -> bytes:
    """1: body; dec rdi; jnz 1b; vzeroupper; ret. The argument of the function counts the rounds."""
    back = -(len(body) + 3 + 6)
    jump = b"\x0f\x85" + back.to_bytes(4, "little", signed=True)
    return body + b"\x48\xff\xcf" + jump + b"\xc5\xf8\x77\xc3"


class _Code:
    """A function made of bytes."""

    def __init__(self, code: bytes) -> None:
        self._memory = mmap.mmap(
            -1, len(code), prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        )
        self._memory.write(code)
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        self._function = ctypes.CFUNCTYPE(None, *[ctypes.c_long] * 3)(address)

    def run(self, _: int) -> None:
        """Go through the loop."""
        self._function(_ITERATIONS, 0, 0)

    def call(self, *arguments: int) -> None:
        """Call it with three integers."""
        self._function(*arguments)


def _on_threads(work: Callable[[int], object], threads: int) -> Callable[[], object]:
    if threads == 1:
        return lambda: work(0)
    pool = ThreadPoolExecutor(threads)
    return lambda: list(pool.map(work, range(threads)))


class Limit:
    """Something that does `work` units a call: its rate is the ceiling others are compared with."""

    def __init__(self, name: str, call: Callable[[], object], work: float) -> None:
        self.name = name
        self.work = work
        self.runner = Runner(call, lambda: np.empty(0), name)


def arithmetic_limits(flags: set[str], threads: int) -> dict[str, Limit]:
    """Limits in multiply-adds: "int8" and "float32", those this CPU has and this file knows."""
    bodies: dict[str, tuple[str, bytes, int]] = {}

    def add(key: str, name: str, encode: Callable[[int, int], bytes], op: int, macs: int) -> None:
        # 16 registers in VEX, two of them operands; 12 chains are enough there.
        count = _ACCUMULATORS if encode is _evex else _ACCUMULATORS // 2
        body = b"".join(encode(op, i) for i in range(count)) * (_ACCUMULATORS // count)
        bodies[key] = (name, body, macs * _ACCUMULATORS)

    if "avx512_vnni" in flags:
        add("int8", "vpdpbusd zmm", _evex, _VPDPBUSD, 64)
    elif "avx_vnni" in flags:
        add("int8", "vpdpbusd ymm", _vex, _VPDPBUSD, 32)
    if "avx512f" in flags:
        add("float32", "vfmadd231ps zmm", _evex, _VFMADD231PS, 16)
    elif "fma" in flags:
        add("float32", "vfmadd231ps ymm", _vex, _VFMADD231PS, 8)

    limits = {}
    for key, (name, body, macs) in bodies.items():
        try:
            code = _Code(_loop(body))
        except OSError:  # a system that forbids writable code; the tables then go without limits
            return {}
        call = _on_threads(code.run, threads)
        limits[key] = Limit(name, call, float(macs) * _ITERATIONS * threads)
    return limits


# 128 bytes a round past the caches, which an ordinary copy would read before writing:
#   1: prefetcht0 [rsi + 2048], [rsi + 2112]; vmovups ymm0..ymm3, [rsi..]; vmovntps [rdi..], ymm0..3
#   add rsi, 128; add rdi, 128; dec rdx; jnz 1b; sfence; vzeroupper; ret
_STREAM_COPY = bytes.fromhex(
    "0f188e00080000 0f188e40080000 c5fc1006 c5fc104e20 c5fc105640 c5fc105e60"
    "c5fc2b07 c5fc2b4f20 c5fc2b5740 c5fc2b5f60 4883ee80 4883ef80 48ffca 75bf 0faef8 c5f877 c3"
)


def _lines(size: int, value: int) -> NDArray[np.uint8]:
    """Return an array that begins with a cache line, written once: fresh pages are one of zeros."""
    raw = np.full(size + 64, value, np.uint8)
    return raw[-raw.ctypes.data % 64 :][:size]


def copy_limits(flags: set[str], bytes_moved: int, threads: int) -> dict[str, Limit]:
    """Copies that read and write `bytes_moved` bytes in all, split over the threads.

    "copy" is memcpy, "streamed" has stores that pass the caches.
    """
    size = max(bytes_moved // 2 // threads // 128, 1) * 128
    sources = [_lines(size, i) for i in range(threads)]
    targets = [_lines(size, 255) for _ in range(threads)]
    call = _on_threads(lambda i: np.copyto(targets[i], sources[i]), threads)
    limits = {"copy": Limit("memcpy", call, 2.0 * size * threads)}
    if "avx" in flags:
        try:
            code = _Code(_STREAM_COPY)
        except OSError:
            return limits
        pairs = list(zip(targets, sources, strict=True))

        def stream(i: int) -> None:
            code.call(pairs[i][0].ctypes.data, pairs[i][1].ctypes.data, size // 128)

        limits["streamed"] = Limit("vmovntps", _on_threads(stream, threads), 2.0 * size * threads)
    return limits
