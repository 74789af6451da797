"""Yahoo's image results: by the offset in the address, or by the button where that counts for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.sources.definition import Buttons
from pixmill.scrape.sources.results import Results
from pixmill.scrape.sources.site import SiteSource
from pixmill.scrape.sources.source import Access

__all__ = ["YahooSource"]


class YahooSource(SiteSource):
    """Find pictures with Yahoo."""

    def search(self, query: Query, access: Access) -> Iterator[Candidate]:
        """Yield the pictures that Yahoo shows, in its own order.

        Where the pages after the first bring nothing new, the first one is visited again and asked for more by its
        button.

        Raises:
            SearchFailed: Yahoo does not answer, or stops before its end.
            BrowserLost: The browser crashed or hangs.
        """
        seen = set()
        by_offset = self.site.model_copy(update={"more": Buttons()})
        for candidate in Results(by_offset).read(query, access):
            seen.add(candidate.image_url or candidate.thumbnail_url)
            yield candidate
        if self.site.offset is None or len(seen) > self.site.offset.step:
            return
        by_button = self.site.model_copy(update={"offset": None})
        for candidate in Results(by_button).read(query, access):
            if (candidate.image_url or candidate.thumbnail_url) not in seen:
                yield replace(candidate, rank=len(seen))
                seen.add(candidate.image_url or candidate.thumbnail_url)
