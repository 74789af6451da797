"""The page of a project and what it asks for, as routes of a server for one person."""

from __future__ import annotations

import asyncio
import codecs
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from pixmill.core.errors import PixmillError
from pixmill.core.workspace import Workspace
from pixmill.home.jobs import Comparison, Pipeline
from pixmill.home.reports import find_report, list_reports, report_policy
from pixmill.home.reviews import Reviews
from pixmill.home.watching import Watch
from pixmill.project.pyproject import read_project
from pixmill.record.store import tracking_uri, view_hint
from pixmill.review.page_routes import routes as review_routes
from pixmill.web.page_files import answer_json, expect_json, page_routes
from pixmill.web.private_server import make_app
from pixmill.web.problems import ProblemError

_TICK_SECONDS, _SIGN_SECONDS = 0.25, 15.0
"""Seconds between two looks for something to send, and after which a sign of life is sent instead."""

_LOG_BYTES = 128 << 10
"""How much of the log is sent at once: where it begins anew, its end."""


class Home:
    """What the page shows and does.

    Args:
        root: The project's folder.
        watch: Knows the state.
        pipeline: Starts and stops ``dvc repro``.
        comparison: Compares the workspace with the main branch.
        reviews: Holds the review.
    """

    def __init__(self, root: Path, watch: Watch, pipeline: Pipeline, comparison: Comparison, reviews: Reviews) -> None:
        self.root, self.watch, self.pipeline, self.reviews = root, watch, pipeline, reviews
        self.comparison = comparison

    def document(self) -> dict[str, Any]:
        """Return all that the page shows."""
        is_running = self.pipeline.running() is not None
        return {
            "project": _read_name(self.root),
            "state": self.watch.document,
            "fault": self.watch.fault,
            "pipeline": {
                "running": is_running,
                "status": None if is_running else self.pipeline.exit_status(),
                "stopped": self.pipeline.is_stopped,
            },
            "comparison": self.comparison.document(),
            "reports": list_reports(self.root),
            "mlflow": _mlflow(self.root),
        }

    def log_since(self, place: tuple[float, int]) -> tuple[tuple[float, int], str, bool]:
        """Return where the log is read up to now, what came since, and whether it begins anew.

        Args:
            place: As this returned it; at first ``(0, 0)``.
        """
        started, offset = place
        run = self.pipeline.latest()
        now = run.started if run else 0.0
        try:
            size = self.pipeline.log.stat().st_size
            is_new = now != started or size < offset
            begin = max(0, size - _LOG_BYTES) if is_new else offset
            with self.pipeline.log.open("rb") as file:
                file.seek(begin)
                content = file.read(_LOG_BYTES)
        except OSError:
            return place, "", False
        text, used = codecs.utf_8_decode(content, "replace", False)  # Of half a letter, the rest comes later.
        return (now, begin + used), text, is_new


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

    async def events(request: Request) -> StreamingResponse:  # noqa: ARG001
        return StreamingResponse(_events(home), media_type="text/event-stream")

    async def act(request: Request, do: Callable[[], object]) -> Response:
        def done() -> dict[str, Any]:
            try:
                do()
            finally:
                home.watch.look_soon()
            return {}

        expect_json(request)
        return await run_in_threadpool(answer_json, done)

    async def start(request: Request) -> Response:
        return await act(request, home.pipeline.start)

    async def stop(request: Request) -> Response:
        return await act(request, home.pipeline.stop)

    async def compare(request: Request) -> Response:
        return await act(request, home.comparison.start)

    def report(request: Request) -> Response:
        if (path := find_report(home.root, request.path_params["name"])) is None:
            raise ProblemError(404, "There is no such report.")
        return FileResponse(path, headers={"Content-Security-Policy": report_policy(), "Cache-Control": "no-store"})

    review = make_app(review_routes(home.reviews.current, "pixmill open"))

    async def reviewing(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].endswith("/review/"):
            home.reviews.open()
        await review(scope, receive, send)
        if scope["type"] == "http" and scope["method"] == "POST":
            home.watch.look_soon()

    return [
        *page_routes("pixmill.home"),
        Route("/state", state),
        Route("/events", events),
        Route("/pipeline/start", start, methods=["POST"]),
        Route("/pipeline/stop", stop, methods=["POST"]),
        Route("/comparison/start", compare, methods=["POST"]),
        Route("/reports/{name}", report),
        Mount("/review", reviewing),
    ]


async def _events(home: Home) -> AsyncIterator[str]:
    """Yield what has changed, as server-sent events."""
    shown, place, said = "", (0.0, 0), time.monotonic()
    while True:
        text = json.dumps(await run_in_threadpool(home.document))  # In ASCII: names of files need be no text.
        if text != shown:
            shown, said = text, time.monotonic()
            yield f"event: state\ndata: {text}\n\n"
        place, lines, is_new = await run_in_threadpool(home.log_since, place)
        if lines or is_new:
            said = time.monotonic()
            yield f"event: log\ndata: {json.dumps({'text': lines, 'new': is_new})}\n\n"
        if time.monotonic() - said > _SIGN_SECONDS:
            said = time.monotonic()
            yield ": still here\n\n"
        await asyncio.sleep(_TICK_SECONDS)
