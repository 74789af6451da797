"""Delete forgotten images from DVC's cache and remote, with all that was made from them and that HEAD does not use."""

import contextlib
from collections import Counter
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import file_digest
from pixmill.core.params import load_params
from pixmill.core.process.progress import track
from pixmill.core.repository.documents import MalformedError, read_stages
from pixmill.core.repository.dvc import object_file, read_listing
from pixmill.core.repository.git import changed_files, git
from pixmill.project.dataset.forgetting import forgotten_ids

_LOG = ("log", "--all", "--full-history", "--date=short", "--format=%H %h %ad %s%d", "--", "dvc.lock", "data.dvc")
"""Commits of all branches, tags and experiments that have other results than those before them, newest first."""

_COMMIT = 'dvc repro && git commit -am "Forget images"'

Outputs = frozenset[tuple[str, str]]
"""Path and MD5 of the outputs of a commit, and of the inputs that they were made from."""

Listings = Mapping[str, Mapping[str, str]]
"""MD5 of each file of a folder by relative path, by the MD5 of the folder."""


@dataclass(frozen=True)
class Purge:
    """Objects to delete.

    Args:
        stores: DVC's ``remote`` and ``cache``. The cache is the last, since a repeated purge needs its lists of files.
        objects: The output of each object by MD5. Images come after what was made from them, then lists of files.
        found: MD5s of the objects that exist, by name of the store.
        commits: A line for each commit that cannot be checked out afterwards, newest first.
        unknown: Number of commits that were not examined, since the cache lacks lists of their files, or images that
            scrape never had. Objects that they name stay, files of their folders may not.
    """

    stores: Mapping[str, Any]
    objects: Mapping[str, str]
    found: Mapping[str, Collection[str]]
    commits: Sequence[str]
    unknown: int

    def counts(self) -> Counter[tuple[str, str]]:
        """Return the number of existing objects by store and output."""
        return Counter((name, self.objects[md5]) for name, found in self.found.items() for md5 in found)

    def delete(self) -> None:
        """Delete the objects; after an interruption, another purge deletes the rest."""
        for name, store in self.stores.items():
            found = [md5 for md5 in self.objects if md5 in self.found[name]]
            for md5 in track(found, f"Purge {name}", len(found), unit="object"):
                store.delete(md5)


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
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    if changed_files(root, "--untracked-files=no"):
        raise PixmillError("there are uncommitted changes", next=f"{_COMMIT}, then: the same command")
    if not (ids := forgotten_ids(root, load_params(root).classes)):
        raise PixmillError("review.csv has no forgotten image", next="pixmill forget ID")
    try:
        repo = Repo(str(root))
        stores = {"remote": repo.cloud.get_remote_odb(command="pull")} if remote else {}
        used = {str(item.value) for items in repo.used_objs().values() for item in items}
    except DvcException as error:
        raise PixmillError(f"DVC: {str(error).splitlines()[0]}", next="dvc pull; dvc remote list") from None
    stores["cache"], cache = repo.cache.local, Path(repo.cache.local.path)

    lines = (git(root, *_LOG) or "").splitlines()
    commits = {line: _outputs(root, line.split()[0]) for line in track(lines, "Read commits", len(lines))}
    head = _outputs(root, "HEAD")
    every = head.union(*commits.values())
    never: Outputs = frozenset()
    if cache.resolve().is_relative_to(root.resolve()):  # Other projects do not use this cache.
        loose = {path.parent.name + path.name for path in cache.glob("??/*.dir")} - used - {md5 for _, md5 in every}
        tables = {md5: "manifest.parquet" in (read_listing(cache, md5) or ()) for md5 in loose}
        never = frozenset(("artifacts/scrape" if is_scraped else "data", md5) for md5, is_scraped in tables.items())
    every |= never
    listed = {md5: files for _, md5 in every if md5.endswith(".dir") and (files := read_listing(cache, md5))}
    scraped = {PurePosixPath(name).stem: md5 for name, md5 in _files(every, listed, "artifacts/scrape")}
    unread: set[str] = set()
    images, missing = {scraped[name] for name in ids & scraped.keys()}, ids - scraped.keys()
    if missing:  # Scrape never had images without a label.
        wanted = {md5 for _, md5 in _files(every, listed, "data")} - {*scraped.values()}
        unread = {md5 for md5 in wanted if not object_file(cache, md5).is_file()}
        read = track(wanted - unread, "Search images", len(wanted - unread))
        images |= {md5 for md5 in read if file_digest(object_file(cache, md5)) in missing}
    holding = {md5 for md5, files in listed.items() if not images.isdisjoint(files.values())}
    examined = {md5 for md5, files in listed.items() if unread.isdisjoint(files.values())}
    if any(md5 in holding for _, md5 in head) or not _is_known(head, examined):
        problem = "the results in HEAD still have a forgotten image, or are not in DVC's cache"
        raise PixmillError(problem, next=f"dvc pull; {_COMMIT}; then: the same command")
    tainted = [line for line, outputs in commits.items() if any(md5 in holding for _, md5 in outputs)]
    others = [outputs for line, outputs in commits.items() if line not in tainted]
    clean = [outputs for outputs in others if _is_known(outputs, listed)]
    used |= _objects(clean, listed).keys() | _objects(others, {}).keys()
    dropped = [*(commits[line] for line in tainted), frozenset(item for item in never if item[1] in holding)]
    objects = _objects(dropped, listed, images)
    ordered = sorted(objects.keys() - used, key=lambda md5: (md5.endswith(".dir"), md5 in images, md5))
    found = {name: {*store.oids_exist(ordered)} for name, store in stores.items()}
    lost = [line.partition(" ")[2] for line in tainted]
    unknown = sum(not _is_known(outputs, examined) for outputs in others)
    return Purge(stores, {md5: objects[md5] for md5 in ordered}, found, lost, unknown)


def _outputs(root: Path, commit: str) -> Outputs:
    """Return the files and folders in ``dvc.lock`` and ``data.dvc`` of a commit, without code."""
    found: Outputs = frozenset()
    for name in ("dvc.lock", "data.dvc"):
        with contextlib.suppress(MalformedError):  # DVC cannot check out such a commit.
            stages = read_stages((git(root, "show", f"{commit}:./{name}") or "").encode(), name).values()
            items = [item for stage in stages for item in (*stage.get("deps", ()), *stage.get("outs", ()))]
            found |= {(item["path"], item["md5"]) for item in items if "md5" in item}
    return frozenset((path, md5) for path, md5 in found if not path.startswith(("src/", "stages/")))


def _files(outputs: Outputs, listed: Listings, path: str) -> set[tuple[str, str]]:
    """Return name and MD5 of all files of a folder."""
    return {item for place, md5 in outputs if place == path for item in listed.get(md5, {}).items()}


def _is_known(outputs: Outputs, listed: Container[str]) -> bool:
    """Return whether the files in ``data/`` and ``artifacts/`` are known."""
    folders = (md5 for path, md5 in outputs if path.startswith(("data", "artifacts/")) and md5.endswith(".dir"))
    return all(md5 in listed for md5 in folders)


def _objects(commits: Iterable[Outputs], listed: Listings, images: Collection[str] | None = None) -> dict[str, str]:
    """Return the output of each file and folder of commits by MD5, with the files in folders.

    Args:
        commits: Outputs of each commit.
        listed: Files of folders.
        images: Of the single images in ``data/`` and ``artifacts/scrape/images/``, return only these; default: all.
    """
    found = {}
    for path, folder in sorted(frozenset[tuple[str, str]]().union(*commits)):
        found[folder] = path
        for name, md5 in listed.get(folder, {}).items():
            is_single = (path == "data" and not name.lower().endswith(".csv")) or (path, name[:7]) == (
                "artifacts/scrape",
                "images/",
            )
            if images is None or md5 in images or not is_single:
                found[md5] = path
    return found
