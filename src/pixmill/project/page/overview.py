"""What the page shows first: the figures and mistakes of the model, its history, and images of each class."""

import contextlib
import json
import os
from collections import Counter
from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Any

from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import file_digest, file_mark
from pixmill.core.metadata import FILE, Facts, read_metadata
from pixmill.core.names import class_by_name, to_nfc
from pixmill.core.params import load_params
from pixmill.core.repository.git import git
from pixmill.images.read_errors import reason_of
from pixmill.project.findings import read_rows

METRICS = "metrics/evaluate.json"
"""File whose commits are the history of the model."""

_MAX_COMMITS = 10
_MAX_CONFUSIONS = 3
_MAX_CLASSES = 15
_MANY_CLASSES = 6
"""Number of classes on the page, and above which they have fewer images."""

_MAX_BYTES = 50_000_000
"""Maximum size of a file that is shown before validate has seen it."""

_INPUTS = (
    "artifacts/evaluate/predictions.parquet",
    "artifacts/scrape/manifest.parquet",
    "artifacts/validate/manifest.parquet",
    f"data/{FILE}",
    METRICS,
    "params.yaml",
    "plots/evaluate/full.json",
)


class Overview:
    """Content of the page about the model and the images, read again only after its files changed.

    Args:
        root: Project folder.

    Attributes:
        content: ``model``, ``history`` and ``images``, see the functions that read them.
        files: The files of the images on the page, by id.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._key: tuple[Any, ...] = ()
        self.content: dict[str, Any] = {"model": None, "history": [], "images": None}
        self.files: dict[str, Path] = {}

    def update(self, data: object) -> None:
        """Read what has changed.

        Args:
            data: Differs after a change of the files in ``data/``.
        """
        key = (
            data,
            git(self._root, "rev-parse", "HEAD"),
            *(file_mark(self._root / name) for name in _INPUTS),
        )
        if key == self._key:
            return
        model = read_model(self._root)
        history = read_history(self._root)
        images, files = read_images(self._root, with_files=model is None)
        if model is not None:
            shown = [image["id"] for each in model["classes"] for image in each["images"]]
            files = _scraped(self._root, [*shown, *(each["id"] for each in model["confusions"])])
        self.files = files
        self._key = key
        self.content = {"model": model, "history": history, "images": images}


def read_model(root: Path) -> dict[str, Any] | None:
    """Return the figures of the last evaluation; ``None`` without one.

    - ``n``: number of test images; ``majority``: the most frequent class and its share, or ``None``
    - ``classes``: ``name``, ``f1``, ``support`` and random test ``images`` (``id``, and
      ``predicted`` if that is wrong) of each class; of many, those with the lowest F1
    - ``omitted``: number of classes that are left out
    - ``confusions``: the most frequent ones: ``label``, ``predicted``, ``count``, and the ``id`` of
      the image with the greatest loss

    Args:
        root: Project folder.
    """
    try:
        metrics = json.loads((root / "plots/evaluate/full.json").read_bytes())
        scores = {
            str(name): (float(each["f1"]), int(each["support"]))
            for name, each in metrics["per_class"].items()
        }
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None
    names = list(scores)
    if len(names) > _MAX_CLASSES:
        names = sorted(names, key=lambda name: scores[name][0])[:_MAX_CLASSES]
    table = root / "artifacts/evaluate/predictions.parquet"
    rows = read_rows(table, "id", "label", "predicted", "loss", where=("split", {"test"}))
    rows.sort(key=lambda row: row["id"])  # a hash, so the first ones are a random sample
    images: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for row in rows:
        if row["label"] in images and len(images[row["label"]]) < _per_class(len(names)):
            wrong = {"predicted": row["predicted"]} if row["predicted"] != row["label"] else {}
            images[row["label"]].append({"id": row["id"], **wrong})
    labels = Counter({name: support for name, (_, support) in scores.items()})
    ((majority, number),) = labels.most_common(1) or [("", 0)]
    wrong_rows = [row for row in rows if row["predicted"] != row["label"]]
    pairs = Counter((row["label"], row["predicted"]) for row in wrong_rows)
    worst = {
        (row["label"], row["predicted"]): row["id"]
        for row in sorted(wrong_rows, key=lambda row: row["loss"])
    }
    return {
        "n": labels.total(),
        "majority": {"label": majority, "share": number / labels.total()} if number else None,
        "classes": [
            {
                "name": name,
                "f1": scores[name][0],
                "support": scores[name][1],
                "images": images[name],
            }
            for name in names
        ],
        "omitted": len(scores) - len(names),
        "confusions": [
            {"label": label, "predicted": predicted, "count": number, "id": worst[label, predicted]}
            for (label, predicted), number in pairs.most_common(_MAX_CONFUSIONS)
        ],
    }


def read_history(root: Path) -> list[dict[str, Any]]:
    """Return the last commits that changed the metrics, oldest first, and the workspace if its metrics differ.

    Each has ``commit`` (``None``: the workspace), ``at`` (seconds since 1970), ``subject``,
    ``accuracy``, ``low`` and ``high``.

    Args:
        root: Project folder.
    """
    log = git(root, "log", f"-{_MAX_COMMITS}", "--format=%H%x00%ct%x00%s", "--", METRICS) or ""
    commits = [line.split("\0", 2) for line in log.splitlines()][::-1]
    found = [
        {"commit": commit, "at": int(at), "subject": subject, **scores}
        for commit, at, subject in commits
        if (scores := _committed(root, commit)) is not None
    ]
    path = root / METRICS
    now = _scores(path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None)
    if now is not None and (not found or any(now[key] != found[-1][key] for key in now)):
        found.append({"commit": None, "at": int(path.stat().st_mtime), "subject": "", **now})
    return found


@lru_cache(maxsize=10 * _MAX_COMMITS)
def _committed(root: Path, commit: str) -> dict[str, float] | None:
    return _scores(git(root, "show", f"{commit}:./{METRICS}"))


def _scores(text: str | None) -> dict[str, float] | None:
    try:
        metrics = json.loads(text or "")
        names = {"accuracy": "accuracy", "low": "accuracy_low", "high": "accuracy_high"}
        return {key: float(metrics[name]) for key, name in names.items()}
    except (ValueError, LookupError, TypeError):
        return None


def read_images(root: Path, *, with_files: bool = True) -> tuple[dict[str, Any], dict[str, Path]]:
    """Return the images of each class, and by id the files of those to show.

    The images are those of ``data/`` or, if there are other sources, those that validate kept. The
    first object has ``classes`` (``name``, ``count`` and ``images``, ids), ``omitted`` (number of
    classes without images to show) and ``unlabelled`` (number of images without a label).

    Args:
        root: Project folder.
        with_files: Whether to choose images to show.
    """
    found: dict[str, list[tuple[str, str]]] = {}  # path and, if known, id
    unlabelled = "data/unlabelled"
    depth = 2
    names = dict[str, str]()
    facts = dict[str, Facts]()
    is_local = True
    with contextlib.suppress(PixmillError):  # the next step names the fault
        params = load_params(root)
        folder = params.scrape.folder
        unlabelled = params.evaluate.unlabelled or unlabelled
        depth = 2 + (folder.layout == "fixed")
        names = class_by_name(params.classes, folder.classes)
        is_local = params.sources() == ["folder"]
        facts = read_metadata(root / "data")
    kept = root / "artifacts/validate/manifest.parquet"
    for row in (
        [] if is_local else read_rows(kept, "id", "label", "path", where=("verdict", {"keep"}))
    ):
        if row["label"]:
            found.setdefault(row["label"], []).append(
                (f"artifacts/scrape/{row['path']}", row["id"])
            )
    is_scraped = bool(found)
    waiting = 0
    for place, _, files in os.walk(root / "data"):
        parts = (place_name := Path(place).relative_to(root).as_posix()).split("/")
        files = [name for name in files if not name.startswith(".") and not name.endswith(".csv")]
        if f"{place_name}/".startswith(f"{unlabelled}/"):
            waiting += len(files)
        elif not is_scraped and "/." not in place_name:
            own = parts[-1] if len(parts) == depth else ""
            for name in files:
                fact = facts.get(to_nfc("/".join([*parts[1:], name]))) if facts else None
                if label := (fact and fact.label) or own:
                    found.setdefault(names.get(to_nfc(label), label), []).append(
                        (f"{place_name}/{name}", "")
                    )
    shown: dict[str, Path] = {}
    classes: list[dict[str, Any]] = []
    for label, images in sorted(found.items()):
        each = _per_class(len(found)) if with_files and len(classes) < _MAX_CLASSES else 0
        chosen = sorted(images)[:: max(1, len(images) // each)][:each] if each else []
        ids = {
            known: root / path for path, name in chosen if (known := name or _identify(root / path))
        }
        shown |= ids
        classes.append({"name": label, "count": len(images), "images": list(ids)})
    return {
        "classes": classes,
        "omitted": max(0, len(found) - _MAX_CLASSES),
        "unlabelled": waiting,
    }, shown


def _per_class(classes: int) -> int:
    return 4 if classes > _MANY_CLASSES else 6


def _identify(path: Path) -> str | None:
    """Return the id of an image; ``None`` if its first bytes are of something else, or it is large or unreadable."""
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
