"""What a review of a project holds while it lasts, and how it ends."""

import getpass
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pandas as pd

from pixmill.compare.comparison import NotComparableError
from pixmill.compute import RowLimits
from pixmill.core.dvc import add_data
from pixmill.core.errors import DataError, PixmillError
from pixmill.core.git import git
from pixmill.core.params import Params
from pixmill.core.words import count
from pixmill.core.workspace import Workspace
from pixmill.review.decision_log import DecisionLog
from pixmill.review.doubts import Case, Kind, find_doubts
from pixmill.review.examining import State, describe_state
from pixmill.review.feedback import Feedback, InboxLedger, WithInbox, sort_feedback, unread
from pixmill.review.material import ReviewData, load_material
from pixmill.review.named import find_image, with_image
from pixmill.review.preview import ImageFile, Previews
from pixmill.review.review_file import ReviewFile
from pixmill.review.review_session import Session
from pixmill.serve.inbox import Inbox
from pixmill.state.uncommitted import commit_command

_PAUSE = 30.0
"""Seconds without a decision on a new image after which ``data/`` is added to DVC."""

_PATIENCE = 15.0
"""Seconds to wait at the end while DVC is busy, unless it is said otherwise."""


@dataclass(frozen=True)
class Ending:
    """What a review has come to.

    Args:
        said: What was decided, in sentences.
        then: The next command, with what to set before it; ``None`` where there is nothing to do.
    """

    said: Sequence[str]
    then: str | None


class Sitting:
    """A review of a project: made, shown while the ``with`` block lasts, then ended by :meth:`end`.

    Making it takes accepted images out of the inbox that a commit holds, and adds ``data/`` to DVC if images were put
    there and DVC is not busy.

    Args:
        workspace: The project's folders.
        params: Its parameters.
        image: The id, file or URL of the image to begin with, whatever its state; default: the first open case.
        by: Who decides; default: :func:`default_name`.
        only: The one kind of cases to show; default: all.

    Attributes:
        cases: What is shown; a review without cases has nothing to end.
        remarks: What to tell the person at the start, in lines.
        session: The cases and decisions, as the page is told of them.
        previews: The images.

    Raises:
        ManifestError: The tables of scrape or validate are missing, or do not belong together.
        PixmillError: The image that was named is not there.
        ReviewError: ``review.csv`` is malformed.
        StorageError: The inbox may not be used.
    """

    def __init__(
        self,
        workspace: Workspace,
        params: Params,
        *,
        image: str | None = None,
        by: str | None = None,
        only: Kind | None = None,
    ) -> None:
        self._root, self._params = workspace.root, params
        table = manifest_file(workspace)
        stamp = time_stamp(table)
        material = load_material(self._root)
        ledger = ReviewFile(
            self._root / "review.csv",
            params.classes,
            material.names,
            lock=workspace.scratch("review") / "review.lock",
        )
        decided = {row for name in ledger.read() if (row := material.row(name)) is not None}
        box = Inbox(self._root / "inbox")
        entries, broken = box.entries()
        journal = DecisionLog(box, self._root)
        feedback = sort_feedback(entries, material, self._root / "data", accepted=journal.read()[0])
        images = WithInbox(material, feedback, params.classes)
        folder = self._root / "data" / ("train" if params.scrape.folder.layout == "fixed" else "")
        self._desk = InboxLedger(ledger, feedback, images, folder, journal)
        flips, why = _flips(self._root, only)
        self.cases: Sequence[Case] = find_doubts(material, images.cases(), flips=flips, decided=decided, only=only)
        named = None if image is None else find_image(images, material, image)
        if named is not None:
            self.cases = with_image(self.cases, images, named)
        state, problem = self._keep_images(patience=0)
        self.remarks = _remarks(feedback, broken, box, state)
        if not self.cases:
            self._desk.settle()
            nothing = f"Nothing to review{f' in {only}' if only else ''}.{why and ' ' + why}"
            is_unchecked = material.ranking is None and only in (None, "labels")
            self.remarks = [nothing, *self.remarks, *_unfinished(problem, is_unchecked=is_unchecked)]
        elif feedback.new:
            self._desk.sweep()
        self.session = Session(
            images,
            self.cases,
            self._desk,
            classes=params.classes,
            by=default_name(self._root) if by is None else by,
            first=named,
            outdated=lambda: time_stamp(table) != stamp,
        )
        self.previews = Previews(
            _image_finder(self._root, material, box, feedback, params.validate.max_pixels),
            limits=RowLimits(seconds=params.validate.timeout, memory=params.validate.memory << 20),
        )
        self._tried = 0.0

    def __enter__(self) -> Self:
        self.previews.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.previews.__exit__()

    def look(self) -> None:
        """Add ``data/`` to DVC where the reviewer pauses, since what DVC has not seen may be removed for good.

        To be called every now and then, by one thread. Where DVC is busy, it waits for another pause.
        """
        touched = self._desk.touched
        if touched is None or not (self._root / ".dvc").is_dir():
            return
        if time.monotonic() - max(touched, self._tried) < _PAUSE:
            return
        try:
            add_data(self._root, patience=0)
        except DataError:
            self._tried = time.monotonic()  # At the end it is tried again, and said if it fails.
        else:
            self._desk.mark_added(touched)

    def end(self, *, patience: float = _PATIENCE) -> Ending:
        """Tidy the inbox, add ``data/`` to DVC, and return what was decided and what comes next.

        Args:
            patience: How long to wait while DVC is busy, in seconds.

        Raises:
            LockedError: Other processes kept the inbox locked.
            StorageError: It may not be written.
        """
        self._desk.settle()
        _, problem = self._keep_images(patience=patience)
        moved, dropped = self._desk.count_moved(), self._desk.count_dropped()
        written = sum(not self._desk.keeps(name) for name in self.session.changed)
        said = [f"{count(written, 'decision')} written to review.csv."] if written or not moved + dropped else []
        if moved or dropped:
            keeps = " The inbox keeps them until a commit's data.dvc holds them." if moved else ""
            said += [f"{count(moved, 'image')} accepted into data/, {dropped:,} dropped.{keeps}"]
        if problem is not None:
            said += [f"data/ is not in DVC yet: {problem.message}"]
        commit = commit_command(self._root, "Review images")
        line = unread(self._params) if moved else None
        commands = [*([commit] if commit else []), *(["dvc repro"] if moved or written else [])]
        first = f"set {line} in params.yaml, then: " if line else ""
        return Ending(said, first + " && ".join(commands) if commands else None)

    def _keep_images(self, *, patience: float) -> tuple[State, DataError | None]:
        """Add ``data/`` to DVC if images were put there, and remove from the inbox what commits hold.

        Args:
            patience: How long to wait while DVC is busy, in seconds.

        Returns:
            What has become of what was decided, and why ``data/`` could not be added.
        """
        state = self._desk.release()
        if (state.unadded or self._desk.touched) and (self._root / ".dvc").is_dir():
            try:
                add_data(self._root, patience=patience)
            except DataError as error:
                return state, error
        return state, None


def default_name(root: Path) -> str:
    """Return who sits here: the name in Git's settings, else that of the login, else nothing."""
    if name := (git(root, "config", "user.name") or "").strip():
        # A name that is no text could be written to no file.
        return name.encode("utf-8", "replace").decode()
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        # A container's user may have no name.
        return ""


def manifest_file(workspace: Workspace) -> Path:
    """Return the table that a review is about."""
    return workspace.root / "artifacts/validate/manifest.parquet"


def time_stamp(path: Path) -> int | None:
    """Return when a file was written, in nanoseconds, or ``None`` if there is none."""
    return path.stat().st_mtime_ns if path.exists() else None


def say_skipped(broken: int, box: Inbox) -> list[str]:
    """Return a line on what in an inbox cannot be read, if there is any."""
    what = f"{count(broken, 'object')} of {box.place}/corrections/"
    return [f"Skipped {what} that cannot be read as one."] if broken else []


def _image_finder(
    root: Path, material: ReviewData, box: Inbox, feedback: Feedback, max_pixels: int
) -> Callable[[str], ImageFile]:
    """Return what finds an image by its id: a file of scrape, or an image of the inbox."""
    paths = dict(zip(material.ids, material.manifest["path"], strict=True))
    entries = {entry.id: entry for entry in feedback.new}

    def find(name: str) -> ImageFile:
        if name in entries:
            return ImageFile(name, box.read_image(entries[name]), max_pixels)
        return ImageFile(name, root / "artifacts/scrape" / paths[name], max_pixels)

    return find


def _flips(root: Path, only: Kind | None) -> tuple[pd.DataFrame | None, str]:
    """Return the flips, and why there are none, which is told only to those who ask for them alone.

    Among all kinds, they are shown where the base's predictions are on this machine.
    """
    if only not in (None, "flips"):
        return None, ""
    from pixmill.compare.flips import read_flips

    try:
        return read_flips(root, fetch=only == "flips"), ""
    except NotComparableError as reason:
        return None, str(reason) if only else ""
    except PixmillError:
        if only:
            raise
        return None, ""


def _remarks(feedback: Feedback, broken: int, box: Inbox, state: State) -> list[str]:
    """Return what is in the inbox that is not shown, and what has vanished."""
    lines = say_skipped(broken, box)
    if feedback.waiting:
        said = count(len(feedback.waiting), "image")
        lines += [f"Not shown: {said} of {box.place} in data/, but not in the manifest yet.", "Next: dvc repro"]
    if (described := describe_state(state)) is not None:
        lines += [*described[0], f"Next: {described[1]}"]
    return lines


def _unfinished(problem: DataError | None, *, is_unchecked: bool) -> list[str]:
    lines = [] if problem is None else [f"data/ is not in DVC yet: {problem}"]
    if is_unchecked:
        then = "Next: set evaluate.label_errors above 0, then: dvc repro evaluate"
        lines += ["Labels have not been checked yet.", then]
    return lines
