"""What the label of an image is by task: how the images of a split are counted by it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import pandas as pd

from pixmill.core.cells import UNKNOWN, Task, cells_of, to_matrix
from pixmill.core.params import SplitParams
from pixmill.split.salts import choose_salt

_MAX_SALTS = 20
"""Salts that are tried if a split lacks a class."""

Answer: TypeAlias = tuple[str, bool]
"""A label, and whether images have it."""


class OneLabel:
    """An image has one class.

    Args:
        heading: Heading of the counts on the page.
        kinds: What the page calls one and several labels.
        share: Message on a class whose share differs.
    """

    heading = "Class balance"
    kinds = ("class", "classes")
    share = "class '{label}' makes up {share:.3g} of {part}, but {of_all:.3g} of all images"

    def answers(self, classes: Sequence[str]) -> list[Answer]:
        """Return the answers that each split needs."""
        return [(label, True) for label in classes]

    def known(self, manifest: pd.DataFrame, part: str, classes: Sequence[str]) -> dict[str, int]:
        """Return the number of images of a split of which each label is known."""
        return dict.fromkeys(classes, int((manifest["split"] == part).sum()))

    def salts(
        self,
        kept: pd.DataFrame,  # noqa: ARG002 (several labels need it)
        names: Sequence[str],  # noqa: ARG002
        params: SplitParams,  # noqa: ARG002
        classes: Sequence[str],  # noqa: ARG002
    ) -> Iterable[str]:
        """Return salts to try if a split lacks a class.

        Args:
            kept: The kept images.
            names: Id or group of each.
            params: The section ``split``.
            classes: The classes.
        """
        return map(str, range(1, 1 + _MAX_SALTS))


class SeveralLabels(OneLabel):
    """An image has any of the labels, and lacks others; of the rest nothing is known."""

    heading = "Images with each label"
    kinds = ("label", "labels")
    share = "{share:.3g} of {part} have the label '{label}', but {of_all:.3g} of all images"

    def answers(self, classes: Sequence[str]) -> list[Answer]:
        """Return yes and no of each label."""
        return [(label, answer) for answer in (True, False) for label in classes]

    def known(self, manifest: pd.DataFrame, part: str, classes: Sequence[str]) -> dict[str, int]:
        """Return the number of images with yes or no."""
        cells = to_matrix(manifest.loc[manifest["split"] == part, "label"], classes)
        return dict(zip(classes, (cells != UNKNOWN).sum(axis=0).tolist(), strict=True))

    def salts(
        self, kept: pd.DataFrame, names: Sequence[str], params: SplitParams, classes: Sequence[str]
    ) -> Iterable[str]:
        """Return the salt that spreads all labels best."""
        return [choose_salt(to_matrix(kept["label"], classes), names, params)]


def answers_of(labels: pd.Series[str]) -> set[Answer]:
    """Return the answers that are known of images."""
    return {answer for text in labels.unique() for answer in cells_of(text).items()}


def show_answer(answer: Answer) -> str:
    """Return an answer for messages."""
    return answer[0] if answer[1] else f"not {answer[0]}"


LABELLINGS: dict[Task, OneLabel] = {"one_label": OneLabel(), "labels": SeveralLabels()}
"""What labels are, by ``task``."""
