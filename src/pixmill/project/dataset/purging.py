"""Delete forgotten images from DVC's cache and remote, with all that was made from them and that HEAD does not use."""

import functools
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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

_RUN = "dvc repro && git commit -a"
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Outputs = frozenset[tuple[str, str]]
"""Path and MD5 of outputs."""


@dataclass(frozen=True)
class _Run:
    """A run of a stage, or a ``.dvc`` file.

    Args:
        deps: MD5s of its dependencies.
        outs: Its outputs.
    """

    deps: frozenset[str]
    outs: Outputs


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
        words = ("log", "--all", "--reflog", "HEAD", "--full-history", "--format=%H", "--", "*.dvc", "*dvc.lock")
        commits = [line for line in (git(self._root, *words) or "").splitlines() if line]
        outputs = {commit: self._outputs(commit) for commit in track(commits, "Read commits", len(commits))}
        head = self._outputs("HEAD")
        runs = [run for file in self._run_files() for run in _parse(file.read_text("utf-8"))]
        known = {md5 for outs in (head, *outputs.values(), *(run.outs for run in runs)) for _, md5 in outs}
        cached = set(self._stores["cache"].all()) if self._is_own() else set()
        listed = {md5: listing for md5 in known | cached if md5.endswith(".dir") and (listing := self._listing(md5))}
        images = {
            md5 for files in listed.values() for name, md5 in files.items() if PurePosixPath(name).stem in self._ids
        }
        images |= self._find_by_content(head, listed, images)
        holding = {
            md5
            for md5, files in listed.items()
            if not (images.isdisjoint(files.values()) and self._ids.isdisjoint(PurePosixPath(n).stem for n in files))
        }
        if any(md5 in holding for _, md5 in head) or not _has_listings(head, listed):
            raise PixmillError(
                "the results in HEAD still have a forgotten image, or are not in DVC's cache",
                next=f'dvc pull; {_RUN} -m "Forget images"; then: the same command',
            )
        tainted = [commit for commit in commits if any(md5 in holding for _, md5 in outputs[commit])]
        unknown = [commit for commit in commits if commit not in tainted and not _has_listings(outputs[commit], listed)]
        clean = {*commits} - {*tainted, *unknown}
        keep = {md5 for outs in (head, *(outputs[commit] for commit in clean)) for md5 in _objects(outs, listed)}
        outs = {item for commit in tainted for item in outputs[commit]}
        doomed = {*images, *holding, *_objects(outs, listed, images)} - keep
        while (
            more := {
                md5 for run in runs if not doomed.isdisjoint(run.deps) for md5 in _objects(run.outs, listed, images)
            }
            - keep
            - doomed
        ):
            doomed |= more
        used = {md5 for outs in (*outputs.values(), *(run.outs for run in runs)) for md5 in _objects(outs, listed)}
        doomed |= {md5 for md5 in cached - used - keep - doomed if not self._is_image(md5)}
        ordered = tuple(sorted(doomed, key=lambda md5: (md5.endswith(".dir"), md5)))
        sizes = {
            name: {md5: store.fs.size(store.oid_to_path(md5)) for md5 in store.oids_exist(ordered)}
            for name, store in self._stores.items()
        }
        return Purge(ordered, sizes, tuple(self._describe(tainted)), len(unknown))

    def delete(self, purge: Purge) -> None:
        """Delete the objects; after an interruption, another purge deletes the rest."""
        for name, store in self._stores.items():
            found = [md5 for md5 in purge.objects if md5 in purge.sizes[name]]
            for md5 in track(found, f"Purge {name}", len(found), unit="object"):
                store.delete(md5)

    def _outputs(self, commit: str) -> Outputs:
        """Return the outputs in all ``.dvc`` and lock files of a commit."""
        lines = (git(self._root, "ls-tree", "-r", "-z", commit) or "").split("\0")
        found = [line.partition("\t") for line in lines if line.endswith((".dvc", "dvc.lock"))]
        return frozenset(item for head, _, _ in found for run in self._blob(head.split()[2]) for item in run.outs)

    @functools.cache  # noqa: B019 (the object lives as long as the command)
    def _blob(self, name: str) -> tuple[_Run, ...]:
        return _parse(git(self._root, "cat-file", "blob", name) or "")

    def _run_files(self) -> Iterator[Path]:
        """Yield the files of DVC's run cache, which records runs that no commit has."""
        folder = Path(self._stores["cache"].path).parent.parent / "runs"
        return (path for path in folder.glob("*/*/*") if path.is_file())

    def _is_own(self) -> bool:
        """Return whether the cache is within the project, so that no other project uses it."""
        return Path(self._stores["cache"].path).resolve().is_relative_to(self._root.resolve())

    def _read(self, md5: str, size: int = -1) -> bytes | None:
        for store in self._stores.values():
            if store.exists(md5):
                with store.fs.open(store.oid_to_path(md5), "rb") as stream:
                    return bytes(stream.read(size))
        return None

    def _listing(self, md5: str) -> Mapping[str, str]:
        content = self._read(md5)
        return {item["relpath"]: item["md5"] for item in json.loads(content)} if content else {}

    def _is_image(self, md5: str) -> bool:
        return not md5.endswith(".dir") and sniff(self._read(md5, _HEAD_BYTES) or b"") in EXTENSIONS

    def _find_by_content(
        self, head: Outputs, listed: Mapping[str, Mapping[str, str]], images: Collection[str]
    ) -> set[str]:
        """Return the MD5s of forgotten images that scrape never had, by the bytes of images that HEAD lacks."""
        named = {PurePosixPath(name).stem for files in listed.values() for name in files}
        if self._ids <= named:
            return set()
        members = {md5 for files in listed.values() for md5 in files.values()}
        others = members - _objects(head, listed) - {*images}
        found = track(sorted(others), "Search images", len(others), unit="object")
        return {md5 for md5 in found if hashlib.sha256(self._read(md5) or b"").hexdigest() in self._ids}

    def _describe(self, commits: Sequence[str]) -> list[str]:
        words = ("log", "--no-walk=sorted", "--date=short", "--format=%h %ad %s%d", *commits)
        return (git(self._root, *words) or "").splitlines() if commits else []


def _parse(text: str) -> tuple[_Run, ...]:
    """Return the runs in a lock file, a ``.dvc`` file or a file of the run cache; empty if it is malformed."""
    try:
        content = yaml.load(text, _LOADER) or {}  # noqa: S506 (a safe loader)
        records = content["stages"].values() if "stages" in content else [content]
        return tuple(
            _Run(
                frozenset(str(dep.get("md5")) for dep in record.get("deps", ())),
                frozenset((str(out["path"]), str(out["md5"])) for out in record.get("outs", ()) if "md5" in out),
            )
            for record in records
        )
    except (yaml.YAMLError, AttributeError, LookupError, TypeError):
        return ()


def _has_listings(outs: Outputs, listed: Mapping[str, Mapping[str, str]]) -> bool:
    """Return whether the files in ``data/`` and ``artifacts/scrape`` are known."""
    return all(md5 in listed for path, md5 in outs if path in ("data", "artifacts/scrape"))


def _objects(
    outs: Iterable[tuple[str, str]], listed: Mapping[str, Mapping[str, str]], images: Collection[str] | None = None
) -> set[str]:
    """Return the MD5s of outputs and of the files in folders.

    Args:
        outs: The outputs.
        listed: Files of folders by MD5.
        images: Of the single images in ``data/`` and ``artifacts/scrape/images/``, return only these; default: all.
    """
    found = {md5 for _, md5 in outs}
    for path, folder in outs:
        for name, md5 in listed.get(folder, {}).items():
            is_single = path == "data" or (path == "artifacts/scrape" and name.startswith("images/"))
            if images is None or md5 in images or not is_single:
                found.add(md5)
    return found
