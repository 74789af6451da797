"""What a sighting says about the labels of its image, and what all sightings say together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pixmill.core.cells import Task, merge_cells, parse_cells, render_cells
from pixmill.scrape.candidate import EVERY, Sighting
from pixmill.scrape.collection.searches import Search


class OneLabel:
    """An image has the label of the search that found it.

    Args:
        counted: What the page counts by label.
        disputed: What the page says of images whose sightings disagree.
    """

    counted = "images found for several classes are not counted"
    disputed = "found under several labels; dropped until you decide"

    def mark(self, search: Search, sighting: Sighting) -> Sighting:  # noqa: ARG002 (others need it)
        """Return a sighting whose candidate has the text for the column ``label``."""
        return sighting

    def cells(self, text: str) -> Mapping[str, bool]:
        """Return whether an image has each label that a text names."""
        return {text: True}

    def merge(self, texts: Sequence[str]) -> tuple[str | None, bool]:
        """Return the label of an image for the manifest, and whether its sightings disagree.

        Args:
            texts: The distinct texts of its sightings, at least one.
        """
        return (texts[0], False) if len(texts) == 1 else (None, True)


class SeveralLabels(OneLabel):
    """An image has the labels of all searches that found it, and what a table says."""

    counted = "an image counts for each label it has"
    disputed = "one source gives a label, another denies it; unknown until you decide"

    def mark(self, search: Search, sighting: Sighting) -> Sighting:
        """Return the sighting with cells: yes for the label of a search."""
        label = search.query.label
        if label == EVERY:
            return sighting
        found = replace(sighting.candidate, label=render_cells({label: True}))
        return replace(sighting, candidate=found)

    def cells(self, text: str) -> Mapping[str, bool]:
        """Return the cells."""
        return parse_cells(text)

    def merge(self, texts: Sequence[str]) -> tuple[str | None, bool]:
        """Return what is known; labels on which sightings disagree are unknown."""
        cells, disputed = merge_cells(map(parse_cells, texts))
        return render_cells(cells), bool(disputed)


LABELLINGS: dict[Task, OneLabel] = {"one_label": OneLabel(), "labels": SeveralLabels()}
"""How images are labelled, by ``task``."""
