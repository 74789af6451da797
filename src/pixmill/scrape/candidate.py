"""Queries, candidates, images, sightings, and limits on their numbers."""

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from pixmill.core.params import ScrapeParams
from pixmill.fetch import Refused
from pixmill.images.formats import EXTENSIONS, sniff

_UNTRUSTED_FIELDS = (
    "image_url",
    "thumbnail_url",
    "page_url",
    "title",
    "price",
    "licence",
    "author",
)
"""Fields filled by the site.

JSON allows lone surrogates in them, which no other file format can hold.
"""

_TEXT_FIELDS = ("title", "price", "licence", "author")

_CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_MAX_CHARACTERS = 1000
"""Length to which text fields are cut."""

_UNKNOWN_EXTENSION = ".bin"
"""Extension of local files that are not images."""

_MAX_PIXELS = 2**31 - 1
"""The largest value of a 32-bit table column."""

MAX_REPEATED = 100
"""Known images in a row after which a search repeats itself: some pages."""

EVERY = "all labels"
"""Label of the query for all images of a source that knows the labels of each."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query for images of one class.

    Args:
        label: The class, or :data:`EVERY`.
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

    >>> hat = Candidate("hat", "straw hat", 0, None, title="Straw\that", width=640, height=-1)
    >>> hat.title, hat.width, hat.height
    ('Straw hat', 640, None)

    Args:
        label: The class; ``None`` for an unlabelled image. For the query :data:`EVERY`, the text of
            all that is known, see :mod:`pixmill.core.cells`.
        query: The text of the query.
        rank: Position among the results, from 0.
        image_url: The original: an http(s) URL, a ``data:`` URI, or a path for local sources;
            ``None`` if unknown.
        thumbnail_url: A small copy: an http(s) URL or a ``data:`` URI. Equal to ``image_url`` if
            that may itself be a thumbnail.
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

    label: str | None
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
                    short = (
                        clean
                        if len(clean) <= _MAX_CHARACTERS
                        else f"{clean[: _MAX_CHARACTERS - 1]}…"
                    )
                    clean = _CONTROL_CHARACTERS.sub(" ", short)
                object.__setattr__(self, name, clean)
        for name in ("width", "height"):
            if type(number := getattr(self, name)) is not int or not 0 < number <= _MAX_PIXELS:
                object.__setattr__(self, name, None)


@dataclass(frozen=True)
class StoredImage:
    """The identity of a file.

    Args:
        id: SHA-256 of the bytes, in hexadecimal.
        size: Number of bytes.
        format: Key of :data:`pixmill.images.EXTENSIONS`, detected from the content; ``None`` if not
            an image.
    """

    id: str
    size: int
    format: str | None

    @classmethod
    def of(cls, content: bytes) -> Self:
        """Return the identity of some bytes."""
        kind = sniff(content)
        return cls(
            hashlib.sha256(content).hexdigest(), len(content), kind if kind in EXTENSIONS else None
        )

    @property
    def name(self) -> str:
        """The path within the folder; contains no text from the web."""
        extension = _UNKNOWN_EXTENSION if self.format is None else EXTENSIONS[self.format]
        return f"{self.id[:2]}/{self.id}{extension}"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A candidate and its outcome.

    Args:
        source: Name of the source.
        candidate: The candidate.
        image: The stored original, or the thumbnail if the original was refused; ``None`` if both
            were.
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


class Quota:
    """The distinct images that a class may still have, counted by id.

    Refused candidates and repeated sightings of an image do not count.

    Args:
        per_class: Maximum number of distinct images; ``None`` for no limit.
        ids: Ids of the images so far; not stored without a limit, since there may be a million.
    """

    def __init__(self, per_class: int | None, ids: Iterable[str] = ()) -> None:
        self._per_class = per_class
        self._ids = set(ids)

    @property
    def missing(self) -> float:
        """The number of distinct images that the class may still have; infinite without a limit."""
        return math.inf if self._per_class is None else max(0, self._per_class - len(self._ids))

    @property
    def is_full(self) -> bool:
        """Whether the class has reached its limit."""
        return self.missing == 0

    def add(self, image: StoredImage | None) -> None:
        """Count an image; ``None`` (a refusal) is ignored."""
        if image is not None and self._per_class is not None:
            self._ids.add(image.id)

    def copy(self) -> Self:
        """Return an independent copy."""
        return type(self)(self._per_class, self._ids)


class Repetition:
    """Whether a search brings no new image any more, counted in the order of its candidates.

    A site may show the same pictures for ever, each time under new addresses. Refused candidates
    do not count: they may be of any image.
    """

    def __init__(self) -> None:
        self._ids = set[str]()
        self._repeated = 0

    @property
    def is_over(self) -> bool:
        """Whether the last :data:`MAX_REPEATED` images were known."""
        return self._repeated >= MAX_REPEATED

    def add(self, image: StoredImage | None) -> None:
        """Count the image of a candidate; ``None`` (a refusal) is ignored."""
        if image is not None:
            self._repeated = self._repeated + 1 if image.id in self._ids else 0
            self._ids.add(image.id)


def limit_candidates(number: int, params: ScrapeParams) -> int:
    """Return a number of candidates, capped by ``per_class`` and ``per_query``."""
    return min(limit for limit in (number, params.per_class, params.per_query) if limit is not None)
