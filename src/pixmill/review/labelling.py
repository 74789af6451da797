"""How people label images in a review: with one label each, or with yes and no for several."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from pixmill.core.cells import merge_cells, parse_cells, render_cells, show_labels
from pixmill.core.decisions import Decided, Key, Row, label_as, set_cell
from pixmill.core.names import class_folder
from pixmill.core.params import Params
from pixmill.evaluate.cells.doubtful import DOUBTFUL
from pixmill.evaluate.labels import LABELS
from pixmill.review.cases import Case, find_cases
from pixmill.review.cell_cases import ask_cell, find_cell_cases
from pixmill.review.grid.suggesting import DROPPED, Labels

_WORDS: dict[bool | None, str] = {True: "yes", False: "no"}


class OneLabel:
    """One label an image; in a session, the label of an image is its text."""

    task = "one_label"

    is_seen_again = True
    """Whether images of the random sample are labelled twice."""

    is_kept_as_one = True
    """Whether an image is kept under a label."""

    doubts = LABELS
    """Columns of the table of doubtful labels."""

    verbs: ClassVar[Mapping[str, str]] = {}
    """What pages for one label ask, and what that is here."""

    cases: ClassVar[Callable[..., list[Case]]] = staticmethod(find_cases)
    """Returns the cases."""

    def merge(self, texts: Sequence[str]) -> str | None:
        """Return the label of an image that came with these; ``None`` without one."""
        return texts[0] if len(texts) == 1 else None

    def resolve(self, of: Decided, came: str | None) -> str | None:
        """Return the label after decisions."""
        return of.resolve_label(came)

    def count(self, labels: Mapping[str | None, int]) -> Mapping[str | None, int]:
        """Return numbers of images by label.

        Args:
            labels: Numbers of images by what a session has as their label.
        """
        return labels

    def about(self, labels: Labels, focus: str) -> Labels:  # noqa: ARG002 (there is one question)
        """Return what is known of each image for suggestions: about one label, if of several."""
        return labels

    def answers(self, classes: Sequence[str]) -> Sequence[str]:
        """Return what suggestions can be."""
        return classes

    def tiles(self, labels: Sequence[str | None]) -> dict[str, Any]:  # noqa: ARG002 (the answer of a suggestion is the label)
        """Return what the grid's tiles show beside the answer."""
        return {}

    def show(self, text: str | None) -> str | None:
        """Return a label as people read it."""
        return text

    def agree(self, known: str | None, given: str | None) -> bool:
        """Return whether a correction says what is known."""
        return known == given

    def known(self, text: str | None, classes: Sequence[str]) -> str | None:
        """Return what a correction says of these classes; ``None`` if nothing."""
        return text if text in classes else None

    def say(self, label: str) -> str:
        """Return what is said of an image that is given this label alone."""
        return label

    def describe(self, of: Decided) -> str:
        """Return what people said of the labels of an image."""
        return " or ".join(of.labels)

    def ask(
        self, row: int, title: str, why: str, known: str | None, given: str | None
    ) -> list[Case]:
        """Return the cases of a correction of an image of the project."""
        why += f" The project has it as '{known or 'conflicting'}'."
        return [Case("feedback", title, why, (row,), suggestion=given)]

    def examples(
        self,
        training: Mapping[str, npt.NDArray[np.intp]],
        case: Case,
        known: str | None,
    ) -> list[npt.NDArray[np.intp]]:
        """Return the training images of what is known and of what a case suggests.

        Args:
            training: Their rows by label.
            case: The case.
            known: The label of its image.
        """
        none = np.zeros(0, np.intp)
        return [training.get(name or "", none) for name in (known, case.suggestion)]

    def base(self, params: Params) -> str:
        """Return the folder for accepted images."""
        return "data/train" if params.scrape.folder.layout == "fixed" else "data"

    def folder(self, label: str) -> str:
        """Return the folder in it of an image with a label."""
        return class_folder(label)

    def give(
        self, image: str, label: str, now: Decided | None, *, by: str, why: str
    ) -> dict[Key, Row | None]:
        """Return the changes that give an accepted image its label."""
        return label_as(image, label, now, by=by, why=why)

    def colours(self, labels: Labels, classes: Sequence[str]) -> dict[str, Labels]:  # noqa: ARG002 (an image has one)
        """Return columns of labels that can colour the map."""
        return {"label": labels}

    def answer(self, predicted: str) -> str:
        """Return what the model says of an image as people read it."""
        return predicted

    def tell(self, predicted: str, percent: int) -> str:
        """Return what the model says of an image, and how sure it is, for a tile."""
        return f"{predicted} {percent} %"

    def is_wrong(self, known: str, predicted: str, label: str = "", said: str = "") -> bool:
        """Return whether a prediction is wrong.

        Args:
            known: The label.
            predicted: As in the table of predictions.
            label: The label that it must be; default: any.
            said: What the model must say; default: anything.
        """
        return known != predicted and label in ("", known) and said in ("", predicted)


class SeveralLabels(OneLabel):
    """Yes and no for several labels an image; a session has the text of the cells.

    See :mod:`pixmill.core.cells`. Suggestions are about one label at a time.
    """

    task = "labels"
    is_seen_again = False
    is_kept_as_one = False
    doubts = DOUBTFUL
    verbs: ClassVar[Mapping[str, str]] = {"label": "yes", "relabel": "yes"}
    cases: ClassVar[Callable[..., list[Case]]] = staticmethod(find_cell_cases)

    def merge(self, texts: Sequence[str]) -> str | None:
        """Return the cells on which these agree."""
        return _text(merge_cells(map(_cells, texts))[0])

    def resolve(self, of: Decided, came: str | None) -> str | None:
        """Return the cells after decisions."""
        return _text(of.resolve_cells(_cells(came)))

    def count(self, labels: Mapping[str | None, int]) -> Mapping[str | None, int]:
        """Return numbers of images that have each label."""
        found = Counter[str | None]()
        for text, number in labels.items():
            for label, is_yes in _cells(text).items():
                found[label] += is_yes * number
        return found

    def about(self, labels: Labels, focus: str) -> Labels:
        """Return yes or no for one label."""
        return [text if text == DROPPED else _WORDS.get(_cells(text).get(focus)) for text in labels]

    def answers(self, classes: Sequence[str]) -> Sequence[str]:  # noqa: ARG002 (the same for each)
        """Return the two answers."""
        return [*_WORDS.values()]

    def tiles(self, labels: Sequence[str | None]) -> dict[str, Any]:
        """Return all cells: each text once as ``cells``, and the place of each image's in it."""
        places: dict[str | None, int] = {}
        of = [places.setdefault(text, len(places)) for text in labels]
        return {"cells": [_cells(text) for text in places], "cells_of": of}

    def show(self, text: str | None) -> str | None:
        """Return the labels that an image has, and those that it has not."""
        cells = _cells(text)
        has = [label for label, is_yes in cells.items() if is_yes]
        lacks = [label for label, is_yes in cells.items() if not is_yes]
        parts = [", ".join(has), f"not {', '.join(lacks)}" if lacks else ""]
        return "; ".join(filter(None, parts)) or None

    def agree(self, known: str | None, given: str | None) -> bool:
        """Return whether all cells of a correction are known."""
        return _cells(given).items() <= _cells(known).items()

    def known(self, text: str | None, classes: Sequence[str]) -> str | None:
        """Return the cells of these classes."""
        return _text({label: cell for label, cell in _cells(text).items() if label in classes})

    def say(self, label: str) -> str:
        """Return the cells of an image that is given this label."""
        return render_cells({label: True})

    def describe(self, of: Decided) -> str:
        """Return what people said of the labels of an image."""
        return self.show(_text(of.resolve_cells({}))) or ""

    def ask(
        self, row: int, title: str, why: str, known: str | None, given: str | None
    ) -> list[Case]:
        """Return a case for each label about which the correction says something else."""
        del title
        return [
            ask_cell("feedback", row, label, why, _WORDS[is_yes])
            for label, is_yes in sorted(_cells(given).items() - _cells(known).items())
        ]

    def examples(
        self,
        training: Mapping[str, npt.NDArray[np.intp]],
        case: Case,
        known: str | None,  # noqa: ARG002 (both answers are shown)
    ) -> list[npt.NDArray[np.intp]]:
        """Return the training images with the label of a case, and those without it."""
        none = np.zeros(0, np.intp)
        return [
            np.concatenate(
                [
                    none,
                    *(
                        at
                        for text, at in training.items()
                        if _cells(text).get(case.label) is is_yes
                    ),
                ]
            )
            for is_yes in _WORDS
        ]

    def base(self, params: Params) -> str:
        """Return the folder of images without a label: rows of ``decisions.csv`` have them."""
        return params.evaluate.unlabelled or "data/unlabelled"

    def folder(self, label: str) -> str:  # noqa: ARG002 (an image has several)
        """Return no further folder."""
        return ""

    def give(
        self,
        image: str,
        label: str,
        now: Decided | None,  # noqa: ARG002 (other cells stay)
        *,
        by: str,
        why: str,
    ) -> dict[Key, Row | None]:
        """Return the changes that answer each label."""
        changes: dict[Key, Row | None] = {}
        for name, is_yes in _cells(label).items():
            changes |= set_cell(image, name, is_yes, by=by, why=why)
        return changes

    def colours(self, labels: Labels, classes: Sequence[str]) -> dict[str, Labels]:
        """Return yes or no for each label."""
        return {f"{name}?": self.about(labels, name) for name in classes}

    def answer(self, predicted: str) -> str:
        """Return the labels that the model sees."""
        return show_labels([*_cells(predicted)])

    def tell(self, predicted: str, percent: int) -> str:  # noqa: ARG002 (each label has its own)
        """Return the text of the cells of the answer."""
        return predicted

    def is_wrong(self, known: str, predicted: str, label: str = "", said: str = "") -> bool:
        """Return whether a prediction is wrong about any known label, or about this one."""
        return any(
            (name in _cells(predicted)) is not is_yes
            for name, is_yes in _cells(known).items()
            if label in ("", name) and said in ("", _WORDS[not is_yes])
        )


_LABELLINGS = {each.task: each for each in (OneLabel(), SeveralLabels())}


def labelling_of(task: str) -> OneLabel:
    """Return how images are labelled in a project of this task."""
    return _LABELLINGS[task]


@lru_cache(1 << 16)
def _cells(text: str | None) -> dict[str, bool]:
    """Return the cells of a text; never change them."""
    return parse_cells(text or None)


def _text(cells: Mapping[str, bool]) -> str | None:
    return render_cells(cells) if cells else None
