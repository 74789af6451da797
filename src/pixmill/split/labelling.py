"""What the label of an image is by task: how the images of a split are counted by it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from pixmill.core.cells import (
    UNKNOWN,
    Task,
    by_label,
    parse_cells,
    show_labels,
    to_matrix,
    yes_labels,
)
from pixmill.core.params import SplitParams
from pixmill.split.salts import choose_salt

_MAX_SALTS = 20
"""Salts that are tried if a split lacks a class."""


class OneLabel:
    """An image has one class.

    Args:
        heading: Heading of the counts on the page.
        share: Message on a class whose share differs.
    """

    heading = "Class balance"
    share = "class '{label}' makes up {share:.3g} of {part}, but {of_all:.3g} of all images"

    def by_label(self, manifest: pd.DataFrame) -> pd.DataFrame:
        """Return one row for each label of each image."""
        return manifest

    def answers_of(self, labels: pd.Series[str]) -> list[str]:
        """Return the distinct answers that are known of images."""
        return labels.unique().tolist()

    def answers(self, classes: Sequence[str]) -> list[str]:
        """Return the answers that each split needs."""
        return [*classes]

    def known(self, manifest: pd.DataFrame, part: str, classes: Sequence[str]) -> dict[str, int]:
        """Return the number of images of a split of which each label is known."""
        return dict.fromkeys(classes, int((manifest["split"] == part).sum()))

    def salts(
        self,
        manifest: pd.DataFrame,  # noqa: ARG002 (several labels need it)
        names: Sequence[str],  # noqa: ARG002
        params: SplitParams,  # noqa: ARG002
        classes: Sequence[str],  # noqa: ARG002
    ) -> Iterator[str]:
        """Yield salts to try if a split lacks a class.

        Args:
            manifest: The kept images.
            names: Id or group of each.
            params: The section ``split``.
            classes: The classes.
        """
        yield from map(str, range(1, 1 + _MAX_SALTS))

    def show(self, text: str) -> str:
        """Return the labels of an image for the page."""
        return text


class SeveralLabels(OneLabel):
    """An image has any of the labels, and lacks others; of the rest nothing is known."""

    heading = "Labels"
    share = "{share:.3g} of {part} have the label '{label}', but {of_all:.3g} of all images"

    def by_label(self, manifest: pd.DataFrame) -> pd.DataFrame:
        """Return one row for each label that an image has."""
        return by_label(manifest, yes_labels)

    def answers_of(self, labels: pd.Series[str]) -> list[str]:
        """Return yes and no of labels."""
        cells = {cell for text in labels.unique() for cell in parse_cells(text).items()}
        return sorted(label if answer else _no(label) for label, answer in cells)

    def answers(self, classes: Sequence[str]) -> list[str]:
        """Return yes and no of each label."""
        return [*classes, *(_no(label) for label in classes)]

    def known(self, manifest: pd.DataFrame, part: str, classes: Sequence[str]) -> dict[str, int]:
        """Return the number of images with yes or no."""
        cells = to_matrix(manifest.loc[manifest["split"] == part, "label"], classes)
        return dict(zip(classes, (cells != UNKNOWN).sum(axis=0).tolist(), strict=True))

    def salts(
        self,
        manifest: pd.DataFrame,
        names: Sequence[str],
        params: SplitParams,
        classes: Sequence[str],
    ) -> Iterator[str]:
        """Yield the salt that spreads all labels best."""
        yield choose_salt(to_matrix(manifest["label"], classes), names, params)

    def show(self, text: str) -> str:
        """Return the labels that an image has."""
        return show_labels(yes_labels(text))


def _no(label: str) -> str:
    return f"not {label}"


LABELLINGS: dict[Task, OneLabel] = {"one_label": OneLabel(), "labels": SeveralLabels()}
"""What labels are, by ``task``."""
