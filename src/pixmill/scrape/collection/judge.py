"""What comes of each candidate: which bytes are accepted, which licences, and when a thumbnail stands in."""

import hashlib

from pixmill.core.params import ScrapeParams
from pixmill.images import OTHER_FORMATS, sniff
from pixmill.scrape.candidate import Candidate, Sighting
from pixmill.scrape.collection.searches import Search
from pixmill.scrape.image_store import StoredImage
from pixmill.scrape.journal import Journal, Outcome
from pixmill.scrape.licences import permits
from pixmill.web.fetch import Refused
from pixmill.web.fetch.location import InvalidURLError, host_of, parse_url

LEFT_ALONE = frozenset({"crawl_delay", "opted_out", "robots", "robots_unreachable", "x_robots_tag"})
"""Why images are left alone: their sites ask for it, or cannot be asked. So are the copies that others show."""

_BY_PARAMS = frozenset({"opted_out", "private_address"})
"""What people's own params forbid: another run may have others, and finds out without a request."""

_BY_ROBOTS = frozenset({"crawl_delay", "robots"})
"""What holds until the user overrides the host's ``robots.txt``."""

_THUMBNAIL = 320
"""Pixels: the thumbnails of engines have a longer side below this."""

_ONLY_THUMBNAIL = Refused("only_thumbnail", "small, or smaller than the page of results says")

_PLACEHOLDER_BYTES = 16_384
"""Placeholders are small; larger files need not be looked at."""

_PLACEHOLDERS = frozenset(
    {
        "880a7a58e05d3e83797f27573bb6d35c",  # Flickr: "this photo is no longer available", 2051 bytes
        "596246739a83bb45e30e13437e0810d9",  # a warning sign
        "969e595182a947c7fdaaef4a34401760",  # a forbidden sign
        "af5db09e39ca35d8930b4e59962e09e5",  # the logo of a parked domain
    }
)
"""MD5 of what image lists of the last ten years are found to be full of, once their images are gone."""


def accept(content: bytes, md5: str | None = None) -> Outcome:
    """Return the image that some bytes are, or why they are refused.

    Args:
        content: What an address delivered.
        md5: The MD5 that its source promises, in hexadecimal; ``None`` where it promises none.
    """
    image = StoredImage.of(content)
    if image.format is None:
        kind = sniff(content)
        title = OTHER_FORMATS.get(kind)
        return Refused(kind, f"{title}, which is not read" if title else "not an image, by its first bytes")
    if len(content) <= _PLACEHOLDER_BYTES and _md5(content) in _PLACEHOLDERS:
        return Refused("placeholder", "a known placeholder image")
    if md5 is not None and _md5(content) != md5:
        return Refused("wrong_md5", "the MD5 differs from the one in the list")
    return image


def address_of(world: str, url: str, md5: str | None = None) -> str:
    """Return by what the journal knows an address: what is promised of it is part of its name."""
    return "\0".join((world, md5 or "", url))


class Judge:
    """Judge candidates by what a journal holds; nothing here reaches out.

    Args:
        journal: What came of each address, and the images.
        params: Which licences and thumbnails are taken, and whose ``robots.txt`` is overridden.
    """

    def __init__(self, journal: Journal, params: ScrapeParams) -> None:
        self._journal = journal
        self._params = params
        self._robots_exceptions = {host_of(name) for name in params.robots_exceptions}

    def sighting(self, search: Search, candidate: Candidate) -> Sighting:
        """Return a candidate that has been collected with what came of it.

        It follows from the journal and the images alone, never from the order in which things were fetched.
        """
        source, outcome = search.source.name, self._original(search, candidate)
        if isinstance(outcome, StoredImage):
            if self._is_only_thumbnail(candidate, outcome):
                return Sighting(source, candidate, outcome if self._params.thumbnails else None, _ONLY_THUMBNAIL)
            return Sighting(source, candidate, outcome)
        small = self._thumbnail(search, candidate) if self._may_be_replaced(outcome) else None
        return Sighting(source, candidate, small, outcome)

    def needs_thumbnail(self, search: Search, candidate: Candidate) -> bool:
        """Tell whether a candidate whose original has been tried needs its thumbnail in its place."""
        if candidate.thumbnail_url is None:
            return False
        original = self._original(search, candidate)
        return isinstance(original, Refused) and self._may_be_replaced(original)

    def refused_licence(self, candidate: Candidate) -> Refused | None:
        """Return why a candidate's licence keeps us from it, or ``None`` where it does not."""
        if permits(candidate.licence, self._params.licences):
            return None
        return Refused("licence", candidate.licence or "unknown")

    def is_settled(self, address: str) -> bool:
        """Tell whether an address need not be fetched.

        What failed for a passing reason, or for one that the params no longer give, is tried once a run.
        """
        outcome = self._journal.outcome(address)
        if outcome is None or isinstance(outcome, StoredImage):
            return outcome is not None and self._journal.images.holds(outcome)
        if self._journal.was_refused_now(address):
            return True
        is_lifted = outcome.reason in _BY_ROBOTS and self._is_exception(address)
        return not (outcome.transient or outcome.reason in _BY_PARAMS or is_lifted)

    def _is_exception(self, address: str) -> bool:
        """Tell whether the ``robots.txt`` of an address's host is overridden."""
        try:
            url = parse_url(address.split("\0", 2)[2])
        except InvalidURLError:
            return False
        return host_of(url.raw_host or "") in self._robots_exceptions

    def _original(self, search: Search, candidate: Candidate) -> Outcome:
        """Return what came of a candidate's original, held against what its source promised."""
        if refused := self.refused_licence(candidate):
            return refused
        if candidate.image_url is None:
            return Refused("no_address", "the page never showed its URL")
        outcome = self._journal.outcome(address_of(search.world, candidate.image_url, candidate.md5))
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
        outcome = self._journal.outcome(address_of(search.world, candidate.thumbnail_url))
        return outcome if isinstance(outcome, StoredImage) else None

    def _may_be_replaced(self, refused: Refused) -> bool:
        """Tell whether a thumbnail may stand in the place of an original that was refused."""
        return self._params.thumbnails and refused.reason not in {"licence", *LEFT_ALONE}

    def _is_only_thumbnail(self, candidate: Candidate, image: StoredImage) -> bool:
        """Tell whether the image of a page of results, whose own page may show a larger one, is a small copy."""
        if candidate.route != "attribute" or candidate.image_url != candidate.thumbnail_url:
            return False
        side = self._journal.images.longest_side(image)
        return side is not None and side < max(_THUMBNAIL, candidate.width or 0, candidate.height or 0)


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
