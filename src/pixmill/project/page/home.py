"""The page of `pixmill open`, served on this machine until Ctrl-C."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import STAGES, Workspace
from pixmill.core.install.pyproject import project_name
from pixmill.core.process.progress import announce
from pixmill.local.private_server import (
    PrivateServer,
    answer_json,
    make_app,
    page_routes,
    wait_for_end,
)
from pixmill.local.problems import ProblemError
from pixmill.project.page import actions, deciding, images, predictions, using
from pixmill.project.page.adding import MAX_FILE_BYTES
from pixmill.project.page.jobs import Job
from pixmill.project.page.moving import find_moved
from pixmill.project.page.overview import Overview
from pixmill.project.state import PRODUCTION, ProjectState, read_project_state
from pixmill.review.serving import ReviewSite
from pixmill.serve.watch import LAST
from pixmill.tracking.relocation import follow_move
from pixmill.tracking.store import tracking_uri, view_hint

_MIN_INTERVAL_SECONDS = 1.0
"""Time for which a state is reused."""

_WHOLE_SECONDS = 120.0
"""Time after which the disk is measured and MLflow is queried again."""

_RESULT_FILES = (".git/HEAD", ".git/logs/HEAD", "dvc.lock", "mlflow.db", LAST)
"""Files that a commit, run, promotion or ``pixmill watch`` writes; after a change, all is read."""

_SLOW_PARTS = (
    "disk",
    "champion",
    "watched",
    "is_promoted",
    "is_judged",
    "is_rolled_back",
    "has_store",
)
"""Parts of the state that are read only with the disk and MLflow."""

_REPORT_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\.(?:html|png)")

_CACHED = re.compile(r"/files/md5/[0-9a-f]{2}/[0-9a-f]{30}$")
"""End of the paths of files in a cache of DVC."""

_REPORT_SCRIPTS = (("pixmill.pages", "page.js"), ("pixmill.experiments.compare", "ranking.js"))
"""Scripts of reports: the first alone, or both concatenated."""


class Home:
    """Content and actions of the page. One request at a time reads the state.

    Args:
        root: Project folder.
        pipeline: Job of ``dvc repro``.
        comparison: Job of ``pixmill compare``.
        read: Reader of the state, replaced in tests.
    """

    def __init__(
        self,
        root: Path,
        pipeline: Job,
        comparison: Job,
        read: Callable[..., ProjectState] = read_project_state,
    ) -> None:
        self.root = root
        self.pipeline = pipeline
        self.comparison = comparison
        self._read = read
        self._lock = threading.Lock()
        self._state: ProjectState | None = None
        self._fault: str | None = None
        self._due = 0.0
        self._ran = False
        self._whole_at = 0.0
        self._mtimes: list[int] = []
        self.overview = Overview(root)
        self._moved: dict[str, str] | None = None
        self.images = images.Images(root)
        self.images.finders.append(lambda name: self.overview.files.get(name))
        self.predictions = predictions.Predictions(root)
        self.images.uploads.append(self.predictions.find)
        self.actions = actions.Actions(root)
        self.using = using.Using(root)

    def document(self) -> dict[str, Any]:
        """Return the content of the page."""
        with self._lock:
            # Before the state is read, so that no state of a run outlives the run.
            pipeline = self.pipeline.document()
            begun = time.monotonic()
            if begun >= self._due or pipeline["running"] != self._ran:
                self._ran = pipeline["running"]
                self._refresh()
                # Spend at most half of the time on reading large projects on slow disks.
                self._due = 2 * time.monotonic() - begun + _MIN_INTERVAL_SECONDS
        return {
            "project": project_name(self.root),
            "state": self._state and self._state.document(),
            "overview": self.overview.content,
            "moved": self._moved,
            "fault": self._fault,
            "pipeline": pipeline,
            "comparison": self.comparison.document(),
            "reports": list_reports(self.root),
            "mlflow": _mlflow(self.root),
            **self.actions.document(self._state),
            **self.using.document(),
        }

    def read_now(self) -> ProjectState:
        """Read the state and return it.

        Raises:
            PixmillError: It cannot be read.
        """
        with self._lock:
            self._refresh()
            if self._state is None or self._fault is not None:
                raise PixmillError(
                    f"the state cannot be read: {self._fault}", next="pixmill doctor"
                )
            return self._state

    def expire(self) -> None:
        """Make the next request read the state."""
        self._due = 0.0

    def compare(self, commit: str) -> None:
        """Compare what is here with a commit of the history; the last one with the one before.

        Args:
            commit: Hash, or ``workspace``.

        Raises:
            PixmillError: The history has no such commit, or only one; or a comparison is running.
        """
        commits = [each["commit"] or "workspace" for each in self.overview.content["history"]]
        if commit not in commits or len(commits) < 2:
            raise PixmillError("the history has no such commit", next="reload the page")
        chosen = commits[-2:] if commit == commits[-1] else [commit]
        self.comparison.start(*(each[:12] for each in chosen))  # the report's title has them

    def _refresh(self) -> None:
        try:
            self._state = self._read_state()
            self._fault = None
            self.overview.update(self._state.data)
            self._moved = find_moved(self.root, self.overview.content["history"])
        except Exception as error:  # noqa: BLE001 (the page shows it, and the next read may succeed)
            self._fault = str(error) or type(error).__name__

    def _read_state(self) -> ProjectState:
        known = self._state
        now = time.monotonic()
        mtimes = [
            path.stat().st_mtime_ns for name in _RESULT_FILES if (path := self.root / name).exists()
        ]
        # The first read is quick; the second one adds the slow parts.
        full = known is not None and (now >= self._whole_at or mtimes != self._mtimes)
        state = self._read(self.root, full=full)
        if full:
            self._whole_at = now + _WHOLE_SECONDS
            self._mtimes = mtimes
        elif known is not None:
            faults = {PRODUCTION: known.faults[PRODUCTION]} if PRODUCTION in known.faults else {}
            slow = {name: getattr(known, name) for name in _SLOW_PARTS}
            state = replace(state, **slow, faults={**state.faults, **faults})
        return state


def _mlflow(root: Path) -> dict[str, str | None]:
    try:
        hint = view_hint(tracking_uri(Workspace(root, root)))
    except PixmillError as error:
        return {"command": "pixmill doctor --quick", "address": None, "fault": error.message}
    is_server = hint.startswith(("http:", "https:"))
    return {
        "command": "pixmill doctor --fix" if is_server else hint,
        "address": hint if is_server and _answers(hint, int(time.monotonic() / 30)) else None,
        "fault": None,
    }


@lru_cache(maxsize=1)
def _answers(address: str, _: int) -> bool:
    """Return whether a server accepts connections; asked again after half a minute."""
    try:
        place = urlsplit(address)
        port = place.port or (443 if place.scheme == "https" else 80)
        with socket.create_connection((place.hostname, port), timeout=0.5):
            return True
    except (OSError, ValueError):
        return False


def find_report(root: Path, name: str) -> Path | None:
    """Return the file of a report; ``None`` if it is missing, or a link leads out of DVC's cache.

    Others' commits may contain links, and configure the cache: its files are recognised by their
    names.

    Args:
        root: Project folder.
        name: File name in a request, such as ``train.html``.
    """
    path = root / "reports" / name
    if (
        not _REPORT_NAME.fullmatch(name) or not path.is_file()
    ):  # also a loop of links, which cannot be resolved
        return None
    real = path.resolve()
    return (
        path
        if real.parent == root.resolve() / "reports" or _CACHED.search(real.as_posix())
        else None
    )


def list_reports(root: Path) -> list[str]:
    """Return the names of the reports; those of the stages come first, in pipeline order."""
    names = [
        path.name for path in (root / "reports").glob("*.html") if find_report(root, path.name)
    ]
    first = {f"{stage}.html": number for number, stage in enumerate(STAGES)}
    return sorted(names, key=lambda name: (first.get(name, len(first)), name))


@cache
def report_policy() -> str:
    """Return the Content-Security-Policy of reports: only Pixmill's scripts, and no requests."""
    texts = [
        files(package).joinpath(name).read_text(encoding="utf-8")
        for package, name in _REPORT_SCRIPTS
    ]
    digests = (
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (texts[0], "".join(texts))
    )
    scripts = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {scripts}; "
        "base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )


def routes(home: Home) -> list[BaseRoute]:
    """Return the routes below the address of the page."""

    def state(request: Request) -> Response:  # noqa: ARG001
        return answer_json(home.document)

    def report(request: Request) -> Response:
        if (path := find_report(home.root, request.path_params["name"])) is None:
            raise ProblemError(404, "There is no such report.")
        headers = {"Content-Security-Policy": report_policy(), "Cache-Control": "no-store"}
        if path.suffix == ".png":
            return FileResponse(path, headers=headers)
        # The mark makes the page's links lead to this server.
        text = path.read_bytes().replace(b"<html ", b"<html data-live ", 1)
        return HTMLResponse(text, headers=headers)

    return [
        *page_routes("pixmill.project.page"),
        Route("/state", state),
        Route("/reports/{name}", report),
        *images.routes(home.images),
        *predictions.routes(home),
        *actions.routes(home),
        *using.routes(home),
    ]


def open_project(
    workspace: Workspace,
    review: ReviewSite | None = None,
    *,
    port: int = 0,
    open_browser: bool = True,
) -> None:
    """Serve the page until Ctrl-C.

    A run of the pipeline that was started on the page continues afterwards.

    Args:
        workspace: Folders of the project.
        review: Review to open first; default: the page of the project.
        port: Port on 127.0.0.1; 0 picks a free one.
        open_browser: Whether to open the page in the default browser.

    Raises:
        PixmillError: The port is in use.
    """
    root = workspace.root
    try:
        follow_move(workspace)
    except PixmillError as error:
        announce(f"warning: {error}")  # The page works without MLflow.
    home = Home(root, Job(root, "dvc repro"), Job(root, "pixmill compare"))
    site = review or ReviewSite(workspace)
    home.images.finders.append(site.find)
    app = make_app([*routes(home), *deciding.routes(home, site), *site.routes()])
    command = "pixmill review" if review else "pixmill open"
    server = PrivateServer(
        app, command=command, port=port, start=site.start, max_bytes=MAX_FILE_BYTES
    )
    try:
        with site, server:
            announce(
                f"The {'review' if review else 'project'} is at {server.new_address()} (stop with "
                "Ctrl-C)"
            )
            with (
                server.opened(workspace.scratch("open"))
                if open_browser
                else contextlib.nullcontext()
            ):
                wait_for_end()
    except KeyboardInterrupt:
        home.images.close()
        home.predictions.close()
        used = (home.using.export, home.using.serve)
        for job in (home.pipeline, home.comparison, *home.actions.jobs, *used):
            if (pid := job.pid) is not None and job.at_end:
                job.stop()
                announce(f"\n{job.name} was stopped: {job.at_end}")
            elif pid is not None:
                announce(f"\n{job.name} continues in the background. To stop it: kill -INT -{pid}")
        if lines := site.end():
            announce("\n" + "\n".join(lines))
