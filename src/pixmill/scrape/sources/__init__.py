"""Where pictures come from: one small interface, one module a source.

- ``source``: the interface
- ``shop``: the bundled web shop, in a real browser
- ``folder``: pictures that people brought
- ``listing``: reading an endless page of results in a browser, for whichever source has one
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pixmill.scrape.sources.folder import FolderSource
from pixmill.scrape.sources.shop import ShopSource
from pixmill.scrape.sources.source import Reader, Source

__all__ = ["FolderSource", "Reader", "ShopSource", "Source", "open_source"]


@contextlib.contextmanager
def open_source(name: str, *, data: Path, scratch: Path) -> Iterator[Source]:
    """Open a source by its name in ``scrape.source``.

    Args:
        name: ``shop`` or ``folder``.
        data: The pictures that people brought.
        scratch: The stage's scratch place.

    Raises:
        DataError: ``data`` is missing or empty.
    """
    match name:
        case "shop":
            with ShopSource(data, scratch) as shop:
                yield shop
        case "folder":
            yield FolderSource(data)
        case _:
            raise ValueError(f"expected a source's name, received {name!r}")
