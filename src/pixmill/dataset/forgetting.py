"""Take images out of a project: exclude them from later scrapes, and delete their files."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from pixmill.core.decisions import FORGOTTEN, MIN_ID_LENGTH, Decided, Key, Row, clear, set_fate
from pixmill.core.files.scratch import remove_scratch
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import file_digest, write_text
from pixmill.core.manifest import SCRAPED, SIGHTINGS, read_table
from pixmill.core.metadata import read_metadata, write_metadata
from pixmill.core.names import class_by_name, to_nfc
from pixmill.core.params import Params, load_params, read_text
from pixmill.core.params.document import edit_params
from pixmill.core.process.progress import track
from pixmill.core.review_csv import require_converted
from pixmill.dataset.deciding import DecisionTable
from pixmill.dataset.inbox import Entry, Inbox
from pixmill.dataset.prediction_log import forget_logged, recorded_logs
from pixmill.dataset.tracing import find_ids, named_bytes, only_id
from pixmill.fetch.location import is_on
from pixmill.images.listing import SIDECAR
from pixmill.scrape.journal import hold_journal

_PLACES = ("data", "artifacts", ".pixmill", "inbox")
"""Folders of a project that may have copies of an image's file."""

_OTHERS = (
    ".pixmill/validate/likeness*",
    ".pixmill/validate/measures-*",
    ".pixmill/train/features/*.sqlite*",
    ".pixmill/scrape/browser/profile-*",
    ".pixmill/scrape/probe",
    ".pixmill/review/features/*.sqlite*",
    ".pixmill/watch",
    "reports/compare.html",
    "reports/watch.html",
    "reports/promote.html",
    ".dvc/tmp/exps/tmp*",
    ".dvc/tmp/exps/standalone/tmp*",
)
"""Caches, pages that ``dvc repro`` does not make again, and what killed processes left."""

_ID = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Forgetting:
    """What is forgotten.

    Args:
        images: ``label`` (or ``no label``) and first ``image_url`` of each image by id.
        hosts: Hosts of pages or images that are excluded from now on.
        authors: Authors that are excluded from now on.
        urls: URLs that the journal of scrape forgets.
        rows: Rows of ``data/metadata.csv`` that go, whether their files exist or not.
    """

    images: pd.DataFrame
    hosts: Sequence[str]
    authors: Sequence[str]
    urls: frozenset[str]
    rows: AbstractSet[str]


def plan_forgetting(
    workspace: Workspace,
    names: Sequence[str],
    *,
    hosts: Sequence[str] = (),
    authors: Sequence[str] = (),
) -> Forgetting:
    """Find the images to forget.

    Args:
        workspace: Folders of the project.
        names: An id or at least its first 8 digits, a file, or a path or URL as in
            ``decisions.csv``.
        hosts: Hosts of pages or images, with their subdomains, in the form of ``scrape.opt_out``.
        authors: Authors, exactly as in the tables.

    Raises:
        DataError: A name fits no image, or several; or there is a ``review.csv`` with decisions.
    """
    root = workspace.root
    require_converted(root)
    corrections, _ = Inbox(root / "inbox").entries()
    manifest = _read(root, "manifest", SCRAPED)
    seen = _read(root, "sightings", SIGHTINGS)
    places = seen[["page_url", "image_url"]].fillna("")
    is_chosen = seen["author"].isin(authors)
    is_chosen |= places.map(lambda url: is_on(url, hosts)).any(axis=1)
    ids = {_find(root, name, corrections) for name in names}
    ids.update(seen.loc[is_chosen, "id"].dropna())
    # Scrape may not have seen images in data/.
    rows = {
        name
        for name, facts in read_metadata(root / "data").items()
        if facts.author in authors or is_on(facts.page_url, hosts)
    }
    labels = _read_labels(root, rows | {_below_data(root, name) for name in names})
    ids.update(labels)
    known = manifest.dropna(subset="label")
    labels |= dict(known[["id", "label"]].itertuples(index=False))
    ordered = sorted(ids)
    images = pd.DataFrame({"label": [labels.get(name) or "no label" for name in ordered]}, ordered)
    images = images.join(seen.drop_duplicates("id").set_index("id")["image_url"])
    urls = seen["image_url"].fillna(seen["page_url"])[is_chosen | seen["id"].isin(ids)]
    return Forgetting(images, hosts, authors, frozenset(urls.dropna()), rows)


def forget(
    workspace: Workspace, plan: Forgetting, *, reason: str = "", by: str = ""
) -> tuple[int, int, list[str]]:
    """Exclude images from later scrapes, drop them in ``decisions.csv``, and delete their files.

    Repeating the call, or another call, completes an interrupted one.

    Args:
        workspace: Folders of the project, in which no stage and no DVC runs.
        plan: The images.
        reason: Why, for ``decisions.csv``.
        by: Who, for ``decisions.csv``.

    Returns:
        The numbers of deleted copies and of deleted rows of ``data/metadata.csv``, and which parts
        of logs of predictions could not be reached, a text for each.

    Raises:
        LockedError: ``decisions.csv`` or the inbox is locked.
        ParamsError: ``params.yaml`` cannot be edited.
        DecisionsError: ``decisions.csv`` is malformed.
    """
    root = workspace.root
    params = load_params(root)
    ids = {*plan.images.index}
    # Exclusions come first, so that nothing returns if this process is killed.
    _exclude(root, params, ids, plan.hosts, plan.authors)
    table = DecisionTable(root)
    table.decide(
        _drop_all(ids, table.decided, why=f"{FORGOTTEN}: {reason}" if reason else FORGOTTEN, by=by),
        then="pixmill forget again",
    )
    ids |= forgotten_ids(table.decided)  # of interrupted calls, too
    _clear_log(table, ids)
    removed = _clear_inbox(Inbox(root / "inbox"), ids)
    missed = [text for log in recorded_logs(root) for text in forget_logged(log, ids)]
    with hold_journal(params.scrape, workspace.home / ".pixmill/scrape") as journal:
        journal.forget(plan.urls)
    copies = _find_copies(root, ids)
    rows = _delete_rows(root / "data", plan.rows, copies)
    caches = [path for pattern in _OTHERS for path in workspace.home.glob(pattern)]
    sidecars = [Path(f"{path}{SIDECAR}") for path in copies]
    remove_scratch([*sidecars, *copies, *caches])  # A sidecar is only found by its image.
    return len(copies) + removed, rows, missed


def forgotten_ids(decided: Mapping[str, Decided]) -> set[str]:
    """Return the ids of the images that are forgotten."""
    return {
        name for name, of in decided.items() if of.fate == "drop" and of.why.startswith(FORGOTTEN)
    }


def _drop_all(
    ids: Iterable[str], decided: Mapping[str, Decided], *, why: str, by: str
) -> dict[Key, Row | None]:
    changes: dict[Key, Row | None] = {}
    for name in ids:
        if name in decided:
            changes |= clear(decided[name])
        changes |= set_fate(name, "drop", by=by, why=why)
    return changes


def _clear_log(table: DecisionTable, ids: AbstractSet[str]) -> None:
    """Remove images from the log, so that nobody undoes or restores anything of them."""
    kept = []
    for action in table.actions():
        changes = tuple(change for change in action.changes if change.key[0] not in ids)
        accepted = action.accepted
        if accepted and accepted.image in ids:
            accepted = None
        kept.append(action.model_copy(update={"changes": changes, "accepted": accepted}))
    table.keep(kept)


def _clear_inbox(inbox: Inbox, ids: AbstractSet[str]) -> int:
    """Drop corrections of images, and return their number."""
    entries, _ = inbox.entries()
    removed = [entry for entry in entries if not ids.isdisjoint((entry.id, entry.original))]
    inbox.drop(entry.id for entry in removed)
    inbox.remove([name for entry in removed for name in entry.names])
    return len(removed)


def _find_copies(root: Path, ids: AbstractSet[str]) -> list[Path]:
    copies = track(_files_of(root), "Find copies", unit="file")
    return [path for path in copies if path.is_file() and file_digest(path) in ids]


def _files_of(root: Path) -> Iterator[Path]:
    for place in _PLACES:
        for top, _, files in os.walk(root / place):
            yield from (Path(top, name) for name in files)


def _delete_rows(data: Path, chosen: AbstractSet[str], copies: Iterable[Path]) -> int:
    """Delete rows of ``data/metadata.csv``, also of the files in ``data/``; return their number."""
    rows = read_metadata(data)
    gone = {
        to_nfc(path.relative_to(data).as_posix()) for path in copies if path.is_relative_to(data)
    }
    gone = rows.keys() & (gone | chosen)
    if gone:
        write_metadata(data, {name: row for name, row in rows.items() if name not in gone})
    return len(gone)


def _below_data(root: Path, name: str) -> str:
    """Return the path of a file relative to ``data/``; another text for others."""
    path = root / name
    data = root / "data"
    return to_nfc(path.relative_to(data).as_posix()) if path.is_relative_to(data) else name


def _read_labels(root: Path, names: AbstractSet[str]) -> dict[str, str | None]:
    """Return the labels of files in ``data/`` by id; ``None`` if a file has none.

    Args:
        root: Project folder.
        names: Paths relative to ``data/``, in NFC.
    """
    data = root / "data"
    params = load_params(root)
    classes = class_by_name(params.classes, params.scrape.folder.classes)
    rows = read_metadata(data)
    labels: dict[str, str | None] = {}
    for path in data.rglob("*"):
        name = to_nfc(path.relative_to(data).as_posix())
        if name in names and path.is_file():
            row = rows.get(name)
            label = (row and row.label) or path.parent.name
            digest = file_digest(path)
            labels[digest] = classes.get(to_nfc(label)) or labels.get(digest)
    return labels


def _read(root: Path, name: str, schema: pa.Schema) -> pd.DataFrame:
    path = root / "artifacts/scrape" / f"{name}.parquet"
    return (
        read_table(path, schema, stage="scrape")
        if path.exists()
        else schema.empty_table().to_pandas()
    )


def _find(root: Path, name: str, corrections: Sequence[Entry]) -> str:
    """Return the id of an image by its file, id or at least the first 8 digits, path or URL."""
    content = named_bytes(root, name)
    if content is not None:
        return hashlib.sha256(content).hexdigest()
    if _ID.fullmatch(name):
        return name
    found = find_ids(root, name) | {each.id for each in corrections if each.id.startswith(name)}
    return only_id(name, found if len(name) >= MIN_ID_LENGTH else ())


def _exclude(
    root: Path, params: Params, ids: Iterable[str], hosts: Iterable[str], authors: Iterable[str]
) -> None:
    """Add images, hosts and authors to the exclusions of ``params.yaml``."""
    scrape = params.scrape
    values = {
        "exclude_ids": _merged(scrape.exclude_ids, (name[:16] for name in ids)),
        "opt_out": _merged(scrape.opt_out, hosts),
        "exclude_authors": _merged(scrape.exclude_authors, authors),
    }
    wanted = params.model_copy(update={"scrape": scrape.model_copy(update=values)})
    path = root / "params.yaml"
    advice = "write the section scrape in block style, then: the same command"
    write_text(path, edit_params(read_text(path), wanted, otherwise=advice))


def _merged(old: Iterable[str], new: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*old, *new}))
