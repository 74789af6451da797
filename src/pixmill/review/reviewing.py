"""The review of a project: its cases and decisions, and what to run next."""

import getpass
from pathlib import Path
from typing import Self

import pandas as pd

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import file_digest
from pixmill.core.install.pyproject import project_name
from pixmill.core.params import Params
from pixmill.core.repository.git import git
from pixmill.core.words import count
from pixmill.dataset.decision_log import MIN_ID_DIGITS, DecisionLog
from pixmill.dataset.inbox import Inbox
from pixmill.dataset.review_file import ReviewFile
from pixmill.dataset.uncommitted import commit_command
from pixmill.experiments.compare.comparison import NotComparableError
from pixmill.images.compute import RowLimits
from pixmill.images.depth import read_window
from pixmill.review.cases import Kind, find_cases
from pixmill.review.feedback import DecisionStore, ReviewImages
from pixmill.review.preview import ImageFile, Previews
from pixmill.review.recovery import describe_lost
from pixmill.review.review_session import Session
from pixmill.review.review_tables import load_tables


class ReviewProject:
    """A review of a project, with its cases, decisions and previews.

    Creating it removes accepted images from the inbox that a commit holds. Serve it within a
    ``with`` block, then call :meth:`end`.

    Args:
        workspace: Folders of the project.
        params: Its parameters.
        by: Name of the reviewer; default: :func:`default_name`.
        only: Kind of cases to show; default: all.
        random_sample: Whether the corrections are those of a random sample of all served images.

    Attributes:
        remarks: Lines to print at the start.
        session: Cases and decisions.
        previews: Previews of the images.
        name: Name of the project.

    Raises:
        DataError: A line of the decision log is malformed.
        ManifestError: The tables of scrape or validate are missing, or of different runs.
        PixmillError: There is no base for ``only="flips"``.
        DecisionsError: ``review.csv`` is malformed.
        StorageError: The inbox may not be used.
    """

    def __init__(
        self,
        workspace: Workspace,
        params: Params,
        *,
        by: str | None = None,
        only: Kind | None = None,
        random_sample: bool = False,
    ) -> None:
        self._root = workspace.root
        self._params = params
        self.name = project_name(workspace.root)
        tables = load_tables(self._root)
        lock = workspace.scratch("review") / "review.lock"
        review_file = ReviewFile(self._root / "review.csv", params.classes, tables.names, lock=lock)
        decided = {row for name in review_file.read() if (row := tables.row(name)) is not None}
        inbox = Inbox(self._root / "inbox")
        entries, malformed = inbox.entries()
        log = DecisionLog(inbox, self._root)
        self._images = images = ReviewImages(
            tables, entries, params.classes, accepted=log.read()[0]
        )
        folder = self._root / "data" / ("train" if params.scrape.folder.layout == "fixed" else "")
        self._store = DecisionStore(review_file, images, folder, log, is_sample=random_sample)
        flips = _flips(self._root, only)
        cases = find_cases(tables, images.cases(), flips=flips, decided=decided, only=only)
        self.remarks = (
            [f"{count(malformed, 'file')} of inbox/corrections/ cannot be read."]
            if malformed
            else []
        )
        if lost := describe_lost(self._store.release()):
            self.remarks += [*lost[0], f"Next: {lost[1]}"]
        if not cases:
            self._store.clean_inbox()
            self.remarks.insert(0, f"Nothing to review{f' in {only}' if only else ''}.")
        by = default_name(self._root) if by is None else by
        self.session = Session(images, cases, self._store, classes=params.classes, by=by)
        paths = dict(zip(tables.ids, tables.manifest["path"], strict=True))
        window = read_window(self._root / "artifacts/validate")

        def locate(name: str) -> ImageFile:
            new = images.new.get(name)
            source = inbox.read_image(new) if new else self._root / "artifacts/scrape" / paths[name]
            return ImageFile(name, source, params.validate.max_pixels, window)

        limits = RowLimits(seconds=params.validate.timeout, memory=params.validate.memory << 20)
        self.previews = Previews(locate, limits=limits)

    def find(self, name: str) -> str:
        """Return the id of an image.

        Args:
            name: File on this machine, or at least 8 digits of the image's id.

        Raises:
            PixmillError: The name fits no image, or several.
        """
        start = file_digest(Path(name)) if Path(name).is_file() else name.lower()
        ids = [
            known
            for known in self._images.ids
            if len(start) >= MIN_ID_DIGITS and known.startswith(start)
        ]
        if len(ids) == 1:
            return ids[0]
        raise PixmillError(
            f"{name} names {len(ids)} images of artifacts/validate",
            next=(
                "if it has been added since: dvc repro; else name it by its file or its id (at "
                "least 8 digits)"
            ),
        )

    def __enter__(self) -> Self:
        self.previews.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.previews.__exit__()

    def end(self) -> tuple[str, str | None]:
        """Clean the inbox, and return a summary of the decisions and the next command, if any.

        Raises:
            LockedError: The inbox was locked for ten seconds.
            StorageError: The inbox may not be written.
        """
        self._store.clean_inbox()
        moved, dropped = self._store.count()
        written = sum(name not in self._images.new for name in self.session.changed)
        summary = f"{count(written, 'decision')} written to review.csv"
        if moved or dropped:
            summary += f", {count(moved, 'image')} accepted into data/, {dropped:,} dropped"
        commit = commit_command(self._root, "Review images")
        commands = [*([commit] if commit else []), *(["dvc repro"] if moved or written else [])]
        is_read = not moved or not {"folder", "shop"}.isdisjoint(self._params.sources())
        first = "" if is_read else "add folder to scrape.source in params.yaml, then: "
        return f"{summary}.", first + " && ".join(commands) if commands else None


def default_name(root: Path) -> str:
    """Return the name of the reviewer: ``user.name`` in Git, else the login."""
    return (git(root, "config", "user.name") or "").strip() or getpass.getuser()


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
