"""One thing that is amiss before a run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Issue:
    """One thing that is amiss with the local files.

    Args:
        message: What, with the folder or file.
        next: What to do; ``None`` where the message says it all.
        stops: Whether a run would stop there.
    """

    message: str
    next: str | None
    stops: bool = False

    def __str__(self) -> str:
        return self.message if self.next is None else f"{self.message}\nNext: {self.next}"
