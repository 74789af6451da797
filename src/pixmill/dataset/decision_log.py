"""A log of decisions that no commit holds yet, to detect and restore lost ones.

``inbox/decided.jsonl`` has a line for each accepted image, whose copy stays in the inbox, and for
each changed line of ``review.csv``. Delete a line to forget a decision.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pixmill.core.errors import DataError
from pixmill.core.files.writing import file_mark, write_durably
from pixmill.core.repository.git import git
from pixmill.dataset.inbox import Inbox

Line = tuple[str, str, str, str, str]
"""A line of ``review.csv``: image, decision, label, by, why."""

MIN_ID_DIGITS = 8
"""Minimum number of digits of an id that identify an image in ``review.csv``."""


class _Record(BaseModel):
    """A line of the log.

    Args:
        image: Id of the image, the sha256 of its bytes.
        branch: Git branch of the decision; empty outside of a branch.
    """

    model_config = ConfigDict(frozen=True)

    image: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    branch: str


class Accepted(_Record):
    """An accepted new image.

    Args:
        file: Its file relative to the project folder, such as ``data/coat/feedback-….jpg``. A pull
            request may contain the log, so whoever writes a file checks that it is in ``data/``.
        md5: MD5 of its bytes, as in DVC's cache.
        corrections: Number of its corrections when it was accepted; later ones are reviewed
            separately.
        earlier: Its earlier files in ``data/``, the first one first, if it was labelled by moving
            it.
        cells: Its row in ``data/metadata.csv``.
    """

    file: Annotated[str, Field(pattern=r"^data/([^/:\\]+/)+[^/:\\]+$")]
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    corrections: int
    earlier: tuple[str, ...] = ()
    cells: dict[str, str] = {}

    @property
    def label(self) -> str:
        """Class of its folder."""
        return PurePosixPath(self.file).parent.name

    def __str__(self) -> str:
        return self.file


class Changed(_Record):
    """A decision that was written to ``review.csv``.

    Args:
        before: Earlier line of the image; ``None`` if there was none.
        after: Line with the decision; ``None`` if the decision was cleared.
    """

    before: Line | None
    after: Line | None

    @property
    def label(self) -> str:
        """The new label; empty if the decision is not a relabel."""
        return self.after[2] if self.after is not None else ""

    def concerns(self, name: str) -> bool:
        """Return whether a name in ``review.csv`` refers to the image: by its id, or as in ``before``."""
        is_start = len(name) >= MIN_ID_DIGITS and self.image.startswith(name.lower())
        return is_start or (self.before is not None and name == self.before[0])

    def __str__(self) -> str:
        verb = "cleared" if self.after is None else " ".join(self.after[1:3]).strip()
        return f"{self.image[:12]} {verb}"


_PARSER: TypeAdapter[Accepted | Changed] = TypeAdapter(Accepted | Changed)


class DecisionLog:
    """Read and change ``decided.jsonl`` of an inbox.

    Args:
        inbox: The inbox.
        root: Project folder; its branch is recorded.
    """

    def __init__(self, inbox: Inbox, root: Path) -> None:
        self.inbox = inbox
        self.root = root
        self.path = Path(inbox.place, "decided.jsonl")
        self._read: tuple[tuple[int, ...], dict[str, Accepted], dict[str, Changed]] = ((), {}, {})

    def read(self) -> tuple[dict[str, Accepted], dict[str, Changed]]:
        """Return the accepted images and the changed lines by id of the image.

        Raises:
            DataError: A line is malformed.
        """
        if (mark := file_mark(self.path)) == self._read[0]:
            return dict(self._read[1]), dict(self._read[2])
        accepted: dict[str, Accepted] = {}
        changed: dict[str, Changed] = {}
        lines = self.path.read_bytes().splitlines() if mark else []
        for number, line in enumerate(lines, 1):
            try:
                record = _PARSER.validate_json(line)
            except ValidationError:
                advice = f"repair that line, or delete it to forget a decision: {self.path}"
                raise DataError(
                    f"{self.path.name}, line {number} is malformed", next=advice
                ) from None
            if isinstance(record, Accepted):
                accepted[record.image] = record
            else:
                changed[record.image] = record
        self._read = mark, accepted, changed
        return dict(accepted), dict(changed)

    def accept(self, image: str, file: Path, content: bytes, corrections: int) -> None:
        """Record that an image is accepted, before it is written.

        Args:
            image: Its id.
            file: Target file within the project folder.
            content: Its bytes.
            corrections: Number of its corrections.
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

    def move(self, files: Mapping[str, tuple[str, str, str, dict[str, str] | None]]) -> None:
        """Record images that are labelled by moving their files, before they are moved.

        Args:
            files: By id of the image: the file and the new one, relative to the project folder, the
                MD5, and the new row in ``data/metadata.csv`` if any. An image that returns to its
                first file is forgotten.
        """
        branch = self._branch()
        with self.inbox.lock(then="label again"):
            accepted, changed = self.read()
            for image, (source, file, md5, cells) in files.items():
                old = accepted.pop(image, None)
                earlier = (*(old.earlier if old else ()), source)
                corrections = old.corrections if old else 0
                if corrections or file != earlier[0]:
                    accepted[image] = Accepted(
                        image=image,
                        branch=branch,
                        file=file,
                        md5=md5,
                        corrections=corrections,
                        earlier=tuple(dict.fromkeys(name for name in earlier if name != file)),
                        cells=cells or {},
                    )
            self._write(accepted, changed)

    def change(self, lines: Mapping[str, tuple[Line | None, Line | None]]) -> None:
        """Record decisions, before they are written to ``review.csv``.

        Args:
            lines: Old and new line by id of the image.
        """
        branch = self._branch()
        with self.inbox.lock(then="repeat the decision"):
            accepted, changed = self.read()
            for image, (before, after) in lines.items():
                old = changed.pop(image, None)
                # After two changes, a checkout would restore the line before both.
                first = old.before if old is not None and old.after == before else before
                if first != after:
                    changed[image] = Changed(image=image, branch=branch, before=first, after=after)
            self._write(accepted, changed)

    def forget(self, items: Iterable[Accepted | Changed]) -> None:
        """Delete records, except those of images with a later decision."""
        if gone := list(items):
            with self.inbox.lock(then="repeat the decision"):
                accepted, changed = self.read()
                self._write(
                    {image: item for image, item in accepted.items() if item not in gone},
                    {image: item for image, item in changed.items() if item not in gone},
                )

    def _write(self, accepted: dict[str, Accepted], changed: dict[str, Changed]) -> None:
        lines = (
            f"{item.model_dump_json()}\n"
            for items in (accepted, changed)
            for item in items.values()
        )
        write_durably(self.path, "".join(lines).encode())
        self._read = file_mark(self.path), accepted, changed

    def _branch(self) -> str:
        return (git(self.root, "symbolic-ref", "--quiet", "--short", "HEAD") or "").strip()


def make_line(image: str, decision: str, label: str, by: str, why: str) -> Line:
    """Return a line of ``review.csv``: whitespace is collapsed to single spaces."""
    image, decision, label, by, why = (
        " ".join(cell.split()) for cell in (image, decision, label, by, why)
    )
    return image, decision, label, by, why
