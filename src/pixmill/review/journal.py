"""What was decided and no commit holds yet, kept with the inbox: what removes it from ``data/`` leaves it here.

``inbox/decided.jsonl`` has a line for each image that was accepted, whose copy stays in the inbox meanwhile, and one
for each line of ``review.csv`` that was changed. To have Pixmill forget one, delete its line.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from pixmill.core.dvc import cache_folder, is_cached, read_listing
from pixmill.core.errors import ReviewError
from pixmill.core.files import file_digest
from pixmill.core.git import git
from pixmill.serve.inbox import Inbox, write_durably

__all__ = [
    "Accepted",
    "Changed",
    "Journal",
    "Line",
    "State",
    "copy_of",
    "describe_decided",
    "describe_missing",
    "examine",
    "find_in",
    "line_of",
]

Line = tuple[str, str, str, str, str]
"""A line of ``review.csv``: image, decision, label, by, why."""

_UNLABELLED = "unlabelled"
"""The folder of ``data/`` that no class ever takes."""

_SHORTEST = 8
"""The fewest digits of an id that name an image in ``review.csv``."""

FILE = "decided.jsonl"

_COLUMNS = 5
"""Of ``review.csv``."""

_NAMED = 3
"""Images that a message names, unless it is about to change them."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    image: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    branch: str


class Accepted(_Record):
    """Hold what became of a new image that was accepted.

    Args:
        image: Its id, the sha256 of its bytes.
        branch: The Git branch on which that was; empty outside of a branch.
        file: Where it was put, below the project's folder, such as ``data/coat/feedback-….jpg``.
        corrections: How many corrections of it there were: what is said of it later is another matter.
    """

    file: str
    corrections: Annotated[int, Field(ge=1)]

    @field_validator("file")
    @classmethod
    def _check_file(cls, file: str) -> str:
        parts = PurePosixPath(file).parts
        if parts[:1] != ("data",) or ".." in parts or len(parts) < 3:
            raise ValueError("expected data/<class>/<file>")
        return file


class Changed(_Record):
    """Hold a decision that was written to ``review.csv``.

    Args:
        image: The id of its image.
        branch: As of :class:`Accepted`.
        before: The line that said something else of the image before; ``None`` if none did.
        after: The line that holds the decision; ``None`` if it was taken back.
    """

    before: Line | None
    after: Line | None

    def find(self, lines: Iterable[Line]) -> Line | None:
        """Return the line on this image."""
        return next((line for line in lines if self.concerns(line[0])), None)

    def concerns(self, name: str) -> bool:
        """Tell whether a line that names an image so means this one: by its id, or as ``before`` named it."""
        is_start = len(name) >= _SHORTEST and self.image.startswith(name.lower())
        return is_start or (self.before is not None and name == self.before[0])


_PARSER: TypeAdapter[Accepted | Changed] = TypeAdapter(Accepted | Changed)


class Journal:
    """Read and change ``decided.jsonl`` of an inbox.

    Args:
        inbox: The inbox.
        root: The project's folder, whose branch is noted.
    """

    def __init__(self, inbox: Inbox, root: Path) -> None:
        self.inbox = inbox
        self.root = root
        self.path = inbox.folder / FILE

    def read(self) -> tuple[dict[str, Accepted], dict[str, Changed]]:
        """Return the accepted images and the changed lines, by the id of their image.

        Raises:
            ReviewError: A line is malformed.
        """
        accepted: dict[str, Accepted] = {}
        changed: dict[str, Changed] = {}
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            lines = []
        for number, line in enumerate(lines, start=1):
            try:
                record = _PARSER.validate_json(line)
            except ValidationError:
                advice = f"edit or delete line {number} of {self.path}"
                raise ReviewError(f"{self.path}, line {number}: expected a decision", next=advice) from None
            if isinstance(record, Accepted):
                accepted[record.image] = record
            else:
                changed[record.image] = record
        return accepted, changed

    def accept(self, image: str, file: Path, corrections: int) -> None:
        """Note that an image is accepted, before it is put anywhere.

        Args:
            image: Its id.
            file: Where it will lie, in the project's folder.
            corrections: How many corrections there are of it.
        """
        place = file.relative_to(self.root).as_posix()
        self._change(accept={image: Accepted(image=image, branch=self._branch(), file=place, corrections=corrections)})

    def change(self, lines: Mapping[str, tuple[Line | None, Line | None]]) -> None:
        """Note decisions that were written to ``review.csv``.

        Args:
            lines: By the id of the image, the line before and the line now.
        """
        branch = self._branch()
        records = (
            Changed(image=image, branch=branch, before=before, after=after) for image, (before, after) in lines.items()
        )
        self._change(change={record.image: record for record in records})

    def forget(self, accepted: Iterable[str] = (), changed: Iterable[str] = ()) -> None:
        """Drop what was noted of images: that they were accepted, or what was decided on them."""
        self._change(accept=dict.fromkeys(accepted), change=dict.fromkeys(changed))

    def _branch(self) -> str:
        return (git(self.root, "symbolic-ref", "--quiet", "--short", "HEAD") or "").strip()

    def _change(
        self, *, accept: Mapping[str, Accepted | None] | None = None, change: Mapping[str, Changed | None] | None = None
    ) -> None:
        if not accept and not change:
            return
        with self.inbox.locked(then="repeat the decision"):
            accepted, changed = self.read()
            for image, record in (change or {}).items():
                old = changed.pop(image, None)
                if record is not None:
                    # Of two changes in a row, the line before both is the one that may come back.
                    before = old.before if old is not None and old.after == record.before else record.before
                    if before != record.after:
                        changed[image] = record.model_copy(update={"before": before})
            records = [*({**accepted, **(accept or {})}.values()), *changed.values()]
            content = "".join(f"{record.model_dump_json()}\n" for record in records if record is not None)
            write_durably(self.path, content.encode())


@dataclass
class State:
    """Hold what has become of what was decided.

    Args:
        unadded: Images in ``data/`` that ``data.dvc`` does not hold.
        missing: Images that are in neither ``data/`` nor a commit.
        lost: Decisions that are in neither ``review.csv`` nor a commit.
        kept: Images that a commit holds, or whose copy in the inbox is gone.
        written: Decisions that a commit holds, or that people have replaced by others.
    """

    unadded: list[Accepted] = field(default_factory=list)
    missing: list[Accepted] = field(default_factory=list)
    lost: list[Changed] = field(default_factory=list)
    kept: list[Accepted] = field(default_factory=list)
    written: list[Changed] = field(default_factory=list)


def examine(journal: Journal) -> State:
    """Compare what was decided with ``data/``, ``review.csv`` and the last commits of this and the decisions' branches.

    A commit holds an image if the folder that its ``data.dvc`` names has it, and DVC's cache holds that list and the
    image.

    Args:
        journal: What was decided.

    Raises:
        ReviewError: A line of ``decided.jsonl`` is malformed.
    """
    accepted, changed = journal.read()
    state, root = State(), journal.root
    if accepted:
        _examine_images(state, journal, list(accepted.values()))
    now = _present_lines(root)
    committed = {branch: _committed_lines(root, branch) for branch in {"", *(item.branch for item in changed.values())}}
    for item in changed.values():
        line = item.find(now)
        if any(item.find(committed[branch]) == item.after for branch in {"", item.branch}):
            state.written.append(item)
        elif line != item.after:
            (state.lost if line in (item.before, None) else state.written).append(item)
    return state


def _examine_images(state: State, journal: Journal, accepted: list[Accepted]) -> None:
    root = journal.root
    cache = cache_folder(root)
    recorded = _recorded_files(cache, _text(root / "data.dvc"))
    held = {
        branch: _recorded_files(cache, git(root, "show", f"{_revision(branch)}:./data.dvc"))
        for branch in {"", *(item.branch for item in accepted)}
    }
    absent = []
    for item in accepted:
        copy = copy_of(journal.inbox, item)
        if not copy.is_file():
            state.kept.append(item)
            continue
        md5 = file_digest(copy, "md5")
        is_held = cache is not None and is_cached(cache, md5)
        if is_held and any(md5 in held[branch] for branch in {"", item.branch}):
            state.kept.append(item)
        elif not (root / item.file).is_file():
            absent.append(item)
        elif md5 not in recorded or not is_held:
            state.unadded.append(item)
    # People may have moved it to another class.
    there = find_in(root / "data", {item.image: copy_of(journal.inbox, item).stat().st_size for item in absent})
    state.missing = [item for item in absent if item.image not in there]


def describe_missing(state: State, most: int = _NAMED) -> list[str]:
    """Return what is missing, with its branch, and the commands that help; nothing where all is there.

    Args:
        state: What has become of what was decided.
        most: How many images a line names; default: 3.
    """
    said = []
    for branch in dict.fromkeys(item.branch for item in (*state.missing, *state.lost)):
        on = f" on branch {branch}" if branch else ""
        files = [item.file for item in state.missing if item.branch == branch]
        if files:
            said.append(f"{_count(files, 'image')} accepted{on}, missing from data/: {_listed(files, most)}")
        lines = [_summary(item) for item in state.lost if item.branch == branch]
        if lines:
            said.append(f"{_count(lines, 'decision')} made{on}, missing from review.csv: {_listed(lines, most)}")
    if said:
        said += ["Next: pixmill review --restore (or delete their lines in inbox/decided.jsonl to forget them)"]
    return said


def describe_decided(root: Path) -> list[str]:
    """Return :func:`describe_missing` of a project's inbox.

    Args:
        root: The project's folder.

    Raises:
        ReviewError: A line of ``decided.jsonl`` is malformed.
    """
    if not (root / "inbox" / FILE).is_file():
        return []
    return describe_missing(examine(Journal(Inbox(root / "inbox"), root)))


def _summary(item: Changed) -> str:
    verb = "cleared" if item.after is None else " ".join(item.after[1:3]).strip()
    return f"{item.image[:12]} {verb}"


def _count(items: Sequence[str], noun: str) -> str:
    return f"{len(items):,} {noun}{'' if len(items) == 1 else 's'}"


def _listed(items: Sequence[str], most: int) -> str:
    return ", ".join(items[:most]) + (f" and {len(items) - most:,} more" if len(items) > most else "")


def line_of(image: str, decision: str, label: str, by: str, why: str) -> Line:
    """Return a line with any white space as one blank, as ``review.csv`` has it."""
    image, decision, label, by, why = (" ".join(cell.split()) for cell in (image, decision, label, by, why))
    return image, decision, label, by, why


def copy_of(inbox: Inbox, item: Accepted) -> Path:
    """Return the inbox's copy of an accepted image."""
    return inbox.folder / "images" / f"{item.image}{PurePosixPath(item.file).suffix}"


def find_in(data: Path, sizes: Mapping[str, int]) -> set[str]:
    """Return the ids of those images that lie in a folder tree; only files of their sizes are read.

    Args:
        data: The folder; images below ``unlabelled`` do not count.
        sizes: The size of each image in bytes, by its id.
    """
    wanted = set(sizes.values())
    found: set[str] = set()
    for folder, folders, names in os.walk(data) if wanted else ():
        if _UNLABELLED in folders:
            folders.remove(_UNLABELLED)
        for path in (Path(folder, name) for name in names if not name.startswith(".")):
            if path.is_file() and path.stat().st_size in wanted:
                found.add(file_digest(path))
    return found & sizes.keys()


def _present_lines(root: Path) -> list[Line]:
    """Return the lines of ``review.csv`` as they are; malformed ones are left out."""
    return list(_lines(_text(root / "review.csv")))


def _committed_lines(root: Path, branch: str) -> list[Line]:
    return list(_lines(git(root, "show", f"{_revision(branch)}:./review.csv")))


def _lines(text: str | None) -> Iterator[Line]:
    for row in csv.reader(io.StringIO(text or "", newline="")):
        if len(row) == _COLUMNS:
            yield line_of(*row)


def _revision(branch: str) -> str:
    return f"refs/heads/{branch}" if branch else "HEAD"


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None


def _recorded_files(cache: Path | None, text: str | None) -> set[str]:
    """Return the MD5s of the files that a ``data.dvc`` stands for; none where that cannot be known."""
    try:
        md5 = str(yaml.safe_load(text or "")["outs"][0]["md5"])
    except (yaml.YAMLError, LookupError, TypeError):
        return set()
    return set(((read_listing(cache, md5) if cache is not None else None) or {}).values())
