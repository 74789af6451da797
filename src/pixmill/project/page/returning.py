"""Go back to a point of the history: a new commit, then ``dvc checkout`` for images and model."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from pixmill.core.errors import LockedError, PixmillError
from pixmill.project.going_back import (
    check_out,
    go_back,
    make_plan,
    set_finished,
    unfinished,
)
from pixmill.project.page.jobs import Job
from pixmill.project.state import ProjectState

_RESULTS = ("dvc.yaml", "--force", "--allow-missing")
"""Replace what a killed run left; the commit may be older than the first results. Never by force:
``data/``, which may have images that no cache has."""


class Return:
    """Go back, and follow it.

    Args:
        root: Project folder.
        command: Command to run instead of ``dvc checkout``, for tests.

    Attributes:
        job: ``dvc checkout``.
    """

    def __init__(self, root: Path, command: tuple[str, ...] = ()) -> None:
        self._root = root
        self.job = Job(root, "dvc checkout", command)

    def document(self) -> dict[str, Any]:
        """Return the state of the job, and the ``title`` of a return that is not finished."""
        found = unfinished(self._root)
        return {**self.job.document(), "title": found and found["title"]}

    def plan(self, commit: str) -> dict[str, Any]:
        """Return what going back to a commit changes; see :class:`.Plan`."""
        return asdict(make_plan(self._root, commit))

    def start(self, state: ProjectState, commit: str, *, take_back: bool) -> None:
        """Go back to a commit.

        Raises:
            PixmillError: An operation of Git or another return is in progress, or as for
                :func:`.make_plan` and :func:`.go_back`.
        """
        self._require_idle()
        if operation := state.repository.operation:
            raise PixmillError(f"a {operation} is in progress", next=f"git {operation} --continue")
        go_back(self._root, make_plan(self._root, commit), take_back=take_back)
        self._restore_images()

    def finish(self) -> None:
        """Go on after a kill, or after ``dvc checkout`` failed."""
        self._require_idle()
        check_out(self._root)
        self._restore_images()

    def _require_idle(self) -> None:
        if self.job.pid:
            raise LockedError("images and model are being restored", next="wait for it")

    def _restore_images(self) -> None:
        # Without --force, DVC refuses to delete an image that its cache does not have.
        if (self._root / "data.dvc").exists():
            self.job.start("data.dvc", then=self._restore_results)
        else:
            self.job.start(*_RESULTS, then=self._end)

    def _restore_results(self) -> None:
        if self.job.document()["status"] == 0:
            self.job.start(*_RESULTS, then=self._end)

    def _end(self) -> None:
        if self.job.document()["status"] == 0:
            set_finished(self._root)
