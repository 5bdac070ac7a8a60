"""The options of quantization, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from numpy.typing import DTypeLike

from octavo._checks import ByteDtype, byte_dtype
from octavo._integer_layer import ROUNDINGS, WEIGHT_METHODS
from octavo.calibrate.calibration import Calibration
from octavo.calibrate.observer import OBSERVERS, create_observer
from octavo.errors import InvalidArgumentError
from octavo.quantize.placement import PLACEMENTS
from octavo.quantize.sample import Data


@dataclass(frozen=True, kw_only=True)
class QuantizeOptions:
    """The keyword arguments of `octavo.quantize_model`, which explains them.

    Raises
    ------
    InvalidArgumentError, InvalidDtypeError
        An option is not one of those that exist.

    Examples
    --------
    >>> QuantizeOptions(method="mse").rounding
    'nearest'
    """

    method: str = "max"
    percentile: float | None = None
    activation_dtype: DTypeLike = "uint8"
    per_channel: bool = True
    exclude: Sequence[str] = ()
    equalize: bool = False
    bias_correction: bool | None = None
    weight_method: str = "max"
    rounding: str = "nearest"
    placement: str = "octavo"

    def __post_init__(self) -> None:
        known = {
            "method": [*OBSERVERS, "auto"],
            "weight_method": WEIGHT_METHODS,
            "rounding": ROUNDINGS,
            "placement": PLACEMENTS,
        }
        for name, values in known.items():
            value = getattr(self, name)
            if value not in values:
                raise InvalidArgumentError(f"{name} must be one of {sorted(values)}, got {value!r}")
        byte_dtype("activation_dtype", self.activation_dtype)
        create_observer(self.observed, percentile=self.percentile)

    @property
    def observed(self) -> str:
        """The calibration method that runs; "auto" looks at its results in several ways."""
        return "max" if self.method == "auto" else self.method

    @property
    def dtype(self) -> ByteDtype:
        """The name of the activations' dtype."""
        return byte_dtype("activation_dtype", self.activation_dtype)

    def check_samples(self, data: Data) -> None:
        """Raise InvalidArgumentError where an option needs samples, and `data` holds none."""
        if not isinstance(data, Calibration):
            return
        asked = {
            "method='auto'": self.method == "auto",
            "equalize=True": self.equalize,  # of another network than was calibrated
            "bias_correction=True": bool(self.bias_correction),
            "rounding='compensated'": self.rounding == "compensated",
        }
        for name, wanted in asked.items():
            if wanted:
                raise InvalidArgumentError(f"{name} needs samples; a Calibration holds none")
