"""A review session: the images and cases of a project, and decisions on them."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Self

import pandas as pd

from pixmill.core.decisions import Decided, Key, Row, clear, label_as, set_cell, set_fate
from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import write_text
from pixmill.core.manifest import RANDOM
from pixmill.core.names import to_nfc
from pixmill.core.params import Params, load_params, read_text
from pixmill.core.params.document import edit_params
from pixmill.core.words import count, printable
from pixmill.dataset.deciding import ChangedError, DecisionTable
from pixmill.experiments.compare.comparison import NotComparableError
from pixmill.heads import head_of
from pixmill.images.compute import RowLimits, default_workers
from pixmill.review.cases import Case, Kind
from pixmill.review.choices import Choice, DecisionError, Step, Verb, take_back
from pixmill.review.feedback import Corrections
from pixmill.review.grid.advice import Advisor, given_splits, held_out, split_of
from pixmill.review.grid.images import ImageTable
from pixmill.review.grid.suggesting import DROPPED, Labels
from pixmill.review.labelling import labelling_of
from pixmill.review.preview import Previews
from pixmill.review.review_tables import ReviewTables, load_tables

_AGAIN = "repeat the decision"

_NUMBERS = itertools.count(1)

_CELLS: dict[Verb, bool | None] = {"yes": True, "no": False, "unset": None}


class Session:
    """Images, cases and decisions of a project; threads may share it, within a ``with`` block.

    Args:
        workspace: Folders of the project.
        params: Its parameters.
        by: Name of the reviewer.
        only: Kind of cases to show; default: all.
        is_sample: Whether the corrections are those of a random sample of all served images.

    Attributes:
        root: Project folder.
        params: The parameters, with new classes.
        number: Number that identifies the rows, which another session numbers differently.
        images: The images.
        table: What is decided about them.
        corrections: Images of the inbox; ``None`` before the first run.
        cases: Cases in display order; :meth:`find_case` adds some.
        head: What a model answers.
        labelling: How images are labelled.
        labels: Label of each row, as the labelling has it; ``None`` without one, :data:`DROPPED`
            if it is not in the grid.
        focus: The label that suggestions are about, if images have several.
        classes: The classes, with new ones.
        params_text: Content of ``params.yaml`` that this session knows.
        version: Grows with each change of labels.
        counts: Number of images by what ``labels`` has of them.
        advisor: Advice to those who label.
        lock: Lock of all of these.
        held: Rows of validation and test in the last run.
        previews: Previews by row and longer side in pixels.

    Raises:
        DataError: ``data/metadata.csv`` or a line of the log is malformed.
        DecisionsError: ``decisions.csv`` is malformed.
        ManifestError: The tables of scrape or validate are missing, or of different runs.
        PixmillError: There is no base for ``only="flips"``, or the task has no such cases.
    """

    def __init__(
        self,
        workspace: Workspace,
        params: Params,
        *,
        by: str,
        only: Kind | None = None,
        is_sample: bool = False,
    ) -> None:
        self.root = workspace.root
        self.params = params
        self._path = self.root / "params.yaml"
        self.params_text = read_text(self._path)
        self.by = _one_line(by)
        self.number = next(_NUMBERS)
        self.table = DecisionTable(self.root)
        has_run = (self.root / "artifacts/validate/manifest.parquet").exists()
        self.head = head_of(params.task)
        self.labelling = labelling_of(params.task)
        doubts = self.labelling.doubts
        self.tables = tables = load_tables(self.root, doubts) if has_run else None
        self.corrections: Corrections | None = None
        self.cases: list[Case] = []
        readers: dict[str, Callable[[], bytes]] = {}
        if tables is not None:
            self.corrections = Corrections(self.table, tables, params, is_sample=is_sample)
            self.cases = self._find_cases(tables, self.corrections, only)
            readers = {name: partial(self.corrections.read, name) for name in self.corrections.new}
        self.images = ImageTable(workspace, params, tables, readers)
        self.focus = ""
        self.labels: list[str | None] = []
        self.version = 0
        self._decided: Mapping[str, Decided] | None = None
        self._given = given_splits(self.images, params)
        self.counts = Counter[str | None]()
        self._looks = Counter[int]()
        self._changed: dict[int, tuple[int, str]] = {}
        self._refused = set[tuple[int, str]]()
        self._steps: list[Step] = []
        self.lock = threading.RLock()
        self.refresh()
        self._looks.update(row for row, label in enumerate(self.labels) if label)
        self.held = held_out(self.images)
        self.held.update(row for row, split in self._given.items() if split != "train")
        self.advisor = Advisor(self.images)
        self._seen: tuple[object, ...] = ()
        limits = RowLimits(seconds=params.validate.timeout, memory=params.validate.memory << 20)
        self.previews: Previews[tuple[int, int]] = Previews(
            lambda key: self.images.image(*key),
            limits=limits,
            workers=max(1, default_workers() - 1),
        )
        self._stack = ExitStack()

    def _find_cases(
        self, tables: ReviewTables, corrections: Corrections, only: Kind | None
    ) -> list[Case]:
        kinds = self.labelling.kinds
        if only and only not in kinds:
            raise PixmillError(
                f"there are no cases of the kind '{only}' with several labels an image",
                next="pixmill review",
            )
        rows = {name: tables.row(name) for name in self.table.decided}
        return self.labelling.cases(
            tables,
            corrections.cases(),
            flips=_flips(self.root, only) if "flips" in kinds else None,
            decided={
                row: self.table.decided[name] for name, row in rows.items() if row is not None
            },
            only=only,
        )

    def __enter__(self) -> Self:
        self._stack.enter_context(self.images)
        self._stack.enter_context(self.previews)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, with new ones."""
        return self.params.classes

    @property
    def decided_images(self) -> int:
        """Number of images that were decided in this session."""
        return len({row for step in self._steps if step.undo for row in step.rows})

    @property
    def unsure(self) -> set[int | None]:
        """Numbers of the cases that were seen without a decision."""
        return {step.case for step in self._steps if not step.undo}

    def decided(self, row: int) -> Decided | None:
        """Return what is decided about an image."""
        name = self.images.ids[row]
        if name is None:
            return None
        if self.corrections is not None and name in self.corrections.dropped:
            return self.corrections.dropped[name]
        return self.table.decided.get(name)

    def find_case(self, row: int) -> int:
        """Return the number of the first case of an image; one is added if needed."""
        with self.lock:
            for number, case in enumerate(self.cases):
                if row in case.members:
                    return number
            assert self.tables is not None
            facts = self.tables.facts(row)
            why = facts["reason"] or facts["verdict"]
            self.cases.append(Case("named", "The image that you named", why, (row,)))
            return len(self.cases) - 1

    def decide(
        self,
        choices: Sequence[Choice],
        *,
        window: str,
        version: int,
        why: str = "",
        refused: Sequence[int] = (),
        case: int | None = None,
    ) -> dict[str, Any]:
        """Write decisions, and return the new version and the number of actions to undo.

        Args:
            choices: The decisions; each image once.
            window: Identifies the window.
            version: Version of the state that the window shows.
            why: Reason; may be empty.
            refused: Images that were left out of a selection, so they are not of the class.
            case: Number of the case that it decides, if any.

        Raises:
            ChangedError: Others changed some of the images after that version, or a file is gone.
            DataError: A correction in the inbox has changed.
            DecisionError: A choice is not possible.
            DecisionsError: ``decisions.csv`` is malformed.
            LockedError: Another process held the lock for ten seconds.
            ParamsError: A label cannot be a class.
            StorageError: The disk is full, or a file may not be written.
        """
        with self.lock:
            self.refresh()
            rows = [row for choice in choices for row in choice.rows]
            self._require_unchanged(rows, window, version)
            self._require_present(self.images.identify(rows))
            undo: list[Callable[[], object]] = []
            with contextlib.ExitStack() as rollback:
                # All or nothing: if a decision fails, those before it go again.
                rollback.callback(take_back, undo)
                self._write(choices, why, undo)
                rollback.pop_all()
            self._steps.append(Step(window, case, tuple(rows), undo))
            (first, *_) = choices
            answer = first.verb if first.verb in _CELLS else first.label
            self._refused |= {(row, answer) for row in refused}
            self._looks.update(rows)
            self._take(rows, window)
            return self.after(window)

    def undo(self, window: str) -> dict[str, Any]:
        """Undo the last action of a window, with a class that it added.

        Returns:
            As :meth:`decide`, its ``rows`` (none if there was no action), and its ``case``.

        Raises:
            ChangedError: Someone changed an image since.
        """
        with self.lock:
            self.refresh()
            steps = [step for step in self._steps if step.window == window]
            if not steps:
                return {**self.after(window), "rows": [], "case": None}
            last = steps[-1]
            try:
                take_back(last.undo)
            except ChangedError:
                self._steps.remove(last)
                raise
            self._steps.remove(last)
            self._looks.subtract(last.rows)
            self._take(last.rows, window)
            return {**self.after(window), "rows": last.rows, "case": last.case}

    def _write(self, choices: Sequence[Choice], why: str, undo: list[Callable[[], object]]) -> None:
        """Write decisions, and append the functions that undo them."""
        changes: dict[Key, Row | None] = {}
        for choice in choices:
            if choice.verb == "unsure":
                continue
            label = to_nfc(choice.label)
            if not label and choice.verb in ("label", "relabel", *_CELLS):
                raise DecisionError("a label is missing", next="choose one")
            if label:
                undo += self._declare(label, choice.rows)
            for row in choice.rows:
                # One that was neither accepted nor brought into `data/` waits.
                image = self.images.correction(row)
                if image and image not in self.table.decided:
                    undo.append(self._correct(row, choice.verb, label, why))
                else:
                    changes |= self._changes(row, choice.verb, label, _one_line(why))
        if changes:
            action = self.table.decide(changes, then=_AGAIN)
            undo.append(partial(self.table.undo, action, then=_AGAIN))

    def _correct(self, row: int, verb: Verb, label: str, why: str) -> Callable[[], None]:
        assert self.corrections is not None
        name = str(self.images.ids[row])
        if label and not self.head.is_exclusive:
            return self.corrections.change(name, label)
        if verb == "keep":
            label = self.corrections.label(name) or ""
            if not label:
                raise DecisionError("its label is not one of the classes", next="relabel it")
        is_accepted = verb not in ("drop", "clear")
        return self.corrections.decide(
            name,
            label if is_accepted else None,
            drop=verb == "drop",
            by=self.by,
            why=_one_line(why),
        )

    def _changes(self, row: int, verb: Verb, label: str, why: str) -> dict[Key, Row | None]:
        """Return the changes of rows that make a choice for an image."""
        name = str(self.images.ids[row])
        now = self.table.decided.get(name)
        if verb == "clear":
            return clear(now) if now else {}
        if verb == "drop" or (verb == "keep" and not self.head.is_exclusive):
            return set_fate(name, verb, by=self.by, why=why)
        fate: dict[Key, Row | None] = {}
        if now is not None and now.fate == "drop":
            fate = {(name, ""): None}
        given = {"split": self._split(row, now), "by": self.by, "why": why}
        if verb in _CELLS or not self.head.is_exclusive:
            is_yes = self.labelling.about([self.labels[row]], label) == ["yes"]
            return fate | set_cell(name, label, _CELLS.get(verb, not is_yes), **given)
        return fate | self._relabel(row, verb, label, now, given)

    def _relabel(
        self, row: int, verb: Verb, label: str, now: Decided | None, given: Mapping[str, str]
    ) -> dict[Key, Row | None]:
        """Return the changes of rows that give or keep the label of an image that has one."""
        name = str(self.images.ids[row])
        fate: dict[Key, Row | None] = {}
        if verb != "label":
            fate = set_fate(name, "keep", by=given["by"], why=given["why"])
        if verb == "keep":
            label = self._label_to_keep(row, now)
        # A label that came needs no row beside that.
        is_given = verb == "label" or self.images.came[row] != (label,)
        return fate | label_as(name, label if is_given else None, now, **given)

    def _label_to_keep(self, row: int, now: Decided | None) -> str:
        """Return the label that people gave an image, else that of the last run."""
        if now is not None and now.label:
            return now.label
        labels = self.tables.labels if self.tables else []
        label = (labels if row < len(labels) else self.labels)[row]
        if label is None or label not in self.classes:
            raise DecisionError(f"its label ({label}) is not one of the classes", next="relabel it")
        return label

    def _split(self, row: int, now: Decided | None) -> str:
        """Return the split of an image with a new label; empty: as it came, or by hash."""
        if now is not None and now.split:
            return now.split
        if self.images.came[row] or self.images.correction(row) or row in self._given:
            return ""
        if self.images.is_named(row, RANDOM):
            return ""
        sample = self.advisor.last.sample
        return split_of(sample.index(row) if row in sample else None)

    def _require_unchanged(self, rows: Sequence[int], window: str, version: int) -> None:
        """Raise an error if an image does not exist, or another window has changed it."""
        if any(row >= len(self.labels) for row in rows):
            raise DecisionError("there is no such image", next="load the page again")
        others = 0
        for row in rows:
            (at, who) = self._changed.get(row, (0, window))
            others += at > version and who != window
        if others:
            raise ChangedError(
                f"{others:,} of these images changed meanwhile",
                next="look at them again, and repeat",
            )

    def _require_present(self, ids: Sequence[str | None]) -> None:
        missing = sum(name is None for name in ids)
        if missing:
            raise ChangedError(
                f"{count(missing, 'image')} moved or deleted meanwhile",
                next="load the page again",
            )

    def _declare(self, label: str, rows: Sequence[int]) -> list[Callable[[], object]]:
        """Add a class, and the folder of unlabelled images, to ``params.yaml`` if needed.

        Returns:
            Functions that undo it.
        """
        values: dict[str, object] = {}
        is_new = label not in self.classes
        if is_new:
            sources = self.params.scrape.source_by_class
            values["classes"] = [*self.classes, label]
            # Its images are here already; no source is asked for more.
            values["scrape.source_by_class"] = {**sources, label: []}
        is_pile = any(self.images.is_new_file(row) and not self.images.came[row] for row in rows)
        if is_pile and not self.params.evaluate.unlabelled:
            values["evaluate.unlabelled"] = "data/unlabelled"
        if not values:
            return []
        params = load_params(self.root)
        wanted = params.changed(values).model_copy(update={"sweep": params.sweep})
        before = read_text(self._path)
        after = edit_params(before, wanted, otherwise="add the class yourself")
        self._set_params(after)
        return [partial(self._withdraw, label if is_new else "", before, after)]

    def _withdraw(self, label: str, before: str, after: str) -> None:
        """Undo an edit of ``params.yaml``, unless others edited it or use the new class since."""
        is_used = any(label in of.labels for of in self.table.decided.values())
        if read_text(self._path) == after and not is_used:
            self._set_params(before)

    def _set_params(self, text: str) -> None:
        write_text(self._path, text)
        self.params_text = text
        self.params = load_params(self.root)

    def refresh(self) -> None:
        """Take over new files, and what others decided."""
        with self.lock:
            decided = self.table.decided  # before the changes, which an error would lose
            changed = self.images.take_changes()
            if decided is not self._decided:  # read again: others have written it
                self._decided = decided
                changed = [*range(len(self.images))]
            self._take(changed, "")

    def _take(self, rows: Sequence[int], window: str) -> None:
        """Change the labels of rows to what is decided now."""
        self.version += bool(rows)
        missing = len(self.images) - len(self.labels)
        self.labels += [DROPPED] * missing
        self.counts[DROPPED] += missing
        for row in rows:
            label = self._label_of(row)
            before = self.labels[row]
            if label != before or window:
                self._changed[row] = (self.version, window)
            self.counts[before] -= 1
            self.counts[label] += 1
            self.labels[row] = label

    def _label_of(self, row: int) -> str | None:
        if row in self.images.hidden:
            return DROPPED
        of = self.table.decided.get(self.images.ids[row] or "")
        if of is not None and of.fate == "drop":
            return DROPPED
        return self.labelling.resolve(self.images.came[row], of)

    def answers(self) -> Labels:
        """Return the answer of each row to what suggestions are about."""
        return self.labelling.about(self.labels, self.focus)

    def look_at(self, label: str) -> None:
        """Set the label that suggestions are about, if images have several; default: the first."""
        focus = label if label in self.classes else self.classes[0]
        if self.focus != focus:
            self.focus = focus
            self._refused.clear()

    def after(self, window: str) -> dict[str, Any]:
        """Return the version of the labels, and the number of actions that a window can undo."""
        undoable = sum(step.window == window for step in self._steps)
        return {"version": self.version, "undoable": undoable}

    def grow(self) -> dict[str, Any]:
        """Enlarge the random sample, to narrow the interval of the accuracy."""
        with self.lock:
            self.advisor.grow()
            self._seen = ()
            return {}

    def renew(self) -> None:
        """Begin to renew the advice if images, features or labels have changed."""
        with self.lock:
            self.refresh()
            seen = (
                self.version,
                self.focus,
                len(self._refused),
                *self.images.progress().values(),
            )
            if seen == self._seen or not self.advisor.is_rested:
                return
            self._seen = seen
            labels = [*self.answers()]
            looks = [self._looks[row] or int(bool(label)) for row, label in enumerate(labels)]
            held = {*self.held}
            for name, of in self.table.decided.items():
                if of.split in ("val", "test"):
                    held.update(self.images.rows_of(name))
            answers = self.labelling.answers(self.classes)
            again = looks if self.head.is_exclusive else None
            self.advisor.start(self.focus, labels, answers, again, {*self._refused}, held)

    def count_labels(self) -> Counter[str]:
        """Return numbers of images by label."""
        found = Counter[str]()
        for text, number in self.counts.items():
            for label in self.head.labels_of(text) if text else ():
                found[label] += number
        return found

    def shown_classes(self) -> list[str]:
        """Return the classes, followed by other labels of images."""
        others = {*+self.count_labels()} - {*self.classes}
        return [*self.classes, *sorted(others)]


def _one_line(text: str) -> str:
    """Return a text without line ends and invisible characters, as ``decisions.csv`` keeps it."""
    return " ".join(printable(text, instead=" ").split())


def _flips(root: Path, only: Kind | None) -> pd.DataFrame | None:
    """Return the flips; the base's predictions are only fetched for ``only="flips"``."""
    if only not in (None, "flips"):
        return None
    from pixmill.experiments.compare.comparing import read_flips

    try:
        return read_flips(root, fetch=only == "flips")
    except (NotComparableError, PixmillError) as reason:
        if only:
            raise PixmillError(f"there are no flips: {reason}", next="pixmill review") from reason
        return None
