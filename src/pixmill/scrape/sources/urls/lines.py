"""Lists with one address a line: ImageNet's, those of the Storage Transfer Service, and plain ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from pixmill.errors import DataError
from pixmill.scrape.sources.urls.entry import Entry, hexadecimal_md5
from pixmill.scrape.sources.urls.meaning import Wanted

__all__ = ["read_addresses", "read_synset_addresses", "read_synset_names", "read_tsv"]

_LONGEST_LINE = 65_536


def read_addresses(path: Path, wanted: Wanted) -> Iterator[tuple[str, Entry]]:
    """Yield the entries of a list that is named after what its addresses show, such as ``n02084071.txt``."""
    classes = wanted.get(path.stem, [])
    for line in _lines(path):
        entry = Entry(_url(line))
        for label in classes:
            yield label, entry


def read_tsv(path: Path, wanted: Wanted) -> Iterator[tuple[str, Entry]]:
    """Yield the entries of a ``TsvHttpData-1.0``, with sizes and MD5s in base64, that is named after what it shows."""
    classes = wanted.get(path.stem, [])
    for line in _lines(path):
        url, size, md5 = (*line.split(b"\t"), b"", b"")[:3]
        if url == b"TsvHttpData-1.0":
            continue
        promised = int(size) if size.isdigit() else None
        entry = Entry(_url(url), bytes=promised, md5=hexadecimal_md5(md5.decode("latin-1")))
        for label in classes:
            yield label, entry


def read_synset_addresses(path: Path, wanted: Wanted) -> Iterator[tuple[str, Entry]]:
    """Yield the entries of a list such as ``fall11_urls.txt``, with ``<synset>_<number>`` before each address."""
    synsets = {synset.encode(): classes for synset, classes in wanted.items()}
    for line in _lines(path):
        classes = synsets.get(line[:9])
        if classes is None:
            continue
        name, *rest = line.split(None, 1)
        entry = Entry(_url(rest[0]) if rest else None, title=name.decode("latin-1"))
        for label in classes:
            yield label, entry


def read_synset_names(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each name of a synset, in small letters, with the synset (``LOC_synset_mapping.txt``, ``words.txt``)."""
    for line in _lines(path):
        synset, *rest = line.decode("utf-8", "replace").split(None, 1)
        for name in rest[0].split(",") if rest else ():
            yield name.strip().casefold(), synset


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines that say something, without white space around them."""
    with path.open("rb") as stream:
        for number, line in enumerate(iter(lambda: stream.readline(_LONGEST_LINE), b""), start=1):
            if len(line) == _LONGEST_LINE and not line.endswith(b"\n"):
                raise DataError(f"{path}, line {number}: it is longer than {_LONGEST_LINE} bytes")
            if text := line.removeprefix(b"\xef\xbb\xbf").strip():
                yield text


def _url(line: bytes) -> str:
    """Return an address as it can be asked for.

    These lists are in no one encoding. The servers that once gave these addresses out expect the very bytes, which is
    what percent signs stand for (RFC 3986, section 2.5).
    """
    return re.sub(rb"[^!-~]", lambda byte: b"%%%02X" % byte.group()[0], line).decode("ascii")
