"""A case of doubt: pictures that a person sees side by side, and when nothing is left to decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from pixmill.validate.decisions import Decision

__all__ = ["KINDS", "Case", "Kind", "Link"]

Kind = Literal["conflicts", "near-duplicates", "labels", "outliers", "dropped"]

KINDS: tuple[Kind, ...] = get_args(Kind)
"""What may be in doubt, most doubtful first."""


@dataclass(frozen=True)
class Link:
    """Say how alike two members of a case are.

    Args:
        a: One's place among the members.
        b: The other's, behind it.
        similarity: 0 to 1, as :data:`pixmill.manifest.PAIRS` has it.
    """

    a: int
    b: int
    similarity: float


@dataclass(frozen=True)
class Case:
    """Hold what a person decides on at one time.

    Args:
        kind: What is in doubt: the label of one picture that came under several (``conflicts``); which of verified
            near-duplicates stay, and under which label (``near-duplicates``); whether a picture that looks like those
            of another class has the right label (``labels``); whether one that is unlike its class belongs to it
            (``outliers``); whether one that was dropped by a rule should be (``dropped``).
        title: The doubt in a few words.
        why: What it rests on, as a sentence.
        members: Rows of the manifest, in the order in which they are shown.
        links: Near-duplicates among the members.
        beside: Rows that are shown for comparison, and not decided on.
        suggestion: The label that the picture may have instead.
    """

    kind: Kind
    title: str
    why: str
    members: tuple[int, ...]
    links: tuple[Link, ...] = ()
    beside: tuple[int, ...] = ()
    suggestion: str | None = None

    def is_settled(self, labels: Sequence[str | None], decisions: Mapping[int, Decision]) -> bool:
        """Tell whether no doubt is left.

        A conflict is settled once pictures of one label were chosen (kept or given it), or what was not dropped has
        one label. Near-duplicates are settled once each linked pair has a decision on one of its two. All else is
        settled once it has a decision.

        Args:
            labels: The label of each row; ``None`` where the picture came under several.
            decisions: What people decided, by row.
        """
        if self.kind == "conflicts":
            return self._has_one_label(labels, decisions)
        if self.links:
            return all(self.members[link.a] in decisions or self.members[link.b] in decisions for link in self.links)
        return all(row in decisions for row in self.members)

    def is_complete(self, labels: Sequence[str | None], decisions: Mapping[int, Decision]) -> bool:
        """Tell whether there is nothing more to decide here: a settled conflict, or a decision on every member."""
        if self.kind == "conflicts":
            return self._has_one_label(labels, decisions)
        return all(row in decisions for row in self.members)

    def _has_one_label(self, labels: Sequence[str | None], decisions: Mapping[int, Decision]) -> bool:
        chosen, standing = set(), set()
        for row in self.members:
            decision = decisions.get(row)
            if decision is None or (decision.verb == "keep" and labels[row] is None):
                standing.add(labels[row])
            elif decision.verb != "drop":
                chosen.add(decision.label or labels[row])
        return len(chosen) == 1 if chosen else None not in standing and len(standing) < 2
