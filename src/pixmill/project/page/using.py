"""The card *Use the model*: exports, a page for others, and the versions in production."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from pixmill.core.files.workspace import Workspace
from pixmill.core.repository.git import git
from pixmill.local.private_server import answer_json
from pixmill.local.problems import ProblemError
from pixmill.project.page.jobs import Job
from pixmill.serve.export.card import CARD, read_card
from pixmill.serve.http.sharing import code_svg

if TYPE_CHECKING:
    from pixmill.project.page.home import Home

Format = Literal["litert", "int8", "onnx", "keras"]
"""Formats of ``pixmill export``; each has its folder, since an export replaces its folder."""


class Using:
    """The jobs of the card, and what it shows about them.

    Args:
        root: Project folder.

    Attributes:
        export: Job of ``pixmill export``.
        serve: Job of ``pixmill serve``, which ends with the page.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / "exported"
        self.export = Job(root, "pixmill export")
        self.serve = Job(root, "pixmill serve", at_end="its links no longer work")

    @property
    def jobs(self) -> list[Job]:
        """The jobs."""
        return [self.export, self.serve]

    def document(self) -> dict[str, Any]:
        """Return the jobs; that of the served page with its link, and the QR code of a shared one."""
        serve = self.serve.document()
        found = re.search(r"^http://\S+$", serve["log"], re.MULTILINE)
        link = found[0] if found and serve["running"] else None
        code = code_svg(link) if link and "#" in link else None
        return {"export": self.export.document(), "serve": serve | {"link": link, "code": code}}

    def start_export(self, form: Format) -> None:
        """Export the model in a format, to its own folder."""
        self.export.start(form, f"--output={self._folder.name}/{form}")

    def start_serve(self, share: bool) -> None:
        """Serve the model to this machine, or by a link with a key to the local network."""
        self.serve.start("--port=0", *(["--share"] if share else []))

    def exported(self) -> dict[str, Any]:
        """Return the files of each export and what its card says, by format."""
        found = {}
        for form in get_args(Format):
            card = self._folder / form / CARD
            if card.is_file():
                sizes = {path.name: path.stat().st_size for path in card.parent.glob("[!.]*")}
                found[form] = {
                    "at": card.stat().st_mtime,
                    "files": sorted(sizes.items(), key=lambda item: -item[1]),
                    **read_card(card.read_text(encoding="utf-8", errors="replace")),
                }
        return found

    def find_file(self, form: str, name: str) -> Path:
        """Return a file of an export; links in others' commits do not lead out of the folder.

        Raises:
            ProblemError: There is no such file.
        """
        path = self._folder.resolve() / form / name
        if form not in get_args(Format) or not path.is_file() or path.resolve() != path:
            raise ProblemError(404, "There is no such file.")
        return path

    def versions(self) -> dict[str, Any]:
        """Return the versions in MLflow, newest first, with the subjects of their commits.

        Raises:
            PixmillError: MLflow does not respond.
        """
        from pixmill.experiments.promotion.report import as_document
        from pixmill.tracking.model_versions import Registry

        registry = Registry(Workspace(self._root, self._root))
        versions = [as_document(each) for each in registry.versions() if each.is_shown]
        subjects = self._subjects([each["commit"] or "" for each in versions])
        return {"versions": [each | {"subject": subjects.get(each["commit"])} for each in versions]}

    def _subjects(self, commits: list[str]) -> dict[str, str]:
        """Return the subjects of the commits that this clone has."""
        known = [commit for commit in commits if re.fullmatch("[0-9a-f]{40}", commit)]
        if not known:
            return {}
        text = git(self._root, "log", "--no-walk", "--ignore-missing", "--format=%H %s", *known)
        return dict(line.split(" ", 1) for line in (text or "").splitlines())


def routes(home: Home) -> list[BaseRoute]:
    """Return the routes that read; ``actions`` has those that act."""
    using = home.using

    def exported(request: Request) -> Response:  # noqa: ARG001
        return answer_json(using.exported)

    def file(request: Request) -> Response:
        path = using.find_file(**request.path_params)
        return FileResponse(path, filename=path.name)

    def versions(request: Request) -> Response:  # noqa: ARG001
        return answer_json(using.versions)

    return [
        Route("/exported", exported),
        Route("/exported/{form}/{name}", file),
        Route("/versions", versions),
    ]
