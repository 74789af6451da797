"""Cards: what the stage's page shows of single images, made from their rows in the tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.pages import shorten
from pixmill.validate.reasons import word
from pixmill.validate.validation import Validation

CARDS = 12
"""The most cards, or sets of cards, of one kind, whatever the number of images."""

_MEMBERS = 6
"""Members of one set that are shown."""

_PLACES = 3
"""Places of one image that are named."""

Rows = npt.NDArray[np.int64]
"""Places of images in the manifest."""


@dataclass(frozen=True)
class ImageCard:
    """What is shown of an image.

    Args:
        id: Its id.
        label: Its label, or the labels that it came as.
        facts: Its size and format, and measures.
        place: Its URL, or the path of its file.
        verdict: ``kept``, or ``dropped`` and why; empty where that goes without saying.
        path: Where its file lies, relative to scrape's folder.
        readable: Whether it has pixels to show.
    """

    id: str
    label: str
    facts: tuple[str, ...]
    place: str
    verdict: str
    path: str
    readable: bool


@dataclass(frozen=True)
class ImageSet:
    """Images to be shown side by side.

    Args:
        title: What they have in common.
        cards: The images.
        warning: Why it needs review; empty where it does not.
        more: How many members are not shown.
    """

    title: str
    cards: list[ImageCard]
    warning: str = ""
    more: int = 0


class ValidationCards:
    """The cards of a validation; an image is named by its row in the manifest.

    All rows are read by columns, so that a card costs the same among a thousand images or a million.

    Args:
        validation: What the stage found.

    Attributes:
        manifest: The validated manifest, with rows from 0.
        kept: Whether each image is kept.
        labelled: Whether each image has one label.
        readable: Whether each image has pixels.
        words: The word of each reason, absent where an image is kept.
        others: The row of the image that each reason names, -1 where it names none.
    """

    def __init__(self, validation: Validation) -> None:
        self.manifest = validation.manifest.reset_index(drop=True)
        self._ids = pd.Index(self.manifest["id"].astype(object))
        self.kept = (self.manifest["verdict"] == "keep").to_numpy(dtype=bool)
        self.labelled = self.manifest["label"].notna().to_numpy(dtype=bool)
        self.readable = self.manifest["pixels"].notna().to_numpy(dtype=bool)
        reasons = self.manifest["reason"].astype(object).where(self.manifest["reason"].notna(), None)
        told = reasons.dropna().str.partition(":")
        self.words: pd.Series[Any] = told[0].reindex(reasons.index) if len(told) else reasons
        self.others = np.full(len(self.manifest), -1)
        self.others[told.index] = self.rows(told[2]) if len(told) else []
        self._sightings = validation.sightings
        rows = self.rows(self._sightings["id"])
        self._order = np.argsort(rows, kind="stable")
        self._starts = np.searchsorted(rows[self._order], np.arange(len(self.manifest) + 1))

    def rows(self, ids: Iterable[Any]) -> Rows:
        """Return the rows of images by id, -1 where there is no such image."""
        rows: Rows = self._ids.get_indexer(pd.Index(ids, dtype=object)).astype(np.int64)
        return rows

    def card(
        self, row: int, *facts: str, verdict: bool = False, everywhere: bool = False, place: str | None = None
    ) -> ImageCard:
        """Return an image's card.

        Args:
            row: The image.
            facts: What to tell of it besides its size and format.
            verdict: Whether to say if it was kept.
            everywhere: Whether to name the places of all its sightings, not just where it came from first.
            place: The one place to name.
        """
        width, height, format_ = (self._of(row, name) for name in ("width", "height", "format"))
        size = () if pd.isna(width) else (f"{width} \u00d7 {height} {format_}",)
        fate = "kept" if self.kept[row] else f"dropped: {word(self._of(row, 'reason'))}"
        return ImageCard(
            id=str(self._of(row, "id")),
            label=self._label(row),
            facts=(*size, *facts),
            place=shorten(place) if place is not None else self.places(row) if everywhere else self._place(row),
            verdict=fate if verdict else "",
            path=str(self._of(row, "path")),
            readable=bool(self.readable[row]),
        )

    def image_set(self, title: str, rows: Sequence[int], *, warning: str = "", verdict: bool = True) -> ImageSet:
        """Return images side by side, of many the first few.

        Args:
            title: What they have in common.
            rows: The images.
            warning: Why it needs review.
            verdict: Whether to say which ones were kept.
        """
        cards = [self.card(row, verdict=verdict, everywhere=True) for row in rows[:_MEMBERS]]
        return ImageSet(title, cards, warning, max(0, len(rows) - _MEMBERS))

    def places(self, row: int) -> str:
        """Return the first few of all places where an image was found."""
        places = self.values_of(row, "image_url") or self.values_of(row, "page_url")
        if not places:
            return self._place(row)
        more = f" and {len(places) - _PLACES:,} more" if len(places) > _PLACES else ""
        return ", ".join(shorten(place) for place in places[:_PLACES]) + more

    def values_of(self, row: int, column: str) -> list[str]:
        """Return the different values of a column over all sightings of an image."""
        sightings = self._order[self._starts[row] : self._starts[row + 1]]
        return list(dict.fromkeys(self._sightings[column].iloc[sightings].dropna()))

    def labels(self, row: int) -> list[str]:
        """Return the labels that an image came as."""
        return sorted(self.values_of(row, "label"))

    def _of(self, row: int, column: str) -> Any:
        return self.manifest.at[row, column]

    def _label(self, row: int) -> str:
        label = self._of(row, "label")
        return shorten(f"labelled {' and '.join(self.labels(row))}" if pd.isna(label) else str(label))

    def _place(self, row: int) -> str:
        """Return where an image came from first, or where it lies."""
        url, page = self._of(row, "image_url"), self._of(row, "page_url")
        if not pd.isna(url):
            return shorten(url)
        return shorten(f"artifacts/scrape/{self._of(row, 'path')}" if pd.isna(page) else f"inlined in {page}")
