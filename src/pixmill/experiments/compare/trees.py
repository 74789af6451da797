"""Read files of a revision from Git, and from DVC's cache or remote, without a checkout."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from pixmill.core.repository.documents import MalformedError, read_stages
from pixmill.core.repository.dvc import DEFAULT_CACHE
from pixmill.core.repository.git import git
from pixmill.dataset.uncommitted import commit_first
from pixmill.experiments.compare.git_revisions import GitRevision

T = TypeVar("T")

IN_DVC = ("artifacts/", "data/", "reports/")
"""Folders in DVC; all others are in Git."""

_MAX_BYTES = {".parquet": 512 << 20, ".lock": 1 << 20, ".yaml": 1 << 20, ".dvc": 1 << 20}
_MAX_OTHER_BYTES = 64 << 20
"""Size limit of a file by its suffix, and of all others."""


class DvcStore:
    """DVC's cache and remote, shared by all trees of a project.

    ``DVCFileSystem`` is not used, since it reads ``dvc.yaml`` and ``.dvc/config`` of an untrusted
    revision without limits.

    Args:
        root: Folder of the project.
        fetch: Whether to fetch objects from the remote if the cache lacks them.
    """

    def __init__(self, root: Path, *, fetch: bool = True) -> None:
        self.root = root
        self._fetch = fetch
        self._listings: dict[str, dict[str, str]] = {}

    @cached_property
    def repo(self) -> Any:
        """The workspace's DVC repository; its config applies to all revisions, since an old one may lack the remote."""
        from dvc.repo import Repo

        return Repo(
            str(self.root.resolve()), config=None if self._fetch else {"core": {"remote": ""}}
        )

    @cached_property
    def remote(self) -> str | None:
        """The name of the default remote; ``None`` if there is none."""
        name: str | None = self.repo.config.get("core", {}).get("remote")
        return name

    def at(self, commit: str | None, command: str) -> str:
        """Return a command that commits the workspace if needed, checks out a commit, and runs ``command``."""
        return f"{commit_first(self.root, '')}git checkout {commit} && {command}"

    def content(self, md5: str, max_bytes: int) -> bytes:
        """Return an object by its hash from the cache, else from the remote, without caching it.

        Raises:
            MalformedError: The object is larger than ``max_bytes`` bytes, or does not match its
                hash.
            Exception: DVC, or the client of its remote, failed.
        """
        # A file in the default cache that matches its hash needs no look at DVC's config.
        with (
            contextlib.suppress(OSError),
            (self.root / DEFAULT_CACHE / md5[:2] / md5[2:]).open("rb") as opened,
        ):
            read = opened.read(max_bytes + 1)
            if len(read) <= max_bytes and _is(read, md5):
                return read
        place = self.repo.cache.local
        if not place.fs.isfile(place.oid_to_path(md5)) and self.remote:
            place = self.repo.cloud.get_remote_odb(command="pixmill compare")
        path = place.oid_to_path(md5)
        if (place.fs.size(path) or 0) > max_bytes:
            raise MalformedError(f"is larger than {max_bytes >> 20} MiB")
        content: bytes = place.fs.cat_file(path)
        if not _is(content, md5):
            # DVC would not replace a damaged file in its cache.
            file = os.path.relpath(self.repo.cache.local.oid_to_path(md5), self.root)
            raise MalformedError(f"is damaged in DVC's cache or remote (delete {file})")
        return content

    def within(self, folder: str, path: str) -> str | None:
        """Return the hash of a file in a folder with this hash; ``None`` if it does not exist."""
        if folder not in self._listings:
            try:
                entries = json.loads(self.content(folder, _MAX_OTHER_BYTES))
                self._listings[folder] = {entry["relpath"]: entry["md5"] for entry in entries}
            except (ValueError, TypeError, LookupError, RecursionError):
                raise MalformedError("is in a folder whose listing in DVC is malformed") from None
        return self._listings[folder].get(path)


class Tree:
    """The files of a revision.

    Args:
        store: Store of files in DVC.
        revision: The revision; for the workspace, files are those on disk, and results those named
            by ``dvc.lock``.

    Attributes:
        faults: Faults of files that were read, by path, such as ``is larger than 1 MiB``.
    """

    def __init__(self, store: DvcStore, revision: GitRevision) -> None:
        self.revision = revision
        self._store = store
        self.faults: dict[str, str] = {}
        self._errors: dict[str, Exception] = {}

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file; ``None`` if it does not exist, is unavailable, or has a fault.

        Args:
            path: Path relative to the folder of the project, with slashes.
        """
        parts = PurePosixPath(path).parts
        if not parts or parts[0] == "/" or ".." in parts or "\0" in path or len(path) > 4096:
            return None
        try:
            return self._read(path, _MAX_BYTES.get(PurePosixPath(path).suffix, _MAX_OTHER_BYTES))
        except MalformedError as fault:
            self.faults[path] = str(fault)
            return None

    def _read(self, path: str, max_bytes: int) -> bytes | None:
        file = self._store.root / path
        md5 = self.md5(path) if path.startswith(IN_DVC) else None
        if self.revision.is_workspace and os.path.isfile(file):  # noqa: PTH113 (accepts any name)
            with file.open("rb") as opened:
                content = opened.read(max_bytes + 1)
            if len(content) > max_bytes:
                raise MalformedError(f"is larger than {max_bytes >> 20} MiB")
            if md5 is None or _is(content, md5):
                return content
        if path.startswith(IN_DVC):
            return (
                None
                if md5 is None
                else self._in_dvc(path, lambda: self._store.content(md5, max_bytes))
            )
        return None if self.revision.is_workspace else self._in_git(path, max_bytes)

    def _in_git(self, path: str, max_bytes: int) -> bytes | None:
        listed = git(
            self._store.root, "ls-tree", "-lz", str(self.revision.commit), "--", f"./{path}"
        )
        if not listed:
            return None
        mode, kind, blob, size = listed.partition("\t")[0].split()
        if kind == "tree" or size == "BAD":  # an object that this clone lacks
            return None
        if not mode.startswith("100"):
            raise MalformedError("is a link or a submodule, not a file")
        if int(size) > max_bytes:
            raise MalformedError(f"is larger than {max_bytes >> 20} MiB")
        text = git(self._store.root, "cat-file", "blob", blob)
        return None if text is None else text.encode("utf-8", "surrogateescape")

    def md5(self, path: str) -> str | None:
        """Return the md5 of a file in DVC by ``dvc.lock``; ``None`` if it is unknown."""
        for out, md5 in self._outs.items():
            if path == out and not md5.endswith(".dir"):
                return md5
            if path.startswith(f"{out}/") and md5.endswith(".dir"):
                try:
                    return self._in_dvc(
                        path, partial(self._store.within, md5, path[len(out) + 1 :])
                    )
                except MalformedError as fault:
                    self.faults[path] = str(fault)
        return None

    @cached_property
    def _outs(self) -> dict[str, str]:
        """Hash of each output by path; empty for malformed files."""
        outs: dict[str, str] = {}
        for file in ("dvc.lock", "data.dvc"):
            with contextlib.suppress(MalformedError):
                stages = read_stages(self.read(file) or b"", file)
                outs |= {
                    out["path"]: out["md5"]
                    for each in stages.values()
                    for out in each.get("outs", ())
                    if "md5" in out
                }
        return {path: md5 for path, md5 in outs.items() if md5}

    def trouble(self, path: str) -> str | None:
        """Return the reason why a file in DVC is unavailable, with a remedy; ``None`` if it does not exist."""
        error = self._errors.get(_folder(path))
        if error is None:
            return None
        chain = list(_causes(error))
        failed = [each for each in chain if not isinstance(each, FileNotFoundError)]
        if failed:
            reason = (str(failed[-1]) or type(failed[-1]).__name__).splitlines()[0]
            return f"DVC cannot read them ({reason}): see dvc remote list"
        if not self._store.remote:
            return f"DVC has no default remote; to make them again: {self.remake}"
        push = self._at_revision("dvc push")
        return (
            f"the remote '{self._store.remote}' lacks them or is out of reach; to add them, where "
            "they were made: "
            f"{push}; to make them again: {self.remake}"
        )

    @property
    def remake(self) -> str:
        """The command that makes the results of this revision again."""
        return self._at_revision("dvc repro")

    def _at_revision(self, command: str) -> str:
        return (
            command
            if self.revision.is_workspace
            else self._store.at(self.revision.checkout, command)
        )

    def _in_dvc(self, path: str, request: Callable[[], T]) -> T | None:
        """Return the result of a request to DVC; ``None`` if it fails, and for later requests for the same folder."""
        if _folder(path) in self._errors:
            return None
        try:
            return request()
        except MalformedError:
            raise
        except Exception as error:  # noqa: BLE001 (remotes raise any exception)
            self._errors[_folder(path)] = error
            return None


def _is(content: bytes, md5: str) -> bool:
    """Return whether a file, or the listing of a folder, has this hash in DVC."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest() == md5.removesuffix(".dir")


def _folder(path: str) -> str:
    """Return the folder that is one output in DVC: ``artifacts/split`` for ``artifacts/split/manifest.parquet``."""
    return "/".join(path.split("/")[:2])


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
