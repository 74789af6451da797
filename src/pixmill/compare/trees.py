"""Files of a revision, without a checkout: from Git, and from DVC's cache or remote."""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, partial
from pathlib import Path, PurePosixPath
from queue import Empty, Queue
from threading import Thread
from typing import Any

from pixmill.compare.git_revisions import GitRevision, read_blobs
from pixmill.core.dvc import DEFAULT_CACHE
from pixmill.core.git import git
from pixmill.state.documents import MalformedError, read_stages
from pixmill.state.uncommitted import commit_first

IN_DVC = ("artifacts/", "data/", "reports/")
"""Folders that DVC holds; all else is in Git."""

_MOST = {".parquet": 512 << 20, ".lock": 1 << 20, ".yaml": 1 << 20, ".dvc": 1 << 20}
_MOST_BYTES = 64 << 20
"""The most bytes of a file by its suffix, and of any other: nobody means a larger one to be compared."""

_AT_ONCE, _AT_ONCE_BYTES = 200, 16 << 20
"""The most files that are read ahead, and their most bytes together."""

_SECONDS = 30
"""How long a remote may take for one file: the timeouts and retries of its own add up to many minutes."""


class DvcStore:
    """DVC's cache and remote, as all trees of a project read them.

    Args:
        root: The project's folder.
        fetch: Whether to ask the remote for what the cache lacks.
    """

    def __init__(self, root: Path, *, fetch: bool = True) -> None:
        self.root = root
        self.failure: Exception | None = None
        self._fetch = fetch
        self._listings: dict[str, bytes] = {}

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
            MalformedError: It is larger than ``most`` bytes.
            DamagedFileError: It is not what its hash says.
            Exception: Whatever DVC, or the client of its remote, raises.
        """
        # A sound file where DVC keeps them by default is the same anywhere else, and DVC itself takes long to start.
        with contextlib.suppress(OSError), (self.root / DEFAULT_CACHE / md5[:2] / md5[2:]).open("rb") as file:
            read = file.read(most + 1)
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
            raise DamagedFileError(os.path.relpath(self.repo.cache.local.oid_to_path(md5), self.root))
        return content

    def within(self, folder: str, path: str) -> str | None:
        """Return the hash of a file in a folder, by the folder's; ``None`` if it has none of this path."""
        if folder not in self._listings:
            self._listings[folder] = self.content(folder, _MOST_BYTES)
        if self._listings[folder][:9] not in (b'[{"md5": ', b"[]"):
            raise MalformedError("is in a folder whose listing in DVC is malformed")
        # As DVC writes it: a folder of a million images, or of anything, is searched and not parsed.
        listing, named = self._listings[folder], f', "relpath": {json.dumps(path)}}}'.encode()
        start = listing.find(named)
        found = re.fullmatch(rb'\{"md5": "([0-9a-f]{32})"', listing[max(0, start - 42) : start]) if start >= 0 else None
        return found[1].decode() if found else None

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

    Attributes:
        faults: What is wrong with files that were read, by path, such as ``is larger than 1 MiB``.
    """

    def __init__(self, store: DvcStore, revision: GitRevision) -> None:
        self.revision = revision
        self._store = store
        self.faults: dict[str, str] = {}
        self._errors: dict[str, Exception] = {}
        self._ahead: dict[str, bytes] = {}

    def read_ahead(self, paths: Iterable[str]) -> None:
        """Read small files in Git that :meth:`read` will be asked for: one by one, each takes two processes.

        Args:
            paths: As :meth:`read` takes them.
        """
        wanted = [f"./{path}" for path in dict.fromkeys(paths) if not path.startswith(IN_DVC)][:_AT_ONCE]
        if self.revision.is_workspace or not wanted:
            return
        listed = git(self._store.root, "ls-tree", "-lz", str(self.revision.commit), "--", *wanted) or ""
        blobs, left = {}, _AT_ONCE_BYTES
        for about, _, path in (line.partition("\t") for line in listed.split("\0") if line):
            mode, _, blob, size = about.split()
            if mode.startswith("100") and size.isdecimal() and int(size) <= min(left, *_MOST.values()):
                left -= int(size)
                blobs[path] = blob
        contents = read_blobs(self._store.root, tuple(blobs.values()))
        self._ahead = dict(zip(blobs, contents, strict=False))

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
            return self._read(path, _MOST.get(PurePosixPath(path).suffix, _MOST_BYTES))
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
            return None if md5 is None else self._ask(path, lambda: self._store.content(md5, most))
        return None if self.revision.is_workspace else self._in_git(path, most)

    def _in_git(self, path: str, most: int) -> bytes | None:
        if path in self._ahead:
            return self._ahead[path]
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
        try:
            return self._md5(path)
        except MalformedError as fault:
            self.faults[path] = str(fault)
            return None

    def _md5(self, path: str) -> str | None:
        for out, md5 in self._outs.items():
            if path == out and not md5.endswith(".dir"):
                return md5
            if path.startswith(f"{out}/") and md5.endswith(".dir"):
                digest: str | None = self._ask(path, partial(self._store.within, md5, path[len(out) + 1 :]))
                return digest
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
        from dvc.exceptions import DvcException

        if isinstance(error, DamagedFileError):
            # DVC itself keeps a file that is there, whatever it holds.
            told = f"{path} is damaged in DVC's cache or remote; to make it again: rm -f {error}"
            return f"{told} && {self.remake} -f {path.split('/')[1]}"
        if isinstance(error, DvcException):
            return f"DVC says: {error}"
        chain = list(_causes(error))
        absent = [isinstance(each, FileNotFoundError) for each in chain]
        failed = [isinstance(each, OSError) and not isinstance(each, FileNotFoundError) for each in chain]
        if any(failed) or not any(absent):
            cause = (str(chain[-1]) or type(chain[-1]).__name__).splitlines()[0]
            package = getattr(chain[-1], "name", None) if isinstance(chain[-1], ImportError) else None
            then = f"pip install {package.replace('_', '-')}" if package else "see dvc remote list"
            return f"the remote '{self._store.remote}' cannot be reached ({cause}): {then}"
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

    def _ask(self, path: str, question: Callable[[], Any]) -> Any:
        """Return what DVC answers, ``None`` if it fails; then nothing below this folder is asked for again."""
        if _folder(path) in self._errors:
            return None
        try:
            return self._store.ask(question)
        except MalformedError:
            raise
        except Exception as error:  # noqa: BLE001 (remotes raise what they like)
            self._errors[_folder(path)] = error
            return None


def _is(content: bytes, md5: str) -> bool:
    """Tell whether a file or a folder's listing is the one that DVC knows by this hash."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest() == md5.removesuffix(".dir")


class DamagedFileError(Exception):
    """Raised with the path of the file in DVC's cache that is not what its name says."""


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
