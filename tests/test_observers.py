"""Observers: exact, independent of how the data are cut, mergeable."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from octavo.calibrate import OBSERVERS, MaxObserver
from octavo.errors import CalibrationError

FLOATS = st.floats(-(2.0**100), 2.0**100, width=32)


@given(hnp.arrays(np.float32, st.integers(1, 40), elements=FLOATS), st.data())
def test_result_does_not_depend_on_the_split(values: np.ndarray, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(values)))
    whole, first, second = (MaxObserver("x") for _ in range(3))
    whole.update(values)
    first.update(values[:cut])
    second.update(values[cut:])
    second.merge(first)
    assert second.compute() == whole.compute()
    assert (whole.lo, whole.hi) == (values.min(), values.max())


@given(hnp.arrays(np.float32, st.integers(1, 40), elements=FLOATS))
def test_every_value_seen_is_in_range(values: np.ndarray) -> None:
    observer = MaxObserver()
    observer.update(values)
    for dtype in ("uint8", "int8"):
        params = observer.compute(dtype)
        limits = np.iinfo(dtype)
        low = (limits.min - params.zero_point) * params.scale
        high = (limits.max - params.zero_point) * params.scale
        slack = params.scale * 0.51
        assert low - slack <= min(float(values.min()), 0.0)
        assert max(float(values.max()), 0.0) <= high + slack


def test_symmetric_and_dtype() -> None:
    observer = MaxObserver()
    observer.update(np.float32([-2, 1]))
    params = observer.compute("int8", symmetric=True)
    assert (params.zero_point, params.scale) == (0, np.float32(2 / 127))
    assert observer.compute("int8").dtype == "int8"


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused_by_name(bad: float) -> None:
    with pytest.raises(CalibrationError, match=r"tensor 'conv_3' contains -?(nan|inf)"):
        MaxObserver("conv_3").update(np.float32([0, bad, 1]))


def test_nothing_seen() -> None:
    observer = MaxObserver("conv_3")
    observer.update(np.zeros((0, 4), np.float32))
    with pytest.raises(CalibrationError, match="no values of tensor 'conv_3'"):
        observer.compute()


def test_registry() -> None:
    assert OBSERVERS["max"] is MaxObserver
