"""Findings that need a person: bad images, label issues, disputes, corrections, learning curve."""

import contextlib
import json
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from pixmill.core.decisions import disputes
from pixmill.core.files.writing import file_digest, file_mark, read_json
from pixmill.core.params import load_params
from pixmill.core.review_csv import require_converted
from pixmill.core.words import percent
from pixmill.dataset.deciding import DecisionTable
from pixmill.dataset.inbox import Inbox
from pixmill.images.listing import files_below
from pixmill.metrics.growth import Growth
from pixmill.review.recovery import pending_images

HEADLINES = ("accuracy", "mean_average_precision")
"""Metric of a project's headline: with one label an image, and with several."""


def find_undecodable(root: Path) -> dict[str, str]:
    """Return the files in ``data/`` that the last run could not decode, each with the reason.

    Args:
        root: Project folder.

    Raises:
        OSError: A table cannot be read.
        ValueError: A table is malformed.
    """
    from pixmill.validate.reasons import UNREADABLE, word

    found: dict[str, str] = {}
    failures = {
        row["id"]: row["reason"]
        for row in read_rows(root / "artifacts/validate/manifest.parquet", "id", "reason")
    }
    # All copies of an image: the manifest names one of them.
    for row in read_rows(root / "artifacts/scrape/sightings.parquet", "id", "reason", "image_url"):
        reason = word(failures.get(row["id"]) or row["reason"] or "")
        path = row["image_url"]
        if path and path.startswith("data/") and reason in UNREADABLE and (root / path).is_file():
            found[path] = reason
    return dict(sorted(found.items()))


def count_label_issues(root: Path) -> int:
    """Count the doubtful labels that review asks about and nobody has decided.

    They are those of the last evaluation whose images are still kept under the same label.

    Args:
        root: Project folder.

    Raises:
        DecisionsError: ``decisions.csv`` is malformed.
        OSError: The table cannot be read.
        ValueError: The table is malformed.
    """
    table = DecisionTable(root)
    rows = read_rows(root / "artifacts/evaluate/labels.parquet", "id", "label", "suggested")
    doubtful = [
        row
        for row in rows
        if row["suggested"] is not None and table.is_open(row["id"], row["label"])
    ]
    wanted = ("id", {row["id"] for row in doubtful})
    manifest = root / "artifacts/validate/manifest.parquet"
    now = read_rows(manifest, "id", "label", "verdict", where=wanted) if doubtful else []
    labels = {row["id"]: row["label"] for row in now if row["verdict"] == "keep"}
    return sum(
        table.is_doubted(labels[row["id"]], row["label"], row["suggested"])
        for row in doubtful
        if row["id"] in labels
    )


@dataclass(frozen=True)
class Pile:
    """The images in the folder of those without a label, ``evaluate.unlabelled``.

    Attributes:
        waiting: Number of images that nobody has decided about.
        asked: Number of those that `pixmill watch` has drawn from a log, by the sample.
        is_begun: Whether people have decided about others.
    """

    waiting: int = 0
    asked: dict[str, int] = field(default_factory=dict)
    is_begun: bool = False


def read_pile(root: Path) -> Pile:
    """Count the images that wait for a label.

    Args:
        root: Project folder.

    Raises:
        DecisionsError: ``decisions.csv`` is malformed.
        OSError: An image cannot be read.
        ParamsError: The params are malformed.
    """
    from pixmill.core.manifest import ASKED

    folder = root / (load_params(root).evaluate.unlabelled or "data/unlabelled")
    found = files_below(folder) if folder.is_dir() else ()
    files = [path for _, path in found if path.suffix != ".csv"]
    decided = DecisionTable(root).decided
    waiting = [path for path in files if not decided or image_id(path) not in decided]
    drawn = [
        sample for path in waiting for sample, start in ASKED.items() if path.name.startswith(start)
    ]
    return Pile(len(waiting), dict(Counter(drawn)), len(waiting) < len(files))


def image_id(path: Path) -> str:
    """Return the id of a file, hashed again only if it has changed."""
    return _hash(path, file_mark(path))


@lru_cache(maxsize=100_000)
def _hash(path: Path, _mark: object) -> str:
    return file_digest(path)


def find_disputes(root: Path) -> dict[str, str]:
    """Return who said what, by id of each image about which people disagree.

    Args:
        root: Project folder.

    Raises:
        DataError: ``review.csv`` has decisions.
        DecisionsError: ``decisions.csv`` is malformed.
    """
    require_converted(root)
    return disputes(DecisionTable(root).decided)


def has_labels(root: Path) -> bool:
    """Return whether people gave a label to an image.

    Args:
        root: Project folder.

    Raises:
        DecisionsError: ``decisions.csv`` is malformed.
    """
    return any(of.labels for of in DecisionTable(root).decided.values())


def count_corrections(root: Path) -> int:
    """Count the images in the inbox that wait for a review.

    Args:
        root: Project folder.

    Raises:
        DecisionsError: ``decisions.csv`` is malformed.
        StorageError: The inbox cannot be read.
    """
    if not (root / "inbox/corrections").is_dir():
        return 0
    table = DecisionTable(root)
    accepted = pending_images(table.actions())
    waiting = [each for each in Inbox(root / "inbox").entries()[0] if each.id not in accepted]
    return sum(each.original not in table.decided for each in waiting)


def read_growth(root: Path) -> Growth | None:
    """Return the forecast of the learning curve for more images; ``None`` if it was not measured.

    Args:
        root: Project folder.

    Raises:
        ManifestError: The metrics are malformed.
        KeyError: The metrics are of another version.
    """
    curve = _read_trained(root).get("learning_curve")
    return curve and Growth(curve["gain"], curve["gain_low"], curve["gain_high"])


def _read_trained(root: Path) -> dict[str, Any]:
    """Return the metrics of the last training; empty if there was none."""
    path = root / "plots/train/full.json"
    return dict(read_json(path, stage="train")) if path.exists() else {}


def find_series(root: Path) -> str | None:
    """Return a sentence on series of images that may leak between splits; ``None`` if none do.

    Args:
        root: Project folder.

    Raises:
        ManifestError: The metrics are malformed.
        ParamsError: The params are malformed.
    """
    from pixmill.core.manifest import SERIES_FILE

    path = root / "artifacts/split" / SERIES_FILE
    series = read_json(path, stage="split") if path.exists() else None
    if not series or load_params(root).split.group_by == series["group_by"]:
        return None
    sentence: str = series["sentence"]
    trained = _read_trained(root)
    together = trained.get("series_accuracy")
    if together is not None and together < trained["val_accuracy"]:
        sentence = (
            f"{percent(trained['val_accuracy'])} cross-validated accuracy, but "
            f"{percent(together)} with each series in one fold: {sentence}"
        )
    return sentence


def read_score(root: Path, name: str) -> tuple[float, float, float] | None:
    """Return a test metric and its confidence limits; ``None`` without readable results.

    Args:
        root: Project folder.
        name: The metric.
    """
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        metrics = json.loads((root / "plots/evaluate/full.json").read_bytes())
        return (
            float(metrics[name]),
            float(metrics[f"{name}_low"]),
            float(metrics[f"{name}_high"]),
        )
    return None


def read_rows(
    path: Path, *columns: str, where: tuple[str, set[str]] | None = None
) -> list[dict[str, Any]]:
    """Return columns of a table as rows; empty if the file does not exist.

    Args:
        path: Parquet file.
        columns: Names of the columns.
        where: Column and values: only rows with one of these. Default: all rows.

    Raises:
        OSError: The table cannot be read.
        ValueError: The table is malformed.
    """
    if not path.is_file():
        return []
    import pyarrow.parquet as pq

    filters = where and [(where[0], "in", where[1])]
    rows: list[dict[str, Any]] = pq.read_table(
        path, columns=list(columns), filters=filters
    ).to_pylist()
    return rows
