"""The card *Use the model*: exports, a page for others, and the versions in production."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from pixmill.core.files.workspace import Workspace
from pixmill.local.private_server import answer_json
from pixmill.local.problems import ProblemError
from pixmill.project.page.jobs import Job
from pixmill.serve.export.html.runtime import missing_runtime
from pixmill.serve.http.sharing import SHARED, code_svg

if TYPE_CHECKING:
    from pixmill.project.page.home import Home

Format = Literal["html", "html-small", "litert", "int8", "onnx", "keras"]
"""Formats of ``pixmill export``; each has its folder, since an export replaces its folder."""


class Using:
    """The jobs of the card, and what it shows about them.

    Args:
        root: Project folder.

    Attributes:
        folder: Folder of the exports.
        export: Job of ``pixmill export``.
        serve: Job of ``pixmill serve``, which ends with the page.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self.folder = root / "exported"
        self.export = Job(root, "pixmill export")
        self.serve = Job(root, "pixmill serve", at_end="its links no longer work")

    def document(self) -> dict[str, Any]:
        """Return the jobs, the exported formats, what *One file* lacks, and who can use a link."""
        missing = missing_runtime()
        serve = self.serve.document()
        link = re.search(r"^http://\S+#\S+", serve["log"], re.MULTILINE)
        return {
            "export": self.export.document(),
            "runtime": missing and {"why": missing.message, "next": missing.next},
            "exported": [card.parent.name for card in self.folder.glob("*/README.md")],
            "serve": serve | {"code": link and code_svg(link[0]), "who": SHARED},
        }

    def start_export(self, form: Format) -> None:
        """Export the model in a format, to its own folder."""
        words = ["html", "--small"] if form == "html-small" else [form]
        self.export.start(*words, f"--output={self.folder.name}/{form}")

    def start_serve(self, share: bool) -> None:
        """Serve the model to this machine, or by a link with a key to the local network."""
        self.serve.start("--port=0", *(["--share"] if share else []))

    def versions(self) -> dict[str, Any]:
        """Return the versions in MLflow, newest first, as ``docs/reference/json.md`` describes.

        Raises:
            PixmillError: MLflow does not respond.
        """
        from pixmill.experiments.promotion.report import as_document
        from pixmill.tracking.model_versions import Registry

        registry = Registry(Workspace(self._root, self._root))
        return {"versions": [as_document(each) for each in registry.versions() if each.is_shown]}


class _Exports(StaticFiles):
    """Files of the exports; follows no links, which others' commits may contain."""

    async def check_config(self) -> None:
        """Accept a missing folder: nothing may have been exported."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            return await super().get_response(path, scope)
        except HTTPException as error:
            raise ProblemError(404, "There is no such export.") from error


def routes(home: Home) -> list[BaseRoute]:
    """Return the routes that read; ``actions`` has those that act."""

    def versions(request: Request) -> Response:  # noqa: ARG001
        return answer_json(home.using.versions)

    exported = _Exports(directory=home.using.folder, check_dir=False)
    return [Route("/versions", versions), Mount("/exported", exported)]
