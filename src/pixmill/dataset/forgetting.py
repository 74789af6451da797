"""Take images out of a project: exclude them from later scrapes, and delete their files."""

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from pixmill.core.files.scratch import remove_scratch
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import file_digest, write_text
from pixmill.core.manifest import SCRAPED, SIGHTINGS, read_table
from pixmill.core.metadata import read_metadata, write_metadata
from pixmill.core.names import class_by_name, to_nfc
from pixmill.core.params import Params, load_params, read_text
from pixmill.core.params.document import edit_params
from pixmill.core.process.progress import track
from pixmill.dataset.decision_log import MIN_ID_DIGITS, DecisionLog
from pixmill.dataset.inbox import Inbox
from pixmill.dataset.review_file import ReviewFile
from pixmill.dataset.tracing import find_ids, named_bytes, only_id
from pixmill.fetch.location import is_on
from pixmill.scrape.journal import hold_journal
from pixmill.validate.decisions import FORGOTTEN, Decision, Names, read_decisions

_PLACES = ("data", "artifacts", ".pixmill", "inbox")
"""Folders of a project that may have copies of an image's file."""

_OTHERS = (
    *(
        ".pixmill/validate/measures-*",
        ".pixmill/train/features/*.sqlite*",
        ".pixmill/scrape/browser/profile-*",
    ),
    *(".pixmill/scrape/probe", ".pixmill/review/features/*.sqlite*"),
    *(
        "reports/compare.html",
        "reports/promote.html",
        ".dvc/tmp/exps/tmp*",
        ".dvc/tmp/exps/standalone/tmp*",
    ),
)
"""Caches, pages that ``dvc repro`` does not make again, and what probes, killed browsers and experiments left."""

Texts = Sequence[str]

_ID = re.compile("[0-9a-f]{64}")


def forget(
    workspace: Workspace,
    names: Texts,
    *,
    hosts: Texts = (),
    authors: Texts = (),
    reason: str = "",
    by: str = "",
    dry_run: bool = False,
) -> tuple[pd.DataFrame, int, int]:
    """Exclude images from later scrapes, drop them in ``review.csv``, and delete their files.

    Repeating the call, or another call, completes an interrupted one.

    Args:
        workspace: Folders of the project, in which no stage and no DVC runs.
        names: An id or at least its first 8 digits, a file, or a path or URL as in ``review.csv``.
        hosts: Hosts of pages or images, with their subdomains, in the form of ``scrape.opt_out``.
        authors: Authors, exactly as in the tables.
        reason: Why, for ``review.csv``.
        by: Who, for ``review.csv``.
        dry_run: Whether to change nothing.

    Returns:
        ``label`` (or ``no label``) and first ``image_url`` of each image by id, and the numbers of
        deleted copies and of deleted rows of ``data/metadata.csv``, of which those of missing files
        have no image.

    Raises:
        LockedError: ``review.csv`` or the inbox is locked.
        ParamsError: ``params.yaml`` cannot be edited.
        DataError: A name fits no image, or several.
        DecisionsError: ``review.csv`` is malformed.
    """
    root = workspace.root
    inbox = Inbox(workspace.root / "inbox")
    params = load_params(root)
    (corrections, _) = inbox.entries()
    manifest = _read(root, "manifest", SCRAPED)
    seen = _read(root, "sightings", SIGHTINGS)
    places = pd.concat(
        [manifest.set_index("id")["path"], seen.dropna(subset=["id"]).set_index("id")["image_url"]]
    )
    ids = {_find(root, name, [entry.id for entry in corrections]) for name in names}
    is_on_host = (
        seen[["page_url", "image_url"]].fillna("").map(lambda url: is_on(url, hosts)).any(axis=1)
    )
    is_chosen = seen["author"].isin(authors) | is_on_host
    ids |= {*seen.loc[is_chosen, "id"].dropna()}
    # Scrape may not have seen images in data/.
    rows = read_metadata(data := root / "data")
    chosen = {
        name for name, row in rows.items() if row.author in authors or is_on(row.page_url, hosts)
    }
    images = {
        path: to_nfc(path.relative_to(data).as_posix())
        for path in data.rglob("*")
        if path.is_file()
    }
    chosen |= {
        images[path]
        for path in map(root.joinpath, names)
        if path in images and file_digest(path) in ids
    }
    by_name = class_by_name(params.classes, params.scrape.folder.classes)
    labels: dict[str, str | None] = {}
    for path, name in images.items():
        if name in chosen:
            label = rows[name].label if name in rows else None
            label = by_name.get(to_nfc(label or path.parent.name))
            digest = file_digest(path)
            labels[digest] = label or labels.get(digest)
    ids |= labels.keys()
    labels |= dict(manifest[["id", "label"]].itertuples(index=False))
    found = pd.DataFrame(
        {"label": [labels.get(name) or "no label" for name in sorted(ids)]}, sorted(ids)
    )
    found = found.join(seen.drop_duplicates("id").set_index("id")["image_url"])
    if dry_run:
        return found, 0, 0

    # Exclusions come first, so that nothing returns if this process is killed.
    _exclude(root, params, ids, hosts, authors)
    why = f"{FORGOTTEN}: {reason}" if reason else FORGOTTEN
    own = places[places.index.isin(ids)].dropna()
    named = [Names(name, tuple(own[own.index == name])) for name in ids]
    lock = workspace.scratch("review") / "review.lock"
    review_file = ReviewFile(root / "review.csv", params.classes, lambda _: named, lock=lock)
    review_file.change({name: Decision(0, name, "drop", by=by, why=why) for name in ids})
    ids |= forgotten_ids(root, params.classes)  # of interrupted calls, too
    removed = [entry for entry in corrections if not ids.isdisjoint((entry.id, entry.original))]
    inbox.drop(entry.id for entry in removed)
    inbox.remove([name for entry in removed for name in entry.names])
    log = DecisionLog(inbox, root)
    log.forget(item for items in log.read() for item in items.values() if item.image in ids)
    urls = seen["image_url"].fillna(seen["page_url"])[is_chosen | seen["id"].isin(ids)]
    with hold_journal(params.scrape, workspace.home / ".pixmill/scrape") as journal:
        journal.forget(frozenset(urls.dropna()))
    every = (
        Path(top, name)
        for place in _PLACES
        for top, _, files in os.walk(root / place)
        for name in files
    )
    files = {
        path
        for path in track(every, "Find copies", unit="file")
        if path.is_file() and file_digest(path) in ids
    }
    gone = rows.keys() & (chosen | {images[path] for path in images.keys() & files})
    if gone:
        write_metadata(data, {name: row for name, row in rows.items() if name not in gone})
    remove_scratch(
        [*files, *(path for pattern in _OTHERS for path in workspace.home.glob(pattern))]
    )
    return found, len(files) + len(removed), len(gone)


def forgotten_ids(root: Path, classes: Texts) -> set[str]:
    """Return the ids of the images that are forgotten in ``review.csv``.

    Raises:
        DecisionsError: ``review.csv`` is malformed.
    """
    decisions = read_decisions(root / "review.csv", classes)
    return {item.image for item in decisions if item.why.startswith(FORGOTTEN)}


def _read(root: Path, name: str, schema: pa.Schema) -> pd.DataFrame:
    path = root / "artifacts/scrape" / f"{name}.parquet"
    return (
        read_table(path, schema, stage="scrape")
        if path.exists()
        else schema.empty_table().to_pandas()
    )


def _find(root: Path, name: str, corrections: Texts) -> str:
    """Return the id of a named image.

    Args:
        root: Project folder.
        name: Its file, id or at least the first 8 digits, path or URL.
        corrections: Ids in the inbox.
    """
    content = named_bytes(root, name)
    if content is not None or _ID.fullmatch(name):
        return name if content is None else hashlib.sha256(content).hexdigest()
    found = find_ids(root, name) | {one for one in corrections if one.startswith(name)}
    return only_id(name, found if len(name) >= MIN_ID_DIGITS else ())


def _exclude(
    root: Path, params: Params, ids: Iterable[str], hosts: Iterable[str], authors: Iterable[str]
) -> None:
    """Add images, hosts and authors to the exclusions of ``params.yaml``."""
    added = {
        "exclude_ids": [name[:16] for name in ids],
        "opt_out": hosts,
        "exclude_authors": authors,
    }
    values = {
        name: tuple(sorted({*getattr(params.scrape, name), *more})) for name, more in added.items()
    }
    wanted = params.model_copy(update={"scrape": params.scrape.model_copy(update=values)})
    path = root / "params.yaml"
    advice = "write the section scrape in block style, then: the same command"
    write_text(path, edit_params(read_text(path), wanted, otherwise=advice))
