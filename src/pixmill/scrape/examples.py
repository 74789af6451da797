"""A few pictures of each class and a few refusals of each reason, gathered as the sightings go by."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from pixmill.scrape.pictures import Picture
from pixmill.scrape.sighting import Sighting

__all__ = ["Example", "Examples"]

_PICTURES = 7
_ADDRESSES = 3


@dataclass(frozen=True)
class Example:
    """Hold a picture of a class with what its source says of it."""

    picture: Picture
    title: str | None
    price: str | None
    licence: str | None
    author: str | None


class Examples:
    """Remember the first few of each kind.

    Attributes:
        pictures: The first different pictures of each class.
        refused: The first addresses that were refused, by reason.
        counts: How many were refused for each reason, thumbnails in an original's place included.
    """

    def __init__(self) -> None:
        self.pictures: defaultdict[str, dict[str, Example]] = defaultdict(dict)
        self.refused: defaultdict[str, list[str]] = defaultdict(list)
        self.counts: Counter[str] = Counter()

    def add(self, sighting: Sighting) -> None:
        """Look at one more sighting."""
        candidate, picture = sighting.candidate, sighting.picture
        if picture is not None:
            of_class = self.pictures[candidate.label]
            if len(of_class) < _PICTURES:
                example = Example(picture, candidate.title, candidate.price, candidate.licence, candidate.author)
                of_class.setdefault(picture.id, example)
        if sighting.refused is not None:
            self.counts[sighting.refused.reason] += 1
            addresses = self.refused[sighting.refused.reason]
            if len(addresses) < _ADDRESSES:
                addresses.append(_address(sighting))

    def of(self, label: str) -> list[Example]:
        """Return the pictures of a class."""
        return list(self.pictures.get(label, {}).values())


def _address(sighting: Sighting) -> str:
    url = sighting.candidate.image_url
    if url is None or url[:5].lower() == "data:":
        return f"inlined in {sighting.candidate.page_url}" if url else f"on {sighting.candidate.page_url}"
    return url
