"""Galleries: uploaded images with the model's answers, kept in ``.pixmill/open/``.

A gallery is a folder with the bytes of its images by id, and journals of files and answers. So a killed process
loses nothing that has arrived.
"""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import threading
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from queue import Empty, Queue
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route

from pixmill.core.cells import NONE, render_cells, show_labels
from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import (
    file_digest,
    place_within,
    storage_errors,
    write_json,
)
from pixmill.core.install.pyproject import project_name
from pixmill.dataset.inbox import Inbox
from pixmill.images.formats import EXTENSIONS, sniff
from pixmill.local.private_server import answer_json, expect_file, page_answer, store_body
from pixmill.local.problems import ProblemError
from pixmill.models.prediction_reasons import meaning
from pixmill.pages import page_head
from pixmill.project.disk.usage import size_of
from pixmill.project.page.actions import post_route
from pixmill.project.page.explaining import name_model
from pixmill.serve.predict.inputs import Input
from pixmill.serve.predict.journal import Journal
from pixmill.serve.predict.model import Model, find_model
from pixmill.serve.predict.predicting import predict, write_csv

if TYPE_CHECKING:
    from pixmill.project.page.home import Home

_MAX_BYTES = 10 << 30
"""Size of all galleries from which no other gallery begins."""

_MAX_FILES = 100_000
_MAX_ANSWERS = 5000
"""Maximum numbers of files of a gallery, and of answers in a response."""

_IDLE_SECONDS = 1.0
"""Seconds without a new file after which the batch is closed; its last answers come only then."""

_NAME = re.compile(r"\d{8}T\d{6}-(\d{1,6})-[0-9a-f]{8}")
"""Name of a gallery: its time, the number of files that were announced, and something random."""

_MODEL = "model.json"

_SHOWN = ("path", "id", "predicted", "confidence", "sure", "unlike", "corrected")
"""Columns of a row that the page shows; ``corrected`` is the right label, or empty: none. With several
labels an image, ``labels`` are those that it has, and ``corrected`` is what is right by label."""

Row = dict[str, Any]


class _About(BaseModel):
    """What a gallery keeps of the model that answered."""

    name: str
    version: str | None
    digest: str
    title: str
    labels: list[str]
    threshold: float | None
    flags: list[str]
    is_ever_sure: bool


_Right = str | dict[str, bool] | None
"""What people say of an image, as in the column ``corrected``."""


class Gallery:
    """Images of one upload. Its users hold the lock of :class:`Predictions`.

    Args:
        folder: Its folder.

    Attributes:
        files: Rows of the files that have arrived: path, id, and ``corrected`` if it was.
        model: What the page shows of the model that answers; ``None`` before the first answer.
        answers: Its rows, as from ``pixmill predict``.
        waiting: Files that the worker has not taken, in order of arrival.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images = folder / "images"
        self.files = Journal(folder / "files", [])
        self.waiting = Queue[Input]()
        try:
            about = _About.model_validate_json((folder / _MODEL).read_bytes())
            self._choose(about.model_dump())
        except (FileNotFoundError, ValidationError):  # Missing or damaged: all is answered again.
            self._choose(None)

    @property
    def is_complete(self) -> bool:
        """Whether all files that have arrived are answered."""
        return len(self.answers) == len(self.files)

    def begin(self, model: Model) -> None:
        """Let a model answer all files that it has not answered."""
        if self.model is None or self.model["digest"] != model.digest:
            title = model.title if model.in_production else "the model that was the latest then"
            about = {
                **model.identity,
                "title": title,
                "labels": model.labels,
                "threshold": model.threshold,
                "flags": model.head.flags(model.labels),
                "is_ever_sure": model.is_ever_sure,
            }
            write_json(self.folder / _MODEL, about)
            self.answers.close()
            self._choose(about)
        self.waiting = Queue()
        for path in self.files.names:
            if not self.answers.has(path):
                self._wait(self.files.get(path))

    def add(self, path: str, name: str) -> None:
        """Add the image with this id; another one of the same path gets a longer path."""
        if self.files.has(path) and self.files.get(path)["id"] != name:
            path = f"{path} ({name[:8]})"
        if not self.files.has(path):
            row = {"path": path, "id": name}
            self.files.add(row, ())
            self._wait(row)

    def rows(self, paths: Iterable[str]) -> list[Row]:
        """Return the rows of these files that are answered."""
        # A crashed worker knows no id.
        return [
            {**self.answers.get(path), **self.files.get(path)}
            for path in paths
            if self.answers.has(path)
        ]

    def close(self) -> None:
        """Close the files; the rows stay."""
        self.files.close()
        self.answers.close()

    def _choose(self, model: Row | None) -> None:
        self.model = model
        self.answers = Journal(self.folder / "answers", [model["digest"]] if model else [])

    def _wait(self, row: Row) -> None:
        self.waiting.put(Input(row["path"], self.images / row["id"]))


def _shown(row: Row) -> Row:
    why = row["reason"] and meaning(row["reason"])
    shown = {"why": why, **{name: row.get(name) for name in _SHOWN}}
    flags = {name.removeprefix("yes_"): row[name] for name in row if name.startswith("yes_")}
    if flags and row["predicted"] is not None:
        labels = [name for name, has in flags.items() if has]
        shown |= {"labels": labels, "predicted": show_labels(labels)}
    return shown


class Predictions:
    """The galleries of a project, and the thread that answers the files of one after another.

    Args:
        root: Project folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = place_within(root / ".pixmill/open/predictions", root)
        self._lock = threading.RLock()
        self._worker: threading.Thread | None = None
        self._fault: str | None = None
        self._open: dict[str, Gallery] = {}
        for folder in self._folder.glob("*"):
            # Those with a dot were left by a killed process.
            if folder.name.startswith(".") or not any(folder.glob("images/*")):
                shutil.rmtree(folder, ignore_errors=True)

    def find(self, name: str) -> Path | None:
        """Return the file of an image by its id, or ``None``."""
        paths = (self._folder / gallery / "images" / name for gallery in self._names())
        return next((path for path in paths if path.is_file()), None)

    def document(self) -> Row:
        """Return the galleries with their numbers of images, newest first."""
        self._start()  # The first search for a model takes seconds: until files are chosen.
        found = {name: [*(self._folder / name / "images").iterdir()] for name in self._names()}
        return {"galleries": [{"name": name, "files": len(each)} for name, each in found.items()]}

    def create(self, files: int) -> Row:
        """Begin a gallery for a number of files, and return its ``name``.

        Raises:
            PixmillError: The number is out of bounds, or the others take too much room.
        """
        if not 0 < files <= _MAX_FILES:
            raise PixmillError(
                f"a gallery takes 1 to {_MAX_FILES:,} images, not {files:,}",
                next="choose fewer images",
            )
        if size_of(self._folder) > _MAX_BYTES:
            raise PixmillError(
                f"the galleries take more than {_MAX_BYTES >> 30} GB",
                next="delete one in the list below",
            )
        now = datetime.now().astimezone()
        name = f"{now:%Y%m%dT%H%M%S}-{files}-{secrets.token_hex(4)}"
        (self._folder / name / "images").mkdir(parents=True)
        return {"name": name}

    async def receive(self, request: Request) -> Response:
        """Store the body of a request as an image. The query has its ``path``, which is only text.

        Raises:
            ProblemError: There is no such gallery, or it has too many files.
            StorageError: The disk is full.
        """
        expect_file(request)
        path = request.query_params.get("path") or "unnamed"
        arriving = self._folder / ".arriving" / secrets.token_hex(8)
        with storage_errors(then="add the images again"):
            try:
                await store_body(request, arriving)
                await run_in_threadpool(self._add, request.path_params["name"], path, arriving)
            finally:
                arriving.unlink(missing_ok=True)
        return answer_json(dict)

    def state(self, name: str, since: int) -> Row:
        """Return what the page shows: the answers after the first ``since``, and how far it is."""
        with self._lock:
            gallery = self._get(name)
            if not gallery.is_complete:
                self._start()
            new = gallery.answers.names[since : since + _MAX_ANSWERS]
            return {
                "answers": [_shown(row) for row in gallery.rows(new)],
                "answered": len(gallery.answers),
                "files": len(gallery.files),
                "fault": self._fault,
                "model": gallery.model,
            }

    def table(self, name: str) -> Path:
        """Write the answers as CSV, as ``pixmill predict`` does, with a column ``corrected``."""
        with self._lock:
            gallery = self._get(name)
            rows = gallery.rows(sorted(gallery.answers.names))
        if gallery.model is None:
            raise ProblemError(409, "There are no answers yet.")
        for row in rows:
            row["corrected"] = _spelled(row.get("corrected"))
        path = gallery.folder / "predictions.csv"
        flags = gallery.model.get("flags", ())
        write_csv(path, lambda: rows, gallery.model["labels"], ["corrected"], flags)
        return path

    def correct(
        self, name: str, paths: list[str], label: str | None, labels: dict[str, bool] | None
    ) -> None:
        """File images in the inbox with the right label, in place of the label given before.

        Args:
            name: Name of the gallery.
            paths: Their paths; those without a prediction are left out.
            label: The label; empty: none of the classes, or unknown. ``None`` takes back the label
                given before, unless it has been reviewed.
            labels: With several labels an image, what is right by label; it adds to what was given
                before, and ``label`` is ``None``.

        Raises:
            InboxFullError: The inbox is full.
            ProblemError: The model does not answer such labels.
        """
        with self._lock:
            gallery = self._get(name)
            rows = gallery.rows(paths)
        model = gallery.model or {}
        if not {*(labels or ())} <= {*model.get("labels", ())} or (label and model.get("flags")):
            raise ProblemError(400, "The model does not answer such labels.")
        for row in rows:
            if row["predicted"] is not None:
                right = {**(row.get("corrected") or {}), **labels} if labels else label
                self._file(gallery, model, row, right)

    def _file(self, gallery: Gallery, model: Row, row: Row, right: _Right) -> None:
        """Replace the correction of an image; ``None`` takes it back."""
        inbox = Inbox(self._root / "inbox")
        if (before := row.get("corrected")) is not None:
            inbox.withdraw(row["id"], **_given(before))
        if right is not None:
            content = (gallery.images / row["id"]).read_bytes()
            inbox.add(
                content,
                extension=EXTENSIONS[sniff(content)],
                prediction={
                    "label": row["predicted"],
                    "confidence": row["confidence"],
                    "sure": row["sure"],
                    "unlike": row["unlike"],
                    "probabilities": {each: row[f"p_{each}"] for each in model["labels"]},
                },
                model={each: model[each] for each in ("name", "version", "digest")},
                **_given(right),
            )
        with self._lock:
            gallery.files.add({"path": row["path"], "id": row["id"], "corrected": right}, ())

    def delete(self, name: str) -> None:
        """Delete a gallery."""
        with self._lock:
            gallery = self._get(name)
            del self._open[name]
            gallery.close()
            # At once, so that no half of it is left to be shown.
            left = gallery.folder.rename(self._folder / f".{name}")
        shutil.rmtree(left, ignore_errors=True)

    def close(self) -> None:
        """Close the journals."""
        with self._lock:
            for gallery in self._open.values():
                gallery.close()
            self._open.clear()

    def _names(self) -> list[str]:
        """Return the names of the galleries, newest first."""
        names = (path.name for path in self._folder.glob("*"))
        return sorted(filter(_NAME.fullmatch, names), reverse=True)

    def _get(self, name: str) -> Gallery:
        if name not in self._open:
            if name not in self._names():
                raise ProblemError(404, "These images are not here any more.")
            self._open[name] = Gallery(self._folder / name)
        return self._open[name]

    def _add(self, name: str, path: str, file: Path) -> None:
        digest = file_digest(file)
        with self._lock:
            gallery = self._get(name)
            if len(gallery.files) >= _MAX_FILES:
                raise ProblemError(400, f"A gallery takes {_MAX_FILES:,} files.")
            file.replace(gallery.images / digest)
            gallery.add(path, digest)
        self._start()

    def _start(self) -> None:
        with self._lock:
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="predictions", daemon=True)
                self._worker.start()

    def _work(self) -> None:
        try:
            with storage_errors(then="load the page again"):
                while self._answer():
                    pass
        except PixmillError as error:
            self._fault = f"{error.message}. {error.next or ''}"
        except Exception as error:
            self._fault = f"{type(error).__name__}: {error}"
            raise
        finally:
            self._worker = None

    def _answer(self) -> bool:
        """Answer the files of the newest gallery that lacks answers; return whether there is one."""
        spec, _, fault = name_model(self._root)
        model = find_model(spec, self._root)
        self._fault = fault and f"The model that was trained last answers, since {fault}."
        with self._lock:
            lacking = [name for name, each in self._open.items() if not each.is_complete]
            if not lacking:
                return False
            gallery = self._open[max(lacking)]
            gallery.begin(model)
        for row in predict(model, _arriving(gallery)):
            with self._lock:
                if gallery not in self._open.values():
                    break  # It was deleted.
                gallery.answers.add(row, ())
        return True


def _given(right: _Right) -> dict[str, Any]:
    """Return a correction as the inbox takes it."""
    if isinstance(right, dict):
        return {"label": None, "labels": right}
    return {"label": right or None, "labels": None}


def _spelled(right: _Right) -> str | None:
    """Return a correction as text for the table."""
    if isinstance(right, dict):
        return render_cells(right)
    return NONE if right == "" else right


def _arriving(gallery: Gallery) -> Iterator[Input]:
    """Yield files that wait, until none has arrived for a while."""
    with contextlib.suppress(Empty):
        while True:
            yield gallery.waiting.get(timeout=_IDLE_SECONDS)


def routes(home: Home) -> list[BaseRoute]:
    """Return the routes of the galleries and of their data."""
    predictions = home.predictions

    def state(request: Request) -> Response:
        since = request.query_params.get("since", "")
        number = int(since[:9]) if since.isdecimal() else 0
        return answer_json(lambda: predictions.state(request.path_params["name"], number))

    def table(request: Request) -> Response:
        name = request.path_params["name"]
        return FileResponse(predictions.table(name), filename=f"predictions-{name[:15]}.csv")

    place = "/predictions/{name}"
    head = page_head(project_name(home.root), "predictions")
    return [
        Route("/predictions", lambda _: answer_json(predictions.document)),
        post_route(home, "/predictions", predictions.create, files=int),
        Route(place, page_answer("pixmill.project.page", "gallery.html", head=head)),
        Route(f"{place}/state", state),
        Route(f"{place}/table.csv", table),
        Route(f"{place}/images", predictions.receive, methods=["POST"]),
        post_route(
            home,
            f"{place}/correct",
            predictions.correct,
            paths=list[str],
            label=str | None,
            labels=(dict[str, bool] | None, None),
        ),
        post_route(home, f"{place}/delete", predictions.delete),
    ]
