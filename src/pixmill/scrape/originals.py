"""Say which searches brought thumbnails where originals were meant: what a page that changed may do without failing."""

from __future__ import annotations

import shlex

from pixmill.scrape.account import Account, SearchTally
from pixmill.scrape.sources.site import SiteSource

__all__ = ["doubtful_originals"]

_FEWEST = 10
"""Pictures of a search below which nothing is concluded."""


def doubtful_originals(account: Account) -> list[str]:
    """Return a sentence for each search whose pictures are mostly thumbnails, or probably so.

    Args:
        account: What came of all candidates.
    """
    remarks = (_remark(of_search) for of_search in account.searches.values())
    return [remark for remark in remarks if remark is not None]


def _remark(of_search: SearchTally) -> str | None:
    search, tally = of_search.search, of_search.tally
    if tally.fetched < _FEWEST:
        return None
    source, look = search.source, ""
    if isinstance(source, SiteSource):
        asked = shlex.quote(search.query.text or "")
        look = f"; look at it with: pixmill scrape --probe {source.name} {asked}"
    if 2 * tally.thumbnails > tally.fetched:
        return (
            f"{search}: {tally.thumbnails:,} of {tally.fetched:,} pictures are thumbnails, since their originals could "
            f"not be had (scrape.thumbnails: false does without them){look}"
        )
    if isinstance(source, SiteSource) and source.site.rewrite and not of_search.lifted:
        return (
            f"{search}: none of {tally.fetched:,} pictures has an address that rewrite in {source.site.name}.yaml "
            f"makes an original of, so that they may be thumbnails{look}"
        )
    return None
