"""Any site of results that a file describes: a preset of ours, or a page of a person's own choice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.definition import SiteDefinition
from pixmill.scrape.sources.results import Resolve, Results, Supply
from pixmill.scrape.sources.source import Access, Kind

__all__ = ["SiteSource"]


class SiteSource:
    """Find pictures on a site of results.

    Args:
        site: What is known of the site.
        name: Its name in params and tables; default: the site's own.
        supply: Another way to the results; see :class:`Results`.
    """

    kind: Kind = "pages"

    def __init__(self, site: SiteDefinition, *, name: str | None = None, supply: Supply | None = None) -> None:
        self.name = name or site.name
        self.site = site
        self.supply = supply

    def resolver(self) -> Resolve | None:
        """Return a way to single originals for one search, where there is one; see :class:`Results`."""
        return None

    def fingerprint(self) -> str:
        """Return nothing: the web is as it is."""
        return ""

    def queries(self, label: str, texts: Sequence[str]) -> list[Query]:
        """Return a search for each text."""
        return [Query(label, text, self.site.address(text)) for text in texts]

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:
        """Yield what the site shows, in its own order.

        Raises:
            SearchFailed: The site does not answer, or stops before its end.
            BrowserLost: The browser crashed or hangs.
        """
        return Results(self.site, supply=self.supply, resolve=self.resolver()).read(query, access)
