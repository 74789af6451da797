"""Sources by their name in ``scrape.source``."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pixmill.core.cells import Task
from pixmill.core.install.plugins import load_plugin, plugin_digest, plugin_error
from pixmill.core.names import class_by_name
from pixmill.core.params import ScrapeParams
from pixmill.scrape.candidate import limit_candidates
from pixmill.scrape.sources.definition import load_site
from pixmill.scrape.sources.folder import FOLDERS
from pixmill.scrape.sources.google import GoogleSource
from pixmill.scrape.sources.search_api import OpenverseSource, WikimediaSource
from pixmill.scrape.sources.site import SiteSource
from pixmill.scrape.sources.source import Kind, LocalSource, Source


def _open(
    name: str, classes: Sequence[str], params: ScrapeParams, root: Path, task: Task
) -> Source:
    match name:
        case "folder":
            names = class_by_name(classes, params.folder.classes)
            return FOLDERS[task](root / "data", layout=params.folder.layout, classes=names)
        case "urls":
            # Imported late: pandas and Arrow need as much memory as the rest.
            from pixmill.scrape.sources.urls import UrlsSource

            return UrlsSource(params.urls, classes, root=root)
        case "keras":
            from pixmill.scrape.sources.keras import KerasSource

            path = params.keras.path
            return KerasSource(params.keras.dataset, None if path is None else root / path)
        case "openverse":
            return OpenverseSource(params.licences)
        case "wikimedia":
            return WikimediaSource()
    if name.startswith("plugin:"):
        return _plugin(name, root)
    site = load_site(name.removeprefix("site:"), root / "sites")
    if name == "shop":
        # Imported late: checks need no server.
        from pixmill.scrape.sources.shop import ShopSource

        return ShopSource(site, root / "data")
    return (GoogleSource if name == "google" else SiteSource)(
        site, name=name, wanted=limit_candidates(site.settings.most, params)
    )


def _plugin(name: str, root: Path) -> Source:
    """Load a source from the project's plugins; its class takes the folder of the project."""
    own = name.removeprefix("plugin:")
    source: Source = load_plugin("sources", own, root)(root)
    fault = find_fault(source)
    if fault is not None:
        raise plugin_error("sources", own, root, fault)
    source.name = name
    source.version = plugin_digest("sources", own, root)
    return source


def find_fault(source: Any) -> str | None:
    """Return how a source breaks its interface: "expected …, received …", if it does."""
    kind = getattr(source, "kind", None)
    base = LocalSource if kind == "local" else Source
    if base not in type(source).__mro__ or kind not in get_args(Kind):
        return (
            "expected a class derived from Source or, with kind = 'local', LocalSource, received "
            f"{source!r} of the kind {kind!r} (of {', '.join(get_args(Kind))})"
        )
    for method in ("queries", "search", *(["read"] if base is LocalSource else [])):
        if getattr(type(source), method) is getattr(base, method):
            return f"expected a method '{method}', received none"
    return None


def is_on_web(name: str) -> bool:
    """Return whether a source searches the web.

    Args:
        name: Name in ``scrape.source``.

    Examples:
        >>> is_on_web("openverse"), is_on_web("site:mine"), is_on_web("folder")
        (True, True, False)
    """
    return name not in {"shop", "folder", "urls", "keras"}


@dataclass(frozen=True)
class OpenSources:
    """The sources of a scrape.

    Args:
        sources: Sources by name.
        served: Local ports by served origin, for :class:`pixmill.fetch.Network`.
    """

    sources: Mapping[str, Source]
    served: Mapping[str, int]

    def remarks(self) -> list[str]:
        """Return notes for the user, one sentence each."""
        return [
            remark
            for source in self.sources.values()
            if hasattr(source, "remarks")
            for remark in source.remarks()
        ]


def make_sources(
    names: Iterable[str],
    classes: Sequence[str],
    params: ScrapeParams,
    *,
    root: Path,
    task: Task = "one_label",
) -> dict[str, Source]:
    """Return the sources by name, as :func:`open_sources` does; the shop is not served."""
    return {name: _open(name, classes, params, root, task) for name in names}


@contextlib.contextmanager
def open_sources(
    names: Iterable[str],
    classes: Sequence[str],
    params: ScrapeParams,
    *,
    root: Path,
    task: Task = "one_label",
) -> Iterator[OpenSources]:
    """Open sources; a context manager that closes them.

    Args:
        names: Names of the sources.
        classes: Labels.
        params: Settings of the sources.
        root: Folder of the project.
        task: Whether an image has one label.

    Raises:
        DataError: Files of a local source are missing.
        PluginError: The plugin is missing or is not a source.
        ScrapeError: The description of a site is missing or invalid.
    """
    sources = make_sources(names, classes, params, root=root, task=task)
    served: dict[str, int] = {}
    with contextlib.ExitStack() as stack:
        for source in sources.values():
            if isinstance(source, contextlib.AbstractContextManager):
                stack.enter_context(source)
            served |= getattr(source, "served", {})
        yield OpenSources(sources, served)
