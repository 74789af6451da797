"""A candidate with what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from pixmill.fetch import Refused
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.pictures import Picture

__all__ = ["NO_ADDRESS", "Sighting"]

NO_ADDRESS = Refused("no_address", "the page never showed one")


@dataclass(frozen=True, slots=True)
class Sighting:
    """Hold what came of a candidate.

    Args:
        source: The name of who showed it.
        candidate: What was shown.
        picture: The picture that it is: its original, or the thumbnail where that was refused.
        refused: Why the original could not be had.
    """

    source: str
    candidate: Candidate
    picture: Picture | None
    refused: Refused | None = None

    @property
    def thumbnail(self) -> bool:
        """Whether the picture is only a small copy of the original."""
        return self.picture is not None and self.refused is not None
