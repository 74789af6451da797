"""Delete forgotten images from DVC's cache and remote, with all that was made from them and that HEAD does not use.

Lists of the files in ``data/`` and ``artifacts/scrape`` are shortened under their names, so that branches and clones
that use them can still be pulled: DVC trusts the name of a read-only object, and does not verify lists of a remote.
"""

import contextlib
import json
from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import file_digest, replacing, write_json
from pixmill.core.params import load_params
from pixmill.core.process.progress import track
from pixmill.core.repository.documents import MalformedError, read_stages
from pixmill.core.repository.dvc import object_file, read_listing
from pixmill.core.repository.git import changed_files, git
from pixmill.core.words import first_of
from pixmill.project.dataset.forgetting import forgotten_ids

_LOG = ("log", "--all", "--full-history", "--date=short", "--format=%H %h %ad %s%d", "--", "dvc.lock", "data.dvc")
"""Commits of all branches, tags and experiments that have other results than those before them, newest first."""

_COMMIT = 'dvc repro && git commit -am "Forget images"'

_IMAGE_FOLDERS = ("data", "artifacts/scrape")
"""Folders whose lists are shortened; other results cannot be used without the deleted files."""

_IMAGES = Path(".pixmill/forget/images.json")
"""MD5s of purged images by id."""

Outputs = frozenset[tuple[str, str]]
"""Path and MD5 of the outputs of a commit, and of the inputs that they were made from."""

Listings = Mapping[str, Mapping[str, str]]
"""MD5 of each file of a folder by relative path, by the MD5 of the folder."""


@dataclass(frozen=True)
class Purge:
    """Changes of DVC's stores.

    Args:
        stores: DVC's ``remote`` and ``cache``. The cache is the last, since a repeated purge needs its lists of files.
        changes: New content of each list to shorten by MD5, and ``None`` for each object to delete, in order, by name
            of the store.
        outputs: The output of each object.
        commits: A line for each commit whose results cannot be checked out afterwards, newest first.
        unknown: Number of commits that were not examined, since the cache lacks lists of their files, or images that
            scrape never had. Objects that they name stay, files of their folders may not.
        others: Descriptions of others who may use the objects.
        images: MD5 of each forgotten image by id.
        root: Project folder.
    """

    stores: Mapping[str, Any]
    changes: Mapping[str, Mapping[str, bytes | None]]
    outputs: Mapping[str, str]
    commits: Sequence[str]
    unknown: int
    others: Sequence[str]
    images: Mapping[str, str]
    root: Path

    def counts(self) -> Counter[tuple[str, str]]:
        """Return the number of objects by store and output."""
        return Counter((name, self.outputs[md5]) for name, changes in self.changes.items() for md5 in changes)

    def execute(self) -> None:
        """Delete the objects, and shorten the lists; after an interruption, another purge does the rest."""
        write_json(self.root / _IMAGES, self.images)  # Else images that scrape never had could not be found again.
        for name, store in self.stores.items():
            changes = self.changes[name]
            for md5, content in track(changes.items(), f"Purge {name}", len(changes), unit="object"):
                if content is None:
                    store.delete(md5)
                else:
                    _replace(store, md5, content)


def plan_purge(root: Path, *, remote: bool = False) -> Purge:
    """Find the objects of the images that are forgotten in the ``review.csv`` of ``HEAD``.

    These are the images themselves, and all other results of commits whose ``data/`` or ``artifacts/scrape`` has one,
    unless ``HEAD`` or a commit without such images uses them. If the cache is in the project, so are versions of these
    folders that no commit uses.

    Args:
        root: Project folder.
        remote: Whether to purge the default remote, too.

    Raises:
        PixmillError: There are uncommitted changes, nothing was forgotten, results of ``HEAD`` still have such an
            image, or DVC fails, such as without a remote.
    """
    ids = _forgotten(root)
    stores, used, others = _open_stores(root, remote=remote)
    cache = Path(stores["cache"].path)
    versions = _read_versions(root, cache, used)
    every = Outputs().union(*versions.values())
    listed = {md5: files for _, md5 in every if md5.endswith(".dir") and (files := read_listing(cache, md5))}
    images, unread = _find_images(root, cache, every, listed, ids)
    holding = _lists_with(listed, images.values())
    examined = listed.keys() - _lists_with(listed, unread)
    if refs := _check_refs(root, holding, examined):
        others.append(f"branches, tags or experiments still have the images: {first_of(refs, 5)}")
    tainted, rest = _divide(versions, holding)
    md5s = {*images.values()}
    outputs = _objects(tainted.values(), listed, md5s)
    for md5 in used | _used(rest, listed):
        outputs.pop(md5, None)
    commits = [name.partition(" ")[2] for name in tainted if " " in name]
    unknown = sum(not _is_known(each, examined) for each in rest)
    ordered = _order(outputs, md5s, holding)
    changes = {name: _find_changes(store, ordered) for name, store in stores.items()}
    return Purge(stores, changes, outputs, commits, unknown, others, images, root)


def _forgotten(root: Path) -> set[str]:
    """Return the ids of the images that are forgotten in ``HEAD``.

    Raises:
        PixmillError: There are none, or there are uncommitted changes.
    """
    if changed_files(root, "--untracked-files=no"):
        raise PixmillError("there are uncommitted changes", next=f"{_COMMIT}, then: the same command")
    if not (ids := forgotten_ids(root, load_params(root).classes)):
        raise PixmillError("review.csv has no forgotten image", next="pixmill forget ID")
    return ids


def _open_stores(root: Path, *, remote: bool) -> tuple[dict[str, Any], set[str], list[str]]:
    """Return DVC's remote and cache, the MD5s that the workspace uses, and descriptions of others who use the stores.

    Raises:
        PixmillError: DVC fails, such as without a remote.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        repo = Repo(str(root))
        stores = {"remote": repo.cloud.get_remote_odb(command="pull")} if remote else {}
        used = {str(item.value) for items in repo.used_objs().values() for item in items}
    except DvcException as error:
        raise PixmillError(f"DVC: {str(error).splitlines()[0]}", next="dvc pull; dvc remote list") from None
    others = [f"clones and other projects may use the remote, {store.path}" for store in stores.values()]
    stores["cache"] = repo.cache.local
    if repo.config["cache"].get("shared") or not _is_own(root, Path(repo.cache.local.path)):
        others.append(f"other projects may use DVC's cache, {repo.cache.local.path}")
    return stores, used, others


def _is_own(root: Path, cache: Path) -> bool:
    return cache.resolve().is_relative_to(root.resolve())


def _read_versions(root: Path, cache: Path, used: set[str]) -> dict[str, Outputs]:
    """Return the outputs of each commit by line, and versions of image folders that no commit uses by MD5."""
    lines = (git(root, *_LOG) or "").splitlines()
    versions = {line: _outputs(root, line.split()[0]) for line in track(lines, "Read commits", len(lines))}
    if not _is_own(root, cache):
        return versions
    named = used | {md5 for outputs in versions.values() for _, md5 in outputs}
    for path in cache.glob("??/*.dir"):
        md5 = path.parent.name + path.name
        if md5 not in named:
            is_scraped = "manifest.parquet" in (read_listing(cache, md5) or ())
            versions[md5] = frozenset({("artifacts/scrape" if is_scraped else "data", md5)})
    return versions


def _find_images(
    root: Path, cache: Path, outputs: Outputs, listed: Listings, ids: Collection[str]
) -> tuple[dict[str, str], set[str]]:
    """Return the MD5 of each image that has one, by id, and MD5s of files that may be one but are not in the cache."""
    earlier: dict[str, str] = {}
    with contextlib.suppress(FileNotFoundError):
        earlier = json.loads((root / _IMAGES).read_bytes())
    scraped = {PurePosixPath(name).stem: md5 for name, md5 in _files(outputs, listed, "artifacts/scrape")}
    images = {name: md5 for name, md5 in {**earlier, **scraped}.items() if name in ids}
    missing = ids - images.keys()
    if not missing:
        return images, set()
    # Scrape never had images without a label.
    wanted = {md5 for _, md5 in _files(outputs, listed, "data")} - {*scraped.values(), *images.values()}
    unread = {md5 for md5 in wanted if not object_file(cache, md5).is_file()}
    for md5 in track(wanted - unread, "Search images", len(wanted - unread)):
        if (name := file_digest(object_file(cache, md5))) in missing:
            images[name] = md5
    return images, unread


def _divide(versions: Mapping[str, Outputs], holding: Container[str]) -> tuple[dict[str, Outputs], list[Outputs]]:
    """Return the versions that have a forgotten image, and the other commits."""
    tainted = {name: outputs for name, outputs in versions.items() if _holds(outputs, holding)}
    return tainted, [outputs for name, outputs in versions.items() if " " in name and name not in tainted]


def _lists_with(listed: Listings, files: Collection[str]) -> set[str]:
    return {md5 for md5, found in listed.items() if not {*found.values()}.isdisjoint(files)}


def _check_refs(root: Path, holding: Container[str], examined: Container[str]) -> list[str]:
    """Return the branches, tags and experiments whose last commit has a forgotten image.

    Raises:
        PixmillError: ``HEAD`` has one, or was not examined.
    """
    head = _outputs(root, "HEAD")
    if _holds(head, holding) or not _is_known(head, examined):
        problem = "the results in HEAD still have a forgotten image, or are not in DVC's cache"
        raise PixmillError(problem, next=f"dvc pull; {_COMMIT}; then: the same command")
    refs = (git(root, "for-each-ref", "--format=%(refname:short)") or "").splitlines()
    return [ref for ref in refs if _holds(_outputs(root, ref), holding)]


def _order(outputs: Mapping[str, str], images: Collection[str], holding: Container[str]) -> dict[str, bool]:
    """Return whether a list is to be shortened, in an order in which a repeated purge finds what is left."""
    lists = {md5: md5.endswith(".dir") and path in _IMAGE_FOLDERS for md5, path in outputs.items()}
    names = sorted(lists, key=lambda md5: (lists[md5], md5 in images, md5.endswith(".dir"), md5 in holding, md5))
    return {md5: lists[md5] for md5 in names}


def _find_changes(store: Any, objects: Mapping[str, bool]) -> dict[str, bytes | None]:
    """Return the new content of each list that has deleted files, and ``None`` for other objects that exist."""
    existing, changes = {*store.oids_exist([*objects])}, dict[str, bytes | None]()
    for md5 in [md5 for md5 in objects if md5 in existing]:
        if not objects[md5]:
            changes[md5] = None
            continue
        entries = json.loads(store.fs.cat_file(store.oid_to_path(md5)))
        kept = [entry for entry in entries if entry["md5"] not in objects]
        if kept != entries:
            changes[md5] = json.dumps(kept, sort_keys=True).encode()
    return changes


def _replace(store: Any, md5: str, content: bytes) -> None:
    """Replace an object by one that has another MD5."""
    path = store.oid_to_path(md5)
    if store.fs.protocol != "local":
        store.fs.pipe_file(path, content)
        return
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(content)
        temporary.chmod(store.CACHE_MODE)  # DVC deletes a writable object whose MD5 is wrong.


def _outputs(root: Path, commit: str) -> Outputs:
    """Return the files and folders in ``dvc.lock`` and ``data.dvc`` of a commit, without code."""
    found: Outputs = frozenset()
    for name in ("dvc.lock", "data.dvc"):
        with contextlib.suppress(MalformedError):  # DVC cannot check out such a commit.
            stages = read_stages((git(root, "show", f"{commit}:./{name}") or "").encode(), name).values()
            items = [item for stage in stages for item in (*stage.get("deps", ()), *stage.get("outs", ()))]
            found |= {(item["path"], item["md5"]) for item in items if "md5" in item}
    return frozenset((path, md5) for path, md5 in found if not path.startswith(("src/", "stages/")))


def _holds(outputs: Outputs, holding: Container[str]) -> bool:
    return any(md5 in holding for _, md5 in outputs)


def _is_known(outputs: Outputs, listed: Container[str]) -> bool:
    """Return whether the files in ``data/`` and ``artifacts/`` are known."""
    folders = (md5 for path, md5 in outputs if path.startswith(("data", "artifacts/")) and md5.endswith(".dir"))
    return all(md5 in listed for md5 in folders)


def _files(outputs: Outputs, listed: Listings, path: str) -> set[tuple[str, str]]:
    """Return name and MD5 of all files of a folder."""
    return {item for place, md5 in outputs if place == path for item in listed.get(md5, {}).items()}


def _used(commits: Sequence[Outputs], listed: Listings) -> set[str]:
    """Return the MD5s of all that commits use, without the files of folders if some are not known."""
    whole = (outputs for outputs in commits if _is_known(outputs, listed))
    return {*_objects(whole, listed), *_objects(commits, {})}


def _objects(commits: Iterable[Outputs], listed: Listings, images: Collection[str] | None = None) -> dict[str, str]:
    """Return the output of each file and folder of commits by MD5, with the files in folders.

    Args:
        commits: Outputs of each commit.
        listed: Files of folders.
        images: Of the single images in ``data/`` and ``artifacts/scrape/images/``, return only these; default: all.
    """
    found = {}
    for path, folder in sorted(Outputs().union(*commits)):
        found[folder] = path
        for name, md5 in listed.get(folder, {}).items():
            is_single = path in _IMAGE_FOLDERS and not name.lower().endswith((".csv", ".parquet"))
            if images is None or md5 in images or not is_single:
                found[md5] = path
    return found
