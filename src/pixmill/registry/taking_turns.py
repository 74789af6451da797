"""Turns: one of several processes at a time moves an alias, although MLflow cannot compare and set one.

A read before the move does not do: two processes may both read, and then both move. So each process takes a ticket, a
version that it registers as *pending*; MLflow numbers them. It waits until no lower ticket is pending, looks whether
the alias still names what it was compared with, and only then moves it. Of many processes that were compared with the
same version, the lowest ticket wins, and all others find the alias moved. This is Lamport's bakery algorithm ("A New
Solution of Dijkstra's Concurrent Programming Problem", Commun. ACM 17, 1974), with tickets that the registry gives out.

A process that waits changes a tag of its ticket every few seconds. A ticket whose tag has stayed the same for a minute,
by the clock of the one who waits, is marked as abandoned. A process that was asleep for that long reads its own mark
before it moves the alias. What remains is one that falls asleep for a minute between that look and its move, which are
milliseconds apart: its move would then overwrite the other's.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass

from pixmill.core.errors import PixmillError
from pixmill.core.progress import announce
from pixmill.record.model_lookup import STATE
from pixmill.registry.model_versions import (
    ABANDONED,
    ALIAS,
    BEAT,
    BY,
    CAME_BACK,
    PENDING,
    REPLACES,
    ModelVersion,
    Registry,
)

DEAD_AFTER = 60.0
"""Seconds without a sign of life after which a ticket is abandoned."""

BEAT_EVERY = 5.0
"""Seconds between two signs of life."""

_LOOK_EVERY = 0.5
"""Seconds between two looks at the tickets."""


@dataclass(frozen=True)
class Ticket:
    """The place of this process in the queue for an alias.

    Args:
        registry: The registered model.
        alias: The alias that is to move.
        number: The version that is the ticket.
        seen: The version that the alias named when this process looked; ``None`` if it named none.
        command: The command to type again where the alias has moved meanwhile.
    """

    registry: Registry
    alias: str
    number: int
    seen: int | None
    command: str

    def wait(self) -> None:
        """Wait for this ticket's turn.

        Raises:
            PixmillError: The alias has moved meanwhile, or this process was taken for dead.
        """
        first_seen: dict[int, tuple[str, float]] = {}
        told: set[int] = set()
        begun, beaten, beats = time.monotonic(), 0.0, 0
        while True:
            if not beats or time.monotonic() - beaten >= BEAT_EVERY:
                beats, beaten = beats + 1, time.monotonic()
                self.registry.tag(self.number, BEAT, str(beats))
            waiting = False
            for other in self._before():
                beat, now = other.tags.get(BEAT, ""), time.monotonic()
                if first_seen.get(other.number, ("", 0.0))[0] != beat or other.number not in first_seen:
                    first_seen[other.number] = (beat, now)
                if now - first_seen[other.number][1] >= DEAD_AFTER:
                    self.registry.tag(other.number, STATE, ABANDONED)
                    continue
                waiting = True
                if other.number not in told and now - begun > 2 * _LOOK_EVERY:
                    told.add(other.number)
                    announce(
                        f"waiting for version {other.number} of {other.text(BY) or 'somebody'} "
                        f"(at most {DEAD_AFTER:g} s if that process is dead) …"
                    )
            if not waiting:
                self.check()
                return
            time.sleep(_LOOK_EVERY)

    def check(self) -> None:
        """Look whether the alias may still move; call it right before the move.

        Raises:
            PixmillError: The alias has moved meanwhile, or this process was taken for dead.
        """
        own = self.registry.get(self.number)
        if own is None or not own.is_pending:
            raise PixmillError(
                f"this process was silent for more than {DEAD_AFTER:g} s, and others went on without it",
                next=self.command,
            )
        now = self.registry.aliases().get(self.alias)
        if now != self.seen:
            self.registry.settle(self.alias)
            raise PixmillError(describe_moved(self.registry, self.alias, now), next=self.command)

    def abandon(self) -> None:
        """Keep the version, but as abandoned: MLflow may still move the alias to it, and would delete both together."""
        with contextlib.suppress(PixmillError):
            self.registry.tag(self.number, STATE, ABANDONED)

    def give_up(self) -> None:
        """Delete the ticket, so that nobody waits for it; if MLflow does not respond, it counts as abandoned later."""
        with contextlib.suppress(PixmillError):
            self.registry.delete(self.number)

    def _before(self) -> list[ModelVersion]:
        """Return the pending tickets that come first; one that the alias names has moved it already."""
        query = f"tags.`{STATE}` = '{PENDING}' and tags.`{ALIAS}` = '{self.alias}'"
        return [
            other
            for other in self.registry.versions(query)
            if other.number < self.number and self.alias not in other.aliases
        ]


def take_ticket(
    registry: Registry,
    alias: str,
    *,
    seen: int | None,
    source: str,
    run: str | None,
    model_id: str | None,
    tags: Mapping[str, str],
    command: str,
) -> Ticket:
    """Register a version as a ticket.

    Args:
        registry: The registered model.
        alias: The alias that is to move.
        seen: The version that it names now; ``None`` if it names none.
        source: Where the files of what is registered are, such as ``models:/m-…``.
        run: The id of its run.
        model_id: The id of its model in MLflow.
        tags: Further tags.
        command: As in :class:`Ticket`.
    """
    own = {ALIAS: alias, STATE: PENDING, BEAT: "0", **({} if seen is None else {REPLACES: str(seen)})}
    number = registry.register(source, run=run, model_id=model_id, tags={**tags, **own})
    return Ticket(registry, alias, number, seen, command)


def describe_moved(registry: Registry, alias: str, now: int | None) -> str:
    """Return that an alias has moved meanwhile, and by whom."""
    if now is None:
        return f"{alias} of {registry.name} was removed meanwhile"
    found = registry.get(now)
    record = found.rollback(CAME_BACK) if found else None
    by = record.by if record else found.text(BY) if found else None
    return f"{alias} of {registry.name} is version {now} meanwhile" + (f", by {by}" if by else "")
