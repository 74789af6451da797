"""One sitting: the cases, what people have decided, and what the page is told of it."""

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pixmill.core.errors import PixmillError
from pixmill.review.doubts import KINDS, SHOWN, Case
from pixmill.review.feedback import InboxLedger, WithInbox
from pixmill.validate.decisions import Decision


class DecisionError(PixmillError):
    """Why a decision was not written."""


@dataclass(frozen=True)
class Choice:
    """The choice for one image.

    Args:
        id: The image.
        verb: ``keep``, ``drop``, ``relabel``, or ``clear``, which takes an earlier decision back.
        label: The label of a ``relabel``.
    """

    id: str
    verb: Literal["keep", "drop", "relabel", "clear"]
    label: str = ""


@dataclass(frozen=True)
class _Undo:
    """What one choice changed, so that it can be undone: by id, what was written and what was there before."""

    case: int
    before: Mapping[str, Decision | None]
    after: Mapping[str, Decision | None]


class Session:
    """Show cases and take decisions; threads may share it.

    Args:
        images: What is reviewed.
        cases: The cases, in their order.
        ledger: Where decisions are written.
        classes: The declared labels.
        by: Who decides.
        first: The row of the image to begin with; default: the first open case.
    """

    def __init__(
        self,
        images: WithInbox,
        cases: Sequence[Case],
        ledger: InboxLedger,
        *,
        classes: Sequence[str],
        by: str,
        first: int | None = None,
    ) -> None:
        self.cases = cases
        self._images = images
        self._ledger = ledger
        self._classes = tuple(classes)
        self._by = by
        self._first = first
        self._numbers = {
            kind: numbers
            for kind in ("named", *KINDS)
            if (numbers := [number for number, case in enumerate(cases) if case.kind == kind])
        }
        self._read: Mapping[str, Decision] | None = None
        self._decisions: dict[int, Decision] = {}
        self._settled: list[bool] = []
        self._steps: list[_Undo] = []
        self._lock = threading.Lock()

    @property
    def changed(self) -> list[str]:
        """The images that were decided on in this sitting, once for each time."""
        return [name for step in self._steps for name in step.after]

    def knows(self, name: str) -> bool:
        """Tell whether there is an image with this id."""
        return self._images.row(name) is not None

    def overview(self) -> dict[str, Any]:
        """Return what the page needs once: who decides, the classes, and where to begin."""
        with self._lock:
            _, settled = self._now()
            shows = [number for number, case in enumerate(self.cases) if self._first in case.members[:SHOWN]]
            return {
                "by": self._by,
                "classes": list(self._classes),
                "total": len(self.cases),
                "first": shows[0] if shows else _next_open(settled, -1),
                "image": None if self._first is None else self._images.ids[self._first],
                "inbox": "feedback" in self._numbers,
            }

    def case(self, number: int) -> dict[str, Any]:
        """Return all that is shown of a case.

        Args:
            number: From 0.

        Raises:
            IndexError: There is no such case.
            ReviewError: ``review.csv`` is malformed.
        """
        with self._lock:
            return self._content(number)

    def decide(self, number: int, choices: Sequence[Choice], why: str) -> dict[str, Any]:
        """Write decisions on images of a case, and return the case as it is then.

        Args:
            number: The case, from 0.
            choices: One an image.
            why: The reason; may be empty.

        Raises:
            DecisionError: A choice has no effect or no meaning.
            ReviewError: ``review.csv`` is malformed; nothing was written.
            StorageError: It cannot be written.
        """
        with self._lock:
            members = {self._images.ids[row] for row in self.cases[number].members}
            changes = {choice.id: self._decision(choice, members, why) for choice in choices}
            before = self._ledger.change(changes)
            now = self._ledger.read()
            self._steps.append(_Undo(number, before, {name: now.get(name) for name in changes}))
            return self._content(number)

    def undo(self) -> dict[str, Any]:
        """Take the last choice of this sitting back, and return its case.

        Raises:
            DecisionError: There is none, or somebody changed the same line meanwhile.
            ReviewError: ``review.csv`` is malformed; nothing was written.
        """
        with self._lock:
            if not self._steps:
                raise DecisionError("there is nothing to undo in this session")
            step, now = self._steps[-1], self._ledger.read()
            for name, decision in step.after.items():
                if _content(now.get(name)) != _content(decision):
                    raise DecisionError(f"the decision on {name[:12]} has been changed elsewhere, so it was not undone")
            self._ledger.change(step.before)
            self._steps.pop()
            return self._content(step.case)

    def next_images(self, number: int, count: int = 8) -> list[str]:
        """Return the ids of the images of a case and of the next few, in the order in which they will be wanted."""
        rows: Iterable[int] = (
            row for case in self.cases[number : number + count] for row in (*case.members[:SHOWN], *case.beside)
        )
        return [self._images.ids[row] for row in rows]

    def _decision(self, choice: Choice, members: set[str], why: str) -> Decision | None:
        if choice.id not in members:
            raise DecisionError("that image is not in this case", next="load the page again")
        if choice.verb == "clear":
            return None
        if choice.verb == "drop":
            return Decision(0, choice.id, "drop", "", self._by, why)
        row = self._images.row(choice.id)
        label = None if row is None else self._images.labels[row]
        if choice.verb == "relabel":
            label = choice.label
            if label not in self._classes:
                raise DecisionError(f"expected one of the labels {', '.join(self._classes)}, received {label!r}")
        elif label not in self._classes:
            raise DecisionError(f"its label ({label}) is not one of the classes; use relabel to choose one")
        # `keep` is the label that the image came with, which an earlier decision may have changed.
        if row is not None and self._images.facts(row)["came_as"] == [label]:
            return Decision(0, choice.id, "keep", "", self._by, why)
        return Decision(0, choice.id, "relabel", label, self._by, why)

    def _now(self) -> tuple[dict[int, Decision], list[bool]]:
        """Return the decisions by row, and which cases they settle, worked out anew where the file has changed."""
        matched = self._ledger.read()
        if matched != self._read:
            by_row = {self._images.row(name): decision for name, decision in matched.items()}
            self._decisions = {row: decision for row, decision in by_row.items() if row is not None}
            self._settled = [case.is_settled(self._images.labels, self._decisions) for case in self.cases]
            self._read = matched
        return self._decisions, self._settled

    def _content(self, number: int) -> dict[str, Any]:
        case = self.cases[number]
        decisions, settled = self._now()
        return {
            "number": number,
            "total": len(self.cases),
            "kind": case.kind,
            "title": case.title,
            "why": case.why,
            "suggestion": case.suggestion,
            "settled": settled[number],
            "next": _next_open(settled, number),
            "done": sum(settled),
            "kinds": self._kinds(settled),
            "undoable": len(self._steps),
            "images": [self._image(row, decisions.get(row)) for row in case.members[:SHOWN]],
            "hidden": [self._images.ids[row] for row in case.members[SHOWN:]],
            "beside": [self._image(row, decisions.get(row)) for row in case.beside],
        }

    def _kinds(self, settled: Sequence[bool]) -> list[dict[str, Any]]:
        return [
            {
                "kind": kind,
                "total": len(numbers),
                "done": sum(settled[number] for number in numbers),
                "first": next((number for number in numbers if not settled[number]), numbers[0]),
            }
            for kind, numbers in self._numbers.items()
        ]

    def _image(self, row: int, decision: Decision | None) -> dict[str, Any]:
        return {
            "id": self._images.ids[row],
            **self._images.facts(row),
            "decision": None
            if decision is None
            else {"verb": decision.verb, "label": decision.label, "by": decision.by, "why": decision.why},
        }


def _content(decision: Decision | None) -> Decision | None:
    return decision and replace(decision, line=0)


def _next_open(settled: Sequence[bool], number: int) -> int | None:
    """Return the next case that is not settled, from the beginning again where there is none behind it."""
    order = [*range(number + 1, len(settled)), *range(number + 1)]
    return next((place for place in order if not settled[place]), None)
