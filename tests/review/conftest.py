"""A validated project: real images, and tables with values for the tests."""

import contextlib
import hashlib
import io
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pixmill.core.decisions import read_rows
from pixmill.core.files.workspace import Workspace
from pixmill.core.manifest import (
    PAIRS,
    SIGHTINGS,
    VALIDATED,
    sightings_schema,
    table_writer,
    write_table,
)
from pixmill.core.params import load_params
from pixmill.evaluate.cells.doubtful import DOUBTFUL
from pixmill.evaluate.labels import LABELS
from pixmill.evaluate.predictions import predictions_schema
from pixmill.review.choices import Choice
from pixmill.review.grid.views import View
from pixmill.review.grid_view import grid_state
from pixmill.review.review_session import Session
from pixmill.review.review_tables import ReviewTables, load_tables
from tests.visitor import Visitor

CLASSES = ("coat", "dress", "shoe")

LABELS_PARAMS = (
    "task: labels\nclasses: [dark, long, sleeves]\n"
    "scrape: {source: folder, snapshot: '2026-11-20'}\n"
)

PARAMS = "classes: [coat, dress, shoe]\nscrape: {source: folder, snapshot: '2026-11-20'}\n"


def jpeg(seed: int, side: int = 48) -> bytes:
    """Return a JPEG of smooth random shapes."""
    values = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(values).resize((side, side), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


class Project:
    """Builds a project folder image by image.

    Args:
        root: The folder.
        params: Its ``params.yaml``.
    """

    def __init__(self, root: Path, params: str = PARAMS) -> None:
        self.root = root
        self.params = params
        self.rows: dict[str, dict[str, Any]] = {}
        self.sightings: list[dict[str, Any]] = []
        self.pairs: dict[tuple[str, str], float] = {}

    def add(
        self,
        label: str | None = "coat",
        *,
        content: bytes | None = None,
        came_as: Sequence[str] = (),
        reason: str | None = None,
        urls: Sequence[str | None] = (),
        **columns: Any,
    ) -> str:
        """Add an image, typical unless columns are given, and return its id."""
        number = len(self.rows)
        content = jpeg(number) if content is None else content
        name = hashlib.sha256(content).hexdigest()
        path = Path("images", name[:2], f"{name}.jpg")
        (self.root / "artifacts/scrape" / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / "artifacts/scrape" / path).write_bytes(content)
        # Images of a class differ a little.
        chance = np.random.default_rng(number)
        self.rows[name] = {
            **dict.fromkeys(VALIDATED.names),
            "id": name,
            "label": label,
            "path": path.as_posix(),
            "bytes": len(content),
            "format": "jpeg",
            "source": "folder",
            "snapshot": "2026-11-20",
            "width": 48,
            "height": 48,
            "short_side": 48,
            "aspect_ratio": 1.0,
            "mode": "RGB",
            "pixels": f"{number:064x}",
            "phash": f"{chance.integers(2**63):016x}",
            "brightness": 120 + 10 * chance.normal(),
            "contrast": 50 + 5 * chance.normal(),
            "sharpness": 100 * np.exp(0.2 * chance.normal()),
            "entropy": 6 + 0.3 * chance.normal(),
            "border": 0.0,
            "group": name,
            "verdict": "drop" if reason else "keep",
            "reason": reason,
            **columns,
        }
        for rank, place in enumerate(
            urls or [f"data/{label}/{number:04}.jpg"] * max(1, len(came_as))
        ):
            self.sightings.append(
                {
                    **dict.fromkeys(SIGHTINGS.names),
                    "id": name,
                    "label": came_as[rank] if rank < len(came_as) else label,
                    "source": "folder",
                    "rank": len(self.sightings),
                    "image_url": place,
                    "thumbnail": False,
                }
            )
        return name

    def fill(self, label: str, count: int, **columns: Any) -> list[str]:
        """Add typical images."""
        return [self.add(label, **columns) for _ in range(count)]

    def link(self, a: str, b: str, similarity: float = 0.995) -> None:
        """Make two images near-duplicates."""
        self.pairs[min(a, b), max(a, b)] = similarity

    def suspect(self, suggested: dict[str, str]) -> None:
        """Write evaluate's ranking of labels: these images first, with the suggested labels."""
        others = [
            name for name in sorted(self.rows) if name not in suggested and self.rows[name]["label"]
        ]
        names = [*suggested, *others]
        ranking = pd.DataFrame(
            {
                "id": names,
                "label": [self.rows[name]["label"] for name in names],
                "suggested": [suggested.get(name) for name in names],
                "score": np.linspace(0.01, 0.99, len(names)),
                "rank": range(1, len(names) + 1),
                "split": "train",
            }
        ).sort_values("id", ignore_index=True)
        path = self.root / "artifacts/evaluate/labels.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(path, ranking, LABELS)

    def doubt(self, cells: Sequence[tuple[str, str, str]]) -> None:
        """Write evaluate's ranking of cells: image, label and suggested answer of each."""
        ranking = pd.DataFrame(cells, columns=["id", "label", "suggested"])
        ranking = ranking.assign(score=0.1, rank=range(1, len(cells) + 1), split="train")
        path = self.root / "artifacts/evaluate/labels.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_table(path, ranking, DOUBTFUL)

    def predict(self, shares: dict[str, Sequence[float]], split: str = "test") -> None:
        """Write evaluate's predictions: these probabilities by class; others are correct."""
        rows = []
        for name in sorted(name for name, row in self.rows.items() if row["verdict"] == "keep"):
            label = self.rows[name]["label"]
            given = shares.get(name, [float(label == kind) for kind in CLASSES])
            best = CLASSES[int(np.argmax(given))]
            values = {f"p_{kind}": share for kind, share in zip(CLASSES, given, strict=True)}
            rest = {"loss": 0.0, "unlike": None, "held_out": split != "train"}
            rows.append(
                {"id": name, "split": split, "label": label, "predicted": best, **values, **rest}
            )
        path = self.root / "artifacts/evaluate/predictions.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        schema = predictions_schema(CLASSES)
        write_table(path, pd.DataFrame(rows, columns=schema.names), schema)

    def frames(self) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
        manifest = pd.DataFrame(
            [self.rows[name] for name in sorted(self.rows)], columns=VALIDATED.names
        )
        pairs = pd.DataFrame(
            [(*pair, self.pairs[pair]) for pair in sorted(self.pairs)], columns=PAIRS.names
        )
        return manifest, pairs, pd.DataFrame(self.sightings, columns=SIGHTINGS.names)

    def write(self) -> Workspace:
        """Write the tables and the parameters."""
        manifest, pairs, _ = self.frames()
        write_table(self.root / "artifacts/validate/manifest.parquet", manifest, VALIDATED)
        write_table(self.root / "artifacts/validate/pairs.parquet", pairs, PAIRS)
        schema = sightings_schema(has_unlabelled=True)
        with table_writer(self.root / "artifacts/scrape/sightings.parquet", schema) as write:
            write(self.sightings)
        (self.root / "params.yaml").write_text(self.params)
        return Workspace(self.root, self.root)

    def tables(self) -> ReviewTables:
        return load_tables(self.write().root)

    @property
    def decisions(self) -> Path:
        return self.root / "decisions.csv"

    def said(self) -> set[tuple[str, ...]]:
        """Return id, answer, label and split of each row of ``decisions.csv``."""
        return {(row.image, row.answer, row.label, row.split) for row in read_rows(self.decisions)}


def fill(root: Path, *names: str) -> None:
    """Write images below ``data/``, and parameters if there are none."""
    for number, name in enumerate(names):
        path = root / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(jpeg(number + 100))
    if not (root / "params.yaml").exists():
        (root / "params.yaml").write_text(PARAMS)


class Desk:
    """A session on a project, and one window of it.

    Args:
        root: Project folder.
        options: Further arguments of the session.
    """

    def __init__(self, root: Path, **options: Any) -> None:
        self.root = root
        workspace = Workspace(root, root)
        self.session = Session(workspace, load_params(root), **{"by": "mk", **options})
        self.images = self.session.images
        # TensorFlow converts the backbone, which takes seconds.
        self.images.begin = lambda: None  # type: ignore[method-assign]
        self.images.identify(range(len(self.images)))
        self.state()

    def state(self, *view: Any, known: str = "") -> dict[str, Any]:
        return grid_state(self.session, View(*view), "one", known)

    def rows(self, *names: str) -> list[int]:
        """Return the rows of images, by file name or id."""
        known = {image: self.images.rows_of(image)[:1] for image in names}
        return [
            row
            for row, file in enumerate(self.images.names)
            if row in known.get(self.images.ids[row] or "", ()) or Path(file).name in names
        ]

    def decide(
        self, verb: str, *names: str, label: str = "", window: str = "one", **options: Any
    ) -> dict[str, Any]:
        """Decide on images, by file name or id."""
        choice = Choice(self.rows(*names), verb, label)  # type: ignore[arg-type]
        options = {"version": self.session.version, **options}
        return self.session.decide([choice], window=window, **options)

    def label(self, label: str, *names: str, **options: Any) -> None:
        self.decide("label", *names, label=label, **options)

    def undo(self, window: str = "one") -> dict[str, Any]:
        return self.session.undo(window)

    def labels(self, *names: str) -> list[str | None]:
        return [self.session.labels[row] for row in self.rows(*names)]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


class Review:
    """A running ``pixmill review`` on a project.

    Args:
        root: Project folder.
        words: Further arguments of the command.
    """

    def __init__(self, root: Path, *words: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pixmill", "review", "--by", "mk", *words],
            cwd=root,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self._visitor: Visitor | None = None
        assert self._process.stderr is not None
        self.first = self._process.stderr.readline()
        while self.first.startswith("MLflow: "):  # the project is a copy
            self.first = self._process.stderr.readline()
        self.address = next(iter(re.findall(r"http://127\.0\.0\.1:\d+/\S+", self.first)), "")

    @property
    def visitor(self) -> Visitor:
        """A client with the printed address."""
        if self._visitor is None:
            self._visitor = Visitor(self.address)
        return self._visitor

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Return the server's response to a GET, or to a POST with a JSON body."""
        if body is None:
            return self.visitor.get_json(path)
        status, answer = self.visitor.post(path, body)
        assert status == 200, answer
        return answer

    def cases(self) -> list[dict[str, Any]]:
        """Return the cases that the page shows."""
        return [self.ask(f"case/{number}") for number in range(self.ask("cases")["total"])]

    def decide(self, case: int, name: str, verb: str, label: str = "") -> None:
        """Decide on an image of a case."""
        shown = self.ask(f"case/{case}")
        (row,) = (image["row"] for image in shown["images"] if image["id"] == name)
        known = {"number": self.ask("cases")["number"], "version": shown["version"]}
        choices = [{"rows": [row], "verb": verb, "label": label}]
        self.ask("decide", {**known, "window": "one", "case": case, "choices": choices})

    def end(self) -> tuple[int, str]:
        """Press Ctrl-C, and return the exit code and the output."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        _, output = self._process.communicate(timeout=120)
        return self._process.returncode, self.first + output


@pytest.fixture
def begin() -> Iterator[Callable[..., Review]]:
    """Start ``pixmill review`` on a folder; stopped at the end of the test."""
    with contextlib.ExitStack() as stack:

        def start(root: Path, *words: str) -> Review:
            started = Review(root, *words)
            stack.callback(started.end)
            return started

        yield start
