"""Queries, candidates and sightings."""

import re
from dataclasses import dataclass

from pixmill.scrape.image_store import StoredImage
from pixmill.web.fetch import Refused

_UNTRUSTED_FIELDS = ("image_url", "thumbnail_url", "page_url", "title", "price", "licence", "author")
"""Fields filled by the site. JSON allows lone surrogates in them, which no other file format can hold."""

_TEXT_FIELDS = ("title", "price", "licence", "author")

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_MAX_CHARACTERS = 1000
"""Length to which text fields are cut."""

_MAX_PIXELS = 2**31 - 1
"""The largest value of a 32-bit table column."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query for images of one class.

    Args:
        label: The class.
        text: The search text; ``None`` if the source takes none.
        address: URL or folder of the results, for messages.
    """

    label: str
    text: str | None
    address: str


@dataclass(frozen=True, slots=True)
class Candidate:
    r"""A search result: the URL of an image and its metadata.

    Text from the site is cleaned for files and terminals. Invalid dimensions become ``None``.

    >>> hat = Candidate("hat", "straw hat", 0, "http://x.test/hat.jpg", title="Straw\that", width=640, height=-1)
    >>> hat.title, hat.width, hat.height
    ('Straw hat', 640, None)

    Args:
        label: The class.
        query: The text of the query.
        rank: Position among the results, from 0.
        image_url: The original: an http(s) URL, a ``data:`` URI, or a path for local sources; ``None`` if unknown.
        thumbnail_url: A small copy: an http(s) URL or a ``data:`` URI. Equal to ``image_url`` if that may itself be a
            thumbnail.
        page_url: The page that shows the image.
        title: Title.
        price: Price, as written on the page.
        width: Width of the original in pixels, according to the source.
        height: Height of the original in pixels, according to the source.
        licence: URL or name of the licence.
        author: Author.
        route: How the original was found: ``script``, ``click``, ``attribute``, ``json``, ….
        bytes: Expected file size of the original.
        md5: Expected MD5 of the original, in hexadecimal.
        given_split: Split given by the user: ``train``, ``val`` or ``test``.
        total: Number of results, according to the page.
    """

    label: str
    query: str | None
    rank: int
    image_url: str | None
    thumbnail_url: str | None = None
    page_url: str | None = None
    title: str | None = None
    price: str | None = None
    width: int | None = None
    height: int | None = None
    licence: str | None = None
    author: str | None = None
    route: str | None = None
    bytes: int | None = None
    md5: str | None = None
    given_split: str | None = None
    total: int | None = None

    def __post_init__(self) -> None:
        for name in _UNTRUSTED_FIELDS:
            if (text := getattr(self, name)) is not None:
                clean = text.encode("utf-8", "replace").decode()
                if name in _TEXT_FIELDS:
                    short = clean if len(clean) <= _MAX_CHARACTERS else f"{clean[: _MAX_CHARACTERS - 1]}…"
                    clean = _CONTROL_CHARACTERS.sub(" ", short)
                object.__setattr__(self, name, clean)
        for name in ("width", "height"):
            if type(number := getattr(self, name)) is not int or not 0 < number <= _MAX_PIXELS:
                object.__setattr__(self, name, None)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A candidate and its outcome.

    Args:
        source: Name of the source.
        candidate: The candidate.
        image: The stored original, or the thumbnail if the original was refused; ``None`` if both were.
        refused: Why the original was refused.
    """

    source: str
    candidate: Candidate
    image: StoredImage | None
    refused: Refused | None = None

    @property
    def thumbnail(self) -> bool:
        """Whether the image is a thumbnail."""
        return self.image is not None and self.refused is not None
