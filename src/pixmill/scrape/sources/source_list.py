"""The sources that come with Pixmill, one row each, and how they are opened by their names in ``scrape.source``."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from pixmill.core.params import ScrapeParams
from pixmill.project.plugins import load_plugin, plugin_digest, plugin_error
from pixmill.scrape.quota import at_most
from pixmill.scrape.sources.definition import load_site
from pixmill.scrape.sources.duckduckgo import DuckDuckGoSource
from pixmill.scrape.sources.folder import FolderSource
from pixmill.scrape.sources.google import GoogleSource
from pixmill.scrape.sources.openverse import OpenverseSource
from pixmill.scrape.sources.shop import ShopSource
from pixmill.scrape.sources.site import SiteSource
from pixmill.scrape.sources.source import Kind, LocalSource, Source
from pixmill.scrape.sources.wikimedia import WikimediaSource


@dataclass(frozen=True)
class Row:
    """What is known of a source before it is opened.

    Args:
        kind: How it answers.
        many_hosts: Whether its images lie on so many hosts that the pace of one host does not matter.
        seconds: About how long it takes to find one candidate: pages as on replicas, APIs by guess.
        on_web: Whether others' servers are asked which images there are.
    """

    kind: Kind
    many_hosts: bool = False
    seconds: float = 0.1
    on_web: bool = True


CATALOGUE: Mapping[str, Row] = {
    "shop": Row("pages", seconds=0.02, on_web=False),
    "folder": Row("local", on_web=False),
    "urls": Row("list", many_hosts=True, on_web=False),
    "keras": Row("local", on_web=False),
    "openverse": Row("api", many_hosts=True, seconds=0.05),
    "wikimedia": Row("api", seconds=0.02),
    "google": Row("pages", many_hosts=True, seconds=0.45),
    "bing": Row("pages", many_hosts=True),
    "yahoo": Row("pages", many_hosts=True),
    "duckduckgo": Row("pages", many_hosts=True),
    "amazon": Row("pages"),
    "flipkart": Row("pages"),
    "myntra": Row("pages"),
}
"""The sources by name. Params know the same names (``pixmill.core.params.SOURCES``)."""


def _open(name: str, classes: Sequence[str], params: ScrapeParams, root: Path) -> Source:
    match name:
        case "folder":
            return FolderSource(root / "data", layout=params.folder.layout)
        case "urls":
            # pandas and Arrow, which read the lists, take as much memory as all the rest.
            from pixmill.scrape.sources.urls import UrlsSource

            return UrlsSource(params.urls, classes, root=root)
        case "keras":
            from pixmill.scrape.sources.keras import KerasSource

            path = params.keras.path
            return KerasSource(params.keras.dataset, None if path is None else root / path)
        case "openverse":
            return OpenverseSource(params.licences)
        case "wikimedia":
            return WikimediaSource(params.wikimedia.api)
    if name.startswith("plugin:"):
        return _plugin(name, root)
    site = load_site(name.removeprefix("site:"), root / "sites")
    if name == "shop":
        return ShopSource(site, root / "data")
    return _SITES.get(name, SiteSource)(site, name=name, wanted=at_most(site.settings.most, params))


def _plugin(name: str, root: Path) -> Source:
    """Return a source of the project's own code, which its class makes from the project's folder."""
    own = name.removeprefix("plugin:")
    source: Source = load_plugin("sources", own, root)(root)
    kind = getattr(source, "kind", None)
    base = LocalSource if kind == "local" else Source
    if base not in type(source).__mro__ or kind not in get_args(Kind):
        problem = f"expected a class derived from Source or, with kind = 'local', LocalSource, received {source!r}"
        raise plugin_error("sources", own, root, f"{problem} of the kind {kind!r} (of {', '.join(get_args(Kind))})")
    for method in ("queries", "search", *(["read"] if base is LocalSource else [])):
        if getattr(type(source), method) is getattr(base, method):
            raise plugin_error("sources", own, root, f"expected a method '{method}', received none")
    source.name, source.version = name, plugin_digest("sources", own, root)
    return source


_SITES: Mapping[str, type[SiteSource]] = {"google": GoogleSource, "duckduckgo": DuckDuckGoSource}
"""The sites for which a description is not enough."""


def row_of(name: str) -> Row:
    """Return what is known of a source.

    Args:
        name: Its name in ``scrape.source``.

    Examples:
        >>> row_of("openverse").many_hosts, row_of("site:mine").kind
        (True, 'pages')
    """
    return CATALOGUE.get(name, Row("pages"))  # a project's own, site:<name> or plugin:<name>


@dataclass(frozen=True)
class OpenSources:
    """The sources of a scrape.

    Args:
        sources: Each by its name.
        served: The origins that they serve themselves, for :class:`pixmill.web.fetch.Network`.
    """

    sources: Mapping[str, Source]
    served: Mapping[str, int]

    def remarks(self) -> list[str]:
        """Return notes for the user, as sentences."""
        return [remark for source in self.sources.values() if hasattr(source, "remarks") for remark in source.remarks()]


@contextlib.contextmanager
def open_sources(
    names: Iterable[str], classes: Sequence[str], params: ScrapeParams, *, root: Path
) -> Iterator[OpenSources]:
    """Open some sources.

    Args:
        names: Theirs.
        classes: The labels that they are asked for.
        params: What single sources are told.
        root: The project's folder.

    Raises:
        DataError: What a source on this machine needs is missing.
        PluginError: There is no such plugin, or it is no source.
        ScrapeError: The description of a site is missing or not sound.
    """
    with contextlib.ExitStack() as stack:
        sources: dict[str, Source] = {}
        served: dict[str, int] = {}
        for name in names:
            source = sources[name] = _open(name, classes, params, root)
            if isinstance(source, contextlib.AbstractContextManager):
                stack.enter_context(source)
            if isinstance(source, ShopSource):
                served |= source.served
        yield OpenSources(sources, served)
