"""Files of a revision, without a checkout: from Git, and from DVC's cache or remote."""

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
from pixmill.core.repository.uncommitted import commit_first
from pixmill.experiments.compare.git_revisions import GitRevision

T = TypeVar("T")

IN_DVC = ("artifacts/", "data/", "reports/")
"""Folders that DVC holds; all else is in Git."""

_MAX_BYTES = {".parquet": 512 << 20, ".lock": 1 << 20, ".yaml": 1 << 20, ".dvc": 1 << 20}
_MAX_OTHER_BYTES = 64 << 20
"""The most bytes of a file by its suffix, and of any other: nobody means a larger one to be compared."""


class DvcStore:
    """DVC's cache and remote, as all trees of a project read them by hash.

    ``DVCFileSystem`` would read ``dvc.yaml`` and ``.dvc/config`` of the other revision, too, and without bounds.

    Args:
        root: The project's folder.
        fetch: Whether to ask the remote for what the cache lacks.
    """

    def __init__(self, root: Path, *, fetch: bool = True) -> None:
        self.root = root
        self._fetch = fetch
        self._listings: dict[str, dict[str, str]] = {}

    @cached_property
    def repo(self) -> Any:
        """The workspace's DVC repository, whose settings count: an old commit knows no remote that was added since."""
        from dvc.repo import Repo

        return Repo(str(self.root.resolve()), config=None if self._fetch else {"core": {"remote": ""}})

    @cached_property
    def remote(self) -> str | None:
        """The name of the default remote; ``None`` if there is none."""
        name: str | None = self.repo.config.get("core", {}).get("remote")
        return name

    def at(self, commit: str | None, command: str) -> str:
        """Return a command to type at a commit, behind the commit of what its checkout would overwrite."""
        return f"{self._keep}git checkout {commit} && {command}"

    @cached_property
    def _keep(self) -> str:
        return commit_first(self.root, "")

    def content(self, md5: str, most: int) -> bytes:
        """Return an object by its hash, from the cache, else from the remote, into no cache.

        Raises:
            MalformedError: It is larger than ``most`` bytes, or not what its hash says.
            Exception: Whatever DVC, or the client of its remote, raises.
        """
        # A sound file where DVC keeps them by default is the same anywhere else.
        with contextlib.suppress(OSError), (self.root / DEFAULT_CACHE / md5[:2] / md5[2:]).open("rb") as opened:
            read = opened.read(most + 1)
            if len(read) <= most and _is(read, md5):
                return read
        place = self.repo.cache.local
        if not place.fs.isfile(place.oid_to_path(md5)) and self.remote:
            place = self.repo.cloud.get_remote_odb(command="pixmill compare")
        path = place.oid_to_path(md5)
        if (place.fs.size(path) or 0) > most:
            raise MalformedError(f"is larger than {most >> 20} MiB")
        content: bytes = place.fs.cat_file(path)
        if not _is(content, md5):
            # DVC itself keeps a file that is there, whatever it holds.
            file = os.path.relpath(self.repo.cache.local.oid_to_path(md5), self.root)
            raise MalformedError(f"is damaged in DVC's cache or remote (delete {file})")
        return content

    def within(self, folder: str, path: str) -> str | None:
        """Return the hash of a file in a folder, by the folder's; ``None`` if it has none of this path."""
        if folder not in self._listings:
            try:
                entries = json.loads(self.content(folder, _MAX_OTHER_BYTES))
                self._listings[folder] = {entry["relpath"]: entry["md5"] for entry in entries}
            except (ValueError, TypeError, LookupError, RecursionError):
                raise MalformedError("is in a folder whose listing in DVC is malformed") from None
        return self._listings[folder].get(path)


class Tree:
    """Read the files of a revision.

    Args:
        store: Where files in DVC are.
        revision: The revision; the workspace's files are those on disk, its results those that its ``dvc.lock`` names.

    Attributes:
        faults: What is wrong with files that were read, by path, such as ``is larger than 1 MiB``.
    """

    def __init__(self, store: DvcStore, revision: GitRevision) -> None:
        self.revision = revision
        self._store = store
        self.faults: dict[str, str] = {}
        self._errors: dict[str, Exception] = {}

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes; ``None`` if the revision has none of this path, or it cannot be had.

        What is there and cannot be what it should is noted in :attr:`faults`.

        Args:
            path: Relative to the project's folder, with slashes.
        """
        parts = PurePosixPath(path).parts
        if not parts or parts[0] == "/" or ".." in parts or "\0" in path or len(path) > 4096:
            return None
        try:
            return self._read(path, _MAX_BYTES.get(PurePosixPath(path).suffix, _MAX_OTHER_BYTES))
        except MalformedError as fault:
            self.faults[path] = str(fault)
            return None

    def _read(self, path: str, most: int) -> bytes | None:
        file, md5 = self._store.root / path, self.md5(path) if path.startswith(IN_DVC) else None
        if self.revision.is_workspace and os.path.isfile(file):  # noqa: PTH113 (whatever the name)
            with file.open("rb") as opened:
                content = opened.read(most + 1)
            if len(content) > most:
                raise MalformedError(f"is larger than {most >> 20} MiB")
            if md5 is None or _is(content, md5):
                return content
        if path.startswith(IN_DVC):
            return None if md5 is None else self._in_dvc(path, lambda: self._store.content(md5, most))
        return None if self.revision.is_workspace else self._in_git(path, most)

    def _in_git(self, path: str, most: int) -> bytes | None:
        listed = git(self._store.root, "ls-tree", "-lz", str(self.revision.commit), "--", f"./{path}")
        if not listed:
            return None
        mode, kind, blob, size = listed.partition("\t")[0].split()
        if kind == "tree" or size == "BAD":  # an object that this clone lacks
            return None
        if not mode.startswith("100"):
            raise MalformedError("is a link or a submodule, not a file")
        if int(size) > most:
            raise MalformedError(f"is larger than {most >> 20} MiB")
        text = git(self._store.root, "cat-file", "blob", blob)
        return None if text is None else text.encode("utf-8", "surrogateescape")

    def md5(self, path: str) -> str | None:
        """Return the md5 of a file in DVC by ``dvc.lock``; ``None`` if that is not to be had."""
        for out, md5 in self._outs.items():
            if path == out and not md5.endswith(".dir"):
                return md5
            if path.startswith(f"{out}/") and md5.endswith(".dir"):
                try:
                    return self._in_dvc(path, partial(self._store.within, md5, path[len(out) + 1 :]))
                except MalformedError as fault:
                    self.faults[path] = str(fault)
        return None

    @cached_property
    def _outs(self) -> dict[str, str]:
        """The hash of each output, which a malformed ``dvc.lock`` does not tell."""
        outs: dict[str, str] = {}
        for file in ("dvc.lock", "data.dvc"):
            with contextlib.suppress(MalformedError):
                stages = read_stages(self.read(file) or b"", file)
                outs |= {
                    out["path"]: out["md5"] for each in stages.values() for out in each.get("outs", ()) if "md5" in out
                }
        return {path: md5 for path, md5 in outs.items() if md5}

    def trouble(self, path: str) -> str | None:
        """Return why a file in DVC cannot be had, and what helps; ``None`` if the revision has none."""
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
        lack = f"the remote '{self._store.remote}' lacks them or is out of reach"
        return (
            f"{lack}; to add them, where they were made: {self._there('dvc push')}; to make them again: {self.remake}"
        )

    @property
    def remake(self) -> str:
        """The command that makes the results of this revision; behind a commit of what it would overwrite."""
        return self._there("dvc repro")

    def _there(self, command: str) -> str:
        return command if self.revision.is_workspace else self._store.at(self.revision.checkout, command)

    def _in_dvc(self, path: str, question: Callable[[], T]) -> T | None:
        """Return what DVC answers, ``None`` if it fails; then nothing below this folder is asked for again."""
        if _folder(path) in self._errors:
            return None
        try:
            return question()
        except MalformedError:
            raise
        except Exception as error:  # noqa: BLE001 (remotes raise what they like)
            self._errors[_folder(path)] = error
            return None


def _is(content: bytes, md5: str) -> bool:
    """Tell whether a file or a folder's listing is the one that DVC knows by this hash."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest() == md5.removesuffix(".dir")


def _folder(path: str) -> str:
    """Return the folder that DVC holds as one output: ``artifacts/split`` of ``artifacts/split/manifest.parquet``."""
    return "/".join(path.split("/")[:2])


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
