"""Fixtures and fixtures' ingredients shared by all tests."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import octavo


def pytest_configure(config: pytest.Config) -> None:
    """Where PyTorch is not there, the examples of octavo.torch cannot be imported."""
    if importlib.util.find_spec("torch") is None:
        folder = Path(octavo.__file__ or "").parent / "torch"
        config.option.ignore_glob = [*(config.option.ignore_glob or ()), f"{folder}/*"]


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
