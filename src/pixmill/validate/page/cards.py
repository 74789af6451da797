"""Cards of single images on the page of validate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.cells import show_cells
from pixmill.core.words import shorten
from pixmill.validate.reasons import word
from pixmill.validate.validation import Validation

MAX_CARDS = 12
"""Maximum number of cards or sets of one kind."""

MAX_MEMBERS = 6
"""Maximum number of images shown of one set."""

MAX_PLACES = 3
"""Maximum number of URLs or files named per image."""

Rows = npt.NDArray[np.int64]
"""Row numbers in the manifest."""


@dataclass(frozen=True)
class ImageCard:
    """Card of an image.

    Args:
        id: Image id.
        label: Label, or the labels of all sightings.
        facts: Dimensions, format and measures.
        place: URL, or path of the file.
        verdict: ``kept``, or ``dropped`` with the reason; empty if obvious.
        path: Path relative to the folder of scrape.
        readable: True if the image has pixels.
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
    """Images shown side by side.

    Args:
        title: Title of the set.
        cards: The images.
        warning: Reason for review; empty if none is needed.
        more: Number of images that are not shown.
    """

    title: str
    cards: list[ImageCard]
    warning: str = ""
    more: int = 0


class ValidationCards:
    """Cards of the images of a validation, which are identified by their row in the manifest.

    Args:
        validation: Results of the stage.

    Attributes:
        manifest: The validated manifest without unlabelled images, with rows from 0.
        kept: Mask of kept images.
        labelled: Mask of images with one label.
        readable: Mask of images with pixels.
        words: Reasons without ids, null for kept images.
        cards: All cards made so far.
        others: Row of the other image that a reason names, -1 if there is none.
    """

    def __init__(self, validation: Validation) -> None:
        self.cards: list[ImageCard] = []
        self.manifest = validation.judged.reset_index(drop=True)
        self._ids = pd.Index(self.manifest["id"].astype(object))
        self.kept = (self.manifest["verdict"] == "keep").to_numpy(dtype=bool)
        self.labelled = self.manifest["label"].notna().to_numpy(dtype=bool)
        self.readable = self.manifest["pixels"].notna().to_numpy(dtype=bool)
        reasons = (
            self.manifest["reason"].astype(object).where(self.manifest["reason"].notna(), None)
        )
        parts = reasons.dropna().str.partition(":")
        self.words: pd.Series[Any] = parts[0].reindex(reasons.index) if len(parts) else reasons
        self.others = np.full(len(self.manifest), -1)
        self.others[parts.index] = self.rows(parts[2]) if len(parts) else []
        self._sightings = validation.sightings
        rows = self.rows(self._sightings["id"])
        self._order = np.argsort(rows, kind="stable")
        self._starts = np.searchsorted(rows[self._order], np.arange(len(self.manifest) + 1))

    def rows(self, ids: Iterable[Any]) -> Rows:
        """Return the rows of images by id, -1 for unknown ids."""
        rows: Rows = self._ids.get_indexer(pd.Index(ids, dtype=object)).astype(np.int64)
        return rows

    def card(
        self,
        row: int,
        *facts: str,
        verdict: bool = False,
        everywhere: bool = False,
        place: str | None = None,
    ) -> ImageCard:
        """Return the card of an image.

        Args:
            row: Row of the image.
            facts: Facts to show in addition to dimensions and format.
            verdict: Show the verdict.
            everywhere: Show the URLs of all sightings instead of the first one.
            place: URL or file to show instead.
        """
        width, height, format_ = (self._of(row, name) for name in ("width", "height", "format"))
        size = () if pd.isna(width) else (f"{width} \u00d7 {height} {format_}",)
        status = "kept" if self.kept[row] else f"dropped: {word(self._of(row, 'reason'))}"
        card = ImageCard(
            id=str(self._of(row, "id")),
            label=self._label(row),
            facts=(*size, *facts),
            place=shorten(place)
            if place is not None
            else self.places(row)
            if everywhere
            else self._place(row),
            verdict=status if verdict else "",
            path=str(self._of(row, "path")),
            readable=bool(self.readable[row]),
        )
        self.cards.append(card)
        return card

    def image_set(
        self, title: str, rows: Sequence[int], *, warning: str = "", verdict: bool = True
    ) -> ImageSet:
        """Return the first images of a set as cards.

        Args:
            title: Title of the set.
            rows: Rows of the images.
            warning: Reason for review.
            verdict: Show the verdicts.
        """
        cards = [self.card(row, verdict=verdict, everywhere=True) for row in rows[:MAX_MEMBERS]]
        return ImageSet(title, cards, warning, max(0, len(rows) - MAX_MEMBERS))

    def places(self, row: int) -> str:
        """Return the first few URLs or files of an image."""
        places = self.values_of(row, "image_url") or self.values_of(row, "page_url")
        if not places:
            return self._place(row)
        more = f" and {len(places) - MAX_PLACES:,} more" if len(places) > MAX_PLACES else ""
        return ", ".join(shorten(place) for place in places[:MAX_PLACES]) + more

    def values_of(self, row: int, column: str) -> list[str]:
        """Return the distinct values of a column over all sightings of an image."""
        sightings = self._order[self._starts[row] : self._starts[row + 1]]
        return list(dict.fromkeys(self._sightings[column].iloc[sightings].dropna()))

    def labels(self, row: int) -> list[str]:
        """Return the labels of all sightings of an image."""
        return sorted(map(show_cells, self.values_of(row, "label")))

    def _of(self, row: int, column: str) -> Any:
        return self.manifest.at[row, column]

    def _label(self, row: int) -> str:
        label = self._of(row, "label")
        return shorten(
            f"labelled {' and '.join(self.labels(row))}" if pd.isna(label) else show_cells(label)
        )

    def _place(self, row: int) -> str:
        """Return the first URL of an image, or its path."""
        url = self._of(row, "image_url")
        page = self._of(row, "page_url")
        if not pd.isna(url):
            return shorten(url)
        return shorten(
            f"artifacts/scrape/{self._of(row, 'path')}" if pd.isna(page) else f"inlined in {page}"
        )
