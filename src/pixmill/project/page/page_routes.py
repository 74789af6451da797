"""The page of a project and what it asks for, as routes of a server for one person."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.install.pyproject import read_project
from pixmill.project.page.jobs import Job
from pixmill.project.page.reports import find_report, list_reports, report_policy
from pixmill.project.state import PRODUCTION, ProjectState, read_project_state
from pixmill.project.state_json import state_document
from pixmill.tracking.store import tracking_uri, view_hint
from pixmill.web.private_server import answer_json, expect_json, page_routes
from pixmill.web.problems import ProblemError

_SOON = 1.0
"""Seconds for which a state is shown again."""

_WHOLE_SECONDS = 120.0
"""Seconds after which the disk is measured again, and MLflow asked."""

_RESULTS = (".git/HEAD", ".git/logs/HEAD", "dvc.lock", "mlflow.db")
"""What a commit, a run or a promotion writes, after which the disk is measured again, and MLflow asked."""


class Home:
    """What the page shows and does. The state is read when the page asks, and by one request at a time.

    Args:
        root: The project's folder.
        pipeline: Starts and stops ``dvc repro``.
        comparison: Compares the workspace with the main branch.
        read: Reads the state; for tests.
    """

    def __init__(
        self, root: Path, pipeline: Job, comparison: Job, read: Callable[..., ProjectState] = read_project_state
    ) -> None:
        self.root, self.pipeline, self.comparison = root, pipeline, comparison
        self._read, self._lock = read, threading.Lock()
        self._state: ProjectState | None = None
        self._fault: str | None = None
        self._due, self._whole_at = 0.0, 0.0
        self._marks: list[int] = []

    def document(self) -> dict[str, Any]:
        """Return all that the page shows."""
        with self._lock:
            if (begun := time.monotonic()) >= self._due:
                self._look()
                # In a large project on a slow disk, looks take half of the time at most.
                self._due = 2 * time.monotonic() - begun + _SOON
        return {
            "project": _read_name(self.root),
            "state": self._state and state_document(self._state),
            "fault": self._fault,
            "pipeline": self.pipeline.document(),
            "comparison": self.comparison.document(),
            "reports": list_reports(self.root),
            "mlflow": _mlflow(self.root),
        }

    def look_soon(self) -> None:
        """Have the next request look at the project, since something was done."""
        self._due = 0.0

    def _look(self) -> None:
        known, now = self._state, time.monotonic()
        try:
            marks = [path.stat().st_mtime_ns for name in _RESULTS if (path := self.root / name).exists()]
            # The first look is to be quick: what may take seconds comes by the second one.
            whole = known is not None and (now >= self._whole_at or marks != self._marks)
            state = self._read(self.root, whole=whole)
        except Exception as error:  # noqa: BLE001 (the page shows it, and the next look may succeed)
            self._fault = str(error) or type(error).__name__
            return
        if whole:
            self._whole_at, self._marks = now + _WHOLE_SECONDS, marks
        elif known is not None:
            faults = {PRODUCTION: known.faults[PRODUCTION]} if PRODUCTION in known.faults else {}
            kept = {name: getattr(known, name) for name in ("disk", "champion", "is_promoted", "has_store")}
            state = replace(state, **kept, faults={**state.faults, **faults})
        self._state, self._fault = state, None


def _read_name(root: Path) -> str:
    """Return what the project is called."""
    try:
        return read_project(root).name or root.resolve().name
    except PixmillError:
        return root.resolve().name


def _mlflow(root: Path) -> dict[str, str | None]:
    try:
        hint = view_hint(tracking_uri(Workspace(root, root)))
    except PixmillError as error:
        return {"command": "pixmill check", "address": None, "fault": error.message}
    is_server = hint.startswith(("http:", "https:"))
    return {"command": "pixmill sync" if is_server else hint, "address": hint if is_server else None, "fault": None}


def routes(home: Home) -> list[BaseRoute]:
    """Return the routes below the page's address, which ends with a slash."""

    def state(request: Request) -> Response:  # noqa: ARG001
        return answer_json(home.document)

    def act(do: Callable[[], None]) -> Callable[[Request], Any]:
        def done() -> dict[str, Any]:
            try:
                do()
            finally:
                home.look_soon()
            return {}

        async def answer(request: Request) -> Response:
            expect_json(request)
            return await run_in_threadpool(answer_json, done)

        return answer

    def report(request: Request) -> Response:
        if (path := find_report(home.root, request.path_params["name"])) is None:
            raise ProblemError(404, "There is no such report.")
        return FileResponse(path, headers={"Content-Security-Policy": report_policy(), "Cache-Control": "no-store"})

    return [
        *page_routes("pixmill.project.page"),
        Route("/state", state),
        Route("/pipeline/start", act(home.pipeline.start), methods=["POST"]),
        Route("/pipeline/stop", act(home.pipeline.stop), methods=["POST"]),
        Route("/comparison/start", act(home.comparison.start), methods=["POST"]),
        Route("/reports/{name}", report),
    ]
