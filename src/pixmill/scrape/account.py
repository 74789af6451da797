"""The account of a scrape: what was seen, fetched, seen before and refused, by class, source and host."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pixmill.fetch import Refused
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.crawl import Sighting
from pixmill.scrape.pictures import Picture

__all__ = ["LOCAL", "Account", "Tally", "take_account"]

LOCAL = "local"
"""Stands for the host where pictures come from this machine."""


@dataclass
class Tally:
    """Count what came of some candidates.

    ``candidates`` is the sum of ``fetched`` and all of ``refused``; ``duplicates`` are those fetched whose picture an
    earlier candidate had already brought.
    """

    candidates: int = 0
    fetched: int = 0
    duplicates: int = 0
    refused: Counter[str] = field(default_factory=Counter)

    def metrics(self) -> dict[str, Any]:
        """Return the counts as ``metrics/scrape.json`` has them."""
        return {
            "candidates": self.candidates,
            "fetched": self.fetched,
            "duplicates": self.duplicates,
            "refused": dict(self.refused),
        }


@dataclass(frozen=True)
class Account:
    """Hold the counts of a scrape.

    Args:
        pictures: How many different pictures there are.
        conflicts: How many of them were found for more than one class.
        total: All candidates.
        parts: The counts by class, source and host, in the order of the classes.
    """

    pictures: int
    conflicts: int
    total: Tally
    parts: Mapping[tuple[str, str, str], Tally]

    def __str__(self) -> str:
        refused = ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.total.refused.items()))
        return (
            f"{self.pictures:,} pictures from {self.total.candidates:,} candidates; {self.total.duplicates:,} seen "
            f"before, {self.total.refused.total():,} refused{f' ({refused})' if refused else ''}"
        )

    def metrics(self) -> dict[str, Any]:
        """Return what ``metrics/scrape.json`` holds."""
        per_class: dict[str, dict[str, dict[str, Any]]] = {}
        for (label, source, host), tally in self.parts.items():
            per_class.setdefault(label, {}).setdefault(source, {})[host] = tally.metrics()
        return {
            "pictures": self.pictures,
            "conflicts": self.conflicts,
            **self.total.metrics(),
            "per_class": per_class,
        }


def take_account(sightings: Sequence[Sighting], *, source: str) -> Account:
    """Count what came of all candidates.

    Args:
        sightings: All of them, in the order of the classes, then by rank.
        source: The name of where they are from.
    """
    total = Tally()
    parts: dict[tuple[str, str, str], Tally] = {}
    labels: dict[str, set[str]] = {}
    for candidate, outcome in sightings:
        part = parts.setdefault((candidate.label, source, _host(candidate)), Tally())
        for tally in (total, part):
            tally.candidates += 1
            if isinstance(outcome, Refused):
                tally.refused[outcome.reason] += 1
            else:
                tally.fetched += 1
                tally.duplicates += outcome.id in labels
        if isinstance(outcome, Picture):
            labels.setdefault(outcome.id, set()).add(candidate.label)
    conflicts = sum(len(found) > 1 for found in labels.values())
    return Account(len(labels), conflicts, total, parts)


def _host(candidate: Candidate) -> str:
    """Return the host that a picture came from; for one that its page carries within itself, the page's."""
    for url in (candidate.image_url, candidate.page_url):
        if url is not None and url.startswith(("http://", "https://")):
            return _hostname(url)
    return LOCAL


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # a stranger's address may be any text
        return ""
