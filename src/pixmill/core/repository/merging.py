"""Merge branches: Git runs this module for ``data.dvc`` and ``decisions.csv``, and takes one side of results.

``.gitattributes`` gives these files a driver by name. Its command is in the configuration of each
clone, because a file in Git could run code of a branch that nobody has read.
"""

import contextlib
import re
import shlex
import shutil
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pixmill.core.decided_cells import DECIDED, written_task
from pixmill.core.decisions import (
    BY_SPLIT,
    Key,
    Row,
    disputes,
    group_rows,
    render_row,
    render_rows,
    with_ids,
)
from pixmill.core.decisions import (
    FILE as DECISIONS,
)
from pixmill.core.errors import DataError, PixmillError
from pixmill.core.files.writing import write_bytes, write_text
from pixmill.core.process.account import complete_account
from pixmill.core.process.progress import announce
from pixmill.core.repository.dvc import (
    listing_md5,
    listing_text,
    object_file,
    read_listing,
    read_record,
)
from pixmill.core.repository.git import change, git
from pixmill.core.review_csv import rows_of
from pixmill.core.spellings import resolve
from pixmill.core.words import count

_DRIVERS = {
    "data.dvc": "pixmill-images",
    DECISIONS: "pixmill-decisions",
    **dict.fromkeys(("dvc.lock", "metrics/**", "plots/**"), "pixmill-results"),
}
"""Driver by pattern, as in ``.gitattributes``; the next run writes results again, so either side is fine."""

FIX = "pixmill doctor --fix"
"""The command that adds the drivers to a clone."""

_IMAGES = "data.dvc"
_MERGED = ("merge.pixmill-images.driver", "merge.pixmill-decisions.driver")
_RESULTS = "merge.pixmill-results.driver"


def merge_problem(root: Path) -> tuple[str, str] | None:
    """Return why Git does not merge images and results here, and the command that mends it; ``None`` if it does.

    Without Git or ``data.dvc``, there is nothing to merge, and so no problem.

    Args:
        root: Project folder.
    """
    if git(root, "rev-parse", "HEAD:./data.dvc") is None:
        return None
    if not all(_runs(git(root, "config", name)) for name in (*_MERGED, _RESULTS)):
        return "this clone cannot merge images, decisions and results of two branches", FIX
    found = (git(root, "check-attr", "merge", "--", *_DRIVERS) or "").splitlines()
    if missing := [
        name for name, driver in _DRIVERS.items() if f"{name}: merge: {driver}" not in found
    ]:
        # It adds the file, or prints the lines that an edited one lacks.
        return f".gitattributes names no merge driver for {', '.join(missing)}", "pixmill new ."
    return None


def _runs(command: str | None) -> bool:
    words = shlex.split(command or "")
    return bool(words) and shutil.which(words[0]) is not None


def add_drivers(root: Path) -> None:
    """Add the drivers to the configuration of this clone.

    Args:
        root: Project folder.

    Raises:
        GitError: Git cannot write its configuration.
    """
    # -P: no modules from the current folder. Without Pixmill, there are conflict marks instead of
    # one side's images or decisions.
    merge = f"{shlex.quote(sys.executable)} -P -m {__name__} %O %A %B %P"
    merge += " || git merge-file -L ours -L base -L theirs %A %O %B"
    if git(root, "rev-parse", "--git-dir") is not None:
        for name in _MERGED:
            change(root, "config", name, merge)
        change(root, "config", _RESULTS, "true")


def is_merged(path: str) -> bool:
    """Return whether Pixmill merges a file: images, decisions, or results, which the next run writes again."""
    return path in _DRIVERS or path.startswith(
        tuple(name.removesuffix("**") for name in _DRIVERS if "*" in name)
    )


def is_resolved(root: Path, path: str) -> bool:
    """Return whether a person has resolved a conflict of images or decisions: neither marks nor one side's content.

    Args:
        root: Project folder.
        path: File in conflict.
    """
    sides = [git(root, "show", f":{stage}:./{path}") for stage in (2, 3)]
    if path not in (_IMAGES, DECISIONS) or not any(sides) or not (root / path).is_file():
        return False
    text = (root / path).read_text("utf-8", "surrogateescape")
    # Line ends differ between Git and the file.
    return "<<<<<<<" not in text and text.split() not in [(side or "").split() for side in sides]


def merge_again(root: Path, files: Sequence[str]) -> list[str]:
    """Merge files in conflict as the drivers do, and mark them as resolved.

    Args:
        root: Project folder.
        files: Files with conflict marks or in conflict by Git's index; those that a person
            resolved, and others than images and results, are ignored.

    Returns:
        The files that were merged.

    Raises:
        DataError: Images of one side are missing, or Git does not have both sides of a file.
        GitError: Git cannot write its index.
    """
    merged = [path for path in files if is_merged(path) and not is_resolved(root, path)]
    for path in merged:
        # Marks may have been added to the index.
        git(root, "checkout", "--merge", "--", path)
        base, ours, theirs = (git(root, "show", f":{stage}:./{path}") for stage in (1, 2, 3))
        has_sides = ours is not None and theirs is not None
        if not has_sides and (path == _IMAGES or (base or ours or theirs) is None):
            why = f"{path} is in conflict, but Git does not have both sides of it"
            raise DataError(why, next=f"git checkout COMMIT {path}, of: git log --all -- {path}")
        if path in (_IMAGES, DECISIONS):
            text = _merge(root, path, base or "", ours or "", theirs or "")
            write_text(root / path, text)
            change(root, "add", "--", path)
        elif git(root, "cat-file", "-e", f"HEAD:./{path}") is None:  # deleted on our side
            change(root, "rm", "-q", "-f", "--", path)
        else:
            change(root, "checkout", "HEAD", "--", path)
    return merged


def _merge(root: Path, path: str, base: str, ours: str, theirs: str) -> str:
    merge = merge_decisions if path == DECISIONS else merge_records
    return merge(root, base, ours, theirs)


def merge_records(root: Path, base: str, ours: str, theirs: str) -> str:
    """Return ``data.dvc`` with the images of both sides; DVC's cache gets the list of them.

    An image that one side moved or deleted is moved or deleted, unless the other side changed its
    content. If both sides have different images of one name, the name of the other side's gets its
    hash.

    Args:
        root: Project folder.
        base: ``data.dvc`` of the common ancestor; empty if there is none.
        ours: That of our side.
        theirs: That of the other side.

    Raises:
        DataError: A file is not valid, or neither DVC's cache nor its remote has the list of its
            images.
    """
    from dvc.repo import Repo

    with Repo(str(root)) as repo:
        our = _listing(repo, ours)
        their = _listing(repo, theirs)
        try:
            was = _listing(repo, base)
        except DataError:
            announce(
                "note: the list of earlier images is lost, so images that one side deleted or "
                "moved are back"
            )
            was = dict(our.items() & their.items())
        cache = Path(repo.cache.local.path)
    merged = _merge_listings(was, our, their)
    md5 = listing_md5(merged)
    if not object_file(cache, md5).exists():
        write_bytes(object_file(cache, md5), listing_text(merged).encode())
    files = [object_file(cache, each) for each in merged.values()]
    size = (
        sum(file.stat().st_size for file in files)
        if all(file.is_file() for file in files)
        else None
    )
    if merged != our:
        fetch = "dvc pull data.dvc, or without a DVC remote: dvc checkout data.dvc"
        announce(f"note: data/ lacks images of the other side\nNext: {fetch}")
    text = re.sub(r"md5: \w+\.dir", f"md5: {md5}", ours)
    text = re.sub(r"nfiles: \d+", f"nfiles: {len(merged)}", text)
    # As in DVC, the size is left out if not all images are in the cache.
    return re.sub(r" *size: \d+\n", "" if size is None else f"  size: {size}\n", text)


def _merge_listings(
    was: Mapping[str, str], ours: Mapping[str, str], theirs: Mapping[str, str]
) -> dict[str, str]:
    """Return the MD5 of each image of both sides by name."""
    merged = dict(ours)
    for name in sorted({*was, *theirs}):
        old = was.get(name)
        here = ours.get(name)
        there = theirs.get(name)
        if there in (old, here):
            continue  # only our side changed it, or both did the same
        if there is None:
            if here == old:
                del merged[name]
        elif here in (old, None):
            merged[name] = there
        else:
            path = PurePosixPath(name)
            twin = f"{path.with_suffix('')}-{there[:8]}{path.suffix}"
            announce(
                f"note: both sides have a data/{name}; that of the other side is now data/{twin}"
            )
            merged[twin] = there
    return merged


def merge_decisions(root: Path, base: str, ours: str, theirs: str) -> str:
    """Return ``decisions.csv`` with the decisions of both sides; arguments as for :func:`merge_records`.

    Raises:
        DecisionsError: A side is malformed.
    """
    was, our, their = (rows_of(text) for text in (base, ours, theirs))
    ids = resolve(root, {row.image for rows in (was, our, their) for row in rows})
    merged = merge_rows(was, our, their, ids)
    if disputed := disputes(group_rows(merged, ids, DECIDED[written_task(root)])):
        images = count(len(disputed), "image")
        announce(
            f"note: people disagree about {images}, and validate leaves that out until they agree\n"
            "Next: pixmill review --only disputed"
        )
    return render_rows(merged)


def merge_rows(
    base: Iterable[Row], ours: Iterable[Row], theirs: Iterable[Row], ids: Mapping[str, str]
) -> tuple[Row, ...]:
    """Merge the rows of two branches, by image and label.

    A change or deletion by one side wins over an unchanged base, and a change over a deletion. Two
    labels for one image are two rows. Where both sides answer one question differently, both rows
    stay, and readers ask for a decision: no side's is lost.

    Args:
        base: Rows of the common ancestor.
        ours: Those of our side.
        theirs: Those of the other side.
        ids: Ids by other spellings: two spellings of an image are one key.
    """
    old, here, there = (_by_key(rows, ids) for rows in (base, ours, theirs))
    merged: list[Row] = []
    for key in {**here, **there}:
        was = old.get(key, ())
        our = here.get(key, ())
        their = there.get(key, ())
        if their == was:
            merged += our
        elif our == was:
            merged += their
        else:
            merged += _merge_changes(our, their)
    return tuple(sorted(merged, key=lambda row: (row.key, row.answer)))


def _merge_changes(ours: tuple[Row, ...], theirs: tuple[Row, ...]) -> list[Row]:
    """Return the rows of one key that both sides changed: one for each answer.

    The order of the sides does not matter, so two clones that merge each other agree. An image of
    a random sample stays in its split, whatever another label of it was given for.
    """
    both: dict[str, Row] = {}
    for row in sorted(
        {*ours, *theirs}, key=lambda row: (BY_SPLIT.index(row.split), row.by, row.why, row.image)
    ):
        both.setdefault(row.answer, row)
    return list(both.values())


def _by_key(rows: Iterable[Row], ids: Mapping[str, str]) -> dict[Key, tuple[Row, ...]]:
    found: dict[Key, dict[Row, None]] = defaultdict(dict)
    for row in with_ids(rows, ids):
        found[row.key][row] = None
    return {key: tuple(sorted(of, key=render_row)) for key, of in found.items()}


def _listing(repo: Any, text: str) -> Mapping[str, str]:
    """Return the MD5 of each image of a ``data.dvc``; the remote is asked if the cache lacks it."""
    from dvc.output import HashInfo

    if not text:
        return {}
    root = Path(repo.root_dir)
    cache = Path(repo.cache.local.path)
    md5 = (read_record(root, text) or {})["md5"]
    if (listing := read_listing(cache, md5)) is None:
        with contextlib.suppress(Exception):  # no remote, or it does not answer or lacks the list
            repo.cloud.pull([HashInfo("md5", md5)])
        listing = read_listing(cache, md5)
    if listing is None:
        raise DataError(
            (
                "data.dvc cannot be merged: neither DVC's cache nor its remote has the list of "
                "images "
                f"{md5}"
            ),
            next=(
                "where they were added, check out their branch and `dvc push` to a remote of "
                f"both; then here: {FIX}"
            ),
        )
    return listing


if __name__ == "__main__":
    complete_account()
    *files, name = map(Path, sys.argv[1:])
    try:
        base, ours, theirs = (file.read_text("utf-8", "surrogateescape") for file in files)
        text = _merge(name.absolute().parent, name.name, base, ours, theirs)
        files[1].write_text(text, "utf-8")
    except PixmillError as error:
        sys.exit(f"pixmill: {error}")
