"""One thread on either side: octavo's own setting, and NumPy's BLAS through threadpoolctl."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import threadpoolctl  # type: ignore[import-untyped, unused-ignore]

import octavo

# The comparison with other libraries is a program of its own, and imports them.
collect_ignore = ["peers"]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    before = octavo.get_num_threads()
    octavo.set_num_threads(1)
    with threadpoolctl.threadpool_limits(1):
        yield
    octavo.set_num_threads(before)


def pytest_report_header() -> str:
    pools = threadpoolctl.threadpool_info()
    blas = {pool["internal_api"] for pool in pools if pool["user_api"] == "blas"}
    return (
        f"octavo {octavo.__version__}: backends {', '.join(octavo.backends())}; "
        f"NumPy's BLAS: {', '.join(sorted(blas)) or 'none found'}; one thread each"
    )
