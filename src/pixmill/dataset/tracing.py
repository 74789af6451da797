"""All about an image: origin, decisions, prediction, and the commits and runs with it."""

import functools
import hashlib
import re
import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq

from pixmill.core import decisions
from pixmill.core.cells import show_cells
from pixmill.core.decisions import FORGOTTEN
from pixmill.core.errors import DataError, PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import read_if_any
from pixmill.core.repository.dvc import DEFAULT_CACHE, cache_folder, object_file, read_listing
from pixmill.core.repository.git import git
from pixmill.core.review_csv import FILE as REVIEW
from pixmill.core.review_csv import committed_rows, rows_of
from pixmill.core.words import first_of
from pixmill.dataset.inbox import Inbox
from pixmill.tracking.store import tagged_runs

_MANIFESTS = ("split/manifest", "validate/manifest", "scrape/manifest")
"""Tables in ``artifacts/`` with a row for each image, from the most columns to the fewest."""

_PREDICTIONS = ("evaluate/predictions", "evaluate/unlabelled")

_DECISIONS = (decisions.FILE, REVIEW)

_FACTS = (
    "label",
    "page_url",
    "author",
    "licence",
    "source",
    "query",
    "path",
    "snapshot",
    "given_split",
    "verdict",
    "reason",
    "group",
    "split",
    "fold",
)
"""Columns of the manifest to show; the others are measurements."""

_IDS = ("id", "a", "b")
_PLACES = ("path", "image_url", "page_url")
"""Columns that name an image by its id, and by its path or URL."""

_PLAIN = ("--no-color", "--no-line-number", "--no-column", "--no-full-name", "--basic-regexp")
"""Options of ``git grep`` that undo the user's settings."""

_BATCH = 500
"""Commits in the arguments of a command; Windows takes 32,767 characters."""

Row = dict[str, Any]


def trace(workspace: Workspace, name: str) -> Row:
    """Return what the project knows about an image, ready for JSON.

    Args:
        workspace: The project.
        name: Beginning of an id, a file (known by its SHA-256), a path as in ``artifacts/scrape``,
            or the URL of a sighting or its page.

    Returns:
        ``id``; ``image``: whether the project has it; :data:`_FACTS` of the manifest, or of the
        newest split in a commit that has one, with the verdict ``forgotten`` after ``pixmill
        forget``; ``sightings``, ``near_duplicates``, ``prediction``, ``corrections`` (of the
        inbox), and ``decisions`` with the commit that made them; ``commits`` whose split has the
        image, and ``runs`` that read such a split, newest first; ``unavailable``: how many others
        have a split that is not in DVC's cache; ``runs_fault``: why no run is known; ``nearest``:
        the most similar training images of a file that the project does not have.

    Raises:
        DataError: The name matches no image, or several.
    """
    root = workspace.root
    content = named_bytes(root, name)
    history = _read_history(workspace)
    key = _resolve(root, name, content, history)
    rows = history.find(key)
    here = read_facts(root, key, rows.values())
    is_known = bool(rows or here["manifest"] or here["decisions"])
    seen = history.find_uses(rows)
    return {
        "id": key,
        **_describe_image(here, rows.values()),
        "sightings": here["sightings"],
        "near_duplicates": here["near_duplicates"],
        "prediction": [
            {
                "label": row["predicted"] and show_cells(row["predicted"]),
                "confidence": row.get(f"p_{row['predicted']}"),
                "held_out": row.get("held_out"),
            }
            for row in here["predictions"]
        ],
        "corrections": here["corrections"],
        "decisions": _date_decisions(root, here["decisions"]),
        "commits": [use for use in seen if "commit" in use],
        "runs": [use for use in seen if "run" in use],
        "runs_fault": history.fault,
        "unavailable": history.unavailable,
        "nearest": _nearest(root, content) if content is not None and not is_known else [],
    }


@dataclass(frozen=True)
class _History:
    """The commits and runs with a split.

    Args:
        uses: Each with DVC's hash of its split, newest first.
        splits: Manifests of splits in DVC's cache, by DVC's hash of the split.
        fault: Why no run is known, if so.
    """

    uses: Sequence[Row]
    splits: Mapping[str, Path]
    fault: str | None

    def find(self, key: str) -> dict[str, Row]:
        """Return the row of an image by DVC's hash of each split that has it."""
        found = {md5: find_rows(path, key) for md5, path in self.splits.items()}
        return {md5: rows[0] for md5, rows in found.items() if rows}

    def find_uses(self, rows: Mapping[str, Row]) -> list[Row]:
        """Return the commits and runs with an image, whose row is given by DVC's hash."""
        parts = {
            md5: {
                "split": row["split"] or "dropped",
                "label": row["label"] and show_cells(row["label"]),
            }
            for md5, row in rows.items()
        }
        return [use | parts[use["split_md5"]] for use in self.uses if use["split_md5"] in parts]

    @property
    def unavailable(self) -> str | None:
        """How many commits and runs have a split that is not in DVC's cache."""
        absent = sum(use["split_md5"] not in self.splits for use in self.uses)
        if not absent:
            return None
        return f"{absent:,} commits and runs, whose split DVC's cache lacks: dvc fetch -A"


def _read_history(workspace: Workspace) -> _History:
    runs, fault = _runs(workspace)
    uses = [*_commits(workspace.root), *runs]
    return _History(uses, _splits(workspace.root, [use["split_md5"] for use in uses]), fault)


def _resolve(root: Path, name: str, content: bytes | None, history: _History) -> str:
    """Return the id of an image by its name and, for a file, its content."""
    if content is not None:
        return hashlib.sha256(content).hexdigest()
    name = name.removeprefix("artifacts/scrape/")
    ids = find_ids(root, name)
    for path in history.splits.values():
        ids.update(row["id"] for row in find_rows(path, name))
    noted = [row.image for row in _read_decisions(root) if len(row.image) == 64]
    noted += [entry.id for entry in Inbox(root / "inbox").entries()[0]]
    ids.update(each for each in noted if each.startswith(name))
    return only_id(name, ids)


def _describe_image(here: Row, before: Collection[Row]) -> Row:
    """Return whether the project has an image, and its facts, of an earlier split if need be."""
    facts: Row = next(iter((*here["manifest"], *before)), {})
    known = "not in this project"
    if before or here["decisions"]:
        known = "no longer in this project"
    if any(row["why"].startswith(FORGOTTEN) for row in here["decisions"]):
        facts = facts | {"verdict": "forgotten", "reason": None}
        if here["manifest"]:
            known = "forgotten, but in the results until dvc repro"
    elif here["manifest"]:
        known = "in this project"
    shown = {"label": show_cells(facts["label"])} if facts.get("label") else {}
    return {"image": known, **{column: facts.get(column) for column in _FACTS}, **shown}


def read_facts(root: Path, key: str, before: Iterable[Row] = ()) -> Row:
    """Return what the project's files say about an image, without its history.

    Args:
        root: Project folder.
        key: Id of the image.
        before: Its rows of earlier manifests, whose paths decisions may name.

    Returns:
        ``manifest``: its row of the manifest with the most columns that has it; ``sightings``;
        ``near_duplicates``; ``predictions``: rows of evaluate; ``corrections`` of the inbox;
        ``decisions``: the rows about it.
    """

    def find(table: str) -> list[Row]:
        return find_rows(root / f"artifacts/{table}.parquet", key)

    manifest = next(filter(None, map(find, _MANIFESTS)), [])
    sightings = find("scrape/sightings")
    places = {
        row.get(column)
        for row in (*manifest, *before, *sightings)
        for column in ("path", "image_url")
    }
    return {
        "manifest": manifest,
        "sightings": sightings,
        "near_duplicates": [
            {"id": row["b"] if row["a"] == key else row["a"], "similarity": row["similarity"]}
            for row in find("validate/pairs")
        ],
        "predictions": [row for table in _PREDICTIONS for row in find(table)],
        "corrections": _find_corrections(root, key),
        "decisions": [
            _cells(row)
            for row in _read_decisions(root)
            if key.startswith(row.image) or row.image in places
        ],
    }


def _find_corrections(root: Path, key: str) -> list[Row]:
    entries, _ = Inbox(root / "inbox").entries()
    found = [entry for entry in entries if key in (entry.id, entry.original)]
    return [each.model_dump(mode="json") for entry in found for each in entry.corrections]


def _read_decisions(root: Path, commit: str = "") -> list[decisions.Row]:
    """Return the rows of ``decisions.csv`` and of ``review.csv``, which earlier versions wrote.

    Args:
        root: Project folder.
        commit: Revision to read them from; empty: the files.
    """
    rows: list[decisions.Row] = []
    for name in _DECISIONS:
        if commit:
            rows += committed_rows(root, commit, name) or ()
        else:
            rows += rows_of(read_if_any(root / name) or "")
    return rows


def named_bytes(root: Path, name: str) -> bytes | None:
    """Return the content of a file, of a correction that of its image; ``None`` without a file.

    Args:
        root: Project folder.
        name: Path, from the current folder or that of the project.
    """
    path = next((path for path in (Path(name), root / name) if path.is_file()), None)
    content = path.read_bytes() if path else None
    if path and content and path.resolve().parent == (root / "inbox/corrections").resolve():
        return content.partition(b"\n")[2]
    return content


def find_ids(root: Path, name: str) -> set[str]:
    """Return the ids in ``artifacts/`` that begin with a name, or whose path or URL it is."""
    tables = (*_MANIFESTS, "scrape/sightings", "evaluate/unlabelled")
    return {
        row["id"]
        for table in tables
        for row in find_rows(root / f"artifacts/{table}.parquet", name)
        if row["id"]
    }


def only_id(name: str, ids: Collection[str]) -> str:
    """Return the one id of a name.

    Raises:
        DataError: There is none, or several.
    """
    if len(ids) == 1:
        return next(iter(ids))
    found = (
        f"matches {first_of(sorted(ids), 5)}"
        if ids
        else "is no file, and no image of artifacts/ or DVC's cache"
    )
    raise DataError(
        f"{name} {found}", next="name a file, a URL or a longer id; for older commits: dvc fetch -A"
    )


def find_rows(path: Path, name: str, columns: Sequence[str] | None = None) -> list[Row]:
    """Return the rows of a table whose id begins with a name, or whose path or URL it is.

    Args:
        path: The table.
        name: Beginning of an id, or another name of an image if the columns have it.
        columns: Columns to read; default: all.
    """
    if not path.exists():
        return []
    with pq.ParquetFile(
        path
    ) as file:  # pq.read_table imports pyarrow.dataset, which takes half a second
        table = file.read(columns)
    masks = [pc.starts_with(table[column], name) for column in _IDS if column in table.column_names]
    exact = rf"\A{re.escape(name)}\z"  # pc.equal imports pandas
    masks += [
        pc.match_substring_regex(table[column], exact)
        for column in _PLACES
        if column in table.column_names
    ]
    rows: list[Row] = table.filter(functools.reduce(pc.or_kleene, masks)).to_pylist()
    return rows


def _commits(root: Path) -> list[Row]:
    """Return the commits that change ``dvc.lock``, newest first, with DVC's hash of their split."""
    log = (
        git(root, "log", "--all", "--full-history", "--format=%H%x09%as%x09%s", "--", "dvc.lock")
        or ""
    )
    commits = [
        dict(zip(("commit", "date", "subject"), line.split("\t", 2), strict=True))
        for line in log.splitlines()
    ]
    # The output comes first in the file, then the dependencies of later stages; parsing the YAML
    # would take seconds.
    command = ("grep", *_PLAIN, "-A2", "path: artifacts/split$")
    found = ""
    for start in range(0, len(commits), _BATCH):
        batch = [each["commit"] for each in commits[start : start + _BATCH]]
        found += git(root, *command, *batch, "--", "dvc.lock") or ""
    hashes = re.findall(r"^(\w{40,}):dvc\.lock-\s+md5: (\w+\.dir)$", found, re.MULTILINE)
    split = dict(reversed(hashes))
    return [
        each | {"split_md5": split[each["commit"]]} for each in commits if each["commit"] in split
    ]


def _runs(workspace: Workspace) -> tuple[list[Row], str | None]:
    """Return the runs with DVC's hash of their split, newest first, or why they are unknown."""
    try:
        found = tagged_runs(workspace, "pixmill.dvc.artifacts/split")
    except (PixmillError, sqlite3.Error) as error:
        return [], str(error)
    runs = []
    for run, name, start, md5 in found:
        date = datetime.fromtimestamp(start / 1000, UTC).isoformat()
        runs.append({"run": run, "name": name, "date": date, "split_md5": md5})
    return runs, None


def _splits(root: Path, hashes: Iterable[str]) -> dict[str, Path]:
    """Return the manifests of splits in DVC's cache, by DVC's hash of the split."""
    cache = root / DEFAULT_CACHE if (root / DEFAULT_CACHE).is_dir() else cache_folder(root)
    if cache is None:
        return {}
    found = {}
    for md5 in dict.fromkeys(hashes):
        if listing := read_listing(cache, md5):
            path = object_file(cache, listing["manifest.parquet"])
            if path.is_file():
                found[md5] = path
    return found


def _date_decisions(root: Path, rows: Sequence[Row]) -> list[Row]:
    """Add the commit and date that made each decision; a row without them is not committed."""
    if not rows:
        return []
    names = "|".join(sorted({re.escape(row["image"]) for row in rows}))
    log = git(root, "log", f"-G({names})", "--format=%H %as", "--", *_DECISIONS) or ""
    made: dict[int, Row] = {}
    sought = set(range(len(rows)))
    for line in log.splitlines():
        commit, date = line.split()
        # Another form or order of the file is no decision, so the earliest of equal rows counts.
        there = [_meaning(_cells(row)) for row in _read_decisions(root, commit)]
        sought = {number for number in sought if _meaning(rows[number]) in there}
        for number in sought:
            made[number] = {"commit": commit, "date": date}
    return [row | made.get(number, {}) for number, row in enumerate(rows)]


def _cells(row: decisions.Row) -> Row:
    return {name: getattr(row, name) for name in decisions.HEADER}


def _meaning(row: Row) -> tuple[str, ...]:
    return tuple(" ".join(row[name].split()) for name in decisions.HEADER)


def _nearest(root: Path, content: bytes) -> list[Row]:
    """Return the most similar training images; see :func:`pixmill.models.nearest.most_similar`."""
    from pixmill.models.classifier import Classifier
    from pixmill.models.nearest import load_training, most_similar, vector_of

    trained = root / "artifacts" / "train"
    training = load_training(root, trained)
    vector = vector_of(content, Classifier.load(trained), trained) if training else None
    found = most_similar(training, vector) if training and vector else []
    return [{name: value for name, value in each.items() if name != "row"} for each in found]
