"""What came of each candidate, as the journal and the pictures at hand tell it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pixmill.fetch import Refused
from pixmill.fetch.location import BadURL, host_of, parse_url
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.journal import Journal, Outcome
from pixmill.scrape.licences import permits
from pixmill.scrape.pictures import Picture, Pictures
from pixmill.scrape.sighting import NO_ADDRESS, Sighting

__all__ = ["LEFT_ALONE", "Ledger", "address_of"]

LEFT_ALONE = frozenset({"crawl_delay", "opted_out", "robots", "robots_unreachable", "x_robots_tag"})
"""Why pictures are left alone: their sites ask for it, or cannot be asked. So are the copies that others show."""

_BY_PARAMS = frozenset({"opted_out", "private_address"})
"""What people's own params forbid: another run may have others, and finds out without a request."""

_BY_ROBOTS = frozenset({"crawl_delay", "robots"})
"""What holds until a person sets the host's ``robots.txt`` aside."""

_THUMBNAIL = 320
"""Pixels: the thumbnails of engines have a longer side below this, so that no larger original need be compared."""


class Ledger:
    """Judge candidates by what is known of them; nothing here reaches out.

    Args:
        journal: What came of each address.
        places: Where pictures may lie; first, where fetched ones should.
        licences: The licences that pictures may have; ``None`` for any.
        thumbnails: Whether a thumbnail is taken where the original cannot be had.
        robots_exceptions: Hosts whose ``robots.txt`` is set aside.
    """

    def __init__(
        self,
        journal: Journal,
        places: Sequence[Pictures],
        *,
        licences: Sequence[str] | None,
        thumbnails: bool,
        robots_exceptions: Collection[str] = (),
    ) -> None:
        self._journal = journal
        self._places = tuple(places)
        self._licences = licences
        self._thumbnails = thumbnails
        self._robots_exceptions = {host_of(name) for name in robots_exceptions}

    def sighting(self, source: str, world: str, candidate: Candidate) -> Sighting:
        """Return a candidate that has been collected with what came of it.

        It follows from the journal and the pictures alone, never from the order in which things were fetched.
        """
        outcome = self._original(world, candidate)
        if isinstance(outcome, Picture):
            return Sighting(source, candidate, outcome)
        if self._yields_to_thumbnail(outcome) and candidate.thumbnail_url is not None:
            small = self._journal.outcome(address_of(world, candidate.thumbnail_url))
            if isinstance(small, Picture):
                return Sighting(source, candidate, small, outcome)
        return Sighting(source, candidate, None, outcome)

    def wants_thumbnail(self, world: str, candidate: Candidate) -> bool:
        """Tell whether a candidate whose original has been tried needs its thumbnail: in its place, or to compare."""
        if candidate.thumbnail_url is None:
            return False
        original = self._original(world, candidate)
        return self._is_small(original) if isinstance(original, Picture) else self._yields_to_thumbnail(original)

    def refused_licence(self, candidate: Candidate) -> Refused | None:
        """Return why a candidate's licence keeps us from it, or ``None`` where it does not."""
        if self._licences is None or permits(candidate.licence, self._licences):
            return None
        return Refused("licence", candidate.licence or "its source tells none")

    def is_settled(self, address: str) -> bool:
        """Tell whether an address need not be fetched.

        What failed for a passing reason, or for one that the params no longer give, is tried once a run.
        """
        outcome = self._journal.outcome(address)
        if isinstance(outcome, Picture):
            return self.is_at_hand(outcome)
        if outcome is None or self._journal.is_fresh(address):
            return outcome is not None
        return not (outcome.transient or outcome.reason in _BY_PARAMS or self._is_lifted(address, outcome))

    def is_at_hand(self, picture: Picture) -> bool:
        """Tell whether a picture lies in one of the places."""
        return any(place.holds(picture) for place in self._places)

    def place(self, picture: Picture) -> Pictures:
        """Return where a picture lies; of one that lies nowhere, where it should."""
        return next((place for place in self._places if place.holds(picture)), self._places[0])

    def _is_lifted(self, address: str, refused: Refused) -> bool:
        """Tell whether ``robots.txt``, which forbade an address, has been set aside since."""
        if refused.reason not in _BY_ROBOTS or not self._robots_exceptions:
            return False
        try:
            return host_of(parse_url(address.rpartition("\0")[2]).raw_host or "") in self._robots_exceptions
        except BadURL:
            return False

    def _original(self, world: str, candidate: Candidate) -> Outcome:
        """Return what came of a candidate's original, held against what its source promised."""
        if refused := self.refused_licence(candidate):
            return refused
        if candidate.image_url is None:
            return NO_ADDRESS
        outcome = self._journal.outcome(address_of(world, candidate.image_url, candidate.md5))
        if outcome is None:
            raise ValueError(f"not collected: {candidate}")
        if isinstance(outcome, Refused):
            return outcome
        if candidate.bytes is not None and outcome.size != candidate.bytes:
            return Refused("wrong_size", f"{outcome.size} bytes, expected {candidate.bytes}")
        if candidate.thumbnail_url is not None and self._is_small(outcome):
            small = self._journal.outcome(address_of(world, candidate.thumbnail_url))
            if isinstance(small, Picture) and self._is_smaller(outcome, small):
                return Refused("smaller_than_thumbnail", "the original is smaller than its thumbnail")
        return outcome

    def _yields_to_thumbnail(self, refused: Refused) -> bool:
        """Tell whether a thumbnail may stand in the place of an original that was refused."""
        return self._thumbnails and refused.reason not in {"licence", *LEFT_ALONE}

    def _is_small(self, picture: Picture) -> bool:
        side = self._side(picture)
        return side is not None and side < _THUMBNAIL

    def _is_smaller(self, picture: Picture, other: Picture) -> bool:
        """Tell whether a picture is surely smaller than another: what cannot be measured suspects nothing."""
        side, others = self._side(picture), self._side(other)
        return side is not None and others is not None and side < others

    def _side(self, picture: Picture) -> int | None:
        return self.place(picture).longest_side(picture)


def address_of(world: str, url: str, md5: str | None = None) -> str:
    """Return by what the journal knows an address: what is promised of it is part of its name."""
    return "\0".join((world, md5 or "", url))
