"""The state of the grid: images by scope and order, suggestions, accuracy, and actions on them."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Self

import numpy as np

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.metadata import read_metadata
from pixmill.core.names import to_nfc, to_text
from pixmill.core.params import Params
from pixmill.images.compute import RowLimits, default_workers
from pixmill.review.cases import KINDS
from pixmill.review.grid.labels import Labels
from pixmill.review.grid.pile import Pile
from pixmill.review.grid.suggesting import (
    DROPPED,
    SAMPLE,
    Accuracy,
    Head,
    Rows,
    accuracy,
    likes,
    propose,
    reduce,
    sample_of,
)
from pixmill.review.preview import ImageFile, Previews
from pixmill.review.review_tables import load_tables

KEYS = "123456789bcdfghijklmnopqrstuvwy0"
"""Keys of the classes, in order; ``a``, ``e``, ``x`` and ``z`` have other meanings."""

THUMBNAIL_SIDE = 160

_NUMBERS = itertools.count(1)

_CHUNK_ROWS = 4096
"""Images whose features are read at a time."""

_UPDATES = 4
"""How often suggestions are renewed while the features are computed."""


class View(NamedTuple):
    """What a page shows.

    Args:
        scope: ``unlabelled``, ``all``, ``class:NAME``, ``doubt:KIND`` or ``query:TEXT``.
        sort: ``next``: what to label next. ``files``: as they are, doubts by urgency. ``belief``:
            the probability of ``label``. ``sure``: how unsure the head is. ``unlike``: how unlike
            the labelled images they are. ``like``: nearness to ``like``.
        label: A class, for ``belief``.
        like: A row, for ``like``.
    """

    scope: str = "unlabelled"
    sort: str = "next"
    label: str = ""
    like: int = -1


class _Part(NamedTuple):
    """A section: a kind of :class:`~pixmill.review.grid.suggesting.Section`, ``waiting``, or a sort."""

    kind: str
    label: str | None
    rows: Rows


class Grid:
    """Images and labels of a project, as the page shows them; threads may share it, within a ``with`` block.

    Args:
        workspace: Folders of the project.
        params: Its parameters.
        by: Name of the person.
        doubts: Returns the ids of the images of a kind of doubt, most urgent first.

    Attributes:
        number: Number that identifies the rows, which another grid numbers differently.
        previews: Thumbnails by row.
        pile: The images.
        labels: Their labels.
    """

    def __init__(
        self, workspace: Workspace, params: Params, by: str, doubts: Callable[[str], list[str]]
    ) -> None:
        has_run = (workspace.root / "artifacts/validate/manifest.parquet").exists()
        tables = load_tables(workspace.root) if has_run else None
        self._kinds = [kind for kind in KINDS if kind != "feedback"] if tables else []
        self.number = next(_NUMBERS)
        self._by = by
        self._doubts = doubts
        self.pile = Pile(workspace, params, tables)
        self.labels = Labels(workspace, params, self.pile)
        limits = RowLimits(seconds=params.validate.timeout, memory=params.validate.memory << 20)
        self.previews: Previews[int] = Previews(
            self._thumbnail, limits=limits, workers=max(1, default_workers() - 1)
        )
        self._lock = threading.RLock()
        self._sample: list[int] = []
        self._size = SAMPLE
        self._held = _held_out(self.pile)
        self._looks = Counter(row for row, label in enumerate(self.pile.labels) if label)
        self._learnt: list[str | None] = []
        self._queries: list[str] = []
        self._refused: set[tuple[int, str]] = set()
        self._featured = self._reduced = 0
        self._vectors = np.zeros((0, 1), np.float32)
        self._seen: tuple[Any, ...] = ()
        self._proposed: tuple[Any, ...] = ()
        self._counts: Counter[str | None] = Counter()
        self._proposal = propose(self._vectors, [], np.zeros(0, np.int64), [])
        self._accuracy: Accuracy | None = None

    def __enter__(self) -> Self:
        self.pile.__enter__()
        self.previews.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.previews.__exit__()
        self.pile.__exit__()

    def state(self, view: View, window: str, known: str = "") -> dict[str, Any]:
        """Return what the page shows.

        Args:
            view: What it shows.
            window: Identifies the window.
            known: ``order`` of an earlier answer. If it is still the order, ``rows`` and the like
                are left out.
        """
        with self._lock:
            self.labels.refresh()
            self._update()
            stamp = ".".join(str(number) for number in (self.number, *self._proposed))
            answer = {"order": stamp, **self._facts(view, window)}
            if stamp != known:
                answer |= self._listing(view)
            return answer

    def act(
        self,
        rows: Sequence[int],
        label: str,
        *,
        window: str,
        version: int,
        refused: Sequence[int] = (),
    ) -> dict[str, Any]:
        """Label images, or drop them, and return the new version.

        Args:
            rows: The images.
            label: Their class; :data:`DROPPED` to drop them.
            window: Identifies the window.
            version: Version of the state that the window shows.
            refused: Images that were left out of a selection, so they are not of the class.

        Raises:
            PixmillError: As for :class:`~pixmill.review.grid.labels.Labels`, or a row does not
                exist.
        """
        with self._lock:
            if not all(row < len(self.pile) for row in rows):
                raise PixmillError("the grid has no such image", next="load the page again")
            if label == DROPPED:
                self.labels.drop(rows, by=self._by, window=window, version=version)
            else:
                self.labels.give(
                    rows, label, by=self._by, window=window, version=version, sample=self._sample
                )
            self._refused |= {(row, label) for row in refused}
            self._looks.update(rows)
            return self._after(window)

    def undo(self, window: str) -> dict[str, Any]:
        """Undo the last action of a window, and return its rows and the new version.

        Raises:
            ChangedError: Someone changed an image since.
        """
        with self._lock:
            rows = self.labels.undo(by=self._by, window=window)
            self._looks.subtract(rows)
            return {**self._after(window), "rows": rows}

    def grow(self) -> dict[str, Any]:
        """Enlarge the random sample by a half of its first size, to narrow the interval of the accuracy."""
        with self._lock:
            self._size = len(self._sample) + SAMPLE // 2
            self._seen = ()
            return {}

    def _thumbnail(self, row: int) -> ImageFile:
        return replace(self.pile.image(row), side=THUMBNAIL_SIDE)

    def _after(self, window: str) -> dict[str, Any]:
        return {"version": self.pile.version, "undoable": self.labels.undoable(window)}

    def _update(self) -> None:
        """Renew sample and suggestions if images, features or labels have changed."""
        pile = self.pile
        count = len(self.pile)
        seen = (pile.version, self._reduced, len(self._refused), *pile.progress().values())
        if seen == self._seen:
            return
        self._seen = seen
        shown = [row for row, label in enumerate(pile.labels) if label != DROPPED]
        ids = {row: name for row in shown if (name := pile.ids[row]) is not None}
        is_hashed = len(ids) == len(shown)  # else the sample is not yet drawn from all
        if is_hashed and len(self._sample) < (size := min(self._size, len(ids) // 3)):
            # Other labels of training may have been suggested. An image stays in the sample.
            rows = [row for row in ids if pile.labels[row] is None or row in self._held]
            drawn = [rows[place] for place in sample_of([ids[row] for row in rows], size)]
            self._sample += [row for row in drawn if row not in self._sample][
                : size - len(self._sample)
            ]
        featured = int(np.sum(pile.featured))
        is_done = all(pile.featured[row] or row in pile.broken for row in shown)
        if (
            is_hashed
            and featured != self._featured
            and (is_done or featured - self._featured >= count / _UPDATES)
        ):
            self._featured = featured
            self._reducing = threading.Thread(target=self._reduce, args=[count], daemon=True)
            self._reducing.start()
        if len(self._vectors) < count:
            more = np.full((count - len(self._vectors), self._vectors.shape[1]), np.nan, np.float32)
            self._vectors = np.concatenate([self._vectors, more])
        if (
            stamp := (pile.version, self._reduced, len(self._sample), len(self._refused))
        ) != self._proposed:
            sample = np.array(self._sample, np.int64)
            classes = self.labels.classes
            looks = [self._looks[row] or int(bool(label)) for row, label in enumerate(pile.labels)]
            self._learnt = [
                DROPPED if row in self._held else label for row, label in enumerate(pile.labels)
            ]
            for row in self._sample:
                self._learnt[row] = pile.labels[row]
            self._proposal = propose(
                self._vectors, self._learnt, sample, classes, refused=self._refused, looks=looks
            )
            self._accuracy = accuracy(self._vectors, self._learnt, sample)
            self._counts = Counter(pile.labels)
            self._queries = sorted({query for query in pile.queries if query})
            self._proposed = stamp

    def _reduce(self, count: int) -> None:
        """Renew the vectors of the first rows, which takes seconds."""
        features = np.full((count, 1), np.nan, np.float16)
        for start in range(0, count, _CHUNK_ROWS):
            part = self.pile.features(range(start, min(count, start + _CHUNK_ROWS)))
            if features.shape[1] < part.shape[1]:
                features = np.full((count, part.shape[1]), np.nan, np.float16)
            features[start : start + len(part)] = part
        vectors = reduce(features)
        with self._lock:
            self._vectors = vectors
            self._reduced = self._reduced + 1

    def _classes(self) -> list[str]:
        """Return the classes, followed by other labels of images."""
        declared = self.labels.classes
        return [*declared, *sorted({label for label in self._counts if label} - {*declared})]

    def _facts(self, view: View, window: str) -> dict[str, Any]:
        """Return what the page shows around the images."""
        labels = self.pile.labels
        counts = self._counts
        kinds = {section.kind for section in self._proposal.sections}
        return {
            "number": self.number,
            "by": self._by,
            "view": view._asdict(),
            "others": [other._asdict() for other in self.labels.others(window)],
            "classes": [
                {"name": name, "key": KEYS[place : place + 1], "count": counts[name]}
                for place, name in enumerate(self._classes())
            ],
            "doubts": self._kinds,
            "queries": self._queries,
            "progress": self.pile.progress(),
            "labelled": counts.total() - counts[None] - counts[DROPPED],
            "left": counts[None],
            "dropped": counts[DROPPED],
            "sample": {
                "size": len(self._sample),
                "left": sum(labels[row] is None for row in self._sample),
                "grows": len(self._sample) + SAMPLE // 2 <= len(labels) // 3,
            },
            "stage": next(
                (number for number, kind in enumerate(("sample", "cluster"), 1) if kind in kinds),
                3 if kinds else 0,
            ),
            "accuracy": self._accuracy and self._accuracy._asdict(),
            **self._after(window),
        }

    def _listing(self, view: View) -> dict[str, Any]:
        """Return the images of a view in order: sections, and for each image row, guess, belief and word."""
        proposal = self._proposal
        parts = self._parts(view)
        places = {name: place for place, name in enumerate(self._classes())}
        rows = np.concatenate([np.zeros(0, np.int64), *(part.rows for part in parts)])
        starts = np.cumsum([0, *(len(part.rows) for part in parts)]).tolist()
        return {
            "sections": [
                {"kind": part.kind, "label": part.label, "start": start, "count": len(part.rows)}
                for part, start in zip(parts, starts, strict=False)
            ],
            "rows": rows.tolist(),
            "guess": proposal.guess[rows].tolist(),
            "belief": np.round(100 * proposal.belief[rows]).astype(int).tolist(),
            "words": proposal.words,
            "word": proposal.word[rows].tolist(),
            "given": [places.get(self.pile.labels[row], -1) for row in rows.tolist()],
        }

    def _parts(self, view: View) -> list[_Part]:
        """Return the sections of a view."""
        labels = self.pile.labels
        found = self._scope(view.scope)
        inside = np.zeros(len(labels), bool)
        inside[found] = True
        if view.sort == "next":
            # Images to label again have a label.
            parts = [
                _Part(kind, label, rows[inside[rows] | (kind == "again")])
                for kind, label, rows in self._proposal.sections
            ]
            for part in parts:
                inside[part.rows] = False
            waiting = [row for row in found.tolist() if inside[row] and labels[row] is None]
            parts.append(_Part("waiting", None, np.array(waiting, np.int64)))
        else:
            # Without a label, images of the sample get no suggestion, and an order would be one.
            if view.sort != "files":
                inside[[row for row in self._sample if labels[row] is None]] = False
            ranking = self._ranking(view, found)
            ranked = ranking[inside[ranking]]
            inside[ranked] = False
            parts = [_Part(view.sort, view.label, np.concatenate([ranked, found[inside[found]]]))]
        return [part for part in parts if len(part.rows)]

    def _scope(self, scope: str) -> Rows:
        """Return the rows of a scope."""
        labels = self.pile.labels
        (kind, _, name) = scope.partition(":")
        if kind == "doubt":
            places = {name: row for row, name in enumerate(self.pile.ids)}
            listed = [row for each in self._doubts(name) if (row := places.get(each)) is not None]
            return np.array([row for row in listed if labels[row] != DROPPED], np.int64)
        is_in: dict[str, Callable[[int], bool]] = {
            "unlabelled": lambda row: labels[row] is None,
            "class": lambda row: labels[row] == name,
            "query": lambda row: self.pile.queries[row] == name,
        }
        test = is_in.get(kind)
        return np.array(
            [
                row
                for row, label in enumerate(labels)
                if label != DROPPED and (test is None or test(row))
            ],
            np.int64,
        )

    def _ranking(self, view: View, found: Rows) -> Rows:
        """Return rows by the order of a view; the images that have no place in it are missing."""
        known = np.array([bool(label) for label in self._learnt], bool)
        known[self._sample] = False
        known &= np.isfinite(self._vectors[:, 0])
        examples = np.flatnonzero(known)
        labels = self.pile.labels
        if (
            view.sort == "like"
            and 0 <= view.like < len(known)
            and np.isfinite(self._vectors[view.like, 0])
        ):
            return likes(self._vectors, [view.like])
        if view.sort == "unlike" and len(examples):
            return likes(self._vectors, examples[:: max(1, len(examples) // 1000)].tolist())[::-1]
        if view.sort in ("belief", "sure") and len({labels[row] for row in examples}) >= 2:
            rows = found[np.isfinite(self._vectors[found, 0])]
            head = Head.fit(self._vectors[examples], [str(labels[row]) for row in examples])
            shares = head.probabilities(self._vectors[rows])
            if view.sort == "sure":
                found = rows[np.argsort(shares.max(axis=1), kind="stable")]
            elif view.label in head.names:
                # Among the images of the class, the doubtful ones come first.
                sign = 1 if view.scope == f"class:{view.label}" else -1
                found = rows[
                    np.argsort(sign * shares[:, head.names.index(view.label)], kind="stable")
                ]
        return found


def _held_out(pile: Pile) -> set[int]:
    """Return the rows of validation and test, whose labels no suggestion may learn from."""
    parts = ("val", "test")
    facts = read_metadata(pile.root / "data")
    held = {f"data/{name}" for name, each in facts.items() if each.split in parts}
    ids: set[str] = set()
    if pile.tables is not None:
        manifest = pile.tables.manifest
        predictions = pile.tables.predictions
        ids = {*manifest["id"][manifest["given_split"].isin(parts)]}
        if predictions is not None:
            ids |= {*predictions["id"][predictions["split"].isin(parts)]}
    folders = tuple(
        f"data/{part}/" for part in parts if pile.params.scrape.folder.layout == "fixed"
    )
    return {
        row
        for row, name in enumerate(pile.names)
        if pile.ids[row] in ids or to_nfc(to_text(name)) in held or name.startswith(folders)
    }
