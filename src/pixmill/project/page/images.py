"""The view of one image, and images to try: where they come from, what the model says, and why."""

import contextlib
import hashlib
import re
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pixmill.core.cells import Cells, parse_cells, show_cells
from pixmill.core.errors import DataError, ParamsError
from pixmill.core.files.workspace import Workspace
from pixmill.core.install.pyproject import project_name
from pixmill.core.params import Params, load_params
from pixmill.dataset.inbox import Inbox
from pixmill.dataset.tracing import Row, find_rows, read_facts, trace
from pixmill.heads import head_of
from pixmill.images.compute import RowLimits
from pixmill.images.depth import read_window
from pixmill.images.read_errors import remedy
from pixmill.images.verified_reading import UndecodableError, read_verified
from pixmill.local.private_server import answer_json, page_answer
from pixmill.local.problems import ProblemError
from pixmill.models.prediction_reasons import meaning
from pixmill.pages import page_head
from pixmill.project.findings import read_rows
from pixmill.project.page.explaining import Explainer
from pixmill.review.preview import ImageFile, Previews
from pixmill.serve.http.schemas import MAX_BYTES

_MAX_TRIED_BYTES = 64 << 20
"""Total size of the uploads in memory; the last one is always kept."""

_FULL = 8192
_PICTURE = 1024
_THUMBNAIL = 128
"""Pixels of the longer side; thumbnails are twice as large as on the page, for fine screens."""


class Images:
    """Images by id: those of the project, and uploads. Workers start with the first request.

    Args:
        root: Project folder.

    Attributes:
        finders: Functions that return the file of an image by its id, or ``None``; asked before the
            tables.
        uploads: The same for images that the project need not have.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._tried = dict[str, bytes]()
        self.finders: list[Callable[[str], Path | None]] = []
        self.uploads: list[Callable[[str], Path | None]] = []
        self.explainer = Explainer(root)
        self._lock = threading.Lock()
        self._previews: Previews[tuple[str, int]] | None = None
        self._open = contextlib.ExitStack()

    def add(self, content: bytes) -> str:
        """Keep an upload in memory, in place of the oldest of many; return its id."""
        name = hashlib.sha256(content).hexdigest()
        self._tried[name] = content
        while sum(map(len, self._tried.values())) > _MAX_TRIED_BYTES and len(self._tried) > 1:
            self._tried.pop(next(iter(self._tried)))
        return name

    def is_own(self, name: str) -> bool:
        """Return whether an image is not an upload."""
        return name not in self._tried and self._find(self.uploads, name) is None

    def content(self, name: str) -> bytes:
        """Return the bytes of an image.

        Args:
            name: Its id.

        Raises:
            DataError: The file is missing or has changed.
            ProblemError: There is no such image.
        """
        try:
            return read_verified(self._source(name), name)
        except UndecodableError as error:
            raise DataError(
                f"the image cannot be read: {meaning(error.reason)}", next=remedy(error.reason)
            ) from error

    def preview(self, name: str, side: int) -> bytes:
        """Return a JPEG of an image.

        Args:
            name: Its id.
            side: Maximum pixels of the longer side.

        Raises:
            DataError: The file is missing or has changed.
            ProblemError: There is no such image, or it cannot be decoded.
        """
        with self._lock:
            if self._previews is None:
                validate = self._params().validate
                limits = RowLimits(seconds=validate.timeout, memory=validate.memory << 20)
                previews = Previews(self._locate, limits=limits, workers=1)
                self._previews = self._open.enter_context(previews)
        found = self._previews.get((name, side))
        if isinstance(found, str):
            raise ProblemError(404, f"{meaning(found)}.")
        return found

    def facts(self, name: str) -> Row:
        """Return what is known about an image; arguments and errors as for :meth:`content`.

        Returns:
            ``id``; ``known``: whether the project has it; ``manifest``: texts and integers of its
            row, with the label for people; ``cells``: what is known of each of several labels, or
            ``None``; ``why``: the meaning of its reason; ``other``: the image that this names;
            ``prediction``: ``label``, ``probabilities``, ``loss``, ``unlike`` and ``held_out``, or
            ``None``; ``neighbours``: its ``place`` (from 1) among the ``total`` of images with the
            same label, prediction and split, greatest loss first, and the ids of the ``previous``
            and the ``next`` one, or ``None``; ``sightings``, ``near_duplicates``, ``decisions`` and
            ``corrections``; ``classes``: those of the project.
        """
        self._source(name)
        found = read_facts(self.root, name)
        manifest: Row = next(iter(found["manifest"]), {})
        predictions = found.pop("predictions")
        word, _, other = (manifest.get("reason") or "").partition(":")
        return {
            **found,
            "id": name,
            "known": bool(
                manifest
                or predictions
                or found["corrections"]
                or self.is_own(name)
                or self._find(self.finders, name)
            ),
            "manifest": {
                column: value for column, value in manifest.items() if isinstance(value, str | int)
            }
            | _shown(manifest),
            "sightings": [each | _shown(each) for each in found["sightings"]],
            "cells": self._cells(manifest.get("label") or ""),
            "why": _reasons().get(word, word.replace("_", " ")),
            "other": other,
            "classes": self._params().classes,
            "prediction": _prediction(predictions[0]) if predictions else None,
            "neighbours": self._neighbours(predictions[0])
            if predictions and "split" in predictions[0]
            else None,
        }

    def history(self, name: str) -> Row:
        """Return the result of :func:`pixmill.dataset.tracing.trace`."""
        return trace(Workspace(self.root, self.root), name)

    def close(self) -> None:
        """End the worker processes."""
        self.explainer.close()
        self._open.close()

    def _neighbours(self, row: Row) -> Row:
        columns = ["id", "loss", "label", "predicted", "split"]
        rows = read_rows(self.root / "artifacts/evaluate/predictions.parquet", *columns)
        alike = [
            each for each in rows if all(each[column] == row[column] for column in columns[2:])
        ]
        names = [each["id"] for each in sorted(alike, key=lambda each: (-each["loss"], each["id"]))]
        at = names.index(row["id"])
        around = {
            "previous": names[at - 1] if at else None,
            "next": names[at + 1] if at + 1 < len(names) else None,
        }
        return {"place": at + 1, "total": len(names), **around}

    def _params(self) -> Params:
        try:
            return load_params(self.root)
        except ParamsError:
            # The images are there, whatever an edit does to params.yaml; scrape is not read.
            return Params.model_construct(classes=())  # type: ignore[call-arg]

    def _cells(self, text: str) -> Cells | None:
        if head_of(self._params().task).is_exclusive:
            return None
        return parse_cells(text) if text.startswith("{") else {}

    def _locate(self, key: tuple[str, int]) -> ImageFile:
        (name, side) = key
        most = self._params().validate.max_pixels
        window = read_window(self.root / "artifacts/validate")
        return ImageFile(name, self._source(name), most, window, side)

    @staticmethod
    def _find(finders: Sequence[Callable[[str], Path | None]], name: str) -> Path | None:
        paths = (find(name) for find in finders)
        return next((path for path in paths if path is not None and path.is_file()), None)

    def _source(self, name: str) -> Path | bytes:
        if name in self._tried:
            return self._tried[name]
        for finders in (self.finders, self.uploads):
            if (found := self._find(finders, name)) is not None:
                return found
        for row in find_rows(self.root / "artifacts/scrape/manifest.parquet", name, ["id", "path"]):
            return self.root / "artifacts/scrape" / str(row["path"])
        table = self.root / "artifacts/evaluate/unlabelled.parquet"
        unlabelled = self._params().evaluate.unlabelled
        for row in find_rows(table, name, ["id", "path"]) if unlabelled else ():
            if (
                path := self.root / str(unlabelled) / str(row["path"])
            ).is_file():  # else it has a label now
                return path
        inbox = Inbox(self.root / "inbox")
        for entry in inbox.entries()[0]:
            if entry.id == name:
                return inbox.read_image(entry)
        raise ProblemError(404, "This project has no such image.")


def _reasons() -> dict[str, str]:
    """Return the meanings of the reasons for dropping an image."""
    from pixmill.split import straddling  # imports pandas, which takes half a second
    from pixmill.validate.reasons import REASONS

    return REASONS | straddling.REASONS


def _name(request: Request) -> str:
    name = str(request.path_params["name"])
    if not re.fullmatch("[0-9a-f]{64}", name):
        raise ProblemError(404, "This project has no such image.")
    return name


def _shown(row: Row) -> Row:
    """Return the label of a row as text for people."""
    return {"label": show_cells(row["label"])} if row.get("label") else {}


def _prediction(row: Row) -> Row:
    given = {name.removeprefix("p_"): value for name, value in row.items() if name.startswith("p_")}
    rest = {name: row.get(name) for name in ("loss", "unlike", "held_out", "reason")}
    said = row["predicted"] or ""
    cells = {name: name in parse_cells(said) for name in given} if said[:1] == "{" else None
    return {"label": show_cells(said), "labels": cells, "probabilities": given, **rest}


def routes(images: Images) -> Sequence[BaseRoute]:
    """Return the routes of the page and of an image's data."""

    def answer(act: Callable[[str], Any]) -> Callable[[Request], Response]:
        return lambda request: answer_json(lambda: act(_name(request)))

    def picture(side: int) -> Callable[[Request], Response]:
        headers = {"Cache-Control": "private, max-age=3600"}
        return lambda request: Response(
            images.preview(_name(request), side), media_type="image/jpeg", headers=headers
        )

    def heatmap(request: Request) -> Response:
        name = _name(request)
        label = request.query_params.get("label", "")
        return answer_json(
            lambda: {
                "heatmap": images.explainer.heatmap(
                    images.content(name), label, own=images.is_own(name)
                )
            }
        )

    async def tried(request: Request) -> Response:
        if int(request.headers.get("content-length", 0)) > MAX_BYTES:
            raise ProblemError(413, f"An image may have at most {MAX_BYTES >> 20} MiB.")
        name = images.add(await request.body())
        return await run_in_threadpool(answer_json, lambda: {"id": name})

    place = "/image/{name}"
    head = page_head(project_name(images.root), "image")
    return [
        Route(place, page_answer("pixmill.project.page", "image.html", head=head)),
        Route(f"{place}/facts", answer(images.facts)),
        Route(f"{place}/history", answer(images.history)),
        Route(
            f"{place}/answer",
            answer(
                lambda name: images.explainer.answer(
                    images.content(name), name, own=images.is_own(name)
                )
            ),
        ),
        Route(f"{place}/picture", picture(_PICTURE)),
        Route(f"{place}/full", picture(_FULL)),
        Route("/thumbnail/{name}", picture(_THUMBNAIL)),
        Route(f"{place}/heatmap", heatmap),
        Route("/try", tried, methods=["POST"]),
    ]
