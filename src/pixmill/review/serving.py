"""The pages of the review, below ``review/`` of the project's page."""

import threading
from pathlib import Path
from typing import Any, Self

from starlette.routing import BaseRoute, Mount

from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import file_mark
from pixmill.core.install.pyproject import project_name
from pixmill.core.params import load_params
from pixmill.core.process.progress import announce
from pixmill.core.words import count
from pixmill.dataset.inbox import Inbox
from pixmill.images.listing import files_below
from pixmill.review.grid import grid_routes
from pixmill.review.grid.grid import Grid
from pixmill.review.page_routes import routes
from pixmill.review.reviewing import ReviewProject, default_name

_TABLES = (
    "params.yaml",
    "artifacts/validate/manifest.parquet",
    "artifacts/evaluate/predictions.parquet",
)
"""Files after whose change a page that is loaded shows new cases."""


class ReviewSite:
    """The review of a project, read when its page is first loaded, and again after a run.

    Args:
        workspace: Folders of the project.
        image: Id or file of the image to begin with.
        options: Further arguments of :class:`~pixmill.review.reviewing.ReviewProject`.

    Attributes:
        name: Name of the project.
        start: Page to open first, relative to the project's page; empty before :meth:`begin`.
    """

    def __init__(self, workspace: Workspace, *, image: str | None = None, **options: Any) -> None:
        self._workspace = workspace
        self._image = image
        self._options = options
        self._lock = threading.RLock()
        self._project: ReviewProject | None = None
        self._grid: Grid | None = None
        self._read = list[tuple[int, ...]]()
        self._grid_read = list[tuple[int, ...]]()
        self.name = project_name(workspace.root)
        self.start = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for part in (self._project, self._grid):
            if part is not None:
                part.__exit__()

    def begin(self, inbox: Path | None = None, *, grid: bool = False) -> bool:
        """Read the cases of ``pixmill review``, and return whether there is something to show.

        Args:
            inbox: Folder with the feedback of servers, whose content is first moved to ``inbox/``;
                default: none.
            grid: Whether to begin with the grid. Default: if there are no cases, but unlabelled
                images.

        Raises:
            LockedError: The inbox was locked for ten seconds.
            PixmillError: As for :class:`~pixmill.review.reviewing.ReviewProject`.
        """
        root = self._workspace.root
        own = Inbox(root / "inbox")
        if inbox is not None and inbox.resolve() != Path(own.place).resolve():
            announce(
                f"{count(own.take_over(inbox), 'correction')} moved from {inbox} to {own.place}."
            )
        is_narrow = self._image is not None or self._options.get("only") is not None
        folder = root / (load_params(root).evaluate.unlabelled or "data/unlabelled")
        has_unlabelled = folder.is_dir() and any(files_below(folder))
        has_run = (root / _TABLES[1]).exists()
        if grid or (has_unlabelled and not has_run and not is_narrow):
            self.start = "review/grid/"
            self.grid()
            return True
        project = self.load()
        if project.remarks:
            announce("\n".join(project.remarks))
        self.start = "review/"
        if self._image is not None:
            self.start += f"?image={project.find(self._image)}"
        elif not project.session.cases:
            if is_narrow or not has_unlabelled:
                project.__exit__()
                return False
            self.start += "grid/"
        return True

    def load(self) -> ReviewProject:
        """Return the review of the tables as they are now.

        Raises:
            PixmillError: As for :class:`~pixmill.review.reviewing.ReviewProject`.
        """
        root = self._workspace.root
        with self._lock:
            if (read := _marks(root)) != self._read or self._project is None:
                if self._project is not None:
                    self._project.__exit__()
                    announce(self._project.end()[0])
                self._project = ReviewProject(
                    self._workspace, load_params(root), **self._options
                ).__enter__()
                self._read = read
            return self._project

    def current(self) -> ReviewProject:
        """Return the review of the page that was loaded last."""
        return self._project or self.load()

    def grid(self, *, renew: bool = False) -> Grid:
        """Return the grid.

        Args:
            renew: Whether to read the tables again if they have changed.

        Raises:
            PixmillError: A table or ``review.csv`` is malformed.
        """
        with self._lock:
            read = (
                _marks(root := self._workspace.root)
                if renew or self._grid is None
                else self._grid_read
            )
            if self._grid is None or read[1:] != self._grid_read[1:]:
                if self._grid is not None:
                    self._grid.__exit__()
                    announce(self._grid.labels.end()[0])
                by = self._options.get("by") or default_name(root)
                self._grid = Grid(self._workspace, load_params(root), by, self._doubts)
                self._grid_read = read
                self._grid.__enter__()
                if self._grid.labels.remarks:
                    announce("\n".join(self._grid.labels.remarks))
            return self._grid

    def find(self, name: str) -> Path | None:
        """Return the file of an image of the grid by its id; ``None`` if it has none, or has not been opened."""
        rows = self._grid.pile.rows_of(name) if self._grid else ()
        return (
            self._workspace.root / self._grid.pile.names[rows[0]] if self._grid and rows else None
        )

    def _doubts(self, kind: str) -> list[str]:
        """Return the ids of the images of a kind of case, most urgent first."""
        return self.load().session.images_of(kind)

    def routes(self) -> list[BaseRoute]:
        """Return the routes, relative to the address of the project's page."""
        return [
            Mount("/review/grid", routes=grid_routes.routes(self)),
            Mount("/review", routes=routes(self)),
        ]

    def end(self) -> list[str]:
        """Return lines to print at the end: a summary of the decisions and the next command, if any.

        Raises:
            LockedError: The inbox was locked for ten seconds.
            StorageError: The inbox may not be written.
        """
        ended = (self._project, None if self._grid is None else self._grid.labels)
        ends = [part.end() for part in ended if part is not None]
        commands = [command for _, command in ends if command]
        return [
            *(summary for summary, _ in ends),
            *(f"Next: {command}" for command in commands[-1:]),
        ]


def _marks(root: Path) -> list[tuple[int, ...]]:
    """Return what changes when a file changes whose content a page shows."""
    return [file_mark(root / name) for name in _TABLES]
