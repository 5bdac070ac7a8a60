"""Packed weights of the tensors that operators were called with.

The operators take plain int8 weights, so that programs can be traced, exported and saved without
knowing of a CPU. What is packed from them is kept here for as long as they live, and packed again
when they change. "The same weights" means the same memory of the same storage with the same
version counter, which PyTorch advances with every change in place (not with those through
``.data``, nor of inference tensors).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

from torch.multiprocessing.reductions import StorageWeakRef

from octavo.backend import backend
from octavo.torch.tensors import Tensor

_T = TypeVar("_T")


@dataclass(frozen=True)
class _Entry:
    versions: tuple[int, ...]
    # A storage's address cannot be given to another one while these exist.
    storages: tuple[StorageWeakRef, ...]
    packed: Any


_entries: dict[Hashable, _Entry] = {}
_lock = threading.Lock()


def packed_once(
    pack: Callable[..., _T], tensors: tuple[Tensor | None, ...], parameters: tuple[Hashable, ...]
) -> _T:
    """Return ``pack(*tensors, *parameters)``, as long as it was called with the same before."""
    given = [t for t in tensors if t is not None]
    key = (pack, backend(), parameters, *map(_identity, tensors))
    versions = tuple(-1 if t.is_inference() else t._version for t in given)
    entry = _entries.get(key)
    if entry is None or entry.versions != versions:
        packed = pack(*tensors, *parameters)
        storages = tuple(StorageWeakRef(t.untyped_storage()) for t in given)
        entry = _Entry(versions, storages, packed)
        with _lock:
            _drop_expired()
            _entries[key] = entry
    found: _T = entry.packed
    return found


def clear_cache() -> None:
    """Let go of all packed weights; they are packed again when they are needed.

    Those whose tensors are gone are let go of whenever others are packed.
    """
    with _lock:
        _entries.clear()


def _identity(t: Tensor | None) -> Hashable:
    if t is None:
        return None
    return t.untyped_storage()._cdata, t.data_ptr(), t.shape, t.stride()


def _drop_expired() -> None:
    for key, entry in list(_entries.items()):
        if any(storage.expired() for storage in entry.storages):
            del _entries[key]
