"""Write decisions: the one writer of ``decisions.csv``, and the log that restores lost ones.

Each action replaces the file by one with its rows, in order: half a write cannot be seen, and equal
decisions are equal bytes, whatever their order was. A person may edit the file at any time.

``inbox/decided.jsonl`` has a line for each action that no commit holds yet, because a checkout,
``dvc exp apply`` or a merge tool may discard uncommitted rows.
"""

import contextlib
import getpass
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pixmill.core.decided_cells import DECIDED, written_task
from pixmill.core.decisions import (
    FILE,
    Decided,
    Key,
    Row,
    group_rows,
    read_rows,
    render_row,
    render_rows,
)
from pixmill.core.errors import DataError, LockedError, PixmillError
from pixmill.core.files.writing import (
    file_mark,
    hold_lock,
    place_within,
    storage_errors,
    sync_folder,
    write_durably,
)
from pixmill.core.repository.git import git_line
from pixmill.core.review_csv import committed_rows
from pixmill.core.spellings import resolve

LOG = "inbox/decided.jsonl"

_LOCK = "inbox/.decisions.lock"
_LOCK_TIMEOUT_SECONDS = 10.0

_Rows = dict[Key, tuple[Row, ...]]
"""Rows by image and label: several where people disagree."""


class ChangedError(PixmillError):
    """Decisions changed since an action, so it cannot be undone."""


class Change(BaseModel):
    """A row before and after an action.

    Where people disagree, several rows have one image and label: each has its own change.

    Args:
        before: ``None`` if there was none.
        after: ``None`` if it was removed.
    """

    model_config = ConfigDict(frozen=True)

    before: Row | None
    after: Row | None

    @property
    def key(self) -> Key:
        """Image and label."""
        row = self.after or self.before
        assert row is not None
        return row.key

    def __str__(self) -> str:
        return f"{self.key[0][:12]} {self.after or 'cleared'}"


class Accepted(BaseModel):
    """An accepted new image.

    Args:
        image: Its id.
        file: Its file relative to the project folder, such as ``data/coat/feedback-….jpg``. A pull
            request may contain the log, so whoever writes a file checks that it is in ``data/``.
        md5: MD5 of its bytes, as in DVC's cache.
        corrections: Number of its corrections when it was accepted; later ones are reviewed
            separately.
    """

    model_config = ConfigDict(frozen=True)

    image: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    file: Annotated[str, Field(pattern=r"^data/([^/:\\]+/)+[^/:\\]+$")]
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    corrections: int

    @property
    def label(self) -> str:
        """Class of its folder."""
        return PurePosixPath(self.file).parent.name


class Action(BaseModel):
    """What one key or click decided.

    Args:
        branch: Git branch; empty outside of a branch.
        changes: Changed rows; of one image and label, the row that stays is last.
        accepted: The image that it accepted into ``data/``.
        is_undo: Whether it undoes the last action before it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    branch: str = ""
    changes: tuple[Change, ...] = ()
    accepted: Accepted | None = None
    is_undo: bool = False

    def inverse(self) -> Self:
        """Return the action that undoes it."""
        changes = tuple(
            Change(before=each.after, after=each.before) for each in reversed(self.changes)
        )
        return self.model_copy(update={"changes": changes, "is_undo": True})


class DecisionTable:
    """Read and change ``decisions.csv`` of a project; several processes may.

    Args:
        root: Project folder.

    Raises:
        DataError: The log is malformed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / FILE
        self.log = root / LOG
        self._mark: tuple[int, ...] | None = None
        self._kind = Decided
        self._rows: _Rows = {}
        self._lines: dict[Key, str] = {}
        self._decided: dict[str, Decided] = {}
        self._logged: tuple[tuple[int, ...], list[Action]] = ((), [])

    @property
    def decided(self) -> Mapping[str, Decided]:
        """What is decided, by id, or by what a row names if there is no such image; never change it.

        Raises:
            DecisionsError: The file is malformed.
        """
        if (mark := file_mark(self.path)) != self._mark:
            self._kind = DECIDED[written_task(self.root)]
            rows = read_rows(self.path)
            names = resolve(self.root, (row.image for row in rows))
            self._decided = group_rows(rows, names, self._kind)
            self._rows = _by_key(self._decided)
            self._lines = {}
            self._mark = mark
        return self._decided

    def is_open(self, name: str, label: str) -> bool:
        """Return whether nobody decided a doubt about a label of an image."""
        of = self.decided.get(name)
        return of is None or not of.settles(label)

    def is_doubted(self, text: str, label: str, suggested: str) -> bool:
        """Return whether a doubt is about what an image has; see :class:`Decided`."""
        return self._kind.is_doubted(text, label, suggested)

    def decide(
        self,
        changes: Mapping[Key, Row | None],
        *,
        then: str = "decide again",
        accepted: Accepted | None = None,
    ) -> Action:
        """Write decisions; once this returns, they survive SIGKILL and power loss.

        Args:
            changes: New rows by id and label; ``None`` removes one.
            then: Next step if it fails.
            accepted: The image that is accepted with them; its file is there already.

        Returns:
            The action, for :meth:`undo`.

        Raises:
            DecisionsError: The file is malformed; nothing was written.
            LockedError: Another process held the lock for ten seconds.
            StorageError: The disk is full, or a file may not be written; nothing was written.
        """
        with self._lock(then):
            self.decided  # noqa: B018 (read what another process wrote)
            made = tuple(chain.from_iterable(map(self._replace, changes, changes.values())))
            action = Action(branch=self._branch(), changes=made, accepted=accepted)
            if made or accepted:
                self._write(action)
            return action

    def undo(self, action: Action, *, then: str = "decide again") -> Action:
        """Bring back the rows before an action.

        Args:
            action: An action of :meth:`decide`.
            then: Next step if it fails.

        Returns:
            The action that undoes it.

        Raises:
            ChangedError: One of its rows changed since; nothing was written.
        """
        with self._lock(then):
            self.decided  # noqa: B018 (read what another process wrote)
            final = {each.key: each.after for each in action.changes}
            changed = [key for key, row in final.items() if self._of(key) != [row]]
            if changed:
                raise ChangedError(
                    f"{changed[0][0][:12]} was decided again since", next="decide it anew"
                )
            inverse = action.inverse()
            self._write(inverse)
            return inverse

    def actions(self) -> list[Action]:
        """Return the logged actions.

        Raises:
            DataError: A line is malformed.
        """
        mark = file_mark(self.log)
        if mark == self._logged[0]:
            return list(self._logged[1])
        actions = []
        # A line without an end was never acknowledged.
        lines = self.log.read_bytes().split(b"\n")[:-1] if mark else []
        for number, line in enumerate(lines, 1):
            try:
                actions.append(Action.model_validate_json(line))
            except ValidationError:
                raise DataError(
                    f"{LOG}, line {number} is malformed",
                    next=_advice(line, self.log),
                ) from None
        self._logged = (mark, actions)
        return list(actions)

    def lost(self) -> list[Change]:
        """Return decisions of this branch that are neither here nor in the last commit.

        A checkout discarded them, or a process was killed before it wrote their rows. Where the
        log does not know the rows of now, a person has written others since.
        """
        self.decided  # noqa: B018 (read what another process wrote)
        head = self._committed()
        lost = []
        for image, labels in self._history().items():
            for label, (*earlier, last) in labels.items():
                rows = self._rows.get((image, label), ())
                is_held = last and last <= {*head.get((image, label), ())}
                is_gone = {*rows} != last and {*rows} in earlier and not is_held
                if is_gone and not (label and self._is_replaced(image, labels, head)):
                    before = next(iter(rows), None)
                    lost.append(Change(before=before, after=next(iter(last), None)))
        return lost

    def _history(self) -> dict[str, dict[str, list[set[Row]]]]:
        """Return the rows before and after each logged action of this branch, by image and label."""
        branch = self._branch()
        found: dict[str, dict[str, list[set[Row]]]] = {}
        for action in self.actions():
            if action.branch != branch:
                continue
            before, after = (_rows_after(each) for each in (action.inverse(), action))
            for (image, label), rows in after.items():
                known = found.setdefault(image, {})
                if self._kind.has_one_label and any(row.answer == "yes" for row in rows):
                    # It takes all other labels, also one whose row a killed process did not write.
                    others = [name for name in known if name and (image, name) not in after]
                    for name in others:
                        del known[name]
                known.setdefault(label, [before[image, label]]).append(rows)
        return found

    def _is_replaced(self, image: str, labels: Collection[str], head: _Rows) -> bool:
        """Return whether a person gave an image another label by hand than these logged ones."""
        of = self._decided.get(image)
        return self._kind.has_one_label and any(
            row.answer == "yes" and row.label not in labels and row not in head.get(row.key, ())
            for row in (of.rows if of else ())
        )

    def restore(self, changes: Iterable[Change]) -> Action:
        """Write lost decisions again; see :meth:`decide`."""
        return self.decide({each.key: each.after for each in changes}, then="pixmill review")

    def release(self, is_committed: Callable[[Accepted], bool] = lambda _: False) -> None:
        """Delete logged actions that the last commit holds.

        Args:
            is_committed: Whether it holds an accepted image.
        """
        if not (actions := self.actions()):
            return
        self.decided  # noqa: B018 (learn how many labels an image has)
        head = self._committed()
        branch = self._branch()
        changes = [(action, each) for action in actions for each in action.changes]
        final = {each.key: each.after for _, each in changes}
        history = self._history()
        # Of an image, all actions stay while one is needed: a later one may have replaced others.
        needed = set()
        for action, each in changes:
            is_held = final[each.key] in head.get(each.key, (None,))
            if action.branch == branch:
                is_held |= each.key[1] not in history[each.key[0]]
            else:  # That this branch has no row does not mean that another one removed it.
                is_held &= each.after is not None
            if not is_held:
                needed.add(each.key[0])
        self.keep(
            action
            for action in actions
            if not needed.isdisjoint(each.key[0] for each in action.changes)
            or (action.accepted and not is_committed(action.accepted))
        )

    def keep(self, actions: Iterable[Action]) -> None:
        """Log these actions alone; those after the last read stay."""
        with self._lock("pixmill review"):
            known = self._logged[1]
            later = self.actions()[len(known) :]
            lines = "".join(f"{each.model_dump_json()}\n" for each in (*actions, *later))
            write_durably(self.log, lines.encode())

    def _write(self, action: Action) -> None:
        """Log an action, then write its rows: :meth:`restore` writes those that a kill left out."""
        lines = dict(self._lines)
        if not lines:
            for of in self._decided.values():
                for row in sorted(of.rows, key=lambda row: row.answer):
                    lines[row.key] = lines.get(row.key, "") + render_row(row)
        rows = self._after(action.changes)
        for key, now in rows.items():
            lines[key] = "".join(map(render_row, sorted(now, key=lambda row: row.answer)))
        header = render_rows(())
        text = "".join([header, *(lines[key] for key in sorted(lines))])
        actions = self.actions()
        # A line without an end is of a killed process, and was never acknowledged.
        size = self.log.read_bytes().rfind(b"\n") + 1 if self.log.exists() else 0
        try:
            self._append(action, size)
            write_durably(self.path, text.encode())
        except OSError:
            with contextlib.suppress(FileNotFoundError):
                os.truncate(self.log, size)
            raise
        self._logged = (file_mark(self.log), [*actions, action])
        self._lines = lines
        for key, now in rows.items():
            self._set(key, now)
        self._mark = file_mark(self.path)

    def _after(self, changes: Iterable[Change]) -> _Rows:
        """Return the rows after changes, by image and label."""
        found: _Rows = {}
        for change in changes:
            rows = found.get(change.key, self._rows.get(change.key, ()))
            kept = [row for row in rows if row != change.before]
            found[change.key] = (*kept, *filter(None, [change.after]))
        return found

    def _of(self, key: Key) -> list[Row | None]:
        """Return the rows about an image and label; ``None`` is the only one if there is none."""
        return [*self._rows.get(key, ())] or [None]

    def _replace(self, key: Key, row: Row | None) -> Iterator[Change]:
        """Yield the changes that leave this row of an image and label, or none.

        An answer given again is one, too: it is newer than what the log may have in between.
        """
        *others, last = self._of(key)
        yield from (Change(before=other, after=None) for other in others)
        if row or last:
            yield Change(before=last, after=row)

    def _set(self, key: Key, rows: tuple[Row, ...]) -> None:
        """Change the rows in memory."""
        known = self._decided.pop(key[0], None)
        others = [row for row in (known.rows if known else ()) if row.key != key]
        self._rows.pop(key, None)
        if rows:
            self._rows[key] = rows
        if others or rows:
            self._decided[key[0]] = self._kind((*others, *rows))

    def _append(self, action: Action, size: int) -> None:
        """Write the line of an action after the first bytes of the log."""
        with self.log.open("ab") as file:
            file.truncate(size)
            file.write(f"{action.model_dump_json()}\n".encode())
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self.log.parent)

    @contextlib.contextmanager
    def _lock(self, then: str) -> Iterator[None]:
        refusal = LockedError(
            f"another process has locked {FILE} for {_LOCK_TIMEOUT_SECONDS:g} seconds", next=then
        )
        with storage_errors(then=then):
            place_within(self.log, self.root).parent.mkdir(exist_ok=True)
            lock = place_within(self.root / _LOCK, self.root)
            with hold_lock(lock, refusal, timeout=_LOCK_TIMEOUT_SECONDS):
                yield

    def _branch(self) -> str:
        return git_line(self.root, "symbolic-ref", "--quiet", "--short", "HEAD")

    def _committed(self) -> _Rows:
        """Return the rows of the last commit by id and label, none if it has a malformed file."""
        rows = committed_rows(self.root, "HEAD") or ()
        names = resolve(self.root, (row.image for row in rows))
        return _by_key(group_rows(rows, names, self._kind))


def _by_key(decided: Mapping[str, Decided]) -> _Rows:
    found: _Rows = {}
    for of in decided.values():
        for row in of.rows:
            found[row.key] = (*found.get(row.key, ()), row)
    return found


def _rows_after(action: Action) -> dict[Key, set[Row]]:
    """Return the rows that an action leaves, by image and label."""
    found: dict[Key, set[Row]] = {change.key: set() for change in action.changes}
    for change in action.changes:
        found[change.key].update(filter(None, [change.after]))
    return found


def _advice(line: bytes, log: Path) -> str:
    """Return what to do with a line of the log that is no action."""
    if line.startswith(b'{"image":'):  # of an earlier version
        return "pixmill upgrade"
    return f"delete that line to forget its decisions: {log}"


def default_name(root: Path) -> str:
    """Return the name of who decides: ``user.name`` in Git, else the login."""
    return git_line(root, "config", "user.name") or getpass.getuser()
