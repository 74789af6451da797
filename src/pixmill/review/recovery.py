"""Find decisions that vanished before a commit held them, and restore them."""

import csv
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath

from pixmill.core.errors import DataError
from pixmill.core.files.workspace import Workspace
from pixmill.core.files.writing import (
    file_digest,
    place_within,
    storage_errors,
    write_durably,
    write_text,
)
from pixmill.core.metadata import MetadataTable
from pixmill.core.names import class_by_name
from pixmill.core.params import Params
from pixmill.core.process.progress import announce
from pixmill.core.repository.dvc import (
    cache_folder,
    is_cached,
    object_file,
    read_listing,
    read_record,
)
from pixmill.core.repository.git import git
from pixmill.core.words import count, join_names
from pixmill.dataset.decision_log import Accepted, Changed, DecisionLog, Line, make_line
from pixmill.dataset.inbox import Inbox
from pixmill.dataset.uncommitted import commit_command
from pixmill.images.listing import files_below

_MAX_NAMED = 3
"""Maximum number of images that a message names."""

_COLUMNS = 5
"""Number of columns of ``review.csv``."""

_RESTORE = "pixmill review --restore"


@dataclass
class DecisionStatus:
    """Logged decisions by status.

    Args:
        missing: Accepted images that are neither in ``data/`` nor in a commit.
        lost: Decisions that are neither in ``review.csv`` nor in a commit.
        accepted: Accepted images in a commit.
        written: Decisions that are in a commit, or that someone replaced.
    """

    missing: list[Accepted] = field(default_factory=list)
    lost: list[Changed] = field(default_factory=list)
    accepted: list[Accepted] = field(default_factory=list)
    written: list[Changed] = field(default_factory=list)


def check_decisions(log: DecisionLog, *, only_absent: bool = False) -> DecisionStatus:
    """Compare decisions with ``data/``, ``review.csv``, and the last commits of this branch and their own branches.

    A commit holds an image if ``data.dvc`` lists it, and DVC's cache holds the list and the image.

    Args:
        log: The decisions.
        only_absent: Whether to skip images whose file is present. If all are present, DVC is not
            started.

    Raises:
        DataError: A line of the log, or a ``data.dvc``, is malformed.
        GitError: Git cannot read the repository.
    """
    accepted, changed = log.read()
    status = DecisionStatus()
    root = log.root
    git(
        root, "rev-parse", "--git-dir"
    )  # Fails where no commit can be read, before anything is decided.
    images = [
        item for item in accepted.values() if not (only_absent and (root / item.file).is_file())
    ]
    if images:
        cache = cache_folder(root)
        present = _file_names(root / "data")
        recorded = {
            branch: _recorded_files(root, cache, branch)
            for branch in {"", *(item.branch for item in images)}
        }
        for item in images:
            # At its earlier files it has no label, or another one.
            earlier = {name.removeprefix("data/") for name in item.earlier}
            places = [
                recorded[branch].get(item.md5, set()) - earlier for branch in ("", item.branch)
            ]
            if any(places) and cache and is_cached(cache, item.md5):
                status.accepted.append(item)
            # It may have been moved to another class; images of several folders may have one name.
            elif not any(
                f"data/{name}" == item.file or _is_image(root / "data" / name, item.image)
                for name in present.get(PurePosixPath(item.file).name, set()) - earlier
            ):
                status.missing.append(item)
    if changed:
        path = root / "review.csv"
        current = _lines(
            path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        )
        branches = {"", *(item.branch for item in changed.values())}
        committed = {branch: _lines(_committed(root, branch, "review.csv")) for branch in branches}
        for decision in changed.values():
            line = _find(current, decision)
            if any(
                _find(committed[branch], decision) == decision.after
                for branch in ("", decision.branch)
            ):
                status.written.append(decision)
            elif line != decision.after:
                (status.lost if line in (decision.before, None) else status.written).append(
                    decision
                )
    return status


def describe_lost(status: DecisionStatus) -> tuple[list[str], str] | None:
    """Return lines that name the lost decisions, and the command that restores them; ``None`` if none are lost."""
    lines = []
    for items, noun, place in (
        ([item for item in status.missing if not item.earlier], "accepted image", "data/"),
        (
            [item for item in status.missing if item.earlier],
            "labelled image",
            "their folders in data/",
        ),
        (status.lost, "decision", "review.csv"),
    ):
        if items:
            branches = ", ".join(dict.fromkeys(item.branch for item in items if item.branch))
            on = f" of branch {branches}" if branches else ""
            names = join_names([str(item) for item in items], most=_MAX_NAMED)
            lines.append(f"{count(len(items), noun)}{on} missing from {place}: {names}")
    return (lines, _RESTORE) if lines else None


def describe_missing(root: Path) -> tuple[list[str], str] | None:
    """Return :func:`describe_lost` for a project.

    Args:
        root: Project folder.
    """
    log = DecisionLog(Inbox(root / "inbox"), root)
    return describe_lost(check_decisions(log, only_absent=True)) if log.path.is_file() else None


def restore(workspace: Workspace, params: Params) -> None:
    """List lost decisions with their branch, and restore images to ``data/`` and lines to ``review.csv``.

    Args:
        workspace: Folders of the project.
        params: Its parameters; decisions with other labels are not restored.

    Raises:
        DataError: A line of the log is malformed, or some decisions were not restored: their label
            is not a class, or the inbox has no intact copy of the image. The others were restored.
        LockedError: Another review has locked the inbox or ``review.csv``.
        DecisionsError: ``review.csv`` is malformed; nothing was restored there.
        StorageError: The disk is full, or a file may not be written.
    """
    log = DecisionLog(Inbox(workspace.root / "inbox"), workspace.root)
    status = check_decisions(log)
    described = describe_lost(status)
    if described is None:
        announce(
            "Nothing to restore: all accepted images and decisions are in data/, review.csv or a "
            "commit."
        )
        return
    announce("\n".join(described[0]))
    folders = class_by_name(params.classes, params.scrape.folder.classes)
    images = [item for item in status.missing if item.label in folders]
    lines = [item for item in status.lost if item.label in ("", *params.classes)]
    broken = _restore_images(log, images)
    _restore_lines(workspace, params, lines)
    announce(
        f"Restored: {count(len(images) - len(broken), 'image')}, {count(len(lines), 'decision')}."
    )
    if commit := commit_command(workspace.root, "Restore images and decisions"):
        announce(f"Next: {commit}")
    others = [item for item in (*status.missing, *status.lost) if item not in (*images, *lines)]
    if left := [*broken, *others]:
        names = join_names([str(item) for item in left])
        raise DataError(
            (
                "not restored, since the label is not a class here or there is no intact copy: "
                f"{names}"
            ),
            next=(
                f"git checkout {left[0].branch or 'BRANCH'}, then: {_RESTORE}; to forget them, "
                f"edit {log.path}"
            ),
        )


def _restore_images(log: DecisionLog, images: Sequence[Accepted]) -> list[Accepted]:
    """Copy images from the inbox to ``data/``, and return those without an intact copy."""
    entries = {entry.id: entry for entry in log.inbox.entries()[0]}
    cache = cache_folder(log.root) if any(item.earlier for item in images) else None
    broken: list[Accepted] = []
    cells: dict[str, dict[str, str] | None] = {}
    with storage_errors(then=_RESTORE):
        for item in images:
            entry = entries.get(item.image)
            target, *earlier = (
                place_within(log.root / name, log.root / "data")
                for name in (item.file, *item.earlier)
            )
            earlier = [path for path in earlier if _is_image(path, item.image)]
            places = [*earlier, object_file(cache, item.md5)] if item.earlier and cache else earlier
            content = next((path.read_bytes() for path in places if path.is_file()), b"")
            if not content and entry:
                content = log.inbox.read_image(entry)
            if sha256(content).hexdigest() != item.image:
                broken.append(item)
                continue
            write_durably(target, content)
            for path in earlier:
                path.unlink()
            if item.earlier:
                cells |= {name.removeprefix("data/"): None for name in item.earlier}
                cells[item.file.removeprefix("data/")] = item.cells
        if cells:
            MetadataTable(log.root / "data").change(cells)
    return broken


def _restore_lines(workspace: Workspace, params: Params, lost: Sequence[Changed]) -> None:
    from pixmill.dataset.review_file import lock_decisions  # imports pandas, as do decisions
    from pixmill.validate.decisions import Decision, read_decisions, render_decisions

    if not lost:
        return
    path = workspace.root / "review.csv"
    lock = lock_decisions(
        workspace.scratch("review") / "review.lock", then=f"stop it, then: {_RESTORE}"
    )
    with storage_errors(then=_RESTORE), lock:
        kept = [
            replace(item, line=0)
            for item in read_decisions(path, params.classes)
            if not any(one.concerns(item.image) for one in lost)
        ]
        added = [Decision(0, *item.after) for item in lost if item.after is not None]  # type: ignore[arg-type]
        write_text(path, render_decisions([*kept, *added]))


def _is_image(path: Path, image: str) -> bool:
    return path.is_file() and file_digest(path) == image


def _committed(root: Path, branch: str, name: str) -> str:
    """Return a file in the last commit of a branch, or in ``HEAD`` without a branch."""
    return git(root, "show", f"{f'refs/heads/{branch}' if branch else 'HEAD'}:./{name}") or ""


def _lines(text: str) -> dict[str, Line]:
    """Return the well-formed lines of a ``review.csv`` by the name of their image."""
    rows = csv.reader(io.StringIO(text, newline=""))
    return {row[0].strip(): make_line(*row) for row in rows if len(row) == _COLUMNS}


def _find(lines: Mapping[str, Line], decision: Changed) -> Line | None:
    return next((line for name, line in lines.items() if decision.concerns(name)), None)


def _recorded_files(root: Path, cache: Path | None, branch: str) -> dict[str, set[str]]:
    """Return the files in a branch's ``data.dvc`` by MD5; empty if DVC's cache does not hold the list."""
    text = _committed(root, branch, "data.dvc")
    found: dict[str, set[str]] = defaultdict(set)
    if cache is not None and text and (record := read_record(root, text)) is not None:
        for name, md5 in (read_listing(cache, record["md5"]) or {}).items():
            found[md5].add(name)
    return found


def _file_names(folder: Path) -> dict[str, set[str]]:
    """Return the paths of all files in a folder, relative to it, by name."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, _ in files_below(folder) if folder.is_dir() else ():
        found[name.rpartition("/")[2]].add(name)
    return found
