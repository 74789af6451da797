"""Read files of a revision from Git, and from DVC's cache or remote, without a checkout."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from pixmill.core.errors import DataError
from pixmill.core.repository.documents import MalformedError, read_stages
from pixmill.core.repository.dvc import DEFAULT_CACHE, object_file
from pixmill.core.repository.git import git
from pixmill.core.repository.stage_inputs import outputs_of
from pixmill.experiments.compare.git_revisions import GitRevision

T = TypeVar("T")

IN_DVC = ("artifacts/", "data/", "reports/")
"""Folders in DVC; all others are in Git."""


def at_commit(commit: str | None, command: str) -> str:
    """Return a command that checks out a commit, and runs another.

    Git refuses to overwrite changes.
    """
    return f"git checkout {commit} && {command}"


class DvcStore:
    """DVC's cache and remote, shared by all trees of a project.

    ``DVCFileSystem`` is not used: it takes DVC's configuration from the revision, and an old one
    may lack the remote; and it opens a repository per revision, of which a ranking reads hundreds.

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
        """The workspace's DVC repository."""
        from dvc.repo import Repo

        return Repo(
            str(self.root.resolve()), config=None if self._fetch else {"core": {"remote": ""}}
        )

    @cached_property
    def remote(self) -> str | None:
        """The name of the default remote; ``None`` if there is none."""
        name: str | None = self.repo.config.get("core", {}).get("remote")
        return name

    def content(self, md5: str) -> bytes:
        """Return an object by its hash from the cache, else from the remote, without caching it.

        Raises:
            DataError: The object does not match its hash.
            Exception: DVC, or the client of its remote, failed.
        """
        file = object_file(self.root / DEFAULT_CACHE, md5)
        if file.is_file():
            # Reading DVC's configuration takes half a second.
            content = file.read_bytes()
        else:
            place = self.repo.cache.local
            if not place.fs.isfile(place.oid_to_path(md5)) and self.remote:
                place = self.repo.cloud.get_remote_odb(command="pixmill compare")
            content = place.fs.cat_file(place.oid_to_path(md5))
            file = Path(self.repo.cache.local.oid_to_path(md5))
        if not _is(content, md5):
            # DVC would not replace a damaged file in its cache.
            name = os.path.relpath(file, self.root)
            raise DataError("a file is damaged in DVC's cache or remote", next=f"rm -f {name}")
        return content

    def listing(self, folder: str) -> dict[str, str]:
        """Return the hash of each file in a folder with this hash.

        Raises:
            Exception: As for :meth:`content`.
        """
        if folder not in self._listings:
            entries = json.loads(self.content(folder))
            self._listings[folder] = {entry["relpath"]: entry["md5"] for entry in entries}
        return self._listings[folder]


class Tree:
    """The files of a revision.

    Args:
        store: Store of files in DVC.
        revision: The revision; for the workspace, files are those on disk, and results those named
            by ``dvc.lock``.
    """

    def __init__(self, store: DvcStore, revision: GitRevision) -> None:
        self.revision = revision
        self._store = store
        self._errors: dict[str, Exception] = {}

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file; ``None`` if it does not exist or is unavailable.

        Args:
            path: Path relative to the folder of the project, with slashes.
        """
        if path.startswith("/") or ".." in PurePosixPath(path).parts:
            return None
        in_dvc = path.startswith(IN_DVC)
        md5 = self.md5(path) if in_dvc else None
        if self.revision.is_workspace:
            content = self._read_file(path)
            if not in_dvc or (content is not None and (md5 is None or _is(content, md5))):
                return content
        if in_dvc:
            return None if md5 is None else self._in_dvc(path, lambda: self._store.content(md5))
        text = git(self._store.root, "cat-file", "blob", f"{self.revision.commit}:./{path}")
        return None if text is None else text.encode("utf-8", "surrogateescape")

    def _read_file(self, path: str) -> bytes | None:
        file = self._store.root / path
        return file.read_bytes() if os.path.isfile(file) else None  # noqa: PTH113 (accepts any name)

    def md5(self, path: str) -> str | None:
        """Return the md5 of a file in DVC by ``dvc.lock``; ``None`` if it is unknown."""
        for out, md5 in self._outs.items():
            if path == out and not md5.endswith(".dir"):
                return md5
            if path.startswith(f"{out}/") and md5.endswith(".dir"):
                rest = path.removeprefix(f"{out}/")
                return self._in_dvc(path, lambda: self._store.listing(md5).get(rest))  # noqa: B023 (called now)
        return None

    def files(self, folder: str) -> list[str]:
        """Return the paths of the files in an output, such as ``artifacts/split``.

        None if it is no folder, or unavailable.
        """
        md5 = self._outs.get(folder, "")
        names = self._in_dvc(f"{folder}/", lambda: self._store.listing(md5)) if md5 else None
        return [f"{folder}/{name}" for name in names or ()]

    @cached_property
    def _outs(self) -> dict[str, str]:
        """Hash of each output by path; the reader of a malformed file reports it."""
        outs: dict[str, str | None] = {}
        for file in ("dvc.lock", "data.dvc"):
            try:
                outs |= outputs_of(read_stages(self.read(file) or b"", file))
            except MalformedError:
                continue
        return {path: md5 for path, md5 in outs.items() if md5}

    def trouble(self, path: str) -> str | None:
        """Return the reason why a file in DVC is unavailable, with a remedy.

        ``None`` if it does not exist.
        """
        error = self._errors.get(_folder(path))
        if error is None:
            return None
        if isinstance(error, DataError):
            return f"{error.message}; to fetch or make it again: {error.next} && {self.remake}"
        failed = [each for each in _causes(error) if not isinstance(each, FileNotFoundError)]
        if failed:
            reason = (str(failed[-1]) or type(failed[-1]).__name__).splitlines()[0]
            return f"DVC cannot read them ({reason}): see dvc remote list"
        if not self._store.remote:
            return f"DVC has no default remote; to make them again: {self.remake}"
        return (
            f"the remote '{self._store.remote}' lacks them or is out of reach; to add them, where "
            f"they were made: {self._at_revision('dvc push')}; to make them again: {self.remake}"
        )

    @property
    def remake(self) -> str:
        """The command that makes the results of this revision again."""
        return self._at_revision("dvc repro")

    def _at_revision(self, command: str) -> str:
        if self.revision.is_workspace:
            return command
        return at_commit(self.revision.checkout, command)

    def _in_dvc(self, path: str, request: Callable[[], T]) -> T | None:
        """Return the result of a request to DVC.

        ``None`` if it fails, and for later requests for the same folder.
        """
        if _folder(path) in self._errors:
            return None
        try:
            return request()
        except Exception as error:  # noqa: BLE001 (remotes raise any exception)
            self._errors[_folder(path)] = error
            return None


def _is(content: bytes, md5: str) -> bool:
    """Return whether a file, or the listing of a folder, has this hash in DVC."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest() == md5.removesuffix(".dir")


def _folder(path: str) -> str:
    """Return the folder that is one output in DVC, such as ``artifacts/split``."""
    return "/".join(path.split("/")[:2])


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
