"""What a person sees while a scrape runs: for each class, what is found, fetched, seen before and refused."""

from __future__ import annotations

import threading
from collections import Counter

from pixmill.progress import Progress, announce
from pixmill.scrape.plan import Search
from pixmill.scrape.sighting import Sighting

__all__ = ["Board"]


class Board:
    """Show one bar a class; callable from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bars: dict[str, Progress] = {}
        self._counts: dict[str, Counter[str]] = {}
        self._seen: dict[str, set[int]] = {}

    def found(self, label: str, count: int) -> None:
        """Add candidates of a class that were found."""
        with self._lock:
            if label not in self._bars:
                self._bars[label] = Progress(f"Scrape {label}", 0, unit="candidate")
                self._counts[label], self._seen[label] = Counter(), set()
            self._bars[label].expect(count)

    def settled(self, sighting: Sighting) -> None:
        """Count what came of one of them."""
        label = sighting.candidate.label
        with self._lock:
            counts, seen = self._counts[label], self._seen[label]
            if sighting.picture is None:
                counts["refused"] += 1
            else:
                digest = int(sighting.picture.id[:16], 16)
                counts["seen before" if digest in seen else "new"] += 1
                seen.add(digest)
            note = ", ".join(f"{counts[word]:,} {word}" for word in ("new", "seen before", "refused") if counts[word])
            self._bars[label].advance(note=note)

    def failed(self, search: Search, failure: str) -> None:
        """Say at once that a search failed, and of what: a run may go on for an hour before it tells all."""
        with self._lock:
            announce(f"Scrape {search}: {failure.replace('_', ' ')}")

    def close(self) -> None:
        """End all bars."""
        with self._lock:
            for bar in self._bars.values():
                bar.close()
            self._bars.clear()
