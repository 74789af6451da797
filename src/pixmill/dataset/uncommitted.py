"""Uncommitted images and decisions: ``data.dvc``, ``review.csv``, and images that are not in ``data.dvc``.

``dvc exp apply``, ``git checkout``, ``dvc checkout``, ``dvc pull`` and a change of branch may
discard them.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixmill.core.errors import DataError, ParamsError
from pixmill.core.metadata import FILE
from pixmill.core.params import parse_yaml, read_text
from pixmill.core.repository.dvc import (
    DEFAULT_CACHE,
    LITTER,
    cache_folder,
    read_listing,
    read_record,
)
from pixmill.core.repository.file_hashes import FileHashes, Mark, ignored_by_dvc, walk
from pixmill.core.repository.git import changed_files, git
from pixmill.core.words import count

_FILES = ("data.dvc", "review.csv")

_APPLIED = "refs/exps/exec/EXEC_APPLY"
"""The experiment that ``dvc exp apply`` applied last."""

_MAX_COMMITS = 200
_MAX_RECORDS = 20
"""Number of commits that are searched for the current images in ``data/``, and of their records that are read."""


@dataclass(frozen=True)
class Data:
    """The files in ``data/``, compared with ``data.dvc``.

    Attributes:
        count: Number of files, without those that DVC ignores.
        size: Total size in bytes.
        record: Content of ``data.dvc``; ``None`` if it is missing.
        differs: Whether there are files that differ from the record in number, size or paths.
    """

    count: int
    size: int
    record: Mapping[str, Any] | None
    differs: bool

    @property
    def is_new(self) -> bool:
        """Whether there are no files, here or in the record."""
        return not self.count and (self.record is None or self.record.get("nfiles") == 0)


@dataclass(frozen=True)
class Uncommitted:
    """Differences from the last commit.

    Attributes:
        changed: Changed files among ``data.dvc`` and ``review.csv``.
        deleted: Deleted files among them.
        params: ``params.yaml`` if its classes or sources differ, which images and decisions may
            need.
        unadded: Description of images in ``data/`` that are not in DVC, or an empty string.
        missing: Description of images and decisions that only the last commit has, or an empty
            string. Images that a person deleted do not count: messages advise to delete some, and
            the results are made without them.
        removed: Description of the images that a person deleted, or an empty string.
        is_back: Whether the last commit has everything that is here, so that it is safe to check
            out.
        has_earlier_images: Whether ``data/`` has the images of an earlier commit, as after ``git
            pull``. They are committed already; adding them would undo others' additions.
        unfetched: Number of images of others that ``data/`` never had, as after a merge, with the
            command that makes a fetch safe; ``None`` if there are none. Adding ``data/`` would undo
            these additions.
    """

    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    unadded: str = ""
    missing: str = ""
    is_back: bool = False
    has_earlier_images: bool = False
    removed: str = ""
    unfetched: tuple[str, str] | None = None
    params: tuple[str, ...] = ()

    @property
    def before(self) -> list[str]:
        """Commands to run before ``git add``: restore deleted files, and add ``data/`` to DVC."""
        restore = [f"git checkout HEAD -- {' '.join(self.deleted)}"] if self.deleted else []
        return [*restore, *(["dvc add data"] if self.unadded else [])]

    @property
    def sentence(self) -> str:
        """Description of uncommitted or missing files; empty if there are none."""
        if self.unfetched:
            own = (
                ", and has others: move it away, fetch, and copy yours back"
                if "mv " in self.unfetched[1]
                else ""
            )
            intended = "dvc add data && git add data.dvc && git commit"
            lacks = f"data/ lacks {self.unfetched[0]} of data.dvc, as after a merge"
            return f"{lacks}{own} (if you deleted them: {intended})"
        if self.missing:
            intended = f"if intended: git add {' '.join(self.changed)} && git commit"
            return f"Missing here, but in the last commit: {self.missing} ({intended})"
        parts = [self.unadded] if self.unadded else []
        if self.changed:
            parts += [
                (
                    f"{' and '.join(self.changed)} differ{'s' * (len(self.changed) == 1)} from the "
                    "last commit"
                )
            ]
        if self.deleted:
            parts += [
                f"{' and '.join(self.deleted)} {'are' if len(self.deleted) > 1 else 'is'} deleted"
            ]
        discard = (
            ": commit before dvc exp apply, dvc pull or a checkout, which may discard it"
            if parts
            else ""
        )
        return f"{', and '.join(parts)}{discard}{self.removal}"

    @property
    def removal(self) -> str:
        """A clause that says how to restore deleted images; empty if there are none."""
        back = "git checkout HEAD -- data.dvc && dvc checkout data.dvc"
        return (
            f". {self.removed} of the last commit deleted; to restore: {back}"
            if self.removed
            else ""
        )

    def command(self, message: str) -> str | None:
        """Return the command that commits changes or restores missing files; ``None`` if there is nothing to do.

        If there are new images or decisions, too, a checkout would discard them: then the command
        commits everything, and missing files stay in the last commit.
        """
        if self.unfetched:
            return self.unfetched[1]
        if self.missing and self.is_back:
            restore = f"git checkout HEAD -- {' '.join(self.changed)}"
            return f"{restore} && dvc checkout data.dvc" if "data.dvc" in self.changed else restore
        if self.missing:
            message = "Change images and decisions"
        names = {*self.changed, *(["data.dvc"] if self.unadded else [])}
        commit = (
            [f"git add {' '.join(sorted({*names, *self.params}))}", f'git commit -m "{message}"']
            if names
            else []
        )
        return " && ".join([*self.before, *commit]) or None


def read_data(root: Path, files: Mapping[str, Mark] | None = None, text: str | None = None) -> Data:
    """Compare ``data/`` with what ``data.dvc`` records; no file is hashed.

    Args:
        root: The project's folder.
        files: Those in ``data/``, from :func:`pixmill.core.repository.file_hashes.walk`; default:
            walk it.
        text: Content of ``data.dvc``; default: read it.

    Raises:
        DataError: ``data.dvc`` is not valid.
    """
    record = read_record(root, text)
    found = {
        name: mark[0] for name, mark in (walk(root / "data") if files is None else files.items())
    }
    sizes = {name: size for name, size in found.items() if name.rpartition("/")[2] not in LITTER}
    if (differs := _differs(root, sizes, record)) and record is not None:
        # Apply DVC's ignore patterns only now, since matching is slow.
        is_ignored = ignored_by_dvc(root)
        sizes = {name: size for name, size in found.items() if not is_ignored(f"data/{name}")}
        differs = _differs(root, sizes, record)
    return Data(len(sizes), sum(sizes.values()), record, differs)


def find_uncommitted(root: Path, hashes: FileHashes | None = None) -> Uncommitted:
    """Return the differences from the last commit; empty before the first commit of the project's folder.

    Args:
        root: The project's folder.
        hashes: Hashes of the project's files; default: computed if needed.
    """
    if git(root, "rev-parse", "--verify", "--quiet", "HEAD:./") is None:
        return Uncommitted()
    entries = changed_files(root, "--", *_FILES, "params.yaml") or {}
    params = (
        ("params.yaml",) if entries.pop("params.yaml", None) and _has_other_classes(root) else ()
    )
    changed = tuple(name for name in sorted(entries) if (root / name).exists())
    # A file that was added and deleted is in no commit.
    deleted = tuple(
        name for name, code in sorted(entries.items()) if name not in changed and "A" not in code
    )
    data = None
    unadded = ""
    if (root / ".dvc").is_dir():
        try:
            text = git(root, "show", "HEAD:./data.dvc") if "data.dvc" in deleted else None
            data = read_data(root, hashes.files("data") if hashes else None, text)
        except DataError:
            return Uncommitted(changed, deleted)  # `pixmill doctor` reports it.
        # DVC refuses a folder that Git tracks.
        if data.differs and not git(root, "ls-files", "--", "data"):
            unadded = (
                "data/ is not in DVC" if data.record is None else "data/ differs from data.dvc"
            )
    is_applied = "data.dvc" in changed and _is_applied(root)
    missing, removed, is_back = _missing(root, changed, is_applied=is_applied)
    # "M " is staged, as by a merge.
    is_old = entries.get("data.dvc", "M ") == "M "
    is_back = is_back and (not unadded or data is None or data.record is None)
    is_earlier = False
    unfetched = None
    if data and data.record and "data.dvc" not in deleted and (unadded or not is_old):
        with nullcontext(hashes) if hashes else FileHashes(root) as known:
            earlier = _earlier_records(root)
            files = set(known.files("data"))
            md5 = known.md5("data")
        is_earlier = is_old and md5 in earlier
        if not (is_earlier or (is_back and is_applied)):
            unfetched = _unfetched(root, files, earlier, is_committed=md5 in earlier)
    unadded = "" if is_earlier or unfetched else unadded
    return Uncommitted(
        changed, deleted, unadded, missing, is_back, is_earlier, removed, unfetched, params
    )


def _has_other_classes(root: Path) -> bool:
    """Return whether ``params.yaml`` has other classes or sources than the last commit."""
    try:
        old = parse_yaml(git(root, "show", "HEAD:./params.yaml") or "{}")
        new = parse_yaml(read_text(root / "params.yaml"))
        return any(old.get(key) != new.get(key) for key in ("classes", "scrape"))
    except (ParamsError, AttributeError):
        return False  # `pixmill doctor --quick` reports it.


def _earlier_records(root: Path) -> list[str]:
    """Return the MD5s of ``data/`` in recent commits, also in those of other branches, and before a rebase."""
    words = (
        "log",
        f"-n{_MAX_COMMITS}",
        "--format=",
        "-p",
        "-m",
        "--no-color",
        "--reflog",
        "HEAD",
        "--",
        "data.dvc",
    )
    return list(
        dict.fromkeys(
            re.findall(r"^[-+]- md5: ([0-9a-f]+\.dir)", git(root, *words) or "", re.MULTILINE)
        )
    )


def _unfetched(
    root: Path, files: set[str], earlier: list[str], *, is_committed: bool
) -> tuple[str, str] | None:
    """Return the number of images that ``data/`` never had, and the command that makes a fetch safe.

    Such images are all of those that a record added to an earlier one, or all if even their list
    was never fetched.
    """
    record = read_record(root, git(root, "show", ":./data.dvc"))
    whole = set((record and _recorded_files(root, record["md5"])) or ())
    olds = [set(old) for md5 in earlier[:_MAX_RECORDS] if (old := _recorded_files(root, md5))]
    is_other = is_committed or any((new := whole - old) and not new & files for old in olds)
    if whole and (whole <= files or not is_other):
        return None
    aside = "" if is_committed else " && mv data ../data-mine"
    return count(
        len(whole - files), "image"
    ) if whole - files else "images", f"git checkout -- data.dvc{aside}"


def _missing(root: Path, changed: Sequence[str], *, is_applied: bool) -> tuple[str, str, bool]:
    """Describe missing images and decisions of the last commit, then deleted images; and whether there are no new ones.

    ``dvc exp apply`` restores the ``data.dvc`` and ``review.csv`` that the experiment started from.
    """
    words = []
    removed = ""
    is_back = True
    for name, read, noun in (
        (_FILES[0], _recorded_images, "image"),
        (_FILES[1], _decisions, "decision"),
    ):
        if name in changed:
            old = read(root, git(root, "show", f"HEAD:./{name}") or "")
            new = read(root, (root / name).read_text("utf-8", "replace"))
            if gone := old.keys() - new.keys():
                if name == "data.dvc" and not is_applied:
                    removed = count(len(gone), noun)
                else:
                    words.append(count(len(gone), noun))
            is_back = is_back and new.items() <= old.items()
    return " and ".join(words), removed, is_back


def _is_applied(root: Path) -> bool:
    """Return whether ``data.dvc`` is that of an experiment of an earlier commit, brought back by ``dvc exp apply``."""
    applied = git(root, "show", f"{_APPLIED}:./data.dvc")
    is_earlier = git(root, "rev-parse", f"{_APPLIED}^") != git(root, "rev-parse", "HEAD")
    return is_earlier and applied == (root / "data.dvc").read_text("utf-8", "replace")


def _recorded_images(root: Path, text: str) -> dict[str, str]:
    """Return the MD5s of the images in a ``data.dvc``, and of their table; empty if the listing is not in the cache."""
    try:
        record = read_record(root, text)
    except DataError:
        return {}
    files = _recorded_files(root, record["md5"]) if record else None
    return {name if name == FILE else md5: md5 for name, md5 in (files or {}).items()}


def _decisions(_: Path, text: str) -> dict[str, str]:
    """Return the lines of a ``review.csv`` by image."""
    return {line.partition(",")[0]: line for line in text.splitlines()[1:]}


def commit_command(root: Path, message: str) -> str | None:
    """Return the command that commits images and decisions; ``None`` if there is nothing to commit.

    Args:
        root: The project's folder.
        message: The commit's message.
    """
    return find_uncommitted(root).command(message)


def commit_first(root: Path, advice: str) -> str:
    """Prepend the command that commits images and decisions, if any, to a command that may overwrite them.

    Args:
        root: The project's folder.
        advice: The command, such as ``dvc pull``.
    """
    command = commit_command(root, "Add images and decisions")
    return advice if command is None else f"{command} && {advice}"


def _differs(root: Path, files: Mapping[str, int], record: Mapping[str, Any] | None) -> bool:
    """Return whether there are files that differ from the record; paths count if the cache has the listing."""
    if not files or record is None:
        return bool(files)
    if any(
        record.get(key, value) != value
        for key, value in (("nfiles", len(files)), ("size", sum(files.values())))
    ):
        return True
    paths = _recorded_files(root, record["md5"])
    return paths is not None and files.keys() != paths.keys()


def _recorded_files(root: Path, md5: str) -> Mapping[str, str] | None:
    try:
        listing = read_listing(root / DEFAULT_CACHE, md5)
        if listing is None and (cache := cache_folder(root)) is not None:
            listing = read_listing(cache, md5)
    except (OSError, ValueError, LookupError, TypeError):
        return None  # a damaged listing
    return listing
