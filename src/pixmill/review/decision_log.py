"""Decisions that no commit holds yet, kept with the inbox: what removes them from ``data/`` leaves them here.

``inbox/decided.jsonl`` has a line for each accepted image, whose copy stays in the inbox meanwhile, and one for each
changed line of ``review.csv``. To have Pixmill forget one, delete its line.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from pixmill.core.errors import DataError
from pixmill.core.files.writing import write_durably
from pixmill.core.repository.git import git
from pixmill.serve.inbox import Inbox

Line = tuple[str, str, str, str, str]
"""A line of ``review.csv``: image, decision, label, by, why."""

SHORTEST = 8
"""The fewest digits of an id that name an image in ``review.csv``."""


class _Record(BaseModel):
    """A line of the log.

    Args:
        image: The id of the image, the sha256 of its bytes.
        branch: The Git branch on which the decision was made; empty outside of a branch.
    """

    model_config = ConfigDict(frozen=True)

    image: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    branch: str


class Accepted(_Record):
    """A new image that was accepted.

    Args:
        file: Where it was put, below the project's folder, such as ``data/coat/feedback-….jpg``.
        md5: The MD5 of its bytes, by which DVC knows it.
        corrections: How many corrections of it there were: later ones are another matter.
    """

    file: str
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    corrections: int

    @field_validator("file")
    @classmethod
    def _check_file(cls, file: str) -> str:
        """Refuse what leads out of ``data/``: a pull request may bring this file."""
        parts = PurePosixPath(file).parts
        if parts[:1] != ("data",) or ".." in parts or len(parts) < 3 or {*":\\"} & {*file} or {*"*?["} & {*parts[-1]}:
            raise ValueError("expected data/<class>/<file>")
        return file

    @property
    def label(self) -> str:
        """The class into whose folder it was put."""
        return PurePosixPath(self.file).parent.name

    def __str__(self) -> str:
        return self.file


class Changed(_Record):
    """A decision that was written to ``review.csv``.

    Args:
        before: The line that said something else of the image before; ``None`` if none did.
        after: The line that holds the decision; ``None`` if it was taken back.
    """

    before: Line | None
    after: Line | None

    @property
    def label(self) -> str:
        """The label that it gives its image; empty if it gives none."""
        return self.after[2] if self.after is not None else ""

    def concerns(self, name: str) -> bool:
        """Return whether a line of ``review.csv`` with this name is about the image: by its id, or as ``before``."""
        is_start = len(name) >= SHORTEST and self.image.startswith(name.lower())
        return is_start or (self.before is not None and name == self.before[0])

    def __str__(self) -> str:
        verb = "cleared" if self.after is None else " ".join(self.after[1:3]).strip()
        return f"{self.image[:12]} {verb}"


_PARSER: TypeAdapter[Accepted | Changed] = TypeAdapter(Accepted | Changed)


class DecisionLog:
    """Read and change ``decided.jsonl`` of an inbox.

    Args:
        inbox: The inbox.
        root: The project's folder, whose branch is noted.
    """

    def __init__(self, inbox: Inbox, root: Path) -> None:
        self.inbox = inbox
        self.root = root
        self.path = Path(inbox.place, "decided.jsonl")

    def read(self) -> tuple[dict[str, Accepted], dict[str, Changed]]:
        """Return the accepted images and the changed lines, by the id of their image.

        Raises:
            DataError: A line is malformed.
        """
        accepted: dict[str, Accepted] = {}
        changed: dict[str, Changed] = {}
        lines = self.path.read_bytes().splitlines() if self.path.exists() else []
        for number, line in enumerate(lines, 1):
            try:
                record = _PARSER.validate_json(line)
            except ValidationError:
                advice = f"repair that line, or delete it to forget a decision: {self.path}"
                raise DataError(f"{self.path.name}, line {number} is malformed", next=advice) from None
            if isinstance(record, Accepted):
                accepted[record.image] = record
            else:
                changed[record.image] = record
        return accepted, changed

    def accept(self, image: str, file: Path, content: bytes, corrections: int) -> None:
        """Note that an image is accepted, before it is put anywhere.

        Args:
            image: Its id.
            file: Where it will lie, in the project's folder.
            content: Its bytes.
            corrections: How many corrections there are of it.
        """
        record = Accepted(
            image=image,
            branch=self._branch(),
            file=file.relative_to(self.root).as_posix(),
            md5=hashlib.md5(content, usedforsecurity=False).hexdigest(),
            corrections=corrections,
        )
        with self.inbox.lock(then="repeat the decision"):
            accepted, changed = self.read()
            self._write({**accepted, image: record}, changed)

    def change(self, lines: Mapping[str, tuple[Line | None, Line | None]]) -> None:
        """Note decisions that are about to be written to ``review.csv``.

        Args:
            lines: By the id of the image, the line before and the line from now on.
        """
        branch = self._branch()
        with self.inbox.lock(then="repeat the decision"):
            accepted, changed = self.read()
            for image, (before, after) in lines.items():
                old = changed.pop(image, None)
                # Of two changes in a row, the line before both is the one that may come back.
                first = old.before if old is not None and old.after == before else before
                if first != after:
                    changed[image] = Changed(image=image, branch=branch, before=first, after=after)
            self._write(accepted, changed)

    def forget(self, items: Iterable[Accepted | Changed]) -> None:
        """Drop records, unless something else was decided on their images since."""
        if gone := list(items):
            with self.inbox.lock(then="repeat the decision"):
                kept = [{image: item for image, item in records.items() if item not in gone} for records in self.read()]
                self._write(*kept)

    def _write(self, *records: Mapping[str, Accepted | Changed]) -> None:
        lines = (f"{item.model_dump_json()}\n" for items in records for item in items.values())
        write_durably(self.path, "".join(lines).encode())

    def _branch(self) -> str:
        return (git(self.root, "symbolic-ref", "--quiet", "--short", "HEAD") or "").strip()


def line_of(image: str, decision: str, label: str, by: str, why: str) -> Line:
    """Return a line with any white space as one blank, as ``review.csv`` has it."""
    image, decision, label, by, why = (" ".join(cell.split()) for cell in (image, decision, label, by, why))
    return image, decision, label, by, why
