"""Everything that a project knows about an image: origin, decisions, prediction, and the commits and runs with it."""

import csv
import functools
import hashlib
import re
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from pixmill.core.errors import DataError, PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.repository.dvc import DEFAULT_CACHE, cache_folder, object_file, read_listing
from pixmill.core.repository.git import git
from pixmill.core.words import first_of
from pixmill.serve.inbox import Inbox
from pixmill.tracking.store import tagged_runs

_MANIFESTS = tuple(f"{stage}/manifest.parquet" for stage in ("split", "validate", "scrape"))
"""Manifests in ``artifacts/`` with a row for each image, from the most columns to the fewest."""

_SIGHTINGS, _PREDICTIONS, _UNLABELLED, _PAIRS, _NEAREST = (
    "scrape/sightings.parquet", "evaluate/predictions.parquet", "evaluate/unlabelled.parquet",
    "validate/pairs.parquet", "evaluate/nearest.parquet",
)  # fmt: skip

_NAMES = ("id", "a", "b", "path", "image_url", "page_url")
"""Columns that may name an image; the first three hold ids."""

Row = dict[str, Any]


def trace(workspace: Workspace, name: str) -> Row:
    """Return what the project knows about an image, ready for JSON.

    Args:
        workspace: The project.
        name: Beginning of an id, a file (known by its SHA-256), a path as in ``artifacts/scrape``, or the URL of a
            sighting or its page.

    Returns:
        ``id``; ``image``: its row of the manifest, or of the newest split in a commit that has one; ``None`` for an
        unknown image. ``sightings``, ``near_duplicates``, ``decisions``, ``corrections`` (of the inbox), and
        ``prediction``. ``commits`` whose split has the image, and ``runs`` that read such a split, newest first.
        ``unavailable``: commits and runs whose split is not in DVC's cache; ``runs_fault``: why no run is known.
        ``forgotten``: the decision and commit that dropped an image which is gone. ``nearest``: the most similar
        training images of an unknown image.

    Raises:
        DataError: The name matches no image, or several.
    """
    root, tables = workspace.root, workspace.root / "artifacts"
    file = next((path for path in (root / name, Path(name)) if path.is_file()), None)
    content = file.read_bytes() if file else b""
    if file and file.resolve().parent.name == "corrections":
        content = content.partition(b"\n")[2]  # after the line of the inbox
    key = hashlib.sha256(content).hexdigest() if file else name.removeprefix("artifacts/scrape/")
    commits, runs, fault = _commits(root), *_runs(workspace)
    splits = _splits(root, [each["split_md5"] for each in (*commits, *runs)])
    corrections = _corrections(root)
    decisions = _decisions(root)
    current = [tables / name for name in (*_MANIFESTS, _SIGHTINGS, _UNLABELLED)]
    others = [each[column] or "" for each in corrections for column in ("id", "original")]
    others += [each["image"] for each in decisions if len(each["image"]) == 64]
    ids = {row["id"] for path in (*current, *splits.values()) for row in _find(path, key)} - {None}
    image = key if file else _only(name, ids | {each for each in others if each.startswith(key)})

    def find(name: str) -> list[Row]:
        return _find(tables / name, image)

    here = [row for name in _MANIFESTS for row in find(name)]
    rows = {md5: found[0] for md5, path in splits.items() if (found := _find(path, image))}
    facts = {md5: {"split": row["split"], "label": row["label"]} for md5, row in rows.items()}
    row, sightings = next(iter((*here, *rows.values())), None), find(_SIGHTINGS)
    places = {place for each in (row or {}, *sightings) for place in (each.get("path"), each.get("image_url"))}
    made = [each for each in decisions if image.startswith(each["image"].lower()) or each["image"] in places]
    dropped = next((each for each in made if each["decision"] == "drop" and not here), None)
    pairs = [(pair["b" if pair["a"] == image else "a"], pair["similarity"]) for pair in find(_PAIRS)]
    answer = next(iter((*find(_PREDICTIONS), *find(_UNLABELLED))), None)
    return {
        "id": image,
        "image": row,
        "sightings": sightings,
        "near_duplicates": [{"id": other, "similarity": similarity} for other, similarity in pairs],
        "decisions": made,
        "corrections": [each for each in corrections if image in (each["id"], each["original"])],
        "prediction": answer and answer | {"confidence": answer.get(f"p_{answer['predicted']}")},
        "commits": [each | facts[each["split_md5"]] for each in commits if each["split_md5"] in facts],
        "runs": [each | facts[each["split_md5"]] for each in runs if each["split_md5"] in facts],
        "unavailable": [each for each in (*commits, *runs) if each["split_md5"] not in splits],
        "runs_fault": fault,
        "forgotten": dropped and dropped | _last_change(root, dropped["image"]),
        "nearest": [] if row or made or not file else _nearest(root, content),
    }


@functools.cache
def _find(path: Path, name: str) -> list[Row]:
    """Return the rows of a table whose id begins with a name, or whose path or URL it is; none without the table."""
    if not path.exists():
        return []
    with pq.ParquetFile(path) as file:  # a filter of read_table would import pyarrow.dataset: half a second
        keys = file.read(columns=[key for key in _NAMES if key in file.schema_arrow.names])
        masks = [
            (pc.starts_with if key in _NAMES[:3] else pc.equal)(keys[key], name).fill_null(False)
            for key in keys.column_names
        ]
        places = pc.indices_nonzero(functools.reduce(pc.or_, masks))
        rows: list[Row] = file.read().take(places).to_pylist() if len(places) else []
    return rows


def _commits(root: Path) -> list[Row]:
    """Return the commits of all branches that change ``dvc.lock``, newest first, with DVC's hash of their split."""
    log = git(root, "log", "--all", "--full-history", "--format=%H%x09%as%x09%s", "--", "dvc.lock") or ""
    commits = [dict(zip(("commit", "date", "subject"), line.split("\t", 2), strict=True)) for line in log.splitlines()]
    # The output comes first in the file, then the dependencies of later stages; parsing the YAML would take seconds.
    names = [each["commit"] for each in commits]
    found = git(root, "grep", "-A2", "-e", "path: artifacts/split$", *names, "--", "dvc.lock") if names else ""
    hashes = re.findall(r"^(\w{40,}):dvc\.lock-\s+md5: (\w+\.dir)$", found or "", re.MULTILINE)
    split = dict(reversed(hashes))
    return [{**each, "split_md5": split[each["commit"]]} for each in commits if each["commit"] in split]


def _runs(workspace: Workspace) -> tuple[list[Row], str | None]:
    """Return the runs with DVC's hash of their split, newest first, and why they are unknown, if so."""
    try:
        found = tagged_runs(workspace, "pixmill.dvc.artifacts/split")
    except (PixmillError, sqlite3.Error) as error:
        return [], str(error)
    times = [datetime.fromtimestamp(start / 1000, UTC).isoformat(timespec="seconds") for _, _, start, _ in found]
    rows = zip(found, times, strict=True)
    return [{"run": run, "name": name, "started": time, "split_md5": md5} for (run, name, _, md5), time in rows], None


def _splits(root: Path, hashes: Iterable[str]) -> dict[str, Path]:
    """Return the manifests of splits in DVC's cache, by DVC's hash of the split."""
    cache = root / DEFAULT_CACHE if (root / DEFAULT_CACHE).is_dir() else cache_folder(root)
    listings = {md5: read_listing(cache, md5) for md5 in dict.fromkeys(hashes)} if cache else {}
    paths = {md5: object_file(cache, each["manifest.parquet"]) for md5, each in listings.items() if cache and each}
    return {md5: path for md5, path in paths.items() if path.is_file()}


def _only(name: str, ids: set[str]) -> str:
    """Return the one id of a name."""
    if len(ids) > 1:
        raise DataError(f"'{name}' matches {first_of(sorted(ids), 5)}", next="name one of them: pixmill trace ID")
    if not ids:
        problem = f"there is no image '{name}': no file, and no id, path or URL in artifacts/ or DVC's cache"
        raise DataError(problem, next="pixmill trace FILE, or for older commits: dvc fetch --all-commits")
    return ids.pop()


def _decisions(root: Path) -> list[Row]:
    if not (path := root / "review.csv").exists():
        return []
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return [row for row in csv.DictReader(stream) if row.get("image")]


def _corrections(root: Path) -> list[Row]:
    entries = Inbox(root / "inbox").entries()[0] if (root / "inbox").is_dir() else []
    return [item.model_dump(mode="json") for entry in entries for item in entry.corrections]


def _last_change(root: Path, image: str) -> Row:
    """Return commit and date of the last change to the decision on an image; ``None`` if it is not committed."""
    commit, _, date = (git(root, "log", "-1", f"-S{image}", "--format=%H %as", "--", "review.csv") or "").partition(" ")
    return {"commit": commit or None, "date": date.strip() or None}


def _nearest(root: Path, content: bytes) -> list[Row]:
    """Return the most similar training images; none before evaluate, or if the model has no separate backbone."""
    from pixmill.images import UndecodableError
    from pixmill.models.classifier import Classifier
    from pixmill.models.nearest import TrainingImages, to_vectors
    from pixmill.models.novelty import load_novelty

    index, trained = root / "artifacts" / _NEAREST, root / "artifacts" / "train"
    if not index.exists():
        return []
    classifier, novelty = Classifier.load(trained), load_novelty(trained)
    if classifier.backbone is None or novelty is None:
        return []
    try:
        pixels = classifier.preprocessing(content)
    except UndecodableError as error:
        raise DataError(f"the file is not an image that can be read: {error.reason}", next="name an image") from None
    training = TrainingImages.load(index)
    similar = training.nearest(to_vectors(classifier.backbone(pixels[None]), novelty))[0]
    rows = [
        (similarity, _find(root / "artifacts" / _MANIFESTS[0], training.ids[place])) for place, similarity in similar
    ]
    return [{**found[0], "similarity": similarity} for similarity, found in rows if found]
