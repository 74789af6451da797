"""A picture that a source shows, before anyone has fetched it; and the query that it answers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Candidate", "Query"]


@dataclass(frozen=True)
class Query:
    """Say what is looked for, and where.

    Args:
        label: The class that the pictures are for.
        text: What the source is asked; ``None`` where it needs no words.
        address: Where the answers are, for messages: a URL, or a folder.
    """

    label: str
    text: str | None
    address: str


@dataclass(frozen=True)
class Candidate:
    """Say where one picture is to be had, and what its source said of it.

    Args:
        label: The class that it was found for.
        query: What the source was asked.
        rank: Its place among the answers, from 0.
        image_url: An http(s) URL, a ``data:`` URI, or a path for sources on this machine; ``None`` where the source
            never gave one.
        page_url: The page that shows it.
        title: The source's words for it.
        price: The source's price for it, as written.
        thumbnail: Whether it is only a small copy of the picture.
    """

    label: str
    query: str | None
    rank: int
    image_url: str | None
    page_url: str | None = None
    title: str | None = None
    price: str | None = None
    thumbnail: bool = False
