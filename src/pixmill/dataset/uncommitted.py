"""Uncommitted images and decisions: ``data.dvc``, ``decisions.csv``, and images in neither.

``dvc exp apply``, ``git checkout``, ``dvc checkout``, ``dvc pull`` and a change of branch may
discard them.
"""

import contextlib
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pixmill.core.decisions import FILE as DECISIONS
from pixmill.core.decisions import read_rows, with_ids
from pixmill.core.errors import DataError, DecisionsError, ParamsError
from pixmill.core.metadata import FILE
from pixmill.core.params import parse_yaml, read_text
from pixmill.core.params.document import value_at
from pixmill.core.repository.dvc import (
    DEFAULT_CACHE,
    LITTER,
    cache_folder,
    read_listing,
    read_record,
)
from pixmill.core.repository.file_hashes import FileHashes, Mark, ignored_by_dvc, walk
from pixmill.core.repository.git import changed_files, git
from pixmill.core.review_csv import committed_rows
from pixmill.core.spellings import resolve
from pixmill.core.words import count
from pixmill.dataset.deciding import DecisionTable

_FILES = ("data.dvc", DECISIONS)

_APPLIED = "refs/exps/exec/EXEC_APPLY"
"""The experiment that ``dvc exp apply`` applied last."""

_MAX_COMMITS = 200
"""Number of commits that are searched for the current images in ``data/``."""

_MAX_RECORDS = 20
"""Number of the records of these commits that are read."""


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
        changed: Changed files among ``data.dvc`` and ``decisions.csv``.
        deleted: Deleted files among them.
        params: ``params.yaml`` if its classes, sources or folder of images without a label differ,
            which images and decisions may need.
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
        commands = [f"git checkout HEAD -- {' '.join(self.deleted)}"] if self.deleted else []
        return [*commands, "dvc add data"] if self.unadded else commands

    @property
    def sentence(self) -> str:
        """Description of uncommitted or missing files; empty if there are none."""
        if self.unfetched:
            images, command = self.unfetched
            own = ""
            if "mv " in command:
                own = ", and has others: move it away, fetch, and copy yours back"
            intended = "dvc add data && git add data.dvc && git commit"
            lacks = f"data/ lacks {images} of data.dvc, as after a merge"
            return f"{lacks}{own} (if you deleted them: {intended})"
        if self.missing:
            intended = f"if intended: git add {' '.join(self.changed)} && git commit"
            return f"Missing here, but in the last commit: {self.missing} ({intended})"
        parts = [self.unadded] if self.unadded else []
        if self.changed:
            verb = "differs" if len(self.changed) == 1 else "differ"
            parts.append(f"{' and '.join(self.changed)} {verb} from the last commit")
        if self.deleted:
            verb = "is" if len(self.deleted) == 1 else "are"
            parts.append(f"{' and '.join(self.deleted)} {verb} deleted")
        if parts:
            risk = "commit first, else a checkout or pull may discard it"
            return f"{', and '.join(parts)}: {risk}{self.removal}"
        return self.removal

    @property
    def removal(self) -> str:
        """A clause that says how to restore deleted images; empty if there are none."""
        if not self.removed:
            return ""
        back = "git checkout HEAD -- data.dvc && dvc checkout data.dvc"
        return f". {self.removed} of the last commit deleted; to restore: {back}"

    def command(self, message: str) -> str | None:
        """Return the command that commits changes or restores files; ``None`` if none is needed.

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
        commands = self.before
        names = {*self.changed, *(["data.dvc"] if self.unadded else [])}
        if names:
            added = " ".join(sorted({*names, *self.params}))
            commands += [f"git add {added}", f'git commit -m "{message}"']
        return " && ".join(commands) or None


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
    marks = walk(root / "data") if files is None else files.items()
    found = {name: mark[0] for name, mark in marks}
    sizes = {name: size for name, size in found.items() if name.rpartition("/")[2] not in LITTER}
    differs = _differs(root, sizes, record)
    if differs and record is not None:
        # Apply DVC's ignore patterns only now, since matching is slow.
        is_ignored = ignored_by_dvc(root)
        sizes = {name: size for name, size in found.items() if not is_ignored(f"data/{name}")}
        differs = _differs(root, sizes, record)
    return Data(len(sizes), sum(sizes.values()), record, differs)


def find_uncommitted(root: Path, hashes: FileHashes | None = None) -> Uncommitted:
    """Return the differences from the last commit; empty before the first one.

    Args:
        root: The project's folder.
        hashes: Hashes of the project's files; default: computed if needed.
    """
    if git(root, "rev-parse", "--verify", "--quiet", "HEAD:./") is None:
        return Uncommitted()
    entries = changed_files(root, "--", *_FILES, "params.yaml") or {}
    found = _read_changes(root, entries)
    try:
        data = _compare_data(root, hashes, is_deleted="data.dvc" in found.deleted)
    except DataError:
        return found  # `pixmill doctor` reports it.
    is_applied = "data.dvc" in found.changed and _is_applied(root)
    images = _compare_images(root, found.changed)
    decisions = _compare_decisions(root, found.changed)
    unadded = _describe_unadded(root, data)
    has_record = data is not None and data.record is not None
    has_own = images.is_new or decisions.is_new or (has_record and bool(unadded))
    missing, removed = _describe_losses(images.gone, decisions.gone, is_applied=is_applied)
    found = replace(found, unadded=unadded, is_back=not has_own, missing=missing, removed=removed)
    # "M " is staged, as by a merge.
    is_old = entries.get("data.dvc", "M ") == "M "
    if not has_record or "data.dvc" in found.deleted or (is_old and not unadded):
        return found
    is_applied = is_applied and not has_own
    return _compare_history(root, found, hashes, is_old=is_old, is_applied=is_applied)


def _read_changes(root: Path, entries: Mapping[str, str]) -> Uncommitted:
    """Return the files that differ from the last commit.

    Args:
        root: The project's folder.
        entries: Git's status of files by name.
    """
    changed = []
    deleted = []
    for name in _FILES:
        if name in entries and (root / name).exists():
            changed.append(name)
        elif "A" not in entries.get(name, "A"):  # What was only staged is in no commit.
            deleted.append(name)
    has_params = "params.yaml" in entries and _has_other_classes(root)
    params = ("params.yaml",) if has_params else ()
    return Uncommitted(tuple(changed), tuple(deleted), params=params)


def _describe_losses(images: int, decisions: int, *, is_applied: bool) -> tuple[str, str]:
    """Describe what only the last commit has: what is missing, and what a person deleted.

    Who deletes images means it, unless ``dvc exp apply`` brought an earlier ``data.dvc`` back.
    """
    missing = []
    removed = count(images, "image") if images else ""
    if images and is_applied:
        missing.append(removed)
        removed = ""
    if decisions:
        missing.append(count(decisions, "decision"))
    return " and ".join(missing), removed


def _compare_data(root: Path, hashes: FileHashes | None, *, is_deleted: bool) -> Data | None:
    """Return the state of ``data/``; ``None`` without DVC.

    Raises:
        DataError: ``data.dvc`` is not valid.
    """
    if not (root / ".dvc").is_dir():
        return None
    text = git(root, "show", "HEAD:./data.dvc") if is_deleted else None
    return read_data(root, hashes.files("data") if hashes else None, text)


def _describe_unadded(root: Path, data: Data | None) -> str:
    # DVC refuses a folder that Git tracks.
    if data is None or not data.differs or git(root, "ls-files", "--", "data"):
        return ""
    return "data/ is not in DVC" if data.record is None else "data/ differs from data.dvc"


def _compare_history(
    root: Path, found: Uncommitted, hashes: FileHashes | None, *, is_old: bool, is_applied: bool
) -> Uncommitted:
    """Look whether ``data/`` is that of an earlier commit, or lacks images that others added.

    Args:
        root: The project's folder.
        found: What differs.
        hashes: Hashes of the project's files; default: computed.
        is_old: Whether ``data.dvc`` is that of a commit.
        is_applied: Whether it is that of an applied experiment.
    """
    earlier = _earlier_records(root)
    with contextlib.ExitStack() as stack:
        known = hashes or stack.enter_context(FileHashes(root))
        files = set(known.files("data"))
        is_committed = known.md5("data") in earlier
    if is_old and is_committed:
        return replace(found, unadded="", has_earlier_images=True)
    if is_applied:
        return found
    unfetched = _find_unfetched(root, files, earlier, is_committed=is_committed)
    return replace(found, unadded="", unfetched=unfetched) if unfetched else found


def _has_other_classes(root: Path) -> bool:
    """Return whether ``params.yaml`` names other classes, sources or images without a label."""
    try:
        old = {**parse_yaml(git(root, "show", "HEAD:./params.yaml") or "{}")}
        new = {**parse_yaml(read_text(root / "params.yaml"))}
        return any(
            value_at(old, name, None) != value_at(new, name, None)
            for name in ("classes", "scrape", "evaluate.unlabelled")
        )
    except (ParamsError, TypeError):
        return False  # `pixmill doctor --quick` reports it.


def _earlier_records(root: Path) -> list[str]:
    """Return the MD5s of ``data/`` in recent commits, also of other branches."""
    options = ("--format=", "-p", "-m", "--no-color", "--reflog")
    log = git(root, "log", f"-n{_MAX_COMMITS}", *options, "HEAD", "--", "data.dvc") or ""
    return list(dict.fromkeys(re.findall(r"^[-+]- md5: ([0-9a-f]+\.dir)", log, re.MULTILINE)))


def _find_unfetched(
    root: Path, files: AbstractSet[str], earlier: Sequence[str], *, is_committed: bool
) -> tuple[str, str] | None:
    """Return the number of images that ``data/`` never had, and what makes a fetch safe.

    Such images are all of those that a record added to an earlier one, or all if even their list
    was never fetched.
    """
    record = read_record(root, git(root, "show", ":./data.dvc"))
    recorded = set((record and _recorded_files(root, record["md5"])) or ())
    if recorded and recorded <= files:
        return None
    if recorded and not is_committed and not _was_never_here(root, files, recorded, earlier):
        return None
    aside = "" if is_committed else " && mv data ../data-mine"
    lacking = len(recorded - files)
    return count(lacking, "image") if lacking else "images", f"git checkout -- data.dvc{aside}"


def _was_never_here(
    root: Path, files: AbstractSet[str], recorded: AbstractSet[str], earlier: Sequence[str]
) -> bool:
    """Return whether ``data/`` has none of the images that the record added to an earlier one."""
    for md5 in earlier[:_MAX_RECORDS]:
        old = _recorded_files(root, md5)
        if old and (added := recorded - old.keys()) and added.isdisjoint(files):
            return True
    return False


@dataclass(frozen=True)
class _Difference:
    """What a file lacks of the last commit, and whether it has more."""

    gone: int
    is_new: bool


_SAME = _Difference(0, is_new=False)


def _compare_images(root: Path, changed: Sequence[str]) -> _Difference:
    """Compare ``data.dvc`` with that of the last commit."""
    if "data.dvc" not in changed:
        return _SAME
    old = _recorded_images(root, git(root, "show", "HEAD:./data.dvc") or "")
    new = _recorded_images(root, (root / "data.dvc").read_text("utf-8", "replace"))
    return _Difference(len(old.keys() - new.keys()), is_new=not new.items() <= old.items())


def _compare_decisions(root: Path, changed: Sequence[str]) -> _Difference:
    """Compare the rows with those of the last commit.

    A decision is gone if its image has no row, unless the log says that it was taken back here.
    """
    if DECISIONS not in changed:
        return _SAME
    try:
        old = committed_rows(root, "HEAD") or ()
        new = read_rows(root / DECISIONS)
        logged = DecisionTable(root).actions()
    except (DataError, DecisionsError):
        return _SAME  # `pixmill doctor` reports it.
    ids = resolve(root, {row.image for row in (*old, *new)})
    before = set(with_ids(old, ids))
    after = set(with_ids(new, ids))
    known = {change.key[0] for action in logged for change in action.changes}
    known.update(row.image for row in after)
    gone = {row.image for row in before} - known
    return _Difference(len(gone), is_new=not after <= before)


def _is_applied(root: Path) -> bool:
    """Return whether ``dvc exp apply`` brought back the ``data.dvc`` of an earlier commit."""
    applied = git(root, "show", f"{_APPLIED}:./data.dvc")
    is_earlier = git(root, "rev-parse", f"{_APPLIED}^") != git(root, "rev-parse", "HEAD")
    here = (root / "data.dvc").read_text("utf-8", "replace")
    return is_earlier and (applied or "").split() == here.split()


def _recorded_images(root: Path, text: str) -> dict[str, str]:
    """Return the MD5s of files that a ``data.dvc`` records; empty if the cache lacks the list."""
    try:
        record = read_record(root, text)
    except DataError:
        return {}
    files = _recorded_files(root, record["md5"]) if record else None
    return {name if name == FILE else md5: md5 for name, md5 in (files or {}).items()}


def commit_command(root: Path, message: str) -> str | None:
    """Return the command that commits images and decisions; ``None`` if there is nothing to commit.

    Args:
        root: The project's folder.
        message: The commit's message.
    """
    # During a merge, it would commit conflict marks.
    is_merging = bool(git(root, "ls-files", "--unmerged"))
    return None if is_merging else find_uncommitted(root).command(message)


def commit_first(root: Path, advice: str) -> str:
    """Prepend the command that commits images and decisions to one that may overwrite them.

    Args:
        root: The project's folder.
        advice: The command, such as ``dvc pull``.
    """
    command = commit_command(root, "Add images and decisions")
    return advice if command is None else f"{command} && {advice}"


def _differs(root: Path, files: Mapping[str, int], record: Mapping[str, Any] | None) -> bool:
    """Return whether files differ from the record, as far as the cache has its list."""
    if not files or record is None:
        return bool(files)
    size = sum(files.values())
    if record.get("nfiles", len(files)) != len(files) or record.get("size", size) != size:
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
