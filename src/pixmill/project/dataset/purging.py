"""Delete forgotten images from DVC's cache and remote, with all that was made from them and that HEAD does not use."""

import functools
import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from pixmill.core.errors import PixmillError
from pixmill.core.params import load_params
from pixmill.core.process.progress import track
from pixmill.core.repository.git import changed_files, git
from pixmill.core.repository.uncommitted import commit_command
from pixmill.images import EXTENSIONS, sniff
from pixmill.validate.decisions import FORGOTTEN, read_decisions

_HEAD_BYTES = 4096
"""Bytes that suffice to detect the format of a file."""

_HISTORY = (
    "log",
    "--all",
    "--reflog",
    "HEAD",
    "--full-history",
    "--date-order",
    "--format=%H",
    "--",
    "*.dvc",
    "*dvc.lock",
)
"""Commits of all branches, tags and experiments, and those that were rebased, newest first."""

_RUN = "dvc repro && git commit -a"
_CODE = ("src/", "stages/")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

State = frozenset[tuple[str, str]]
"""Path and MD5 of all outputs of a commit, or of the inputs and outputs of a run."""

Listings = Mapping[str, Mapping[str, str]]
"""MD5 of each file of a folder by relative path, by the MD5 of the folder."""


@dataclass(frozen=True)
class Purge:
    """Objects to delete.

    Args:
        objects: MD5s of objects that hold a forgotten image or were made from it, and that HEAD does not use; listings
            of folders come last, since a repeated purge needs them.
        sizes: Size in bytes of those objects that exist, by store and MD5.
        commits: A line for each commit that cannot be checked out afterwards, newest first.
        unknown: Number of commits whose listing of images is in no store, so that they were not examined.
    """

    objects: tuple[str, ...]
    sizes: Mapping[str, Mapping[str, int]]
    commits: tuple[str, ...]
    unknown: int


class Purging:
    """Find and delete the objects of forgotten images, which are lines of ``review.csv`` in ``HEAD``.

    An object belongs to such an image if a commit whose ``data/`` or ``artifacts/scrape`` has the image uses it, or a
    run in DVC's run cache made it from such an object; and if no other commit uses it. In a cache within the project,
    pages and tables that no commit uses are deleted, too, since nothing says from which images they were made.

    Args:
        root: Project folder.
        remote: Whether to purge the default remote, too.

    Raises:
        PixmillError: There are uncommitted changes, ``HEAD`` still has such an image, nothing was forgotten, or
            there is no such remote.
    """

    def __init__(self, root: Path, *, remote: bool = False) -> None:
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        if changed_files(root, "--untracked-files=no") or commit_command(root, "Forget images"):
            raise PixmillError(
                "there are uncommitted changes", next=f'{_RUN} -m "Forget images", then: the same command'
            )
        self._root = root
        decisions = read_decisions(root / "review.csv", load_params(root).classes)
        self._ids = {item.image for item in decisions if item.why.startswith(FORGOTTEN)}
        if not self._ids:
            raise PixmillError("review.csv has no forgotten image", next="pixmill forget ID")
        try:
            repo = Repo(str(root))
            self._stores: dict[str, Any] = {"cache": repo.cache.local}
            if remote:
                self._stores["remote"] = repo.cloud.get_remote_odb(command="pull")
        except DvcException as error:
            raise PixmillError(f"DVC: {str(error).splitlines()[0]}", next="dvc remote list") from None

    def plan(self) -> Purge:
        """Find the objects."""
        names = (git(self._root, *_HISTORY) or "").split()
        commits = {name: self._state(name) for name in track(names, "Read commits", len(names))}
        head, cache = self._state("HEAD"), Path(self._stores["cache"].path)
        runs = [_parse(file.read_text("utf-8")) for file in cache.parents[1].glob("runs/*/*/*") if file.is_file()]
        states = [head, *commits.values(), *runs]
        # Other projects may use a cache elsewhere.
        is_own = cache.resolve().is_relative_to(self._root.resolve())
        cached = set(self._stores["cache"].all()) if is_own else set()
        folders = {md5 for md5 in cached.union(md5 for state in states for _, md5 in state) if md5.endswith(".dir")}
        listed = {md5: files for md5 in folders if (files := self._listing(md5))}
        images = {md5 for files in listed.values() for name, md5 in files.items() if self._is_named(name)}
        images |= self._find_by_content(head, listed)
        holding = {md5 for md5, files in listed.items() if not images.isdisjoint(files.values())}
        holding |= {md5 for md5, files in listed.items() if any(map(self._is_named, files))}
        if any(md5 in holding for _, md5 in head) or not _has_listings(head, listed):
            raise PixmillError(
                "the results in HEAD still have a forgotten image, or are not in DVC's cache",
                next=f'dvc pull; {_RUN} -m "Forget images"; then: the same command',
            )
        tainted = [name for name, state in commits.items() if any(md5 in holding for _, md5 in state)]
        known = [name for name, state in commits.items() if name in tainted or _has_listings(state, listed)]
        keep = _objects([head, *(commits[name] for name in known if name not in tainted)], listed)
        doomed, more = set(), (images | holding) - keep
        while more:
            doomed |= more
            found = [state for state in states if any(md5 in doomed for _, md5 in state)]
            more = _objects(found, listed, images) - keep - doomed
        doomed |= {md5 for md5 in cached - _objects(states, listed) - doomed if not self._is_image(md5)}
        ordered = tuple(sorted(doomed, key=lambda md5: (md5.endswith(".dir"), md5)))
        sizes = {
            name: {md5: store.fs.size(store.oid_to_path(md5)) for md5 in store.oids_exist(ordered)}
            for name, store in self._stores.items()
        }
        words = ("log", "--no-walk=unsorted", "--date=short", "--format=%h %ad %s%d", *tainted)
        lines = (git(self._root, *words) or "").splitlines() if tainted else ()
        return Purge(ordered, sizes, tuple(lines), len(commits) - len(known))

    def delete(self, purge: Purge) -> None:
        """Delete the objects; after an interruption, another purge deletes the rest."""
        # The cache comes last, since objects that no commit uses are only found there.
        for name, store in reversed(self._stores.items()):
            found = [md5 for md5 in purge.objects if md5 in purge.sizes[name]]
            for md5 in track(found, f"Purge {name}", len(found), unit="object"):
                store.delete(md5)

    def _state(self, commit: str) -> State:
        """Return the outputs in all ``.dvc`` and lock files of a commit."""
        lines = (git(self._root, "ls-tree", "-r", "-z", commit) or "").split("\0")
        heads = [line.partition("\t")[0] for line in lines if line.endswith((".dvc", "dvc.lock"))]
        return frozenset(item for head in heads for item in _parse_blob(self._root, head.split()[2]))

    def _read(self, md5: str, size: int = -1) -> bytes | None:
        for store in self._stores.values():
            if store.exists(md5):
                with store.fs.open(store.oid_to_path(md5), "rb") as stream:
                    return bytes(stream.read(size))
        return None

    def _listing(self, md5: str) -> Mapping[str, str]:
        content = self._read(md5)
        return {item["relpath"]: item["md5"] for item in json.loads(content)} if content else {}

    def _is_named(self, name: str) -> bool:
        """Return whether a file is named by the id of a forgotten image."""
        return PurePosixPath(name).stem in self._ids

    def _is_image(self, md5: str) -> bool:
        return not md5.endswith(".dir") and sniff(self._read(md5, _HEAD_BYTES) or b"") in EXTENSIONS

    def _find_by_content(self, head: State, listed: Listings) -> set[str]:
        """Return the MD5s of forgotten images that scrape never had, by the bytes of files that HEAD lacks."""
        if self._ids <= {PurePosixPath(name).stem for files in listed.values() for name in files}:
            return set()
        others = {md5 for files in listed.values() for md5 in files.values()} - _objects([head], listed)
        found = track(sorted(others), "Search images", len(others), unit="object")
        return {md5 for md5 in found if hashlib.sha256(self._read(md5) or b"").hexdigest() in self._ids}


@functools.cache
def _parse_blob(root: Path, name: str) -> State:
    return _parse(git(root, "cat-file", "blob", name) or "")


def _parse(text: str) -> State:
    """Return the files in a lock file, a ``.dvc`` file or a file of the run cache; empty if it is malformed."""
    try:
        content = yaml.load(text, _LOADER) or {}  # noqa: S506 (a safe loader)
        records = content["stages"].values() if "stages" in content else [content]
        files = [item for record in records for key in ("deps", "outs") for item in record.get(key, ())]
        # Other inputs, such as code, are not in the cache.
        return frozenset(
            (str(item["path"]), str(item["md5"]))
            for item in files
            if "md5" in item and not str(item["path"]).startswith(_CODE)
        )
    except (yaml.YAMLError, AttributeError, LookupError, TypeError):
        return frozenset()


def _has_listings(state: State, listed: Listings) -> bool:
    """Return whether the files in ``data/`` and ``artifacts/scrape`` are known."""
    return all(md5 in listed for path, md5 in state if path in ("data", "artifacts/scrape"))


def _objects(states: Iterable[State], listed: Listings, images: Collection[str] | None = None) -> set[str]:
    """Return the MD5s of files, of folders and of the files in folders.

    Args:
        states: The files and folders.
        listed: Files of folders by MD5.
        images: Of the single images in ``data/`` and ``artifacts/scrape/images/``, return only these; default: all.
    """
    found = set()
    for path, folder in {item for state in states for item in state}:
        found.add(folder)
        for name, md5 in listed.get(folder, {}).items():
            is_single = path == "data" or (path == "artifacts/scrape" and name.startswith("images/"))
            if images is None or md5 in images or not is_single:
                found.add(md5)
    return found
