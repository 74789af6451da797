"""Landing section: metrics, errors, history and samples."""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

from pixmill.core.cells import parse_cells, read_list
from pixmill.core.decisions import FILE as DECISIONS
from pixmill.core.decisions import Decided
from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import file_digest, file_mark, read_if_any
from pixmill.core.metadata import FILE, Facts, read_metadata
from pixmill.core.names import to_nfc
from pixmill.core.params import load_params
from pixmill.core.repository.dvc import is_dvc_writing
from pixmill.core.repository.git import git
from pixmill.dataset.deciding import DecisionTable
from pixmill.heads import Head, head_of
from pixmill.images.read_errors import reason_of
from pixmill.project.findings import HEADLINES, image_id, read_rows
from pixmill.project.going_back import find_day_before
from pixmill.project.page.last_results import find_results, keep_results

METRICS = "metrics/evaluate.json"
"""File whose commits are the history of the model."""

_MAX_COMMITS = 10
_MAX_CONFUSIONS = 3
_MAX_CLASSES = 15
_MANY_CLASSES = 6
"""Number of classes on the page, and above which they have fewer images."""

_MAX_BYTES = 50_000_000
"""Maximum size of a file that is shown before validate has seen it."""

_Images = dict[str, list[tuple[str, str]]]
"""Path and, if known, id of each image, by class."""

_INPUTS = (
    "artifacts/evaluate/predictions.parquet",
    "artifacts/scrape/manifest.parquet",
    "artifacts/validate/manifest.parquet",
    f"data/{FILE}",
    DECISIONS,
    METRICS,
    "params.yaml",
    "plots/evaluate/full.json",
)


class Overview:
    """Content about the model and the images, read again only after its files changed.

    Args:
        root: Project folder.

    Attributes:
        content: ``model``, ``history``, ``day_before`` and ``images``, see the functions that read
            them.
        files: The files of the images on the page, by id.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._key: tuple[Any, ...] = ()
        self.content: dict[str, Any] = {
            "model": None,
            "history": [],
            "day_before": None,
            "images": None,
        }
        self.files: dict[str, Path] = {}

    def update(self, data: object) -> None:
        """Read what has changed.

        Args:
            data: Differs after a change of the files in ``data/``.
        """
        is_running = is_dvc_writing(self._root)
        key = (
            data,
            is_running,
            git(self._root, "rev-parse", "HEAD"),
            *(file_mark(self._root / name) for name in _INPUTS),
        )
        if key == self._key:
            return
        if not is_running:
            with contextlib.suppress(PixmillError, OSError):  # the page works without
                keep_results(self._root)
        place = find_results(self._root)
        model = read_model(place)
        history = read_history(self._root, place)
        images, files = read_images(self._root, with_files=model is None)
        if model is not None:
            shown = [image["id"] for each in model["classes"] for image in each["images"]]
            files = _scraped(self._root, [*shown, *(each["id"] for each in model["confusions"])])
        self.files = files
        self._key = key
        self.content = {
            "model": model and {**model, "is_kept": place != self._root},
            "history": history,
            "day_before": find_day_before(self._root),
            "images": images,
        }


def read_model(root: Path) -> dict[str, Any] | None:
    """Return the figures of the last evaluation; ``None`` without one.

    - ``accuracy``: the headline, its ``low`` and ``high`` limit, or ``None``; with several labels an
      image, it is ``mean_average_precision``, and ``exact_match`` and ``baseline`` stand beside it
    - ``n``: number of test images; ``majority``: the most frequent class and its share, or ``None``
    - ``classes``: ``name``, ``f1`` (or ``average_precision``), ``support`` and random test ``images`` (``id``, and
      ``predicted`` if that is wrong) of each class; of many, those with the lowest F1
    - ``omitted``: number of classes that are left out
    - ``confusions``: the most frequent ones: ``label``, ``predicted``, ``count``, and the ``id`` of
      the image with the greatest loss. With several labels an image, ``predicted`` is ``missed``
      or ``too much``.

    Args:
        root: Project folder.
    """
    score = "f1"
    try:
        metrics = json.loads((root / "plots/evaluate/full.json").read_bytes())
        if HEADLINES[1] in metrics:
            score = "average_precision"
        scores = {
            str(name): (float(each[score] or 0), int(each["support"]))
            for name, each in metrics["per_class"].items()
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    labels = Counter({name: support for name, (_, support) in scores.items()})
    ((majority, number),) = labels.most_common(1) or [("", 0)]
    names = list(scores)
    if len(names) > _MAX_CLASSES:
        names = sorted(names, key=lambda name: scores[name][0])[:_MAX_CLASSES]
    table = root / "artifacts/evaluate/predictions.parquet"
    rows = read_rows(table, "id", "label", "predicted", "loss", where=("split", {"test"}))
    rows.sort(key=lambda row: row["id"])  # a hash, so the first ones are a random sample
    own: dict[str, Any] = {
        "accuracy": _read_scores(root),
        "n": labels.total(),
        "majority": {"label": majority, "share": number / labels.total()} if number else None,
    }
    if score != "f1":
        rows = _by_label(rows)
        own = {
            HEADLINES[1]: _read_scores(root),
            "n": metrics["n"],
            "exact_match": metrics["exact_match"],
            "baseline": metrics.get("baseline_average_precision"),
        }
    images = _sample(rows, names)
    return {
        **own,
        "classes": [
            {
                "name": name,
                score: scores[name][0],
                "support": scores[name][1],
                "images": images[name],
            }
            for name in names
        ],
        "omitted": len(scores) - len(names),
        "confusions": _confusions(rows),
    }


def _by_label(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each label that an image has, and for each that the model adds."""
    found = []
    for row in rows:
        said = parse_cells(row["predicted"])
        for label, answer in parse_cells(row["label"]).items():
            if answer or label in said:
                verdict = label if answer == (label in said) else "missed" if answer else "too much"
                found.append({**row, "label": label, "predicted": verdict, "has": answer})
    return found


def _sample(rows: list[dict[str, Any]], names: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the first images of each class, with the predicted class where it is wrong."""
    images: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    most = _per_class(len(names))
    for row in rows:
        shown = images.get(row["label"])
        if shown is None or len(shown) >= most or not row.get("has", True):
            continue
        image = {"id": row["id"]}
        if row["predicted"] != row["label"]:
            image["predicted"] = row["predicted"]
        shown.append(image)
    return images


def _confusions(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the most frequent confusions, each with the image of the greatest loss."""
    wrong = [row for row in rows if row["predicted"] != row["label"]]
    pairs = Counter((row["label"], row["predicted"]) for row in wrong)
    wrong.sort(key=lambda row: row["loss"])
    worst = {(row["label"], row["predicted"]): row["id"] for row in wrong}
    return [
        {"label": label, "predicted": predicted, "count": number, "id": worst[label, predicted]}
        for (label, predicted), number in pairs.most_common(_MAX_CONFUSIONS)
    ]


def read_history(root: Path, place: Path | None = None) -> list[dict[str, Any]]:
    """Return the last commits that changed the metrics, oldest first.

    The workspace comes last if its metrics differ. Each has ``commit`` (``None``: the workspace),
    ``at`` (seconds since 1970), ``subject``, ``accuracy`` or ``mean_average_precision``, ``low``
    and ``high``.

    Args:
        root: Project folder.
        place: Folder with the metrics of the workspace; default: the project's.
    """
    log = git(root, "log", f"-{_MAX_COMMITS}", "--format=%H%x00%ct%x00%s", "--", METRICS) or ""
    commits = [line.split("\0", 2) for line in log.splitlines()][::-1]
    found = [
        {"commit": commit, "at": int(at), "subject": subject, **scores}
        for commit, at, subject in commits
        if (scores := read_committed(root, commit)) is not None
    ]
    place = place or root
    now = _read_scores(place)
    if now is not None and (not found or any(now[key] != found[-1].get(key) for key in now)):
        at = int((place / METRICS).stat().st_mtime)
        found.append({"commit": None, "at": at, "subject": "", **now})
    # Before a change of the task, there was another metric.
    return [each for each in found if each.keys() == found[-1].keys()]


def _read_scores(place: Path) -> dict[str, float] | None:
    return _scores(read_if_any(place / METRICS))


@lru_cache(maxsize=10 * _MAX_COMMITS)
def read_committed(root: Path, commit: str) -> dict[str, float] | None:
    """Return the headline of a commit, its ``low`` and ``high`` limit; ``None`` without one."""
    return _scores(git(root, "show", f"{commit}:./{METRICS}"))


def _scores(text: str | None) -> dict[str, float] | None:
    try:
        metrics = json.loads(text or "")
        headline = HEADLINES[HEADLINES[1] in metrics]
        names = {headline: headline, "low": f"{headline}_low", "high": f"{headline}_high"}
        return {key: float(metrics[name]) for key, name in names.items()}
    except (ValueError, LookupError, TypeError):
        return None


def read_images(root: Path, *, with_files: bool = True) -> tuple[dict[str, Any], dict[str, Path]]:
    """Return the images of each class, and by id the files of those to show.

    The images are those of ``data/`` or, if there are other sources, those that validate kept. The
    first object has ``classes`` (``name``, ``count`` and ``images``, ids), ``omitted`` (number of
    classes without images to show) and ``total`` (number of images that may have several labels;
    else ``None``).

    Args:
        root: Project folder.
        with_files: Whether to choose images to show.
    """
    reading = _read_reading(root)
    local = _read_local(root, reading)
    kept = {} if reading.is_local else _read_kept(root, reading.head)
    found = kept or local
    every = {*chain.from_iterable(found.values())}
    found.pop("", None)
    counts = Counter({label: len(images) for label, images in found.items()})
    if not kept and reading.decided:
        counts.update(_decided(root, reading))
    shown: dict[str, Path] = {}
    classes: list[dict[str, Any]] = []
    for label, number in sorted(counts.items()):
        ids: dict[str, Path] = {}
        if with_files and label in found and len(classes) < _MAX_CLASSES:
            ids = _choose(root, found[label], _per_class(len(counts)))
        shown |= ids
        classes.append({"name": label, "count": number, "images": list(ids)})
    omitted = max(0, len(counts) - _MAX_CLASSES)
    total = None if reading.head.is_exclusive else len(every)
    return {"classes": classes, "omitted": omitted, "total": total}, shown


def _decided(root: Path, reading: _Reading) -> Counter[str]:
    """Return how many images more or less each class has by relabels and drops."""
    changes: Counter[str] = Counter()
    rows = read_rows(
        root / "artifacts/scrape/manifest.parquet", "id", "label", where=("id", {*reading.decided})
    )
    for row in rows:
        if not row["label"]:
            continue  # one without a label, which is counted by its file
        before = {*reading.head.labels_of(row["label"])}
        after = _decide(before, reading.decided[row["id"]], reading.head)
        changes.update(after - before)
        changes.subtract(before - after)
    return changes


def _decide(labels: set[str], given: Decided, head: Head) -> set[str]:
    """Return the labels of an image after decisions."""
    if given.fate == "drop":
        return set()
    if head.is_exclusive:
        return {given.label} if given.label else labels
    return (labels | {*given.labels}) - {*given.refused}


def _read_kept(root: Path, head: Head) -> _Images:
    """Return the images that validate kept."""
    found: _Images = defaultdict(list)
    table = root / "artifacts/validate/manifest.parquet"
    for row in read_rows(table, "id", "label", "path", where=("verdict", {"keep"})):
        for label in (head.labels_of(row["label"]) or [""]) if row["label"] else ():
            found[label].append((f"artifacts/scrape/{row['path']}", row["id"]))
    return found


def _read_local(root: Path, reading: _Reading) -> _Images:
    """Return the images of ``data/`` that have a label."""
    found: _Images = defaultdict(list)
    for place, files in _folders(root):
        is_pile = f"{place}/".startswith(f"{reading.unlabelled}/")
        for name in files:
            path = f"{place}/{name}"
            given = reading.given_to(root / path) if is_pile else reading.labels_of(place, name)
            for label in given:
                found[label].append((path, ""))
    return found


@dataclass
class _Reading:
    """How ``data/`` is read.

    Args:
        unlabelled: Folder of the images without a label.
        depth: Number of parts of the path of a class's folder.
        names: Class by name of a folder or label of the table.
        facts: Rows of the table by file in ``data/``.
        decided: Rows of ``decisions.csv`` by image.
        is_local: Whether no images come from elsewhere.
        head: What a label is.
    """

    unlabelled: str = "data/unlabelled"
    depth: int = 2
    names: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Facts] = field(default_factory=dict)
    decided: Mapping[str, Decided] = field(default_factory=dict)
    is_local: bool = True
    head: Head = field(default_factory=lambda: head_of("one_label"))

    def labels_of(self, place: str, name: str) -> list[str]:
        """Return the labels of a file; empty if it has none of several."""
        parts = place.split("/")
        fact = self.facts.get(to_nfc("/".join([*parts[1:], name]))) if self.facts else None
        label = fact.label if fact else None
        folder = to_nfc(parts[-1] if len(parts) == self.depth else "")
        if self.head.is_exclusive:
            only = label or folder
            return [self.names.get(to_nfc(only), only)] if only else []
        # A folder may hold images of any labels.
        return read_list(label) or [self.names.get(folder, "")]

    def given_to(self, path: Path) -> list[str]:
        """Return the labels that people gave to a file, if they agree."""
        rows = self.decided and self.decided.get(image_id(path))
        return sorted(_decide(set(), rows, self.head)) if rows else []


def _read_reading(root: Path) -> _Reading:
    reading = _Reading()
    with contextlib.suppress(PixmillError):  # the next step names the fault
        params = load_params(root)
        folder = params.scrape.folder
        reading.unlabelled = params.evaluate.unlabelled or reading.unlabelled
        reading.depth = 3 if folder.layout == "fixed" else 2
        reading.names = params.class_by_name
        reading.is_local = params.sources() == ["folder"]
        reading.facts = read_metadata(root / "data")
        reading.head = head_of(params.task)
        reading.decided = DecisionTable(root).decided
    return reading


def _folders(root: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each folder of ``data/`` with the names of its images."""
    for place, folders, files in os.walk(root / "data"):
        folders[:] = [name for name in folders if not name.startswith(".")]
        images = [name for name in files if not name.startswith(".") and not name.endswith(".csv")]
        yield Path(place).relative_to(root).as_posix(), images


def _choose(root: Path, images: list[tuple[str, str]], number: int) -> dict[str, Path]:
    """Return the files of some images by id."""
    chosen = sorted(images)[:: max(1, len(images) // number)][:number]
    return {
        known: root / path for path, name in chosen if (known := name or _identify(root / path))
    }


def _per_class(classes: int) -> int:
    return 4 if classes > _MANY_CLASSES else 6


def _identify(path: Path) -> str | None:
    """Return the id of an image; ``None`` if it is of something else, large or unreadable."""
    with contextlib.suppress(OSError):
        if path.stat().st_size <= _MAX_BYTES and reason_of(path) is None:
            return file_digest(path)
    return None


def _scraped(root: Path, names: Collection[str]) -> dict[str, Path]:
    """Return the files of scraped images by id."""
    rows = read_rows(
        root / "artifacts/scrape/manifest.parquet", "id", "path", where=("id", {*names})
    )
    return {row["id"]: root / "artifacts/scrape" / row["path"] for row in rows}
