"""What was decided and no commit holds yet, kept with the inbox: what removes it from ``data/`` leaves it here.

``inbox/decided.jsonl`` has a line for each image that was accepted, whose copy stays in the inbox meanwhile, and one
for each line of ``review.csv`` that was changed. To have Pixmill forget one, delete its line; a malformed line is
skipped, and stays.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator

from pixmill.core.files import write_durably
from pixmill.core.git import git
from pixmill.serve.inbox import Inbox

Line = tuple[str, str, str, str, str]
"""A line of ``review.csv``: image, decision, label, by, why."""

SHORTEST = 8
"""The fewest digits of an id that name an image in ``review.csv``."""


class _Record(BaseModel):
    """A line of the log."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    branch: str


class Accepted(_Record):
    """What became of a new image that was accepted.

    Args:
        image: Its id, the sha256 of its bytes.
        branch: The Git branch on which that was; empty outside of a branch.
        file: Where it was put, below the project's folder, such as ``data/coat/feedback-….jpg``.
        md5: The MD5 of its bytes, by which DVC knows it.
        bytes: Its size.
        corrections: How many corrections of it there were: what is said of it later is another matter.
    """

    file: str
    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    bytes: Annotated[int, Field(ge=0)]
    corrections: Annotated[int, Field(ge=1)]

    @field_validator("file")
    @classmethod
    def _check_file(cls, file: str) -> str:
        parts = PurePosixPath(file).parts
        if parts[:1] != ("data",) or ".." in parts or len(parts) < 3 or {*":\\"} & {*file}:
            raise ValueError("expected data/<class>/<file>")
        return file

    @property
    def label(self) -> str:
        """The class into whose folder it was put."""
        return PurePosixPath(self.file).parent.name


class Changed(_Record):
    """A decision that was written to ``review.csv``.

    Args:
        image: The id of its image.
        branch: As of :class:`Accepted`.
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
        """Tell whether a line that names an image so means this one: by its id, or as ``before`` named it."""
        is_start = len(name) >= SHORTEST and self.image.startswith(name.lower())
        return is_start or (self.before is not None and name == self.before[0])


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

    def read(self) -> tuple[dict[str, Accepted], dict[str, Changed], list[bytes]]:
        """Return the accepted images and the changed lines, by the id of their image, and the malformed lines."""
        accepted: dict[str, Accepted] = {}
        changed: dict[str, Changed] = {}
        malformed = []
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            lines = []
        for line in filter(None, lines):
            try:
                record = _PARSER.validate_json(line)
            except ValidationError:
                malformed.append(line)
                continue
            if isinstance(record, Accepted):
                accepted[record.image] = record
            else:
                changed[record.image] = record
        return accepted, changed, malformed

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
            branch=self.branch(),
            file=file.relative_to(self.root).as_posix(),
            md5=hashlib.md5(content, usedforsecurity=False).hexdigest(),
            bytes=len(content),
            corrections=corrections,
        )
        self._change(accept={image: record})

    def change(self, lines: Mapping[str, tuple[Line | None, Line | None]]) -> None:
        """Note decisions that are about to be written to ``review.csv``.

        Args:
            lines: By the id of the image, the line before and the line from now on.
        """
        branch = self.branch()
        records = (
            Changed(image=image, branch=branch, before=before, after=after) for image, (before, after) in lines.items()
        )
        self._change(change={record.image: record for record in records})

    def forget(self, accepted: Iterable[str] = (), changed: Iterable[str] = ()) -> None:
        """Drop what was noted of images: that they were accepted, or what was decided on them."""
        self._change(accept=dict.fromkeys(accepted), change=dict.fromkeys(changed))

    def branch(self) -> str:
        """Return the project's branch; empty outside of one."""
        return (git(self.root, "symbolic-ref", "--quiet", "--short", "HEAD") or "").strip()

    def _change(
        self, *, accept: Mapping[str, Accepted | None] | None = None, change: Mapping[str, Changed | None] | None = None
    ) -> None:
        if not accept and not change:
            return
        with self.inbox.lock(then="repeat the decision"):
            accepted, changed, malformed = self.read()
            for image, record in (change or {}).items():
                old = changed.pop(image, None)
                if record is not None:
                    # Of two changes in a row, the line before both is the one that may come back.
                    before = old.before if old is not None and old.after == record.before else record.before
                    if before != record.after:
                        changed[image] = record.model_copy(update={"before": before})
            records = [*({**accepted, **(accept or {})}.values()), *changed.values()]
            lines = [*malformed, *(record.model_dump_json().encode() for record in records if record is not None)]
            write_durably(self.path, b"".join(line + b"\n" for line in lines))


def line_of(image: str, decision: str, label: str, by: str, why: str) -> Line:
    """Return a line with any white space as one blank, as ``review.csv`` has it."""
    image, decision, label, by, why = (" ".join(cell.split()) for cell in (image, decision, label, by, why))
    return image, decision, label, by, why
