"""The review of a project: read its tables, serve the page until Ctrl-C, and say what to run next."""

import getpass
import webbrowser
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pandas as pd

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import file_digest
from pixmill.core.install.pyproject import project_name
from pixmill.core.params import Params
from pixmill.core.process.progress import announce
from pixmill.core.repository.git import git
from pixmill.core.repository.uncommitted import commit_command
from pixmill.core.words import count
from pixmill.experiments.compare.comparison import NotComparableError
from pixmill.images.compute import RowLimits
from pixmill.images.depth import read_window
from pixmill.review.cases import MAX_SHOWN, Case, Kind, find_cases
from pixmill.review.decision_log import MIN_ID_DIGITS, DecisionLog
from pixmill.review.feedback import DecisionStore, ReviewImages
from pixmill.review.page_routes import routes
from pixmill.review.preview import ImageFile, Previews
from pixmill.review.recovery import describe_lost
from pixmill.review.review_file import ReviewFile
from pixmill.review.review_session import Session
from pixmill.review.review_tables import load_tables
from pixmill.serve.inbox import Inbox
from pixmill.web.private_server import PrivateServer, make_app, wait_for_end


def review(
    workspace: Workspace,
    params: Params,
    *,
    inbox: Path | None = None,
    port: int = 0,
    open_browser: bool = True,
    **options: Any,
) -> None:
    """Serve the cases to review, and write the decisions, until Ctrl-C.

    Args:
        workspace: Folders of the project.
        params: Its parameters.
        inbox: Folder with the feedback of servers, whose content is first moved to ``inbox/``; default: ``inbox/``.
        port: Port on 127.0.0.1; default: a free one.
        open_browser: Whether to open the page in the default browser.
        options: Further arguments of :class:`ReviewProject`.

    Raises:
        LockedError: The inbox was locked for ten seconds.
        PixmillError: The port is taken, or as for :class:`ReviewProject`.
    """
    own = Inbox(workspace.root / "inbox")
    if inbox is not None and inbox.resolve() != Path(own.place).resolve():
        announce(f"{count(own.take_over(inbox), 'correction')} moved from {inbox} to {own.place}.")
    project = ReviewProject(workspace, params, **options)
    if project.remarks:
        announce("\n".join(project.remarks))
    if not project.cases:
        return
    server = PrivateServer(make_app(routes(project)), command="pixmill review", port=port)
    try:
        with server, project:
            cases = count(len(project.cases), "case")
            announce(f"{cases} to review at {server.new_address()} (stop with Ctrl-C)")
            if open_browser:
                webbrowser.open(server.new_address())
            wait_for_end()
    except KeyboardInterrupt:
        summary, command = project.end()
        announce(f"\n{summary}")
        if command is not None:
            announce(f"Next: {command}")


class ReviewProject:
    """A review of a project, with its cases, decisions and previews.

    Creating it removes accepted images from the inbox that a commit holds. Serve it within a ``with`` block, then call
    :meth:`end`.

    Args:
        workspace: Folders of the project.
        params: Its parameters.
        image: Id or file of the image to begin with, in any state; default: the first open case.
        by: Name of the reviewer; default: :func:`default_name`.
        only: Kind of cases to show; default: all.
        random_sample: Whether the corrections are those of a random sample of all served images.

    Attributes:
        cases: Cases to review. If there are none, :meth:`end` need not be called.
        remarks: Lines to print at the start.
        session: Cases and decisions.
        previews: Previews of the images.
        name: Name of the project.

    Raises:
        DataError: A line of the decision log is malformed.
        ManifestError: The tables of scrape or validate are missing, or of different runs.
        PixmillError: There is no such image, or there is no base for ``only="flips"``.
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
        random_sample: bool = False,
    ) -> None:
        self._root, self._params, self.name = workspace.root, params, project_name(workspace.root)
        tables = load_tables(self._root)
        lock = workspace.scratch("review") / "review.lock"
        review_file = ReviewFile(self._root / "review.csv", params.classes, tables.names, lock=lock)
        decided = {row for name in review_file.read() if (row := tables.row(name)) is not None}
        inbox = Inbox(self._root / "inbox")
        entries, malformed = inbox.entries()
        log = DecisionLog(inbox, self._root)
        self._images = images = ReviewImages(tables, entries, params.classes, accepted=log.read()[0])
        folder = self._root / "data" / ("train" if params.scrape.folder.layout == "fixed" else "")
        self._store = DecisionStore(review_file, images, folder, log, is_sample=random_sample)
        flips = _flips(self._root, only)
        self.cases: Sequence[Case] = find_cases(tables, images.cases(), flips=flips, decided=decided, only=only)
        first = None if image is None else find_image(images, image)
        if first is not None:
            self.cases = with_image(self.cases, images, first)
        self.remarks = [f"{count(malformed, 'file')} of inbox/corrections/ cannot be read."] if malformed else []
        if lost := describe_lost(self._store.release()):
            self.remarks += [*lost[0], f"Next: {lost[1]}"]
        if not self.cases:
            self._store.clean_inbox()
            self.remarks.insert(0, f"Nothing to review{f' in {only}' if only else ''}.")
        by = default_name(self._root) if by is None else by
        self.session = Session(images, self.cases, self._store, classes=params.classes, by=by, first=first)
        paths = dict(zip(tables.ids, tables.manifest["path"], strict=True))
        window = read_window(self._root / "artifacts/validate")

        def locate(name: str) -> ImageFile:
            new = images.new.get(name)
            source = inbox.read_image(new) if new else self._root / "artifacts/scrape" / paths[name]
            return ImageFile(name, source, params.validate.max_pixels, window)

        limits = RowLimits(seconds=params.validate.timeout, memory=params.validate.memory << 20)
        self.previews = Previews(locate, limits=limits)

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
    """Return the name of the reviewer: ``user.name`` in Git, else the login, else nothing."""
    if name := (git(root, "config", "user.name") or "").strip():
        return name
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        # A container's user may have no name.
        return ""


def find_image(images: ReviewImages, name: str) -> int:
    """Return the row of an image.

    Args:
        images: Images under review.
        name: File on this machine, or at least 8 digits of the image's id.

    Raises:
        PixmillError: The name fits no image, or several.
    """
    start = file_digest(Path(name)) if Path(name).is_file() else name.lower()
    rows = [row for row, known in enumerate(images.ids) if len(start) >= MIN_ID_DIGITS and known.startswith(start)]
    if len(rows) == 1:
        return rows[0]
    raise PixmillError(
        f"{name} names {len(rows)} images of artifacts/validate",
        next="if it has been added since: dvc repro; else name it by its file or its id (at least 8 digits)",
    )


def with_image(cases: Sequence[Case], images: ReviewImages, row: int) -> list[Case]:
    """Return the cases, preceded by a case for an image that none of them shows."""
    if any(row in case.members[:MAX_SHOWN] for case in cases):
        return list(cases)
    facts = images.facts(row)
    return [Case("named", "The image that you named", facts["reason"] or facts["verdict"], (row,)), *cases]


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
