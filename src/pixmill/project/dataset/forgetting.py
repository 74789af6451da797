"""Take images out of a project: exclude them from later scrapes, and delete their files."""

import hashlib
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pyarrow as pa

from pixmill.core.errors import PixmillError
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import file_digest, write_text
from pixmill.core.manifest import SCRAPED, SIGHTINGS, VALIDATED, read_table
from pixmill.core.metadata import FILE, read_metadata, write_metadata
from pixmill.core.params import Params, load_params, read_text
from pixmill.core.params.document import edit_params
from pixmill.core.process.progress import track
from pixmill.review.decision_log import MIN_ID_DIGITS, DecisionLog
from pixmill.review.review_file import ReviewFile
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.journal import hold_journal
from pixmill.serve.inbox import Entry, Inbox
from pixmill.validate.decisions import FORGOTTEN, Decision, Names
from pixmill.web.fetch import Fetched
from pixmill.web.fetch.location import decode_data_uri, is_on

_PLACES = ("data", "artifacts", ".pixmill", "inbox")
"""Folders of a project that may have copies of an image's file."""

_ID = re.compile(rf"[0-9a-f]{{{MIN_ID_DIGITS},64}}")


@dataclass(frozen=True)
class Images:
    """Images to forget.

    Args:
        ids: Their ids, sorted.
        sizes: Size in bytes of those whose size is known, by id.
        hosts: Hosts to exclude from later scrapes.
        authors: Authors to exclude from later scrapes.
        alike: Ids of their near-duplicates, which stay.
        places: Other names that ``review.csv`` may have for an image: its path, and URLs and files of its sightings.
    """

    ids: tuple[str, ...]
    sizes: Mapping[str, int] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    authors: tuple[str, ...] = ()
    alike: tuple[str, ...] = ()
    places: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def find_images(root: Path, names: Sequence[str], *, hosts: Sequence[str] = (), authors: Sequence[str] = ()) -> Images:
    """Find images in the tables of scrape, in ``data/`` and in the inbox.

    Args:
        root: Project folder.
        names: An id or at least its first 8 digits, a file, or a path or URL as in ``review.csv``.
        hosts: Hosts of pages or images, with their subdomains, in the form of ``scrape.opt_out``.
        authors: Authors, exactly as in the tables.

    Raises:
        PixmillError: A name fits no image, or several.
    """
    manifest = _read(root / "artifacts/scrape/manifest.parquet", SCRAPED)
    seen = _read(root / "artifacts/scrape/sightings.parquet", SIGHTINGS)
    known = {*manifest["id"], *(entry.id for entry in Inbox(root / "inbox").entries()[0])}
    ids = {_find(root, name, known, manifest, seen) for name in names}
    on_host = pd.concat([seen["page_url"], seen["image_url"]]).dropna().drop_duplicates()
    on_host = on_host[[is_on(url, hosts) for url in on_host]]
    chosen = seen["page_url"].isin(on_host) | seen["image_url"].isin(on_host) | seen["author"].isin(authors)
    ids |= {*seen.loc[chosen, "id"].dropna()}
    for name, facts in read_metadata(root / "data").items():
        if (facts.author in authors or is_on(facts.page_url, hosts)) and (root / "data" / name).is_file():
            ids.add(file_digest(root / "data" / name))
    sizes = dict(zip(manifest["id"], manifest["bytes"].astype(int), strict=True))
    every = pd.concat([manifest.set_index("id")["path"], seen.set_index("id")["image_url"]]).dropna()
    places = {str(name): tuple(rows) for name, rows in every[every.index.isin(ids)].groupby(level=0)}
    validated = _read(root / "artifacts/validate/manifest.parquet", VALIDATED)
    groups = validated.loc[validated["id"].isin(ids), "group"].dropna()
    alike = {*validated.loc[validated["group"].isin(groups), "id"]} - ids
    return Images(
        tuple(sorted(ids)),
        {name: sizes[name] for name in ids & sizes.keys()},
        tuple(hosts),
        tuple(authors),
        tuple(sorted(alike)),
        places,
    )


def forget(
    workspace: Workspace, images: Images, *, reason: str = "", by: str = "", dry_run: bool = False
) -> dict[str, int]:
    """Exclude images from later scrapes, drop them in ``review.csv``, and delete their files.

    Repeating the call completes an interrupted one.

    Args:
        workspace: Folders of the project, in which no stage and no DVC runs.
        images: The images.
        reason: Why, for ``review.csv``.
        by: Who, for ``review.csv``.
        dry_run: Whether to change nothing.

    Returns:
        The number of changes by place.

    Raises:
        LockedError: ``review.csv`` or the inbox is locked.
        ParamsError: ``params.yaml`` cannot be edited.
        ReviewError: ``review.csv`` is malformed.
    """
    root, ids = workspace.root, frozenset(images.ids)
    params = load_params(root)
    inbox = Inbox(root / "inbox")
    corrections = [entry for entry in inbox.entries()[0] if not ids.isdisjoint((entry.id, entry.original))]
    files = list(_files(root, images))
    rows = read_metadata(root / "data")
    named = rows.keys() & {
        path.relative_to(root / "data").as_posix() for path in files if (root / "data") in path.parents
    }
    done = Counter(f"{path.relative_to(root).parts[0]}/" for path in files)
    done |= Counter({"inbox/": len(corrections), "review.csv": len(ids), f"data/{FILE}": len(named)})
    if not dry_run:
        # Exclusions come first, so that nothing returns if this process is killed.
        _exclude(root, params, images)
        names = [Names(name, images.places.get(name, ())) for name in images.ids]
        lock = workspace.scratch("review") / "review.lock"
        why = f"{FORGOTTEN}: {reason}" if reason else FORGOTTEN
        review_file = ReviewFile(root / "review.csv", params.classes, lambda _: names, lock=lock)
        review_file.change({name: Decision(0, name, "drop", by=by, why=why) for name in ids})
        _clear_inbox(root, inbox, ids, corrections)
        if named:
            write_metadata(root / "data", {name: facts for name, facts in rows.items() if name not in named})
        for path in files:
            path.unlink(missing_ok=True)
        _clear_caches(workspace, params, images)
    return {place: number for place, number in sorted(done.items()) if number}


def _read(path: Path, schema: pa.Schema) -> pd.DataFrame:
    return read_table(path, schema, stage=path.parent.name) if path.exists() else schema.empty_table().to_pandas()


def _find(root: Path, name: str, known: Collection[str], manifest: pd.DataFrame, seen: pd.DataFrame) -> str:
    """Return the id of a named image."""
    for path in (Path(name), root / name):
        if path.is_file():
            return file_digest(path)
    start = name.lower()
    if len(start) == len(hashlib.sha256().hexdigest()) and _ID.fullmatch(start):
        return start  # Its row may be gone already.
    found = {*manifest.loc[manifest["path"] == name, "id"], *seen.loc[seen["image_url"] == name, "id"].dropna()}
    if _ID.fullmatch(start):
        found |= {one for one in known if one.startswith(start)}
    if len(found) != 1:
        raise PixmillError(
            f"{name} names {len(found)} images of artifacts/scrape, data/ and inbox/",
            next=f"name it by its file, its URL, or its id (at least {MIN_ID_DIGITS} digits)",
        )
    return str(found.pop())


def _files(root: Path, images: Images) -> Iterator[Path]:
    """Yield the files with the bytes of an image; only those of a possible size are read."""
    sizes, ids = {*images.sizes.values()}, {*images.ids}
    all_sizes_known = ids <= images.sizes.keys()
    found = (Path(top, name) for place in _PLACES for top, _, names in os.walk(root / place) for name in names)
    for path in track(found if ids else (), "Find copies", unit="file"):
        if path.is_file() and (not all_sizes_known or path.stat().st_size in sizes) and file_digest(path) in ids:
            yield path


def _exclude(root: Path, params: Params, images: Images) -> None:
    """Add the images, hosts and authors to the exclusions of ``params.yaml``."""
    old = params.scrape
    added = {
        "exclude_ids": {*old.exclude_ids, *(name[:16] for name in images.ids)},
        "opt_out": {*old.opt_out, *images.hosts},
        "exclude_authors": {*old.exclude_authors, *images.authors},
    }
    scrape = old.model_copy(update={name: tuple(sorted(values)) for name, values in added.items()})
    wanted, text = params.model_copy(update={"scrape": scrape}), read_text(root / "params.yaml")
    write_text(
        root / "params.yaml",
        edit_params(text, wanted, otherwise="write the section scrape in block style, then: the same command"),
    )


def _clear_inbox(root: Path, inbox: Inbox, ids: Collection[str], corrections: Sequence[Entry]) -> None:
    """Delete corrections and logged decisions; marks of dropped images keep later corrections out."""
    if corrections:
        inbox.drop(entry.id for entry in corrections)
        inbox.remove([name for entry in corrections for name in entry.names])
    log = DecisionLog(inbox, root)
    log.forget(item for items in log.read() for item in items.values() if item.image in ids)


def _clear_caches(workspace: Workspace, params: Params, images: Images) -> None:
    """Delete small copies of images: in the results of searches, and in the measurements of validate."""
    ids, urls = {*images.ids}, {url for urls in images.places.values() for url in urls}

    def is_forgotten(candidate: Candidate) -> bool:
        url = candidate.image_url or ""
        on_host = any(is_on(one, images.hosts) for one in (url, candidate.page_url))
        if url in urls or candidate.author in images.authors or on_host:
            return True
        content = decode_data_uri(url, max_bytes=params.scrape.max_bytes)
        return isinstance(content, Fetched) and hashlib.sha256(content.content).hexdigest() in ids

    scratch = workspace.home / ".pixmill"
    if (scratch / "scrape/journal").is_dir():
        with hold_journal(params.scrape, scratch / "scrape") as journal:
            journal.forget(is_forgotten)
    for path in (scratch / "validate").glob("measures-*.sqlite"):
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("PRAGMA secure_delete = ON")
            database.executemany("DELETE FROM cache WHERE name = ?", [(bytes.fromhex(name),) for name in ids])
