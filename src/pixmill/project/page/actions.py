"""Actions of the page, such as to run, compare, add images, commit, promote and export."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ConfigDict, ValidationError, create_model
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pixmill.core.errors import LockedError, PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.params import load_params
from pixmill.core.repository.dvc import is_dvc_writing
from pixmill.local.private_server import answer_json, expect_file, expect_json
from pixmill.local.problems import ProblemError
from pixmill.project.committing import find_commit, make_commit, require_no_operation
from pixmill.project.going_back import RESTORE, go_back, make_plan
from pixmill.project.new.upgrading import apply_upgrade, plan_upgrade
from pixmill.project.next_steps import LOOK, next_steps
from pixmill.project.page.adding import Adding
from pixmill.project.page.jobs import Job
from pixmill.project.page.overview import read_committed
from pixmill.project.page.params_form import ParamsForm
from pixmill.project.page.using import Format
from pixmill.project.state import ProjectState

if TYPE_CHECKING:
    from pixmill.project.page.home import Home


class Actions:
    """The actions of one page, and what it shows about them.

    Args:
        root: Project folder.

    Attributes:
        form: The form of the params.
        adding: Uploaded images.
        promotion: Job of ``pixmill promote``.
        rollback: Job of ``pixmill rollback``.
        sweep: Job of ``pixmill sweep``.
        watch: Job of ``pixmill watch``.
        checkout: Job of ``dvc checkout``, after going back.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.form = ParamsForm(root)
        self.adding = Adding(root)
        self.promotion = Job(root, "pixmill promote")
        self.rollback = Job(root, "pixmill rollback")
        self.sweep = Job(root, "pixmill sweep")
        self.watch = Job(root, "pixmill watch")
        self.checkout = Job(root, "dvc checkout", (sys.executable, "-c", RESTORE))

    @property
    def jobs(self) -> list[Job]:
        """The jobs."""
        return [
            self.adding.job,
            self.promotion,
            self.rollback,
            self.sweep,
            self.watch,
            self.checkout,
        ]

    def document(self, state: ProjectState | None) -> dict[str, Any]:
        """Return what the page shows.

        Args:
            state: The state of the project; ``None`` if it is not known.
        """
        path = self._root / "params.yaml"
        found = find_commit(state) if state else None
        champion = state and state.champion
        scores = champion and champion.commit and read_committed(self._root, champion.commit)
        return {
            "classes": _read_classes(path, path.stat().st_mtime_ns) if path.exists() else (),
            "commit": found and asdict(found),
            "champion_accuracy": next(iter(scores.values())) if scores else None,
            "can_undo_params": self.form.can_undo,
            "import": self.adding.job.document(),
            "promotion": self.promotion.document(),
            "rollback": self.rollback.document(),
            "sweep": self.sweep.document(),
            "watch": self.watch.document(),
            "going_back": self.checkout.document(),
        }

    def look(self, state: ProjectState) -> None:
        """Look at the log of the model in production, draw images, or accept them: what comes next.

        Args:
            state: The current state of the project.

        Raises:
            PixmillError: There is no such step.
        """
        commands = [step.command or "" for step in next_steps(state)]
        words = [shlex.split(each) for each in commands if each.startswith(LOOK)]
        if not words:
            raise PixmillError("there is no alarm to follow", next="look at the next step")
        self.watch.start(*words[0][2:], "--no-open")

    def find_best_trial(self) -> dict[str, Any]:
        """Return the ``number`` of the best trial of the sweep, and the ``changes`` by using it."""
        from pixmill.experiments.sweep.planning import load_trial
        from pixmill.experiments.sweep.space import describe_changes

        params = load_params(self._root)
        trial = load_trial(Workspace(self._root, self._root), params)
        return {"number": trial.number, "changes": describe_changes(params, trial)}

    def use_trial(self, number: int) -> None:
        """Write the params of a trial of the sweep; the form can undo it."""
        from pixmill.experiments.sweep.planning import load_trial
        from pixmill.experiments.sweep.space import apply_trial

        workspace = Workspace(self._root, self._root)
        with self.form.changing():
            apply_trial(workspace, load_trial(workspace, load_params(self._root), number))

    def go_back(self, state: ProjectState, commit: str, *, take_back: bool) -> None:
        """Go back to a commit; images and model follow in the background.

        Args:
            state: The current state of the project.
            commit: Its hash.
            take_back: Whether to take back the decisions made since.

        Raises:
            PixmillError: An operation of Git is in progress, or as for :func:`.make_plan` and
                :func:`.go_back`.
        """
        require_no_operation(state)
        if self.adding.job.pid:
            raise LockedError("images are being added", next="wait for it, or stop it")
        go_back(self._root, make_plan(self._root, commit), take_back=take_back)
        here = [name for name in ("data.dvc", "dvc.yaml") if (self._root / name).exists()]
        self.checkout.start(*here)


@lru_cache(maxsize=1)
def _read_classes(path: Path, _: int) -> tuple[str, ...]:
    try:
        return load_params(path.parent).classes
    except PixmillError:
        return ()  # The next step says what is wrong.


def routes(home: Home) -> list[BaseRoute]:
    """Return the routes of the actions."""
    actions = home.actions

    def params(request: Request) -> Response:  # noqa: ARG001
        return answer_json(actions.form.document)

    def promote(because: str, accept: bool) -> None:
        accepted = [f"--accept-undecided={because}"] if accept else []
        actions.promotion.start(*_reason(because), *accepted)

    def roll_back(because: str, version: int) -> None:
        actions.rollback.start(f"--to={version}", *_reason(because))

    async def receive(request: Request) -> Response:
        expect_file(request)
        await actions.adding.receive(request)
        return answer_json(dict)

    post = partial(post_route, home)
    form = actions.form
    return [
        post("/pipeline/start", home.pipeline.start),
        post("/pipeline/stop", home.pipeline.stop),
        post(
            "/sweep/start",
            lambda trials: actions.sweep.start(f"--trials={trials}"),
            alone=True,
            trials=int,
        ),
        post("/sweep/stop", actions.sweep.stop),
        post("/sweep/best", actions.find_best_trial),
        post("/sweep/use", actions.use_trial, alone=True, number=int),
        post("/comparison/start", home.comparison.start),
        post("/history/{commit}/compare", home.compare),
        post("/history/{commit}/plan", lambda commit: asdict(make_plan(home.root, commit))),
        post(
            "/history/{commit}/return",
            lambda **them: actions.go_back(home.read_now(), **them),
            alone=True,
            take_back=bool,
        ),
        post("/upgrade", lambda: apply_upgrade(home.root, plan_upgrade(home.root)), alone=True),
        Route("/params", params),
        post("/params", form.save, alone=True, digest=str, values=dict[str, str]),
        post("/params/check", lambda values: {"errors": form.check(values)}, values=dict[str, str]),
        post("/params/use", form.use, alone=True, digest=str, recipe=str),
        post("/params/undo", form.undo, alone=True),
        post(
            "/commit",
            lambda **them: make_commit(home.read_now(), **them),
            alone=True,
            paths=list[str],
            message=str,
        ),
        post("/watch", lambda: actions.look(home.read_now())),
        post("/promote", promote, because=str, accept=bool),
        post("/rollback", roll_back, because=str, version=int),
        post("/export", home.using.start_export, form=Format),
        post("/serve", home.using.start_serve, share=bool),
        post("/serve/stop", home.using.serve.stop),
        Route("/images/{batch}", receive, methods=["POST"]),
        post("/import/stop", lambda: actions.adding.job.stop()),
        post("/images/{batch}/import", actions.adding.start, label=str | None),
    ]


def post_route(
    home: Home,
    path: str,
    act: Callable[..., dict[str, Any] | None],
    *,
    alone: bool = False,
    **kinds: Any,
) -> Route:
    """Return a route that calls a function with the fields of a JSON object and of the path.

    While files of an earlier commit are restored, it only stops what runs.

    Args:
        home: The page, whose next request reads the state again.
        path: Path of the route.
        act: Returns a JSON object or ``None``; may raise a :class:`PixmillError`.
        alone: Refuse the call while a run is in progress.
        kinds: Types of the fields by name, or pairs of a type and a default.
    """
    model = create_model("Body", __config__=ConfigDict(extra="forbid", strict=True), **kinds)

    async def answer(request: Request) -> Response:
        expect_json(request)
        try:
            content = dict(model.model_validate_json(await request.body()))
        except ValidationError as error:
            raise ProblemError(
                400, f"Expected a JSON object of {', '.join(kinds) or 'nothing'}."
            ) from error

        def perform() -> dict[str, Any]:
            try:
                if home.actions.checkout.pid and not path.endswith("/stop"):
                    raise LockedError("images and model are being restored", next="wait for it")
                # Between the stages of a run, no command holds DVC's lock.
                if alone and (home.pipeline.pid or is_dvc_writing(home.root)):
                    raise LockedError("a run is in progress", next="wait for it, or stop it")
                return act(**content, **request.path_params) or {}
            finally:
                home.expire()

        return await run_in_threadpool(answer_json, perform)

    return Route(path, answer, methods=["POST"])


def _reason(because: str) -> list[str]:
    return [f"--because={because}"] if because.strip() else []
