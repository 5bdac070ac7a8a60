"""Which kernels run, and on how many threads.

A backend is one instruction set's complete family of kernels. All return the same bits; they
differ in speed alone. The best one this CPU runs is the default; the environment variable
``OCTAVO_BACKEND`` names another for the process, `use_backend` for a block of code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from octavo import _core
from octavo._checks import integer
from octavo.errors import BackendError

__all__ = [
    "backend",
    "backends",
    "cpu_features",
    "get_num_threads",
    "set_num_threads",
    "use_backend",
]

_MAX_THREADS = 1024


def backends() -> list[str]:
    """List the backends this CPU can run, best first.

    Returns
    -------
    list of str
        A subset of ``"avx512vbmi"``, ``"avx512vnni"``, ``"avxvnni"``, ``"avx2"``, ``"scalar"``; the
        last is always there.

    Examples
    --------
    >>> import octavo
    >>> "scalar" in octavo.backends()
    True
    """
    return _core.backends()


def backend() -> str:
    """Name the backend in use on this thread.

    Returns
    -------
    str
        The innermost `use_backend` of this thread, else ``OCTAVO_BACKEND``, else the best one.

    Raises
    ------
    BackendError
        If ``OCTAVO_BACKEND`` names a backend that is unknown, or that this CPU cannot run.

    Examples
    --------
    >>> import octavo
    >>> octavo.backend() in octavo.backends()
    True
    """
    try:
        return _core.backend()
    except ValueError as error:
        raise BackendError(str(error)) from None


@contextmanager
def use_backend(name: str) -> Iterator[str]:
    """Run a block of code on one backend; other threads are not affected.

    Weights packed inside the block are packed for this backend.

    Parameters
    ----------
    name : str
        One of `backends`.

    Yields
    ------
    str
        The name.

    Raises
    ------
    BackendError
        If the backend is unknown, or this CPU cannot run it.

    Examples
    --------
    >>> import octavo
    >>> with octavo.use_backend("scalar"):
    ...     octavo.backend()
    'scalar'
    """
    usable = _core.backends()
    if name not in usable:
        why = "a backend this CPU can run" if name in _core.all_backends() else "a known backend"
        raise BackendError(f"name: expected {why} ({', '.join(usable)}), got {name!r}")
    previous = _core.set_backend_override(name)
    try:
        yield name
    finally:
        _core.set_backend_override(previous)


def set_num_threads(n: int) -> None:
    """Set how many threads an operator may use.

    The result never depends on it. The default is the environment variable
    ``OCTAVO_NUM_THREADS``, else the CPUs this process may use (affinity and cgroup limits).

    Parameters
    ----------
    n : int
        1 to 1024; the calling thread is one of them.

    Raises
    ------
    InvalidArgumentError
        If `n` is out of range.
    InvalidDtypeError
        If `n` is not an integer.

    Examples
    --------
    >>> import octavo
    >>> before = octavo.get_num_threads()
    >>> octavo.set_num_threads(1)
    >>> octavo.get_num_threads()
    1
    >>> octavo.set_num_threads(before)
    """
    _core.set_num_threads(integer("n", n, 1, _MAX_THREADS))


def get_num_threads() -> int:
    """Return how many threads an operator may use.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    ValueError
        If ``OCTAVO_NUM_THREADS`` is not an integer from 1 to 1024.

    Examples
    --------
    >>> import octavo
    >>> octavo.get_num_threads() >= 1
    True
    """
    return _core.get_num_threads()


def cpu_features() -> list[str]:
    """List the features of this CPU that backends may require.

    Returns
    -------
    list of str
        Names such as ``"avx2"``, ``"fma"``, ``"avx512_vnni"``; empty where none is known.

    Examples
    --------
    >>> import octavo
    >>> isinstance(octavo.cpu_features(), list)
    True
    """
    return _core.cpu_features()
