"""Hosts that a scrape would refuse because they are not public, found before it starts."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from pixmill.core.params import ScrapeParams
from pixmill.scrape.collection.access import NOWHERE
from pixmill.scrape.sources import SearchError, Source
from pixmill.scrape.sources.wikimedia import COMMONS
from pixmill.web.fetch import Network
from pixmill.web.fetch.guard import ForbiddenHostError, Guard
from pixmill.web.fetch.location import InvalidURLError, parse_url

_HOSTS = 20
"""Hosts that are looked up, of those that the user's own sites, wiki and lists name."""

_SECONDS = 10.0

_ROWS = 10_000
"""Rows of a list that are looked through for each class."""


def is_own(name: str, params: ScrapeParams) -> bool:
    """Tell whether a source asks hosts that the user names."""
    own = {"wikimedia": params.wikimedia.api != COMMONS, "urls": True}
    return own.get(name, name.startswith("site:"))


def private_hosts(sources: Mapping[str, Source], classes: Sequence[str], params: ScrapeParams) -> list[tuple[str, str]]:
    """Return the source that leads to each host which a scrape would refuse, and a sentence on the host.

    The names of hosts are looked up; nothing is sent to them. One without an address is passed over.

    Args:
        sources: Each by its name; only those with hosts that the user names are looked at.
        classes: The labels.
        params: What the scrape would be told.

    Raises:
        DataError: A list is not sound.
    """
    found: dict[tuple[str, int], tuple[str, str]] = {}
    for name, source in sources.items():
        for address in _addresses(source, classes, params) if is_own(name, params) else ():
            with contextlib.suppress(InvalidURLError):
                url = parse_url(address)
                found.setdefault((url.raw_host or "", url.port or 0), (name, str(url.origin())))
    return asyncio.run(_look_up(dict(islice(found.items(), _HOSTS)), params))


def _addresses(source: Source, classes: Sequence[str], params: ScrapeParams) -> Iterator[str]:
    for label in classes:
        for query in source.queries(label, params.queries_of(label)):
            if source.kind != "list":
                yield query.address
                continue
            with contextlib.suppress(SearchError):
                rows = islice(source.search(query, NOWHERE), _ROWS)
                yield from (row.image_url for row in rows if row.image_url)


async def _look_up(found: dict[tuple[str, int], tuple[str, str]], params: ScrapeParams) -> list[tuple[str, str]]:
    guard = Guard(Network(allowed=frozenset(params.allow_hosts)))

    async def refusal(host: str, port: int) -> str | None:
        try:
            await guard.resolve(host, port)
        except ForbiddenHostError as error:
            return str(error.strerror)
        except OSError:
            return None  # The scrape says so, where there may be a network by then.
        return None

    try:
        async with asyncio.timeout(_SECONDS):
            said = await asyncio.gather(*(refusal(*host) for host in found))
    except TimeoutError:
        return []
    finally:
        await guard.close()
    return [
        (name, f"a scrape will refuse {origin}: {why}")
        for (name, origin), why in zip(found.values(), said, strict=True)
        if why
    ]
