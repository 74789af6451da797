"""Advice to those who label: a random sample, what to label next, and how accurate a model is."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pixmill.core.manifest import CORRECTION, RANDOM
from pixmill.core.metadata import read_metadata
from pixmill.core.names import to_nfc, to_text
from pixmill.core.params import Params
from pixmill.review.grid.images import ImageTable
from pixmill.review.grid.suggesting import (
    DROPPED,
    SAMPLE,
    Accuracy,
    Floats,
    Labels,
    Proposal,
    accuracy,
    propose,
    reduce,
    sample_of,
)

_CHUNK_ROWS = 4096
"""Images whose features are read at a time."""

_UPDATES = 4
"""How often vectors are renewed while the features are computed."""

_QUICK_SECONDS = 0.5
"""A renewal that takes less follows each label."""

_REST = 10
"""Others rest this many times as long as they take, so that labels cost little."""

_MAX_REST_SECONDS = 20.0


@dataclass(frozen=True)
class Advice:
    """What is known at one moment; rows that were added since have no place in it.

    Args:
        number: Number of the renewal; 0 before the first one.
        focus: The label that it is about, if images have several.
        sample: Rows of the random sample, in its order.
        vectors: Reduced features, NaN without features.
        learnt: Labels that suggestions may learn from, :data:`DROPPED` for those of validation and
            test outside of the sample.
        proposal: What to label next.
        accuracy: Accuracy on the sample, if it is known.
    """

    number: int
    focus: str
    sample: tuple[int, ...]
    vectors: Floats
    learnt: Labels
    proposal: Proposal
    accuracy: Accuracy | None


class Advisor:
    """Renew advice; one thread at a time.

    Args:
        images: The images.
    """

    def __init__(self, images: ImageTable) -> None:
        self._images = images
        self._size = SAMPLE
        self._featured = 0
        self._vectors: Floats = np.zeros((0, 1), np.float32)
        self._next = 0.0
        self._thread: threading.Thread | None = None
        self.last = _no_advice("", (), np.full((len(images), 1), np.nan, np.float32))

    def about(self, focus: str) -> Advice:
        """Return the last advice; if it is about another label, only the sample and the vectors."""
        last = self.last
        return last if last.focus == focus else _no_advice(focus, last.sample, last.vectors)

    @property
    def is_rested(self) -> bool:
        """Whether it is time for a renewal."""
        is_busy = self._thread is not None and self._thread.is_alive()
        return not is_busy and time.monotonic() >= self._next

    def start(self, *arguments: Any) -> None:
        """Begin a renewal in another thread; arguments as for :meth:`renew`."""
        self._thread = threading.Thread(
            target=self.renew, args=arguments, name="advice", daemon=True
        )
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Wait for the renewal that has begun, for a time."""
        if self._thread is not None:
            self._thread.join(seconds)

    def grow(self) -> None:
        """Enlarge the random sample by a half of its first size, to narrow the accuracy."""
        self._size = len(self.last.sample) + SAMPLE // 2

    def renew(
        self,
        focus: str,
        labels: Labels,
        classes: Sequence[str],
        looks: Sequence[int] | None,
        refused: Collection[tuple[int, str]],
        held: Collection[int],
    ) -> None:
        """Renew the advice.

        Args:
            focus: The label that this is about, if images have several.
            labels: Label of each row; ``None`` without one, :data:`DROPPED` if it is not shown.
            classes: All classes.
            looks: How often each image was labelled; ``None``: none is shown again.
            refused: Rows with a class that they are not.
            held: Rows of validation and test, whose labels no suggestion may learn from.
        """
        if self._images.featured.any():  # else there is nothing to fit, and no need to wait
            import sklearn.linear_model  # noqa: F401 (takes seconds once, which are no measure)

        begun = time.monotonic()
        shown = [row for row, label in enumerate(labels) if label != DROPPED]
        is_hashed = all(self._images.ids[row] for row in shown)
        # Before that, the sample could not be drawn from all images.
        sample = self._grow_sample(labels, shown, held) if is_hashed else self.last.sample
        if is_hashed:
            self._reduce(len(labels), shown)
        lacking = len(labels) - len(self._vectors)
        vectors = np.pad(self._vectors, ((0, max(0, lacking)), (0, 0)), constant_values=np.nan)
        vectors = vectors[: len(labels)]
        learnt = [DROPPED if row in held else label for row, label in enumerate(labels)]
        for row in sample:
            learnt[row] = labels[row]
        rows = np.array(sample, np.int64)
        self.last = Advice(
            self.last.number + 1,
            focus,
            sample,
            vectors,
            learnt,
            propose(vectors, learnt, rows, classes, refused=refused, looks=looks),
            accuracy(vectors, learnt, rows),
        )
        now = time.monotonic()
        took = now - begun
        if took > _QUICK_SECONDS:
            self._next = now + min(_REST * took, _MAX_REST_SECONDS)

    def _grow_sample(
        self, labels: Labels, shown: Sequence[int], held: Collection[int]
    ) -> tuple[int, ...]:
        """Return the sample with further images up to its size; an image stays in the sample.

        The random sample of what a model answered is in it, and never what was chosen there.
        """
        sample = dict.fromkeys([*self.last.sample, *self._asked(labels, shown)])
        size = min(self._size, len(shown) // 3)
        if len(sample) >= size:
            return tuple(sample)
        # Other labels of training may have been suggested.
        is_named = self._images.is_named
        rows = [
            row
            for row in shown
            if (labels[row] is None or row in held) and not is_named(row, CORRECTION)
        ]
        drawn = [rows[at] for at in sample_of([str(self._images.ids[row]) for row in rows], size)]
        return (*sample, *[row for row in drawn if row not in sample][: size - len(sample)])

    def _asked(self, labels: Labels, shown: Sequence[int]) -> list[int]:
        is_named = self._images.is_named
        return [row for row in shown if labels[row] is None and is_named(row, RANDOM)]

    def _reduce(self, count: int, shown: Sequence[int]) -> None:
        """Renew the vectors of the first rows, if many more have features; it takes seconds."""
        ready = self._images.featured[:count]
        featured = int(np.sum(ready))
        is_done = all(ready[row] or row in self._images.broken for row in shown)
        if featured == self._featured or not (
            is_done or featured - self._featured >= count / _UPDATES
        ):
            return
        self._featured = featured
        features = np.full((count, 1), np.nan, np.float16)
        for start in range(0, count, _CHUNK_ROWS):
            part = self._images.features(range(start, min(count, start + _CHUNK_ROWS)))
            if features.shape[1] < part.shape[1]:
                features = np.full((count, part.shape[1]), np.nan, np.float16)
            features[start : start + len(part)] = part
        self._vectors = reduce(features)


def _no_advice(focus: str, sample: tuple[int, ...], vectors: Floats) -> Advice:
    count = len(vectors)
    none = np.full(count, -1, np.int64)
    nothing = Proposal([], none, np.zeros(count, np.float32), [], none)
    return Advice(0, focus, sample, vectors, [None] * count, nothing, None)


def split_of(place: int | None) -> str:
    """Return the split of an image at a place of the random sample.

    Suggested labels never measure the model.
    """
    if place is None:
        return "train"
    return "val" if place % 3 == 1 else "test"


def given_splits(images: ImageTable, params: Params) -> dict[int, str]:
    """Return the splits that images of ``data/`` came with, by row.

    They are in ``data/metadata.csv``, or those of the folders of a fixed split.
    """
    facts = read_metadata(images.root / "data")
    is_fixed = params.scrape.folder.layout == "fixed"
    found: dict[int, str] = {}
    for row, place in enumerate(images.places):
        name = to_nfc(to_text(place)).removeprefix("data/")
        folder = name.partition("/")[0] if is_fixed else ""
        split = facts[name].split if name in facts else None
        if split or folder in ("train", "val", "test"):
            found[row] = split or folder
    return found


def held_out(images: ImageTable) -> set[int]:
    """Return the rows of validation and test in the last run."""
    tables = images.tables
    if tables is None:
        return set()
    parts = ("val", "test")
    ids = {*tables.manifest["id"][tables.manifest["given_split"].isin(parts)]}
    if tables.predictions is not None:
        ids |= {*tables.predictions["id"][tables.predictions["split"].isin(parts)]}
    return {row for name in ids for row in images.rows_of(name)}
