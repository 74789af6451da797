"""Labels that people give in the grid, kept at once."""

from __future__ import annotations

import contextlib
import math
import secrets
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from pixmill.core.errors import LockedError, PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import hold_lock, storage_errors, sync_folder, write_text
from pixmill.core.metadata import Cells, MetadataTable
from pixmill.core.names import class_by_name, class_folder, to_nfc, to_slug, to_text
from pixmill.core.params import Params, load_params, read_text
from pixmill.core.params.document import edit_params
from pixmill.core.words import count, join_names
from pixmill.dataset.decision_log import DecisionLog
from pixmill.dataset.inbox import Inbox
from pixmill.dataset.review_file import ReviewFile
from pixmill.dataset.uncommitted import commit_command
from pixmill.review.grid.actions import (
    RECENT_SECONDS,
    Action,
    ChangedError,
    Item,
    Journal,
    Other,
    free_name,
    part_of,
    reverse,
)
from pixmill.review.grid.pile import Pile
from pixmill.review.grid.suggesting import DROPPED
from pixmill.review.recovery import check_decisions, describe_lost
from pixmill.validate.decisions import UNLABELLED, Decision, Names

_LOCK_SECONDS = 10.0

_LOOK_SECONDS = 10.0
"""Time between two looks for new files, or 20 times what a look takes."""

_ID_DIGITS = 64


class Labels:
    """Give labels to images of a pile; threads, windows and processes may share the project.

    An image of ``data/`` that no run has seen moves into the folder of its class, with its row in
    ``metadata.csv``; others get a line in ``review.csv``. An action whose method has returned
    survives SIGKILL; one that was interrupted by that or by a disk error is completed by the next
    action, or by the next start. Until a commit holds a label, ``pixmill review --restore`` gives
    it again after a checkout that undid it.

    Args:
        workspace: Folders of the project.
        params: Its parameters.
        pile: The images.

    Attributes:
        classes: The classes, with new ones.
        remarks: Lines to print at the start: labels that a checkout undid, and the command that
            restores them.

    Raises:
        DataError: A line of the decision log, or ``metadata.csv``, is malformed.
        LockedError: Another process held the lock for ten seconds.
        DecisionsError: ``review.csv`` is malformed.
        StorageError: The disk is full or read-only.
    """

    def __init__(self, workspace: Workspace, params: Params, pile: Pile) -> None:
        self._root = workspace.root
        self._params = params
        self._pile = pile
        self._log = DecisionLog(Inbox(workspace.root / "inbox"), workspace.root)
        scratch = workspace.scratch("review")
        self._lock = scratch / "labels.lock"
        self._review_lock = scratch / "review.lock"
        self._journal = Journal(scratch / "actions.jsonl", self._root)
        self._actions: list[Action] = []
        self._path = self._root / "params.yaml"
        self._edits = dict[str | None, tuple[str, str]]()
        self._changed: dict[int, tuple[int, str, str]] = {}
        self._windows: set[str] = set()
        self._found: Mapping[str, str | None] | None = None
        self._next_look = time.monotonic() + _LOOK_SECONDS
        self._table = MetadataTable(workspace.root / "data")
        self._guard = threading.RLock()
        self._is_open = False
        self._open_review()
        with self._locked(), pile.lock:
            self._is_open = True
            self._journal.tidy(time.time())
            status = check_decisions(self._log)
            self._log.forget(item for item in status.accepted if item.earlier)
            for name, decision in self._review.read().items():
                self._overlay(name, decision)
        lost = describe_lost(status)
        self.remarks = [*lost[0], f"Next: {lost[1]}"] if lost else []

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes, with new ones."""
        return self._params.classes

    def refresh(self) -> None:
        """Take over what others labelled and new files, for which a thread looks every ten seconds.

        Call it before each answer: rows are appended only here.
        """
        if self._found is not None or not self._journal.is_current:
            with self._locked():
                if self._found is not None:
                    self._pile.add(self._found)
                    self._found = None
        if time.monotonic() > self._next_look:
            self._next_look = math.inf
            threading.Thread(target=self._look, daemon=True).start()

    def give(
        self,
        rows: Sequence[int],
        label: str,
        *,
        by: str,
        window: str,
        version: int,
        sample: Sequence[int] = (),
    ) -> None:
        """Give images a label; a new class is added to ``params.yaml``.

        Args:
            rows: The images.
            label: The label.
            by: Name of the person.
            window: Identifies the window.
            version: :attr:`Pile.version` of the state that the window shows.
            sample: Rows of the random sample, in its order: the second of each three becomes
                validation, the others test. Images outside of it become training.

        Raises:
            ChangedError: Another window changed some of the images after that version, or a file is
                gone.
            ParamsError: The label cannot be a class.
            LockedError: Another process held the lock for ten seconds.
            StorageError: The disk is full or read-only.
        """
        label = to_nfc(label)
        with self._locked():
            self._check(rows, window, version)
            files = [row for row in rows if row >= self._pile.kept]
            digests = dict(zip(files, self._pile.identify(files), strict=True))
            self._demand([row for row, digest in digests.items() if digest is None])
            self._declare(label, moves=bool(files))
            decisions = self._review.read()
            rest = [row for row in rows if row < self._pile.kept]
            changes: dict[str, Decision | None] = {
                name: self._relabel(name, label, by)
                for row in rest
                if (name := self._pile.ids[row])
            }
            items = [self._stay(row, label) for row in rest]
            cells: dict[str, tuple[Cells | None, Cells | None]] = {}
            taken = set[str]()
            table = self._table.read()
            for row, digest in digests.items():
                assert digest is not None
                source = self._pile.names[row]
                before = table.get(_key(source))
                part = (before or {}).get("split") or part_of(
                    sample.index(row) if row in sample else None
                )
                fixed = f"{part}/" if self._params.scrape.folder.layout == "fixed" else ""
                target = free_name(
                    self._root, source, f"data/{fixed}{class_folder(label)}", digest.id, taken
                )
                items.append(Item(*digest, source, target, self._pile.labels[row], label))
                if decisions.get(digest.id):  # it was dropped
                    changes[digest.id] = None
                cells[_key(source)] = (before, None)
                cells[_key(target)] = (
                    table.get(_key(target)),
                    self._cells(before, target, label, part),
                )
            self._do(
                Action(items=items, cells=cells, lines=self._review.lines(changes)),
                by=by,
                window=window,
            )

    def drop(self, rows: Sequence[int], *, by: str, window: str, version: int) -> None:
        """Drop images: a line in ``review.csv``; their files stay.

        Arguments and errors as for :meth:`give`.
        """
        with self._locked():
            self._check(rows, window, version)
            unknown = [row for row in rows if self._pile.ids[row] is None]
            self._demand(
                [
                    row
                    for row, digest in zip(unknown, self._pile.identify(unknown), strict=True)
                    if not digest
                ]
            )
            names = {row: str(self._pile.ids[row]) for row in rows}
            why = {row: "" if self._pile.labels[row] else UNLABELLED for row in rows}
            changes = {
                name: Decision(0, name, "drop", "", by, why[row]) for row, name in names.items()
            }
            items = [self._stay(row, DROPPED) for row in rows]
            self._do(Action(items=items, lines=self._review.lines(changes)), by=by, window=window)

    def undo(self, *, by: str, window: str) -> list[int]:
        """Undo the last action of a window since the start, with a class that it added, and return its rows, if any.

        Raises:
            ChangedError: Someone changed an image since, or another file has its old name.
            LockedError: Another process held the lock for ten seconds.
            StorageError: The disk is full or read-only.
        """
        with self._locked():
            if (
                last := next(
                    (each for each in reversed(self._actions) if each.window == window), None
                )
            ) is None:
                return []
            found = [self._pile.row(item.target) for item in last.items]
            rows = [row for row in found if row is not None]
            changed = len(rows) < len(last.items)
            if changed or [self._pile.labels[row] for row in rows] != [
                item.after for item in last.items
            ]:
                raise ChangedError(
                    "an image of this action was changed since, so it was not undone"
                )
            self._do(reverse(last), by=by, window=window)
            self._withdraw(last.items[0].after)
            return rows

    def undoable(self, window: str) -> int:
        """Return the number of actions that a window can undo."""
        return sum(action.window == window for action in self._actions)

    def others(self, window: str) -> list[Other]:
        """Return who else labelled here in the last ten minutes, the latest first."""
        now = time.time()
        found: dict[str, Other] = {}
        for action in self._actions:
            if action.window != window and now - action.time < RECENT_SECONDS:
                before = found.pop(action.by, None)
                images = len(action.items) + (before.images if before else 0)
                found[action.by] = Other(action.by, now - action.time, images)
        return [*reversed(found.values())]

    def end(self) -> tuple[str, str | None]:
        """Return a summary of the actions of this process, and the next command, if any."""
        last: dict[str, Item] = {}
        for action in self._actions:
            if action.window in self._windows:
                last |= {item.id: item for item in action.items}
        labelled = sum(bool(item.after) for item in last.values())
        dropped = sum(item.after == DROPPED for item in last.values())
        commit = commit_command(self._root, "Label images")
        command = (
            " && ".join([*([commit] if commit else []), "dvc repro"])
            if labelled or dropped
            else commit
        )
        return f"{count(labelled, 'image')} labelled, {dropped:,} dropped.", command

    def _look(self) -> None:
        """Look for new files; without an answer if ``data/`` is malformed, which an action says."""
        start = time.monotonic()
        with contextlib.suppress(PixmillError, OSError):
            self._found = self._pile.scan()
        now = time.monotonic()
        self._next_look = now + max(_LOOK_SECONDS, 20 * (now - start))

    # Under the lock.

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the lock, and take over the actions of others."""
        refusal = LockedError(
            f"another process has locked the labels for {_LOCK_SECONDS:g} seconds", next="try again"
        )
        with (
            self._guard,
            storage_errors(then="label again"),
            hold_lock(self._lock, refusal, timeout=_LOCK_SECONDS),
        ):
            for action in self._journal.read():
                if self._is_open:  # else the rows are newer
                    self._take(action)
            self._complete()
            yield

    def _do(self, action: Action, *, by: str, window: str) -> None:
        """Record an action, and change files and rows."""
        if action.items:
            action = replace(
                action, key=secrets.token_hex(8), by=by, window=window, time=time.time()
            )
            self._windows.add(window)
            for item in action.moved(self._root):  # an error here leaves nothing to complete
                (self._root / item.target).parent.mkdir(parents=True, exist_ok=True)
            self._journal.add(action)
            self._complete()

    def _complete(self) -> None:
        """Change files and rows as the action says that has begun, if any."""
        if action := self._journal.begun:
            self._write(action)
            self._journal.finish()
            self._take(action)

    def _write(self, action: Action) -> None:
        """Change the files; repeating this completes an interrupted call."""
        rows = {name: after for name, (_, after) in action.cells.items()}
        if moved := action.moved(self._root):
            known = self._log.read()[0]  # without the images that an interrupted undo forgot
            self._log.move(
                {
                    item.id: (
                        to_text(item.source),
                        to_text(item.target),
                        item.md5,
                        rows.get(_key(item.target)),
                    )
                    for item in moved
                    if item.id in known or not action.undoes
                }
            )
            folders = {
                (self._root / name).parent for item in moved for name in (item.source, item.target)
            }
            for folder in folders:
                folder.mkdir(parents=True, exist_ok=True)
            for item in moved:
                source = self._root / item.source
                target = self._root / item.target
                if source.exists() and not target.exists():
                    shutil.move(source, target)
            for folder in folders:
                sync_folder(folder)
        if rows:
            self._table.change(rows)
        if action.lines:
            self._log.change(action.lines)
            after = {name: line and Decision(0, *line) for name, (_, line) in action.lines.items()}  # type: ignore[arg-type]
            self._review.change(after)

    def _take(self, action: Action) -> None:
        """Change the rows as an action says."""
        if action.undoes:
            self._actions = [each for each in self._actions if each.key != action.undoes]
        else:
            self._actions.append(action)
        with self._pile.lock:
            self._pile.version += 1
            for item in action.items:
                row = self._pile.row(item.source)
                if row is None:
                    row = self._pile.row(item.target)
                if row is not None:
                    self._pile.move(row, item.target, item.after)
                    self._changed[row] = (self._pile.version, action.by, action.window)
                (self._pile.dropped.add if item.after == DROPPED else self._pile.dropped.discard)(
                    item.id
                )

    def _check(self, rows: Sequence[int], window: str, version: int) -> None:
        """Raise an error if another window has changed some of the rows."""
        others = [
            each
            for row in rows
            if (each := self._changed.get(row)) and each[0] > version and each[2] != window
        ]
        if others:
            names = join_names(sorted({by or "someone" for _, by, _ in others}))
            what = f"{count(len(others), 'of these images', 'of these images')}"
            raise ChangedError(
                f"{names} changed {what} meanwhile", next="look at the others again, and repeat"
            )

    def _demand(self, missing: Sequence[int]) -> None:
        if missing:
            raise ChangedError(
                f"{count(len(missing), 'image')} moved or deleted meanwhile",
                next="load the page again",
            )

    def _declare(self, label: str, *, moves: bool) -> None:
        """Add a class to ``params.yaml`` unless it is there, and the source that reads ``data/``."""
        scrape = self._params.scrape
        is_new = label not in self._params.classes
        sources = () if is_new and scrape.source != ("folder",) else scrape.sources_of(label)
        is_read = not moves or not {"folder", "shop"}.isdisjoint(sources)
        if is_new or not is_read:
            params = load_params(self._root)
            values: dict[str, object] = {"classes": [*dict.fromkeys((*params.classes, label))]}
            if not (
                moves and is_read
            ):  # no source has the images of a new class if they stay where they are
                own = [*sources, "folder"] if moves else []
                values["scrape.source_by_class"] = {**scrape.source_by_class, label: own}
            wanted = params.changed(values).model_copy(update={"sweep": params.sweep})
            before = read_text(self._path)
            after = edit_params(before, wanted, otherwise="add the class yourself")
            self._edits[label] = before, after
            self._set_params(after)

    def _withdraw(self, label: str | None) -> None:
        """Undo what :meth:`_declare` wrote for a label that no image has now, unless the file was edited since."""
        before, after = self._edits.get(label, ("", ""))
        if label not in self._pile.labels and after and read_text(self._path) == after:
            self._set_params(before)

    def _set_params(self, text: str) -> None:
        write_text(self._path, text)
        self._params = self._pile.params = load_params(self._root)
        self._open_review()

    def _open_review(self) -> None:
        path = self._root / "review.csv"
        tables = self._pile.tables

        def names(decisions: Iterable[Decision]) -> list[Names]:
            found = tables.names(decisions) if tables else []
            known = {each.id for each in found}
            others = {item.image for item in decisions if len(item.image) == _ID_DIGITS} - known
            return [*found, *(Names(name, ()) for name in sorted(others))]

        self._review = ReviewFile(path, self._params.classes, names, lock=self._review_lock)

    def _overlay(self, name: str, decision: Decision) -> None:
        """Apply a decision of ``review.csv`` to the rows."""
        if decision.verb == "drop":
            self._pile.dropped.add(name)
        for row in self._pile.rows_of(name):
            if decision.verb == "drop":
                self._pile.labels[row] = DROPPED
            elif decision.verb == "relabel" and row < self._pile.kept:
                self._pile.labels[row] = decision.label

    def _relabel(self, name: str, label: str, by: str) -> Decision:
        """Return the decision on an image of the last run; ``keep`` for the only label that it came with."""
        tables = self._pile.tables
        place = tables.row(name) if tables else None
        came_as = (
            {item["label"] for item in tables.sightings(place)}
            if tables and place is not None
            else set()
        )
        verb, new = ("keep", "") if came_as == {label} else ("relabel", label)
        return Decision(0, name, verb, new, by)  # type: ignore[arg-type]

    def _stay(self, row: int, label: str) -> Item:
        name = self._pile.names[row]
        return Item(str(self._pile.ids[row]), "", name, name, self._pile.labels[row], label)

    def _cells(self, before: Cells | None, target: str, label: str, part: str) -> Cells:
        """Return the row of an image in ``metadata.csv``, with its other facts."""
        known = class_by_name(self._params.classes, self._params.scrape.folder.classes)
        is_plain = known.get(to_nfc(to_slug(label))) == label
        own = {"file_name": _key(target), "label": "" if is_plain else label, "split": part}
        return {**(before or {}), **own}


def _key(file: str) -> str:
    """Return the path of a file in ``metadata.csv``."""
    return to_nfc(to_text(file)).removeprefix("data/")
