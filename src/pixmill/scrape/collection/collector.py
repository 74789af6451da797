"""Fetch the images of candidates, each URL once, and judge the outcome of each candidate."""

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence

from pixmill.core.params import ScrapeParams
from pixmill.fetch import Fetched, Refused, Unchanged, Validators
from pixmill.fetch.fetcher import Fetcher
from pixmill.fetch.location import InvalidURLError, host_of, is_on, parse_url
from pixmill.images.formats import OTHER_FORMATS, sniff
from pixmill.scrape.candidate import Candidate, Sighting, StoredImage
from pixmill.scrape.collection.searches import Search
from pixmill.scrape.journal import Journal, Outcome
from pixmill.scrape.licences import permits

LEFT_ALONE = frozenset(
    {"crawl_delay", "no_training", "opted_out", "robots", "robots_unreachable", "x_robots_tag"}
)
"""Reasons by which a site excludes an image. Its thumbnail is not used either."""

_EXCLUDED = frozenset({"licence", "author", "forgotten"})
"""Reasons by which the params exclude an image with its thumbnail."""

_PARAMS_REASONS = frozenset({"opted_out", "private_address"})
"""Reasons that depend on the params, so each run checks them again."""

_ROBOTS_REASONS = frozenset({"crawl_delay", "no_training", "robots"})
"""Reasons that ``scrape.robots_exceptions`` overrides."""

_MIN_ORIGINAL_PIXELS = 320
"""Longer side; thumbnails of search engines are smaller."""

_MIN_PIXELS = 64
"""Longer side of an image; what lazy loading will replace is smaller."""

_ONLY_THUMBNAIL = Refused("only_thumbnail", "small, or smaller than the page of results says")


def accept(content: bytes, md5: str | None = None) -> Outcome:
    """Return the image, or why the content is refused.

    Args:
        content: Response body.
        md5: Expected MD5 in hexadecimal, if any.
    """
    image = StoredImage.of(content)
    if image.format is None:
        kind = sniff(content)
        title = OTHER_FORMATS.get(kind)
        return Refused(
            kind, f"{title}, which is not read" if title else "not an image, by its first bytes"
        )
    if md5 is not None and hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
        return Refused("wrong_md5", "the MD5 differs from the one in the list")
    return image


def address_of(fingerprint: str, url: str, md5: str | None = None) -> str:
    """Return the journal's key for a URL of a source, with the expected MD5."""
    return "\0".join((fingerprint, md5 or "", url))


class Judge:
    """Decide the outcome of candidates from the journal, without network access.

    Args:
        journal: Outcomes and images.
        params: Parameters of the scrape.
    """

    def __init__(self, journal: Journal, params: ScrapeParams) -> None:
        self._journal = journal
        self._params = params
        self._robots_exceptions = {host_of(name) for name in params.robots_exceptions}
        self._opt_out = {host_of(name) for name in params.opt_out}
        self._authors = {*params.exclude_authors}
        self._ids = {*params.exclude_ids}

    def sighting(self, search: Search, candidate: Candidate) -> Sighting:
        """Return a collected candidate and its outcome, whatever the order of fetching."""
        source = search.source.name
        outcome = self._original(search, candidate)
        if isinstance(outcome, StoredImage):
            if self._is_only_thumbnail(search, candidate, outcome):
                return Sighting(
                    source, candidate, outcome if self._params.thumbnails else None, _ONLY_THUMBNAIL
                )
            return Sighting(source, candidate, outcome)
        small = self._thumbnail(search, candidate) if self._may_be_replaced(outcome) else None
        return Sighting(source, candidate, small, outcome)

    def needs_thumbnail(self, search: Search, candidate: Candidate) -> bool:
        """Return whether the thumbnail of a candidate has to replace its fetched original."""
        if candidate.thumbnail_url is None:
            return False
        original = self._original(search, candidate)
        return isinstance(original, Refused) and self._may_be_replaced(original)

    def refused(self, candidate: Candidate) -> Refused | None:
        """Return the refusal of a candidate's licence, author or host, if any."""
        if not permits(candidate.licence, self._params.licences):
            return Refused("licence", candidate.licence or "unknown")
        if candidate.author in self._authors:
            return Refused("author", "in scrape.exclude_authors")
        if is_on(candidate.page_url, self._opt_out) or is_on(candidate.image_url, self._opt_out):
            return Refused("opted_out", "in scrape.opt_out")
        return None

    def exclude(self, outcome: Outcome | None) -> Outcome | None:
        """Return an outcome, or the refusal of an image that ``scrape.exclude_ids`` has."""
        is_excluded = isinstance(outcome, StoredImage) and outcome.id[:16] in self._ids
        return Refused("forgotten", "in scrape.exclude_ids") if is_excluded else outcome

    def is_settled(self, address: str) -> bool:
        """Return whether an address need not be fetched.

        Transient failures, and refusals that the params may have lifted, are retried once per run.
        """
        outcome = self.exclude(self._journal.outcome(address))
        if outcome is None or isinstance(outcome, StoredImage):
            return outcome is not None and self._journal.images.holds(outcome)
        if self._journal.was_refused_in_this_run(address):
            return True
        is_lifted = outcome.reason in _ROBOTS_REASONS and self._is_exception(address)
        return not (outcome.transient or outcome.reason in _PARAMS_REASONS or is_lifted)

    def _is_exception(self, address: str) -> bool:
        """Return whether ``scrape.robots_exceptions`` has the host of an address."""
        try:
            url = parse_url(address.split("\0", 2)[2])
        except InvalidURLError:
            return False
        return host_of(url.raw_host or "") in self._robots_exceptions

    def _original(self, search: Search, candidate: Candidate) -> Outcome:
        """Return the outcome of a candidate's original, including its licence and expected size."""
        if refused := self.refused(candidate):
            return refused
        if candidate.image_url is None:
            return Refused("no_address", "the page never showed its URL")
        address = address_of(search.fingerprint, candidate.image_url, candidate.md5)
        outcome = self.exclude(self._journal.outcome(address))
        if outcome is None:
            raise ValueError(f"not collected: {candidate}")
        if isinstance(outcome, Refused):
            return outcome
        if candidate.bytes is not None and outcome.size != candidate.bytes:
            return Refused("wrong_size", f"{outcome.size} bytes, expected {candidate.bytes}")
        return outcome

    def _thumbnail(self, search: Search, candidate: Candidate) -> StoredImage | None:
        if candidate.thumbnail_url is None:
            return None
        outcome = self.exclude(
            self._journal.outcome(address_of(search.fingerprint, candidate.thumbnail_url))
        )
        return outcome if isinstance(outcome, StoredImage) else None

    def _may_be_replaced(self, refused: Refused) -> bool:
        """Return whether a thumbnail may replace a refused original."""
        return self._params.thumbnails and refused.reason not in LEFT_ALONE | _EXCLUDED

    def _is_only_thumbnail(self, search: Search, candidate: Candidate, image: StoredImage) -> bool:
        """Return whether an image from a results page is only a thumbnail."""
        # The bundled shop has no larger ones.
        if candidate.route != "attribute" or search.source.name == "shop":
            return False
        side = self._journal.images.longest_side(image)
        expected = _MIN_PIXELS
        if candidate.image_url == candidate.thumbnail_url:
            expected = max(_MIN_ORIGINAL_PIXELS, candidate.width or 0, candidate.height or 0)
        return side is not None and side < expected


class Collector:
    """Fetch URLs that the journal lacks, store accepted images, and record each outcome.

    Images of an earlier snapshot are requested conditionally.

    Args:
        fetcher: The fetcher.
        journal: Outcomes and images.
        judge: Decides which URLs to fetch, and the outcome of each candidate.
        connections: Maximum number of concurrent fetches per batch.
    """

    def __init__(
        self, fetcher: Fetcher, journal: Journal, judge: Judge, *, connections: int = 64
    ) -> None:
        self._fetcher = fetcher
        self._journal = journal
        self._judge = judge
        self._connections = connections
        self._pending: dict[str, asyncio.Future[None]] = {}

    async def collect(
        self, search: Search, batch: Sequence[Candidate], settle: Callable[[Sighting], None]
    ) -> list[StoredImage | None]:
        """Fetch the missing images of a batch; return the image of each candidate.

        Transient failures of earlier runs are retried once per run.

        Args:
            search: Search of the candidates.
            batch: Candidates, in the order in which they are started.
            settle: Called with the outcome of each candidate.
        """
        remaining = iter(enumerate(batch))
        images: list[StoredImage | None] = [None] * len(batch)
        try:
            async with asyncio.TaskGroup() as workers:
                for _ in range(min(self._connections, len(batch))):
                    workers.create_task(self._work(search, remaining, images, settle))
        except ExceptionGroup as failures:
            # The first failure cancels the other workers.
            raise failures.exceptions[0] from None
        return images

    async def _work(
        self,
        search: Search,
        remaining: Iterator[tuple[int, Candidate]],
        images: list[StoredImage | None],
        settle: Callable[[Sighting], None],
    ) -> None:
        for place, candidate in remaining:
            if self._judge.refused(candidate) is None:
                if candidate.image_url is not None:
                    await self._obtain(search.fingerprint, candidate.image_url, candidate.md5)
                if candidate.thumbnail_url is not None and self._judge.needs_thumbnail(
                    search, candidate
                ):
                    await self._obtain(search.fingerprint, candidate.thumbnail_url)
            sighting = self._judge.sighting(search, candidate)
            images[place] = sighting.image
            settle(sighting)

    async def _obtain(self, fingerprint: str, url: str, md5: str | None = None) -> None:
        """Fetch a URL unless the journal has its outcome or another search is fetching it."""
        address = address_of(fingerprint, url, md5)
        while (other := self._pending.get(address)) is not None:
            await asyncio.shield(other)
        if self._judge.is_settled(address):
            return
        done = self._pending[address] = asyncio.get_running_loop().create_future()
        try:
            await self._fetch(address, url, md5)
        finally:
            del self._pending[address]
            done.set_result(None)

    async def _fetch(self, address: str, url: str, md5: str | None) -> None:
        earlier, known = self._journal.earlier_version(address) or (None, None)
        match await self._fetcher.fetch(url, known):
            case Fetched() as fetched:
                outcome = accept(fetched.content, md5)
                if isinstance(image := self._judge.exclude(outcome), StoredImage):
                    self._journal.images.add(image, fetched.content)
                moved = fetched.url if fetched.url != url else None
                self._journal.save_outcome(
                    address, outcome, Validators(fetched.etag, fetched.modified, moved)
                )
            case Unchanged() if earlier is not None:
                self._journal.save_outcome(address, earlier, known)
            case Refused() as refused:
                self._journal.save_outcome(address, refused)
