"""The exceptions octavo raises, each also a subclass of the built-in one a caller would expect.

Every message names the argument (or the model's node), says what came and what is expected.
"""

from __future__ import annotations

__all__ = [
    "BackendError",
    "CalibrationError",
    "InvalidArgumentError",
    "InvalidDtypeError",
    "InvalidModelError",
    "OctavoError",
    "QuantizationWarning",
    "UnsupportedModelError",
]


class OctavoError(Exception):
    """Base class of every error octavo raises on purpose."""


class InvalidArgumentError(OctavoError, ValueError):
    """An argument has a wrong value, shape or number of dimensions."""


class InvalidDtypeError(OctavoError, TypeError):
    """An argument has a wrong type, or an array a wrong dtype."""


class BackendError(OctavoError, ValueError):
    """A backend is unknown, this CPU cannot run it, or weights were packed for another one."""


class InvalidModelError(OctavoError, ValueError):
    """A model file is damaged, or contradicts itself."""


class UnsupportedModelError(OctavoError, NotImplementedError):
    """A valid model needs what octavo does not do; names the node, its op and what is missing."""


class CalibrationError(OctavoError, ValueError):
    """Calibration data are missing, or hold what no range can be drawn from (NaN, infinities)."""


class QuantizationWarning(UserWarning):
    """A model was quantized, but something about it or its data deserves a look.

    The message begins with a code, OCT001 and so on, that stays the same.
    """
