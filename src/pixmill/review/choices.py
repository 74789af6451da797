"""Choices of a reviewer, and how an action is undone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pixmill.core.errors import PixmillError

Verb = Literal["label", "relabel", "keep", "drop", "clear", "yes", "no", "unset", "unsure"]


class DecisionError(PixmillError):
    """The decision cannot be made; nothing was written."""


@dataclass(frozen=True)
class Choice:
    """The choice for some images.

    Args:
        rows: The images.
        verb: ``label`` gives a label. ``keep`` overrides the rules of validate. ``relabel`` is
            both. ``drop`` drops the images. ``clear`` removes all decisions. ``unsure`` decides
            nothing; the case counts as seen. With several labels an image, ``yes`` and ``no``
            answer whether it has one, ``unset`` takes that back, ``relabel`` turns yes into no and
            all else into yes, and ``keep`` changes no label.
        label: New label, for ``label`` and ``relabel``; the one that ``yes`` and the like answer.
    """

    rows: Sequence[int]
    verb: Verb
    label: str = ""


@dataclass(frozen=True)
class Step:
    """An action that can be undone.

    Args:
        window: Identifies the window.
        case: Number of the case that it decides, if any.
        rows: The images.
        undo: Functions that undo it, in order of what they undo; none if nothing was decided.
    """

    window: str
    case: int | None
    rows: tuple[int, ...]
    undo: list[Callable[[], object]]


def take_back(undo: list[Callable[[], object]]) -> None:
    """Undo an action; after a failure halfway, such as a full disk, the next call does the rest."""
    while undo:
        undo[-1]()
        undo.pop()
