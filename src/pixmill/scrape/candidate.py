"""An image that a source shows, the query that it answers, and what came of it."""

import re
from dataclasses import dataclass

from pixmill.scrape.image_store import StoredImage
from pixmill.web.fetch import Refused


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for, and where.

    Args:
        label: The class that the images are for.
        text: What the source is asked; ``None`` where it needs no words.
        address: Where the answers are, for messages: a URL, or a folder.
    """

    label: str
    text: str | None
    address: str


@dataclass(frozen=True, slots=True)
class Candidate:
    r"""Where one image is to be had, and what its source says of it.

    What strangers write is made fit for every file and terminal; a number that can be no length is dropped:

    >>> hat = Candidate("hat", "straw hat", 0, "http://x.test/hat.jpg", title="Straw\that", width=640, height=-1)
    >>> hat.title, hat.width, hat.height
    ('Straw hat', 640, None)

    Args:
        label: The class that it was found for.
        query: What the source was asked.
        rank: Its place among the answers, from 0.
        image_url: The original: an http(s) URL, a ``data:`` URI, or a path for sources on this machine; ``None`` where
            the source never gave one.
        thumbnail_url: A small copy of it, an http(s) URL or a ``data:`` URI; ``image_url`` again where that may be one
            itself, since another page may show a larger one.
        page_url: The page that shows it.
        title: The source's words for it.
        price: The source's price for it, as written.
        width: The original's width in pixels, as the source says; ``None`` too where that can be no width.
        height: Its height in pixels, as the source says, likewise.
        licence: The URL or the name of its licence, as the source gives it.
        author: Who made it, as the source says.
        route: How the source gave the original away (``script``, ``click``, ``attribute``, ``json``), in one word.
        bytes: How many bytes the original must have.
        md5: The MD5 of the original's bytes, in hexadecimal.
        given_split: The part (``train``, ``val`` or ``test``) that people have put it into.
        total: How many results there are, as its page says.
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
        for name in _STRANGERS:
            if (text := getattr(self, name)) is not None:
                clean = text.encode("utf-8", "replace").decode()
                if name in _WORDS:
                    short = clean if len(clean) <= _LONGEST else f"{clean[: _LONGEST - 1]}…"
                    clean = _CONTROL.sub(" ", short)
                object.__setattr__(self, name, clean)
        for name in ("width", "height"):
            if type(number := getattr(self, name)) is not int or not 0 < number <= _LARGEST:
                object.__setattr__(self, name, None)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A candidate and what came of it.

    Args:
        source: The name of who showed it.
        candidate: What was shown.
        image: The image that it is: its original, or the thumbnail where that was refused.
        refused: Why the original could not be had.
    """

    source: str
    candidate: Candidate
    image: StoredImage | None
    refused: Refused | None = None

    @property
    def thumbnail(self) -> bool:
        """Whether the image is only a small copy of the original."""
        return self.image is not None and self.refused is not None


_STRANGERS = ("image_url", "thumbnail_url", "page_url", "title", "price", "licence", "author")
"""What strangers write: half a character in it, which JSON lets through, could be written to no other file."""

_WORDS = ("title", "price", "licence", "author")

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Characters that say nothing to people, but command a terminal, or end a text where they stand."""

_LONGEST = 1000
"""Characters of a stranger's words that are kept: all that people write, and no page's attempt to fill a disk."""

_LARGEST = 2**31 - 1
"""The largest number that a table's column for pixels holds."""
