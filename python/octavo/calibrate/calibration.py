"""What one pass over calibration data has counted, for every tensor; kept, merged, written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from octavo._files import atomic_output
from octavo.calibrate import calib_file
from octavo.calibrate.observer import Observer, create_observer
from octavo.calibrate.statistics import TensorStatistics
from octavo.errors import CalibrationError


class Calibration:
    """Statistics of a network's tensors over calibration data.

    `octavo.calibrate_model` makes one. It takes the place of the data in `octavo.quantize_model`,
    with any method, as often as wanted. Parts of the data may be calibrated apart, on different
    machines, and merged: the result is the same, to the last byte of the file.

    Parameters
    ----------
    fingerprint : str
        Identifies the network, see `octavo.graph.fingerprint`.
    samples : int
        How many samples were seen.
    tensors : mapping of str to TensorStatistics
        By the tensors' names.

    Examples
    --------
    >>> import numpy as np
    >>> parts = []
    >>> for values in ([1.0, -2.0], [3.0]):
    ...     statistics = TensorStatistics()
    ...     statistics.update(np.float32(values))
    ...     parts.append(Calibration("net", len(values), {"x": statistics}))
    >>> whole = Calibration.merged(parts)
    >>> whole.samples, whole.observer("x", "max").range()
    (3, (-2.0, 3.0))
    """

    def __init__(
        self, fingerprint: str, samples: int, tensors: Mapping[str, TensorStatistics]
    ) -> None:
        self.fingerprint = fingerprint
        self.samples = samples
        self.tensors = dict(tensors)

    def observer(
        self, tensor: str, method: str = "max", *, percentile: float | None = None
    ) -> Observer:
        """Return an observer that has seen what was counted of a tensor.

        Raises
        ------
        CalibrationError
            If nothing was counted of this tensor.
        InvalidArgumentError
            If there is no such method.
        """
        if tensor not in self.tensors:
            raise CalibrationError(
                f"the calibration has no tensor '{tensor}'; it was made for other options (exclude)"
            )
        statistics = self.tensors[tensor]
        return create_observer(method, tensor, percentile=percentile, statistics=statistics)

    def check_network(self, fingerprint: str) -> None:
        """Raise CalibrationError unless this is the calibration of that network."""
        if fingerprint != self.fingerprint:
            raise CalibrationError(
                f"the calibration is of another network: fingerprint {self.fingerprint[:12]}, "
                f"that of this network is {fingerprint[:12]}"
            )

    @classmethod
    def merged(cls, parts: Iterable[Calibration]) -> Calibration:
        """Return what one pass over all the parts' data would have counted.

        Raises
        ------
        CalibrationError
            If the parts are of different networks or tensors, or there is none.
        """
        result: Calibration | None = None
        for part in parts:
            if result is None:
                tensors = {name: TensorStatistics() for name in part.tensors}
                result = cls(part.fingerprint, 0, tensors)
            part.check_network(result.fingerprint)
            if set(part.tensors) != set(result.tensors):
                names = sorted(set(part.tensors) ^ set(result.tensors))
                raise CalibrationError(
                    f"calibrations of different tensors cannot be merged: {names}"
                )
            result.samples += part.samples
            for name, statistics in part.tensors.items():
                result.tensors[name].merge(statistics)
        if result is None:
            raise CalibrationError("there is no calibration to merge")
        return result

    def to_bytes(self) -> bytes:
        """Return the contents of a .calib file; equal calibrations give equal bytes."""
        contents = calib_file.Contents(self.fingerprint, self.samples, self.tensors)
        return calib_file.encode(contents)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a .calib file, whole or not at all.

        Raises
        ------
        OSError
            If the file cannot be written; an older one is left as it was.
        """
        data = self.to_bytes()
        with atomic_output(Path(path)) as stream:
            stream.write(data)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Calibration:
        """Read a .calib file.

        Raises
        ------
        CalibrationError
            If it is no .calib file, one of another version, or damaged.
        OSError
            If it cannot be read.
        """
        contents = calib_file.decode(Path(path).read_bytes(), str(path))
        return cls(contents.fingerprint, contents.samples, contents.tensors)
