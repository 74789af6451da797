"""Open the sources that a scrape asks, by their names in ``scrape.source``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from pixmill.params import ScrapeParams
from pixmill.scrape.sources.duckduckgo import DuckDuckGoSource
from pixmill.scrape.sources.folder import FolderSource
from pixmill.scrape.sources.google import GoogleSource
from pixmill.scrape.sources.openverse import OpenverseSource
from pixmill.scrape.sources.shop import ShopSource
from pixmill.scrape.sources.site import SiteSource
from pixmill.scrape.sources.sites import load_site
from pixmill.scrape.sources.source import Source
from pixmill.scrape.sources.wikimedia import WikimediaSource
from pixmill.scrape.sources.yahoo import YahooSource

__all__ = ["Opened", "open_sources"]

_OWN: Mapping[str, type[SiteSource]] = {
    "duckduckgo": DuckDuckGoSource,
    "google": GoogleSource,
    "yahoo": YahooSource,
}
"""The sites that need more than a description."""


@runtime_checkable
class _Remarking(Protocol):
    """A source that has something to say beside its candidates, at the latest when they have been read."""

    def remarks(self) -> list[str]: ...


@dataclass(frozen=True)
class Opened:
    """Hold the sources of a scrape.

    Args:
        sources: Each by its name.
        served: The origins that they serve themselves, for :class:`pixmill.fetch.Network`.
    """

    sources: Mapping[str, Source]
    served: Mapping[str, int]

    def remarks(self) -> list[str]:
        """Return what a person should know of them, in sentences."""
        return [
            remark for source in self.sources.values() if isinstance(source, _Remarking) for remark in source.remarks()
        ]


@contextlib.contextmanager
def open_sources(
    names: Iterable[str], classes: Sequence[str], params: ScrapeParams, *, root: Path, scratch: Path
) -> Iterator[Opened]:
    """Open some sources.

    Args:
        names: Theirs.
        classes: The labels that they are asked for.
        params: What single sources are told.
        root: The project's folder.
        scratch: The stage's scratch place.

    Raises:
        DataError: What a source on this machine needs is missing.
        ScrapeError: The description of a site is missing or not sound.
    """
    with contextlib.ExitStack() as stack:
        sources: dict[str, Source] = {}
        served: dict[str, int] = {}
        for name in names:
            source = sources[name] = _source(name, classes, params, root, scratch)
            if isinstance(source, contextlib.AbstractContextManager):
                stack.enter_context(source)
            if isinstance(source, ShopSource):
                served |= source.served
        yield Opened(sources, served)


def _source(name: str, classes: Sequence[str], params: ScrapeParams, root: Path, scratch: Path) -> Source:
    sites = root / "sites"
    match name:
        case "shop":
            return ShopSource(load_site("shop", sites), root / "data")
        case "folder":
            return FolderSource(root / "data", layout=params.folder.layout)
        case "urls":
            # Arrow, which reads the large lists, takes as much memory as all the rest.
            from pixmill.scrape.sources.urls import UrlLists, UrlsSource

            files = tuple(root / path for path in params.urls.files)
            return UrlsSource(UrlLists(files, params.urls.format, params.urls.classes), classes, scratch)
        case "keras":
            from pixmill.scrape.sources.keras import KerasSource

            path = params.keras.path
            return KerasSource(params.keras.dataset, None if path is None else root / path)
        case "openverse":
            return OpenverseSource(params.licences)
        case "wikimedia":
            return WikimediaSource()
        case _:
            kind = _OWN.get(name, SiteSource)
            return kind(load_site(name.removeprefix("site:"), sites), name=name)
