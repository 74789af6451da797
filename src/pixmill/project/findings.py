"""What the results of a run say that people may act on: images, labels, and whether more images would help."""

import contextlib
import json
from pathlib import Path
from typing import Any

from pixmill.core.files.writing import read_json
from pixmill.metrics.growth import Growth
from pixmill.review.decision_log import MIN_ID_DIGITS, DecisionLog
from pixmill.serve.inbox import Inbox


def undecodable_images(root: Path) -> list[str]:
    """Return the files in ``data/`` that no image could be read from, as far as they are still there.

    Args:
        root: The project's folder.

    Raises:
        OSError: A table cannot be read.
        ValueError: It is damaged.
    """
    from pixmill.validate.reasons import UNREADABLE, word

    found: dict[str, None] = {}
    for table in ("artifacts/validate/manifest.parquet", "artifacts/scrape/sightings.parquet"):
        for row in _rows(root / table, "reason", "image_url"):
            reason, path = row["reason"], row["image_url"]
            if reason and path and word(reason) in UNREADABLE and path.startswith("data/"):
                found[path] = None
    return sorted(path for path in found if (root / path).is_file())


def doubtful_labels(root: Path) -> int:
    """Return how many images evaluate finds a likelier label for, and nobody has decided on.

    Args:
        root: The project's folder.

    Raises:
        OSError: A table cannot be read.
        ValueError: It is damaged.
    """
    decided = _decided(root)
    rows = _rows(root / "artifacts/evaluate/labels.parquet", "id", "suggested")
    return sum(row["suggested"] is not None and not _is_in(row["id"], decided) for row in rows)


def waiting_corrections(root: Path) -> int:
    """Return how many images of the inbox wait for a review.

    Args:
        root: The project's folder.

    Raises:
        StorageError: The inbox may not be read.
    """
    if not (root / "inbox" / "corrections").is_dir():
        return 0
    inbox, decided = Inbox(root / "inbox"), _decided(root)
    accepted, _ = DecisionLog(inbox, root).read()
    images = [entry.original for entry in inbox.entries()[0] if entry.id not in accepted]
    return sum(not _is_in(image, decided) for image in images)


def read_growth(root: Path) -> Growth | None:
    """Return what the learning curve says of more images; ``None`` where it was not measured.

    Args:
        root: The project's folder.

    Raises:
        ManifestError: The figures are malformed.
        KeyError: They are of another version.
    """
    if not (path := root / "plots" / "train" / "full.json").exists():
        return None
    curve = read_json(path, stage="train").get("learning_curve")
    return curve and Growth(curve["gain"], curve["gain_low"], curve["gain_high"])


def read_accuracy(root: Path) -> tuple[float, float, float] | None:
    """Return the accuracy on the test split with its limits; ``None`` where there are no results.

    Args:
        root: The project's folder.
    """
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        figures = json.loads((root / "plots" / "evaluate" / "full.json").read_bytes())
        return (float(figures["accuracy"]), float(figures["accuracy_low"]), float(figures["accuracy_high"]))
    return None


def _decided(root: Path) -> set[str]:
    path = root / "review.csv"
    lines = path.read_text("utf-8-sig", "replace").splitlines()[1:] if path.is_file() else []
    return {line.partition(",")[0].strip().lower() for line in lines}


def _is_in(image: str, decided: set[str]) -> bool:
    return any(image[:length] in decided for length in range(MIN_ID_DIGITS, len(image) + 1))


def _rows(path: Path, *columns: str) -> list[dict[str, Any]]:
    """Return some columns of a table, row by row; none where there is no table."""
    if not path.is_file():
        return []
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = pq.read_table(path, columns=list(columns)).to_pylist()
    return rows
