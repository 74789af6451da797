"""What a row may take, and how it may be lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Limits", "Loss"]

Loss = Literal["timeout", "memory", "crashed"]
"""Why a row has no result: it ran past its time, it took too much memory, or its process died under it."""


@dataclass(frozen=True)
class Limits:
    """Say what one row may take.

    Args:
        seconds: Time by the clock, without the start of a process; above 0.
        memory: Bytes above what a worker holds before its first row; above 0. Linux refuses what is more, and the row
            gets a ``MemoryError``; elsewhere this process looks at the workers' resident memory ten times a second.

    Raises:
        ValueError: A limit is not above 0.
    """

    seconds: float
    memory: int

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise ValueError(f"seconds must be above 0, received {self.seconds}")
        if not self.memory > 0:
            raise ValueError(f"memory must be above 0, received {self.memory}")
