"""A review session: its cases and decisions, as data for the page."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from pixmill.core.errors import PixmillError
from pixmill.review.cases import KINDS, MAX_SHOWN, Case
from pixmill.review.feedback import DecisionStore, ReviewImages
from pixmill.validate.decisions import Decision


class DecisionError(PixmillError):
    """The decision cannot be made; nothing was written."""


@dataclass(frozen=True)
class Choice:
    """The choice for one image.

    Args:
        id: Id of the image.
        verb: ``keep``, ``drop``, ``relabel``, or ``clear``, which removes a decision.
        label: New label, for ``relabel``.
    """

    id: str
    verb: Literal["keep", "drop", "relabel", "clear"]
    label: str = ""


@dataclass(frozen=True)
class _Step:
    """One action: decisions by id before and after it."""

    case: int
    before: Mapping[str, Decision | None]
    after: Mapping[str, Decision | None]


class Session:
    """Cases and decisions; threads may share it.

    Args:
        images: Images under review.
        cases: Cases in display order, to which images are added that :meth:`overview` begins with.
        store: Destination of decisions.
        classes: Declared labels.
        by: Name of the reviewer.
    """

    def __init__(
        self,
        images: ReviewImages,
        cases: Sequence[Case],
        store: DecisionStore,
        *,
        classes: Sequence[str],
        by: str,
    ) -> None:
        self.cases = [*cases]
        self._images = images
        self._store = store
        self._classes = tuple(classes)
        self._by = by
        self._read: Mapping[str, Decision] | None = None
        self._decisions: dict[int, Decision] = {}
        self._settled: list[bool] = []
        self._steps: list[_Step] = []
        self._lock = threading.Lock()

    @property
    def changed(self) -> list[str]:
        """Ids of the images of all decisions in this session, with repetitions."""
        return [name for step in self._steps for name in step.after]

    def images_of(self, kind: str) -> list[str]:
        """Return the ids of the images of all cases of a kind, in order."""
        rows = dict.fromkeys(
            row for case in self.cases if case.kind == kind for row in case.members
        )
        return [self._images.ids[row] for row in rows]

    def knows(self, name: str) -> bool:
        """Return whether there is an image with this id."""
        return self._images.row(name) is not None

    def overview(self, image: str | None = None) -> dict[str, Any]:
        """Return facts about the session: reviewer, classes, number of cases, first case.

        Args:
            image: Id of the image to begin with, in any state; default: the first open case.
        """
        with self._lock:
            row = None if image is None else self._images.row(image)
            shows = [
                number for number, case in enumerate(self.cases) if row in case.members[:MAX_SHOWN]
            ]
            if row is not None and not shows:
                facts = self._images.facts(row)
                named = Case(
                    "named", "The image that you named", facts["reason"] or facts["verdict"], (row,)
                )
                shows = [len(self.cases)]
                self._read = None
                self.cases.append(named)
            _, settled = self._now()
            return {
                "by": self._by,
                "classes": list(self._classes),
                "total": len(self.cases),
                "first": shows[0] if shows else _next_open(settled, -1),
                "image": None if row is None else image,
                "inbox": any(case.kind == "feedback" for case in self.cases),
            }

    def case(self, number: int) -> dict[str, Any]:
        """Return a case with its images and decisions.

        Args:
            number: Index of the case.

        Raises:
            IndexError: There is no such case.
            DecisionsError: ``review.csv`` is malformed.
        """
        with self._lock:
            return self._content(number)

    def decide(self, number: int, choices: Sequence[Choice], why: str) -> dict[str, Any]:
        """Write decisions on images of a case, and return the changed case.

        Args:
            number: Index of the case.
            choices: One choice per image.
            why: Reason; may be empty.

        Raises:
            DecisionError: A choice is not possible.
            DecisionsError: ``review.csv`` is malformed; nothing was written.
            StorageError: It cannot be written.
        """
        with self._lock:
            members = {self._images.ids[row] for row in self.cases[number].members}
            changes = {choice.id: self._decision(choice, members, why) for choice in choices}
            before = self._store.change(changes)
            now = self._store.read()
            self._steps.append(_Step(number, before, {name: now.get(name) for name in changes}))
            return self._content(number)

    def undo(self) -> dict[str, Any]:
        """Undo the last action of this session, and return its case.

        Raises:
            DecisionError: There is none, or the same line was changed elsewhere.
            DecisionsError: ``review.csv`` is malformed; nothing was written.
        """
        with self._lock:
            if not self._steps:
                raise DecisionError("there is nothing to undo in this session")
            step = self._steps[-1]
            now = self._store.read()
            for name, decision in step.after.items():
                if _content(now.get(name)) != _content(decision):
                    raise DecisionError(
                        f"the decision on {name[:12]} has been changed elsewhere, so it was not "
                        "undone"
                    )
            self._store.change(step.before)
            self._steps.pop()
            return self._content(step.case)

    def next_images(self, number: int, count: int = 8) -> list[str]:
        """Return the ids of the images of this and the following cases, in display order."""
        cases = self.cases[number : number + count]
        return [
            self._images.ids[row]
            for case in cases
            for row in (*case.members[:MAX_SHOWN], *case.comparison)
        ]

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
                raise DecisionError(
                    f"expected one of the labels {', '.join(self._classes)}, received {label!r}"
                )
        elif label not in self._classes:
            raise DecisionError(
                f"its label ({label}) is not one of the classes; use relabel to choose one"
            )
        # `keep` restores the original label, which an earlier decision may have changed.
        if row is not None and self._images.facts(row)["came_as"] == [label]:
            return Decision(0, choice.id, "keep", "", self._by, why)
        return Decision(0, choice.id, "relabel", label, self._by, why)

    def _now(self) -> tuple[dict[int, Decision], list[bool]]:
        """Return the decisions by row, and whether each case is settled; recomputed when the file has changed."""
        matched = self._store.read()
        if matched != self._read:
            rows = {name: self._images.row(name) for name in matched}
            self._decisions = {row: matched[name] for name, row in rows.items() if row is not None}
            self._settled = [
                case.is_settled(self._images.labels, self._decisions) for case in self.cases
            ]
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
            "images": [self._image(row, decisions.get(row)) for row in case.members[:MAX_SHOWN]],
            "hidden": [self._images.ids[row] for row in case.members[MAX_SHOWN:]],
            "comparison": [self._image(row, decisions.get(row)) for row in case.comparison],
        }

    def _kinds(self, settled: Sequence[bool]) -> list[dict[str, Any]]:
        return [
            {
                "kind": kind,
                "total": len(numbers),
                "done": sum(settled[number] for number in numbers),
                "first": next((number for number in numbers if not settled[number]), numbers[0]),
            }
            for kind in ("named", *KINDS)
            if (numbers := [number for number, case in enumerate(self.cases) if case.kind == kind])
        ]

    def _image(self, row: int, decision: Decision | None) -> dict[str, Any]:
        return {
            "id": self._images.ids[row],
            **self._images.facts(row),
            "decision": None
            if decision is None
            else {
                "verb": decision.verb,
                "label": decision.label,
                "by": decision.by,
                "why": decision.why,
            },
        }


def _content(decision: Decision | None) -> Decision | None:
    return decision and replace(decision, line=0)


def _next_open(settled: Sequence[bool], number: int) -> int | None:
    """Return the next open case after this one, wrapping around; ``None`` if all are settled."""
    order = [*range(number + 1, len(settled)), *range(number + 1)]
    return next((place for place in order if not settled[place]), None)
