"""Files of a revision, without a checkout: from Git, and from DVC's cache or remote."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath
from queue import Empty, Queue
from threading import Thread
from typing import Any

from pixmill.compare.revisions import Revision
from pixmill.core.git import git
from pixmill.core.uncommitted import commit_first

__all__ = ["IN_DVC", "Store", "Tree"]

IN_DVC = ("artifacts/", "data/", "reports/")
"""Folders that DVC holds; all else is in Git."""

_SECONDS = 30
"""How long a remote may take for one file: the timeouts and retries of its own add up to many minutes."""


class Store:
    """DVC's cache and remote, as all trees of a project read them.

    Args:
        root: The project's folder.
        fetch: Whether to ask the remote for what the cache lacks.
    """

    def __init__(self, root: Path, *, fetch: bool = True) -> None:
        self.root = root
        self.failure: Exception | None = None
        self._fetch = fetch

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

    def ask(self, question: Callable[[], Any]) -> Any:
        """Return what DVC answers; a remote that takes too long is not asked again.

        Raises:
            Exception: Whatever DVC, or the client of its remote, raises.
        """
        if self.failure:
            raise self.failure
        answers: Queue[Any] = Queue()
        Thread(name="remote", target=lambda: answers.put(_outcome(question)), daemon=True).start()
        try:
            answer = answers.get(timeout=_SECONDS)
        except Empty:
            self.failure = answer = TimeoutError(f"no answer in {_SECONDS} seconds")
        if isinstance(answer, Exception):
            raise answer
        return answer


class Tree:
    """Read the files of a revision.

    Args:
        store: Where files in DVC are.
        revision: The revision; the workspace's files are those on disk, its results those that its ``dvc.lock`` names.
    """

    def __init__(self, store: Store, revision: Revision) -> None:
        self.revision = revision
        self._store = store
        self._errors: dict[str, Exception] = {}

    def read(self, path: str) -> bytes | None:
        """Return a file's bytes; ``None`` if the revision has none of this path, or it cannot be had.

        Args:
            path: Relative to the project's folder, with slashes.
        """
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
            return None
        file, md5 = self._store.root / path, self.md5(path) if path.startswith(IN_DVC) else None
        if self.revision.is_workspace and file.is_file():
            content = file.read_bytes()
            if md5 in (None, hashlib.md5(content, usedforsecurity=False).hexdigest()):  # as DVC does
                return content
        if path.startswith(IN_DVC):
            return None if md5 is None else self._ask(path, lambda: self._intact(path, md5))
        if self.revision.is_workspace:
            return None
        text = git(self._store.root, "show", f"{self.revision.commit}:./{path}")
        return None if text is None else text.encode("utf-8", "surrogateescape")

    def md5(self, path: str) -> str | None:
        """Return the md5 of a file in DVC by ``dvc.lock``; ``None`` if that is not to be had."""

        def find() -> Any:
            with contextlib.suppress(FileNotFoundError):
                return self._repo.datafs.fs.info(self._inside(path)).get("md5")
            return None

        digest: str | None = self._ask(path, find)
        return digest

    def trouble(self, path: str) -> str | None:
        """Return why a file in DVC cannot be had, and what helps; ``None`` if the revision has none."""
        error = self._errors.get(_folder(path))
        if error is None:
            return None
        from dvc.exceptions import DvcException

        if isinstance(error, _Damaged):
            return f"{error} && {self.remake} -f {path.split('/')[1]}"
        if isinstance(error, DvcException):
            return f"DVC says: {error}"
        chain, make = list(_causes(error)), f"to make them again: {self.remake}"
        absent = [isinstance(each, FileNotFoundError) for each in chain]
        failed = [isinstance(each, OSError) and not isinstance(each, FileNotFoundError) for each in chain]
        if any(failed) or not any(absent):
            cause = (str(chain[-1]) or type(chain[-1]).__name__).splitlines()[0]
            package = getattr(chain[-1], "name", None) if isinstance(chain[-1], ImportError) else None
            then = f"pip install {package.replace('_', '-')}" if package else "see dvc remote list"
            return f"the remote '{self._store.remote}' cannot be reached ({cause}): {then}"
        if self._store.remote is None:
            return f"DVC has no default remote; {make}"
        push = self.remake.replace("repro", "push")
        lack = f"the remote '{self._store.remote}' lacks them or is out of reach"
        return f"{lack}; to add them, where they were made: {push}; {make}"

    @cached_property
    def remake(self) -> str:
        """The command that makes the results of this revision; behind a commit of what it would overwrite."""
        if self.revision.is_workspace:
            return "dvc repro"
        return commit_first(self._store.root, f"git checkout {self.revision.checkout} && dvc repro")

    def _intact(self, path: str, md5: str) -> bytes:
        content: bytes = self._repo.datafs.fs.cat_file(self._inside(path))
        if hashlib.md5(content, usedforsecurity=False).hexdigest() != md5:
            file = Path(self._store.repo.cache.local.path, md5[:2], md5[2:])
            where = os.path.relpath(file, self._store.root)
            # DVC itself keeps a file that is there, whatever it holds.
            raise _Damaged(f"{path} is damaged in DVC's cache or remote; to make it again: rm -f {where}")
        return content

    def _ask(self, path: str, question: Callable[[], Any]) -> Any:
        """Return what DVC answers, ``None`` if it fails; then nothing below this folder is asked for again."""
        if _folder(path) in self._errors:
            return None
        try:
            return self._store.ask(question)
        except Exception as error:  # noqa: BLE001 (remotes raise what they like)
            self._errors[_folder(path)] = error
            return None

    @cached_property
    def _repo(self) -> Any:
        from dvc.fs import GitFileSystem
        from dvc.repo import Repo

        here = self._store.repo
        if self.revision.is_workspace:
            return here
        # By a path and a revision, DVC finds only a repository at the root of Git's.
        inside = Path("/", Path(here.root_dir).relative_to(here.scm.root_dir)).as_posix()
        files = GitFileSystem(scm=here.scm, rev=self.revision.commit)
        return Repo(inside, fs=files, scm=here.scm, config=dict(here.config))

    def _inside(self, path: str) -> str:
        """Return a path in DVC's repository, which may hold more than this project."""
        return Path("/", self._store.root.resolve().relative_to(self._store.repo.root_dir), path).as_posix()


class _Damaged(Exception):  # noqa: N818 (a reason, never raised to the caller)
    """Raised with a sentence when a file is not the one that ``dvc.lock`` names."""


def _folder(path: str) -> str:
    """Return the folder that DVC holds as one output: ``artifacts/split`` of ``artifacts/split/manifest.parquet``."""
    return "/".join(path.split("/")[:2])


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _outcome(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except Exception as error:  # noqa: BLE001 (passed on to the thread that waits)
        return error
