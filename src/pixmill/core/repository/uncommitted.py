"""What people brought and decided and no commit holds yet: ``data.dvc``, ``review.csv`` and images not in ``data.dvc``.

``dvc exp apply``, ``git checkout``, ``dvc checkout``, ``dvc pull`` and another branch may remove it.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixmill.core.errors import DataError
from pixmill.core.repository.dvc import DEFAULT_CACHE, LITTER, cache_folder, read_listing, read_record
from pixmill.core.repository.file_hashes import FileHashes, Mark, ignored_by_dvc, walk
from pixmill.core.repository.git import changed_files, git
from pixmill.core.words import count

_FILES = ("data.dvc", "review.csv")

_COMMITS = 200
"""How many commits back the images that lie in ``data/`` are looked for."""


@dataclass(frozen=True)
class Data:
    """The files in ``data/``, beside those that ``data.dvc`` records.

    Attributes:
        count: How many files there are, without those that DVC ignores.
        size: Their size in bytes.
        record: What ``data.dvc`` says; ``None`` where there is none.
        differs: Whether there are files, and others than recorded, by their number, size and paths.
    """

    count: int
    size: int
    record: Mapping[str, Any] | None
    differs: bool


@dataclass(frozen=True)
class Uncommitted:
    """What is not as the last commit has it.

    Attributes:
        changed: Which of ``data.dvc`` and ``review.csv`` were changed.
        deleted: Which of them are gone.
        unadded: What is wrong where DVC has not all of ``data/``; empty where it has.
        missing: Which images and decisions of the last commit are not here; empty where all are.
        is_back: Whether nothing is here that the last commit lacks, so that it can be checked out.
        has_earlier_images: Whether ``data/`` has the images of an earlier commit in place of those of ``data.dvc``, as
            after ``git pull``: a commit keeps them, and to add them would undo what others have added since.
    """

    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    unadded: str = ""
    missing: str = ""
    is_back: bool = False
    has_earlier_images: bool = False

    @property
    def before(self) -> list[str]:
        """The commands to type before ``git add``: they bring deleted files back, and add ``data/`` to DVC."""
        restore = [f"git checkout HEAD -- {' '.join(self.deleted)}"] if self.deleted else []
        return [*restore, *(["dvc add data"] if self.unadded else [])]

    @property
    def sentence(self) -> str:
        """What is uncommitted or missing, and what may discard it; empty where nothing is."""
        if self.missing:
            meant = f"if that is meant: git add {' '.join(self.changed)} && git commit"
            return f"Missing here, but in the last commit: {self.missing} ({meant})"
        parts = [self.unadded] if self.unadded else []
        if self.changed:
            parts += [f"{' and '.join(self.changed)} differ{'s' * (len(self.changed) == 1)} from the last commit"]
        if self.deleted:
            parts += [f"{' and '.join(self.deleted)} {'are' if len(self.deleted) > 1 else 'is'} deleted"]
        discard = ": dvc exp apply, dvc pull or a checkout may discard this" if parts else ""
        return f"{', and '.join(parts)}{discard}"

    def command(self, message: str) -> str | None:
        """Return the command that commits it, or brings back what is missing; ``None`` where nothing is to be done.

        Where there are new images or decisions, too, checking the last commit out would discard them: then all is
        committed, and what is missing stays in the last commit.
        """
        if self.missing and self.is_back:
            restore = f"git checkout HEAD -- {' '.join(self.changed)}"
            return f"{restore} && dvc checkout data.dvc" if "data.dvc" in self.changed else restore
        if self.missing:
            message = "Change images and decisions"
        names = sorted({*self.changed, *(["data.dvc"] if self.unadded else [])})
        commit = [f"git add {' '.join(names)}", f'git commit -m "{message}"'] if names else []
        return " && ".join([*self.before, *commit]) or None


def read_data(root: Path, files: Mapping[str, Mark] | None = None, text: str | None = None) -> Data:
    """Compare ``data/`` with what ``data.dvc`` records; no file is hashed.

    Args:
        root: The project's folder.
        files: Those in ``data/``, from :func:`pixmill.core.repository.file_hashes.walk`; default: walk it.
        text: As for :func:`pixmill.core.repository.dvc.read_record`.

    Raises:
        DataError: ``data.dvc`` is not valid.
    """
    record = read_record(root, text)
    found = {name: mark[0] for name, mark in (walk(root / "data") if files is None else files.items())}
    sizes = {name: size for name, size in found.items() if name.rpartition("/")[2] not in LITTER}
    if (differs := _differs(root, sizes, record)) and record is not None:
        # Only now as DVC sees it: to compare each name with patterns takes a moment.
        is_ignored = ignored_by_dvc(root)
        sizes = {name: size for name, size in found.items() if not is_ignored(f"data/{name}")}
        differs = _differs(root, sizes, record)
    return Data(len(sizes), sum(sizes.values()), record, differs)


def find_uncommitted(root: Path, data: Data | None = None, hashes: FileHashes | None = None) -> Uncommitted:
    """Return what is not as the last commit has it; nothing before the first commit of the project's folder.

    Args:
        root: The project's folder.
        data: As :func:`read_data` returns it; default: it is read.
        hashes: Of the project's files; default: where they are needed, they are looked up.
    """
    if git(root, "rev-parse", "--verify", "--quiet", "HEAD:./") is None:
        return Uncommitted()
    entries = changed_files(root, "--", *_FILES) or {}
    changed = tuple(name for name in sorted(entries) if (root / name).exists())
    # A file that was added and is gone is in no commit.
    deleted = tuple(name for name, code in sorted(entries.items()) if name not in changed and "A" not in code)
    unadded = ""
    if (root / ".dvc").is_dir():
        try:
            text = git(root, "show", "HEAD:./data.dvc") if "data.dvc" in deleted else None
            data = data or read_data(root, hashes.files("data") if hashes else None, text)
        except DataError:
            return Uncommitted(changed, deleted)  # `pixmill doctor` says so.
        # DVC refuses a folder that Git tracks.
        if data.differs and not git(root, "ls-files", "--", "data"):
            unadded = "data/ is not in DVC" if data.record is None else "data/ differs from data.dvc"
    missing, is_back = _missing(root, changed)
    is_earlier = bool(unadded) and "data.dvc" not in (*changed, *deleted) and _has_earlier_images(root, hashes)
    is_back = is_back and (not unadded or data is None or data.record is None)
    return Uncommitted(changed, deleted, "" if is_earlier else unadded, missing, is_back, is_earlier)


def _has_earlier_images(root: Path, hashes: FileHashes | None) -> bool:
    history = git(root, "log", f"-n{_COMMITS}", "--format=", "-p", "--no-color", "--", "data.dvc") or ""
    with nullcontext(hashes) if hashes else FileHashes(root) as known:
        return known.md5("data") in re.findall(r"^[-+]- md5: ([0-9a-f]+\.dir)", history, re.MULTILINE)


def _missing(root: Path, changed: Sequence[str]) -> tuple[str, bool]:
    """Return which images and decisions of the last commit are not here, and whether nothing else is new.

    An applied experiment puts back the ``data.dvc`` and ``review.csv`` that it started from.
    """
    words, is_back = [], True
    for name, read, noun in ((_FILES[0], _recorded_images, "image"), (_FILES[1], _decisions, "decision")):
        if name in changed:
            old = read(root, git(root, "show", f"HEAD:./{name}") or "")
            new = read(root, (root / name).read_text("utf-8", "replace"))
            words += [count(len(gone), noun)] if (gone := old.keys() - new.keys()) else []
            is_back = is_back and new.items() <= old.items()
    return " and ".join(words), is_back


def _recorded_images(root: Path, text: str) -> dict[str, str]:
    """Return the images that a ``data.dvc`` records, as far as they are known."""
    try:
        record = read_record(root, text)
    except DataError:
        return {}
    files = _recorded_files(root, record["md5"]) if record else None
    return dict.fromkeys((files or {}).values(), "")


def _decisions(_: Path, text: str) -> dict[str, str]:
    """Return the lines of a ``review.csv`` by the image that they decide on."""
    return {line.partition(",")[0]: line for line in text.splitlines()[1:]}


def commit_command(root: Path, message: str) -> str | None:
    """Return the command that commits what is uncommitted; ``None`` where nothing is.

    Args:
        root: The project's folder.
        message: The commit's message.
    """
    return find_uncommitted(root).command(message)


def describe_uncommitted(root: Path) -> tuple[str, str] | None:
    """Return a sentence on what is uncommitted, and the command that commits it; ``None`` where nothing is."""
    found = find_uncommitted(root)
    command = found.command("Add images and decisions")
    return None if command is None else (found.sentence, command)


def commit_first(root: Path, advice: str) -> str:
    """Return a command that may overwrite images and decisions, behind the commit that keeps them, if one is needed.

    Args:
        root: The project's folder.
        advice: What to type, such as ``dvc pull``.
    """
    described = describe_uncommitted(root)
    return advice if described is None else f"{described[1]} && {advice}"


def _differs(root: Path, files: Mapping[str, int], record: Mapping[str, Any] | None) -> bool:
    """Tell whether there are files, and others than recorded; their paths count where the cache has the list."""
    if not files or record is None:
        return bool(files)
    if any(record.get(key, value) != value for key, value in (("nfiles", len(files)), ("size", sum(files.values())))):
        return True
    paths = _recorded_files(root, record["md5"])
    return paths is not None and files.keys() != paths.keys()


def _recorded_files(root: Path, md5: str) -> Mapping[str, str] | None:
    try:
        listing = read_listing(root / DEFAULT_CACHE, md5)
        if listing is None and (cache := cache_folder(root)) is not None:
            listing = read_listing(cache, md5)
    except (OSError, ValueError, LookupError, TypeError):
        return None  # A damaged list tells nothing.
    return listing
