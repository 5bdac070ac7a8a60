"""Fixtures and fixtures' ingredients shared by all tests."""

from collections.abc import Iterator

import numpy as np
import pytest

import octavo


@pytest.fixture(params=octavo.backends())
def backend(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each backend this machine has, in use."""
    with octavo.use_backend(request.param) as name:
        yield name


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers that are the same in every run."""
    return np.random.default_rng(20_240_229)


@pytest.fixture(autouse=True)
def _same_threads_afterwards() -> Iterator[None]:
    before = octavo.get_num_threads()
    yield
    octavo.set_num_threads(before)
