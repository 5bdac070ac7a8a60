"""How much memory a model may take: `max_bytes` of `octavo.Session`."""

from __future__ import annotations

from dataclasses import dataclass

from octavo.errors import InvalidArgumentError


def check_max_bytes(max_bytes: int | None) -> None:
    """Raise InvalidArgumentError unless it is a number of bytes or None."""
    if max_bytes is not None and (isinstance(max_bytes, bool) or max_bytes < 0):
        raise InvalidArgumentError(f"max_bytes must be an int >= 0 or None, got {max_bytes!r}")


@dataclass
class MemoryLimit:
    """Counts bytes before they are allocated.

    Examples
    --------
    >>> limit = MemoryLimit(100)
    >>> limit.take("tensor 'w'", 60)
    >>> limit.take("tensor 'v'", 60)
    Traceback (most recent call last):
    ...
    octavo.errors.InvalidArgumentError: max_bytes: tensor 'v' brings the constants to 120 bytes; \
at most 100 are allowed
    """

    max_bytes: int | None = None
    taken: int = 0

    def check(self, what: str, size: int) -> None:
        """Refuse what is too large by itself; `what` is how the message begins."""
        if self.max_bytes is not None and size > self.max_bytes:
            raise InvalidArgumentError(
                f"max_bytes: {what} {size} bytes; at most {self.max_bytes} are allowed"
            )

    def take(self, what: str, size: int) -> None:
        """Count a constant; all of them together are bounded."""
        self.check(f"{what} brings the constants to", self.taken + size)
        self.taken += size
