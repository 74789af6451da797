"""Delete forgotten images from DVC's cache and remote, with all that was made from them.

Lists of the files in ``data/`` and ``artifacts/scrape`` are shortened under their names, so that
branches and clones that use them can still be pulled: DVC trusts the name of a read-only object,
and does not verify lists of a remote.
"""

import contextlib
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pixmill.core.decisions import FILE
from pixmill.core.errors import DataError, PixmillError
from pixmill.core.files.writing import file_digest, replacing, write_text
from pixmill.core.process.progress import track
from pixmill.core.repository.documents import MalformedError, read_stages
from pixmill.core.repository.dvc import object_file, read_listing
from pixmill.core.repository.git import changed_files, git
from pixmill.core.review_csv import require_converted
from pixmill.core.words import first_of
from pixmill.dataset.deciding import DecisionTable
from pixmill.dataset.forgetting import forgotten_ids

_REMEMBERED = Path(".pixmill/forget/purge.json")
"""MD5s of the images of the last purge, which may have been interrupted."""

_COMMIT = 'dvc repro && git commit -am "Forget images"'

_IMAGE_FOLDERS = ("data", "artifacts/scrape")
"""Folders whose lists are shortened; other results cannot be used without the deleted files."""

Outputs = frozenset[tuple[str, str]]
"""Path and MD5 of the outputs of commits, and of the inputs that they were made from."""

Lists = Mapping[str, Mapping[str, str]]
"""MD5 of each file of a folder by relative path, by the MD5 of the folder."""


@dataclass(frozen=True)
class Purge:
    """Changes of DVC's stores.

    Args:
        stores: DVC's ``remote``, if there is one, and ``cache``. The cache is the last, since a
            repeated purge needs its lists.
        objects: MD5 of each object to delete, then of each list to shorten, by name of the store.
        deleted: MD5s that no list has afterwards.
        images: MD5s of the images.
        root: Project folder.
        others: Descriptions of others who may use the objects.
        unexamined: Number of lists, and of files that may be forgotten images, that only the remote
            has.
    """

    stores: Mapping[str, Any]
    objects: Mapping[str, Sequence[str]]
    deleted: Collection[str]
    images: Collection[str]
    root: Path
    others: Sequence[str]
    unexamined: int

    def execute(self) -> None:
        """Delete the objects, and shorten the lists; another purge completes an interrupted one."""
        from dvc.repo import Repo

        write_text(self.root / _REMEMBERED, json.dumps(sorted(self.images)))
        for name, store in self.stores.items():
            for md5 in track(
                self.objects[name], f"Purge {name}", len(self.objects[name]), unit="object"
            ):
                if md5 in self.deleted:
                    store.delete(md5)
                else:
                    _shorten(store, md5, self.deleted)
        Repo(str(self.root)).drop_data_index()  # It has the lists from before.


def plan_purge(root: Path) -> Purge:
    """Find the objects of the images that are forgotten in the ``decisions.csv`` of ``HEAD``.

    These are the images themselves, and all other results of commits whose ``data/`` or
    ``artifacts/scrape`` has one, unless ``HEAD`` or a commit without such images uses them. If the
    cache is in the project, so are images and tables in versions of these folders that no commit
    uses.

    Args:
        root: Project folder.

    Raises:
        PixmillError: There are uncommitted changes, nothing was forgotten, results of ``HEAD``
            still have such an image, or DVC fails.
    """
    ids = _forgotten(root)
    stores, others, is_own = _open_stores(root)
    cache = Path(stores["cache"].path)
    versions = _read_versions(root)
    every = Outputs().union(*versions.values())
    lists = _read_lists(cache, None if is_own else every)
    images, lacking = _find_images(cache, every, lists, ids)
    holding = _lists_with(images, lists)
    tainted = {
        name: outputs
        for name, outputs in versions.items()
        if not holding.isdisjoint(_objects(outputs, {}))
    }
    if "HEAD" in tainted or not lacking.isdisjoint(_objects(versions["HEAD"], lists)):
        problem = "the results in HEAD still have a forgotten image, or are not in DVC's cache"
        raise PixmillError(problem, next=f"dvc pull; {_COMMIT}; then: the same command")
    _require_remote(stores, versions["HEAD"])
    if refs := [name for name in _refs(root) if name in tainted]:
        first = "merge this commit into branches, and delete tags and experiments"
        others.append(
            f"branches, tags or experiments still have the images: {first_of(refs, 5)} ({first})"
        )
    used = Outputs().union(*(versions[name] for name in versions.keys() - tainted))
    results = _results(Outputs().union(*tainted.values()), holding, lists)
    deleted = (images | results) - _objects(used, lists)
    remembered = _remembered(root)
    gone = remembered.difference(
        *_existing(stores, [*remembered]).values()
    )  # A branch may contain any.
    shortened = _lists_with(images | gone, lists) - deleted
    # A repeated purge finds results by the images, files by their lists, and images by the lists
    # that are shortened.
    order = [*sorted(deleted, key=lambda md5: (md5 in images, md5.endswith(".dir"))), *shortened]
    objects = _existing(stores, order)
    return Purge(stores, objects, deleted | gone, images | gone, root, others, len(lacking - gone))


def _require_remote(stores: Mapping[str, Any], head: Outputs) -> None:
    """Refuse a remote that is not mounted or lacks ``data/``: nothing would be deleted there."""
    data = [*_objects(_at(["data"], head), {})]
    if "remote" in stores and len([*stores["remote"].oids_exist(data)]) < len(data):
        raise PixmillError("the remote cannot be reached, or lacks data/ of HEAD", next="dvc push")


def _remembered(root: Path) -> set[str]:
    path = root / _REMEMBERED
    try:
        return {*map(str, json.loads(path.read_bytes()))}
    except FileNotFoundError:
        return set()
    except (ValueError, TypeError, RecursionError):
        raise DataError(f"{path} is malformed", next=f"rm {path}; then: the same command") from None


def _forgotten(root: Path) -> set[str]:
    """Return the ids of the images that are forgotten in ``HEAD``.

    Raises:
        PixmillError: There are none, or there are uncommitted changes.
    """
    if changed_files(root, "--untracked-files=no"):
        raise PixmillError(
            "there are uncommitted changes", next=f"{_COMMIT}, then: the same command"
        )
    require_converted(root)
    ids = forgotten_ids(DecisionTable(root).decided)
    if not ids:
        raise PixmillError(f"{FILE} has no forgotten image", next="pixmill forget ID")
    return ids


def _open_stores(root: Path) -> tuple[dict[str, Any], list[str], bool]:
    """Return DVC's remote and cache, others who use them, and whether the cache is in the project.

    Raises:
        PixmillError: DVC fails.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    stores: dict[str, Any] = {}
    others = []
    try:
        repo = Repo(str(root))
        if repo.config["core"].get("remote"):
            stores["remote"] = repo.cloud.get_remote_odb(command="pull")
            others.append(f"clones and other projects may use the remote, {stores['remote'].path}")
    except DvcException as error:
        raise PixmillError(f"DVC: {str(error).splitlines()[0]}", next="dvc remote list") from None
    cache = stores["cache"] = repo.cache.local
    is_own = not repo.config["cache"].get("shared") and Path(cache.path).resolve().is_relative_to(
        root.resolve()
    )
    if not is_own:
        others.append(f"other projects may use DVC's cache, {cache.path}")
    return stores, others, is_own


def _refs(root: Path) -> list[str]:
    return (git(root, "for-each-ref", "--format=%(refname:short)") or "").splitlines()


def _read_versions(root: Path) -> dict[str, Outputs]:
    """Return the outputs of all refs, and of the commits that changed them, by name."""
    commits = git(root, "rev-list", "--all", "--full-history", "--", "dvc.lock", "data.dvc") or ""
    names = ["HEAD", *_refs(root), *commits.splitlines()]
    return {
        name: _outputs(root, name)
        for name in track(names, "Read commits", len(names), unit="commit")
    }


def _outputs(root: Path, commit: str) -> Outputs:
    """Return the files and folders in ``dvc.lock`` and all ``.dvc`` files of a commit."""
    found = set[tuple[str, str]]()
    files = (git(root, "ls-tree", "-rz", "--name-only", commit) or "").split("\0")
    for name in filter(re.compile(r"(^|/)dvc\.lock$|\.dvc$").search, files):
        content = (git(root, "show", f"{commit}:./{name}") or "").encode()
        with contextlib.suppress(MalformedError):  # DVC cannot check out such a commit.
            for stage in read_stages(content, name).values():
                items = (*stage.get("deps", ()), *stage.get("outs", ()))
                found.update((item["path"], item["md5"]) for item in items if "md5" in item)
    return frozenset(found)


def _read_lists(cache: Path, outputs: Outputs | None) -> dict[str, Mapping[str, str]]:
    """Return the lists in DVC's cache, only those of some outputs if given."""
    names = {path.parent.name + path.name for path in cache.glob("??/*.dir")}
    names &= names if outputs is None else _objects(outputs, {})
    return {md5: read_listing(cache, md5) or {} for md5 in names}


def _find_images(
    cache: Path, outputs: Outputs, lists: Lists, ids: set[str]
) -> tuple[set[str], set[str]]:
    """Return the MD5s of images, and of what the cache lacks: lists, and files that may be one."""
    named = {
        (PurePosixPath(name).stem, md5) for files in lists.values() for name, md5 in files.items()
    }
    images = {md5 for name, md5 in named if name in ids}
    lacking = _objects(_at(_IMAGE_FOLDERS, outputs), {}) - lists.keys()
    if missing := ids - {name for name, _ in named}:
        # Scrape never had images without a label.
        others = _objects(_at(["data"], outputs), lists) - _objects(
            _at(["artifacts/scrape"], outputs), lists
        )
        unread = {md5 for md5 in others if not object_file(cache, md5).is_file()}
        lacking |= unread
        images |= _search(cache, others - unread, missing)
    return images, lacking


def _search(cache: Path, md5s: Collection[str], ids: Collection[str]) -> set[str]:
    searched = track(md5s, "Search images", len(md5s))
    return {md5 for md5 in searched if file_digest(object_file(cache, md5)) in ids}


def _at(paths: Collection[str], outputs: Outputs) -> Outputs:
    return Outputs(item for item in outputs if item[0] in paths)


def _lists_with(files: Collection[str], lists: Lists) -> set[str]:
    return {md5 for md5, found in lists.items() if not {*found.values()}.isdisjoint(files)}


def _results(outputs: Outputs, holding: Collection[str], lists: Lists) -> set[str]:
    """Return the MD5s of what was made from images: outputs, and tables beside the images."""
    beside = {item for md5 in holding for item in lists[md5].items()}
    tables = {md5 for name, md5 in beside if name.lower().endswith((".csv", ".parquet"))}
    return tables | _objects(outputs - _at(_IMAGE_FOLDERS, outputs), lists)


def _objects(outputs: Outputs, lists: Lists) -> set[str]:
    """Return the MD5s of files and folders, and of the files in folders."""
    named = {md5 for _, md5 in outputs}
    return named.union(*(lists[md5].values() for md5 in named & lists.keys()))


def _existing(stores: Mapping[str, Any], md5s: Sequence[str]) -> dict[str, list[str]]:
    """Return the MD5s of objects that a store has, in the same order, by name of the store."""
    found = {name: {*store.oids_exist(md5s)} for name, store in stores.items()}
    return {name: [md5 for md5 in md5s if md5 in existing] for name, existing in found.items()}


def _shorten(store: Any, md5: str, deleted: Collection[str]) -> None:
    """Delete entries of a list, whose name then is no longer its MD5."""
    path = store.oid_to_path(md5)
    kept = [entry for entry in json.loads(store.fs.cat_file(path)) if entry["md5"] not in deleted]
    content = json.dumps(kept, sort_keys=True).encode()
    if store.fs.protocol != "local":
        store.fs.pipe_file(path, content)
        return
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(content)
        temporary.chmod(store.CACHE_MODE)  # DVC deletes a writable object whose MD5 is wrong.
