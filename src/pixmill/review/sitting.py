"""What a review of a project holds while it lasts, and how it ends."""

import getpass
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pandas as pd

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.params import Params
from pixmill.core.repository.git import git
from pixmill.core.repository.uncommitted import commit_command
from pixmill.core.words import count
from pixmill.experiments.compare.comparison import NotComparableError
from pixmill.images.compute import RowLimits
from pixmill.review.decision_log import DecisionLog
from pixmill.review.doubts import Case, Kind, find_doubts
from pixmill.review.examining import describe_state
from pixmill.review.feedback import InboxLedger, WithInbox
from pixmill.review.material import ReviewData, load_material
from pixmill.review.named import find_image, with_image
from pixmill.review.preview import ImageFile, Previews
from pixmill.review.review_file import ReviewFile
from pixmill.review.review_session import Session
from pixmill.serve.inbox import Inbox


@dataclass(frozen=True)
class Ending:
    """What a review has come to.

    Args:
        said: What was decided, as a sentence.
        then: The next command, with what to set before it; ``None`` where there is nothing to do.
    """

    said: str
    then: str | None


class Sitting:
    """A review of a project: made, shown while the ``with`` block lasts, then ended by :meth:`end`.

    Making it takes accepted images out of the inbox that a commit holds.

    Args:
        workspace: The project's folders.
        params: Its parameters.
        image: The id or file of the image to begin with, whatever its state; default: the first open case.
        by: Who decides; default: :func:`default_name`.
        only: The one kind of cases to show; default: all.

    Attributes:
        cases: What is shown; a review without cases has nothing to end.
        remarks: What to tell the person at the start, in lines.
        session: The cases and decisions, as the page is told of them.
        previews: The images.

    Raises:
        DataError: A line of the decision log is malformed.
        ManifestError: The tables of scrape or validate are missing, or do not belong together.
        PixmillError: The image that was named is not there, or there is no base whose flips are asked for.
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
        material = load_material(self._root)
        lock = workspace.scratch("review") / "review.lock"
        ledger = ReviewFile(self._root / "review.csv", params.classes, material.names, lock=lock)
        decided = {row for name in ledger.read() if (row := material.row(name)) is not None}
        box = Inbox(self._root / "inbox")
        entries, broken = box.entries()
        journal = DecisionLog(box, self._root)
        self._images = images = WithInbox(material, entries, params.classes, accepted=journal.read()[0])
        folder = self._root / "data" / ("train" if params.scrape.folder.layout == "fixed" else "")
        self._desk = InboxLedger(ledger, images, folder, journal)
        flips = _flips(self._root, only)
        self.cases: Sequence[Case] = find_doubts(material, images.cases(), flips=flips, decided=decided, only=only)
        named = None if image is None else find_image(images, image)
        if named is not None:
            self.cases = with_image(self.cases, images, named)
        self.remarks = [f"{count(broken, 'file')} of inbox/corrections/ cannot be read."] if broken else []
        if described := describe_state(self._desk.release()):
            self.remarks += [*described[0], f"Next: {described[1]}"]
        if not self.cases:
            self._desk.settle()
            self.remarks.insert(0, f"Nothing to review{f' in {only}' if only else ''}.")
        self.session = Session(
            images,
            self.cases,
            self._desk,
            classes=params.classes,
            by=default_name(self._root) if by is None else by,
            first=named,
        )
        self.previews = Previews(
            _image_finder(self._root, material, box, images, params.validate.max_pixels),
            limits=RowLimits(seconds=params.validate.timeout, memory=params.validate.memory << 20),
        )

    def __enter__(self) -> Self:
        self.previews.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.previews.__exit__()

    def end(self) -> Ending:
        """Tidy the inbox, and return what was decided and what comes next.

        Raises:
            LockedError: Other processes kept the inbox locked.
            StorageError: It may not be written.
        """
        self._desk.settle()
        moved, dropped = self._desk.count()
        written = sum(name not in self._images.new for name in self.session.changed)
        said = f"{count(written, 'decision')} written to review.csv"
        if moved or dropped:
            said += f", {count(moved, 'image')} accepted into data/, {dropped:,} dropped"
        commit = commit_command(self._root, "Review images")
        commands = [*([commit] if commit else []), *(["dvc repro"] if moved or written else [])]
        is_read = not moved or not {"folder", "shop"}.isdisjoint(self._params.sources())
        first = "" if is_read else "add folder to scrape.source in params.yaml, then: "
        return Ending(f"{said}.", first + " && ".join(commands) if commands else None)


def default_name(root: Path) -> str:
    """Return who sits here: the name in Git's settings, else that of the login, else nothing."""
    if name := (git(root, "config", "user.name") or "").strip():
        return name
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        # A container's user may have no name.
        return ""


def _image_finder(
    root: Path, material: ReviewData, box: Inbox, images: WithInbox, max_pixels: int
) -> Callable[[str], ImageFile]:
    """Return what finds an image by its id: a file of scrape, or an image of the inbox."""
    paths = dict(zip(material.ids, material.manifest["path"], strict=True))

    def find(name: str) -> ImageFile:
        if name in images.new:
            return ImageFile(name, box.read_image(images.new[name]), max_pixels)
        return ImageFile(name, root / "artifacts/scrape" / paths[name], max_pixels)

    return find


def _flips(root: Path, only: Kind | None) -> pd.DataFrame | None:
    """Return the flips. Among all kinds, they are shown where the base's predictions are on this machine."""
    if only not in (None, "flips"):
        return None
    from pixmill.experiments.compare.flips import read_flips

    try:
        return read_flips(root, fetch=only == "flips")
    except (NotComparableError, PixmillError) as reason:
        if only:
            raise PixmillError(f"there are no flips: {reason}", next="pixmill review") from reason
        return None
