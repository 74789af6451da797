"""What has become of decisions: which of them a commit holds, and which have vanished."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pixmill.core.repository.dvc import cache_folder, is_cached, read_listing, read_record
from pixmill.core.repository.git import git
from pixmill.core.words import count, join_names
from pixmill.review.decision_log import Accepted, Changed, DecisionLog, Line, line_of
from pixmill.serve.inbox import Inbox

_COLUMNS = 5
"""Of ``review.csv``."""

_MOST = 3
"""Images that a message names."""


@dataclass
class State:
    """What has become of decisions.

    Args:
        missing: Accepted images that are in neither ``data/`` nor a commit.
        lost: Decisions that are in neither ``review.csv`` nor a commit.
        accepted: Accepted images that a commit holds.
        written: Decisions that a commit holds, or that people have replaced by others.
    """

    missing: list[Accepted] = field(default_factory=list)
    lost: list[Changed] = field(default_factory=list)
    accepted: list[Accepted] = field(default_factory=list)
    written: list[Changed] = field(default_factory=list)


def examine(journal: DecisionLog, *, only_absent: bool = False) -> State:
    """Compare decisions with ``data/``, ``review.csv`` and the last commits of this and their own branches.

    A commit holds an image if the folder that its ``data.dvc`` names has it, and DVC's cache holds that list and the
    image.

    Args:
        journal: The decisions.
        only_absent: Whether to look only at images whose file is absent: without such images, DVC need not start.

    Raises:
        DataError: A line of the log, or a ``data.dvc``, is malformed.
    """
    accepted, changed = journal.read()
    state, root = State(), journal.root
    images = [item for item in accepted.values() if not (only_absent and (root / item.file).is_file())]
    if images:
        cache = cache_folder(root)
        held = {branch: _recorded_files(root, cache, branch) for branch in {"", *(item.branch for item in images)}}
        for item in images:
            is_recorded = any(item.md5 in held[branch] for branch in ("", item.branch))
            if is_recorded and cache and is_cached(cache, item.md5):
                state.accepted.append(item)
            # People may have moved it to another class.
            elif not any((root / "data").rglob(PurePosixPath(item.file).name)):
                state.missing.append(item)
    if changed:
        path = root / "review.csv"
        now = _lines(path.read_text(encoding="utf-8", errors="replace") if path.is_file() else "")
        branches = {"", *(item.branch for item in changed.values())}
        committed = {branch: _lines(_committed(root, branch, "review.csv")) for branch in branches}
        for decision in changed.values():
            line = _find(now, decision)
            if any(_find(committed[branch], decision) == decision.after for branch in ("", decision.branch)):
                state.written.append(decision)
            elif line != decision.after:
                (state.lost if line in (decision.before, None) else state.written).append(decision)
    return state


def describe_state(state: State) -> tuple[list[str], str] | None:
    """Return sentences on what has vanished, with its branch, and the command that helps; ``None`` if all is there."""
    said = []
    for items, noun, place in (
        (state.missing, "accepted image", "data/"),
        (state.lost, "decision", "review.csv"),
    ):
        if items:
            branches = ", ".join(dict.fromkeys(item.branch for item in items if item.branch))
            on = f" of branch {branches}" if branches else ""
            names = join_names([str(item) for item in items], most=_MOST)
            said.append(f"{count(len(items), noun)}{on} missing from {place}: {names}")
    return (said, "pixmill review --restore") if said else None


def describe_missing(root: Path) -> tuple[list[str], str] | None:
    """Return :func:`describe_state` of a project's inbox.

    Args:
        root: The project's folder.
    """
    journal = DecisionLog(Inbox(root / "inbox"), root)
    return describe_state(examine(journal, only_absent=True)) if journal.path.is_file() else None


def _committed(root: Path, branch: str, name: str) -> str:
    """Return a file as the last commit of a branch has it; the last commit here without a branch."""
    return git(root, "show", f"{f'refs/heads/{branch}' if branch else 'HEAD'}:./{name}") or ""


def _lines(text: str) -> dict[str, Line]:
    """Return the lines of a ``review.csv`` by the name of their image; malformed ones are left out."""
    rows = csv.reader(io.StringIO(text, newline=""))
    return {row[0].strip(): line_of(*row) for row in rows if len(row) == _COLUMNS}


def _find(lines: Mapping[str, Line], decision: Changed) -> Line | None:
    return next((line for name, line in lines.items() if decision.concerns(name)), None)


def _recorded_files(root: Path, cache: Path | None, branch: str) -> set[str]:
    """Return the MD5s of the files that a branch's ``data.dvc`` stands for, as far as they are known here."""
    text = _committed(root, branch, "data.dvc")
    if cache is None or not text or (record := read_record(root, text)) is None:
        return set()
    return set((read_listing(cache, record["md5"]) or {}).values())
