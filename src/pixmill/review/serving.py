"""The review page, below the page of ``pixmill open``."""

import contextlib
import threading
from pathlib import Path
from typing import Any, Self

from starlette.routing import BaseRoute, Mount

from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import file_mark
from pixmill.core.install.pyproject import project_name
from pixmill.core.params import load_params, read_text
from pixmill.core.process.progress import announce
from pixmill.core.review_csv import require_converted
from pixmill.core.words import count
from pixmill.dataset.corrections_file import describe, take_in
from pixmill.dataset.deciding import default_name
from pixmill.dataset.inbox import Inbox
from pixmill.dataset.uncommitted import commit_command
from pixmill.review.case_view import find_row
from pixmill.review.grid_view import Selection
from pixmill.review.map.routes import routes as map_routes
from pixmill.review.page_routes import routes
from pixmill.review.recovery import describe_missing
from pixmill.review.review_session import Session
from pixmill.review.review_tables import load_tables

_TABLES = ("artifacts/validate/manifest.parquet", "artifacts/evaluate/predictions.parquet")
"""Files after whose change a page that is loaded shows new cases; also after a correction."""


class ReviewSite:
    """The review of a project, read when its page is first loaded, and again after a run.

    Args:
        workspace: Folders of the project.
        image: Id or file of the image to begin with.
        by: Name of the reviewer; default: :func:`~pixmill.dataset.deciding.default_name`.
        options: Further arguments of :class:`~pixmill.review.review_session.Session`.

    Attributes:
        name: Name of the project.
        start: Page to open first, relative to the project's page; empty before :meth:`begin`.
        selections: Images that another page asks the grid to show, by the browser's tab.
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        image: str | None = None,
        by: str | None = None,
        **options: Any,
    ) -> None:
        self._workspace = workspace
        self._root = workspace.root
        self._image = image
        self._by = by
        self._options = options
        self._lock = threading.RLock()
        self._open = contextlib.ExitStack()
        self._session: Session | None = None
        self._read = list[tuple[int, ...]]()
        self.name = project_name(workspace.root)
        self.start = ""
        self.selections = dict[str, Selection]()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def begin(self, inbox: Path | None = None, *, grid: bool = False) -> bool:
        """Read the cases of ``pixmill review``, and return whether there is something to show.

        Args:
            inbox: Folder with the feedback of servers, whose content is first moved to ``inbox/``,
                or a file of corrections, whose content is copied; default: none.
            grid: Whether to begin with the grid. Default: if there are no cases, but unlabelled
                images.

        Raises:
            LockedError: The inbox was locked for ten seconds.
            PixmillError: As for :class:`~pixmill.review.review_session.Session`, or the project
                has decisions of an earlier form.
        """
        own = Inbox(self._root / "inbox")
        if inbox is not None and inbox.is_file():
            announce(describe(inbox, take_in(inbox, own)))
        elif inbox is not None and inbox.resolve() != Path(own.place).resolve():
            announce(
                f"{count(own.take_over(inbox), 'correction')} moved from {inbox} to {own.place}."
            )
        session = self.load()
        for remark in self._remarks(session, grid=grid):
            announce(remark)
        self.start = self._first_page(session, grid=grid)
        if not self.start:
            self._open.close()
        return bool(self.start)

    def _remarks(self, session: Session, *, grid: bool) -> list[str]:
        """Return lines to print at the start."""
        found = []
        if session.corrections is not None:
            if not session.cases and not grid:
                only = self._options.get("only")
                found.append(f"Nothing to review{f' in {only}' if only else ''}.")
            if malformed := session.corrections.malformed:
                found.append(f"{count(malformed, 'file')} of inbox/corrections/ cannot be read.")
            if foreign := session.corrections.foreign:
                found.append(f"{count(foreign, 'image')} of the inbox: labelled for another task.")
        if lost := describe_missing(self._root):
            found += [*lost[0], f"Next: {lost[1]}"]
        return found

    def _first_page(self, session: Session, *, grid: bool) -> str:
        """Return the page to begin with; empty if there is nothing to show."""
        if self._image is not None:
            return f"review/?image={session.images.ids[find_row(session, self._image)]}"
        if session.cases and not grid:
            return "review/"
        is_narrow = self._options.get("only") is not None
        if grid or (None in session.labels and not is_narrow):
            return "review/#scope=unlabelled"
        if session.tables is None:
            load_tables(self._root)  # names the command that makes them
        return ""

    def load(self) -> Session:
        """Return the session on the tables as they are now.

        Raises:
            PixmillError: As for :meth:`begin`.
        """
        with self._lock:
            read = [file_mark(self._root / name) for name in _TABLES]
            read.append(self._newest_correction())
            session = self._session
            text = read_text(self._root / "params.yaml")
            if session is not None and (read, text) == (self._read, session.params_text):
                return session
            require_converted(self._root)
            new = Session(
                self._workspace,
                load_params(self._root),
                by=default_name(self._root) if self._by is None else self._by,
                **self._options,
            )
            if session is not None:
                self._open.close()
                announce(end_session(session)[0])
            if new.corrections is not None:
                new.corrections.release()
            self._session = self._open.enter_context(new)
            self._read = read
            return new

    def _newest_correction(self) -> tuple[int, ...]:
        """Return the mark of the last correction, whose name begins with its time."""
        files = (self._root / "inbox/corrections").glob("[!.]*")
        last = max(files, default=None)
        return file_mark(last) if last else ()

    def current(self) -> Session:
        """Return the session of the page that was loaded last."""
        return self._session or self.load()

    def find(self, name: str) -> Path | None:
        """Return the file of an image by its id, if a session that has begun has one."""
        if self._session is None:
            return None
        images = self._session.images
        rows = (row for row in images.rows_of(name) if not images.correction(row))
        return next((images.root / images.names[row] for row in rows), None)

    def routes(self) -> list[BaseRoute]:
        """Return the routes, relative to the address of the project's page."""
        drawn = map_routes(self, self._workspace.home / ".pixmill/map")
        return [Mount("/review/map", routes=drawn), Mount("/review", routes=routes(self))]

    def end(self) -> list[str]:
        """Return lines to print at the end: a summary and the next command, if any.

        Raises:
            LockedError: The inbox was locked for ten seconds.
            StorageError: The inbox may not be written.
        """
        if self._session is None:
            return []
        summary, command = end_session(self._session)
        return [summary, *([f"Next: {command}"] if command else [])]


def end_session(session: Session) -> tuple[str, str | None]:
    """Clean the inbox, and return a summary and the next command, if any.

    Raises:
        LockedError: The inbox was locked for ten seconds.
        StorageError: The inbox may not be written.
    """
    summary = f"{count(session.decided_images, 'image')} decided"
    accepted = session.corrections.accepted if session.corrections else 0
    if session.corrections is not None:
        session.corrections.release()
        if dropped := len(session.corrections.dropped):
            summary += f", {count(dropped, 'correction')} dropped"
    if accepted:
        summary += f", {count(accepted, 'correction')} accepted into data/"
    commit = commit_command(session.root, "Decide on images")
    commands = [commit] if commit else []
    if session.decided_images:
        commands.append("dvc repro")
    is_read = not accepted or not {"folder", "shop"}.isdisjoint(session.params.sources())
    first = "" if is_read else "add folder to scrape.source in params.yaml, then: "
    return f"{summary}.", first + " && ".join(commands) if commands else None
