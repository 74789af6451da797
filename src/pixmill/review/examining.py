"""What has become of what was decided: what a commit holds, and what has vanished from ``data/`` and ``review.csv``."""

import csv
import io
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pixmill.core.dvc import cache_folder, is_cached, read_listing, read_record
from pixmill.core.errors import DataError
from pixmill.core.files import file_digest
from pixmill.core.git import git
from pixmill.core.words import count
from pixmill.review.decision_log import SHORTEST, Accepted, Changed, DecisionLog, Line, line_of
from pixmill.serve.inbox import Inbox

_UNLABELLED = "unlabelled"
"""The folder of ``data/`` that no class ever takes."""

_COLUMNS = 5
"""Of ``review.csv``."""

_FILE = "inbox/decided.jsonl"

_MOST = 3
"""Images that a message names, unless it is about to change them."""

_WIDTH = 60
"""Characters that a message shows of a malformed line."""


@dataclass
class State:
    """What has become of what was decided.

    Args:
        unadded: Images in ``data/`` that ``data.dvc`` does not hold.
        missing: Images that are in neither ``data/`` nor a commit; the inbox has them.
        gone: Images that are in neither ``data/`` nor a commit nor the inbox.
        committed: Images that a commit holds.
        lost: Decisions that are in neither ``review.csv`` nor a commit.
        written: Decisions that a commit holds, or that people have replaced by others.
        malformed: Lines of ``decided.jsonl`` that were skipped.
    """

    unadded: list[Accepted] = field(default_factory=list)
    missing: list[Accepted] = field(default_factory=list)
    gone: list[Accepted] = field(default_factory=list)
    committed: list[Accepted] = field(default_factory=list)
    lost: list[Changed] = field(default_factory=list)
    written: list[Changed] = field(default_factory=list)
    malformed: list[str] = field(default_factory=list)


def examine(journal: DecisionLog, *, only_absent: bool = False) -> State:
    """Compare what was decided with ``data/``, ``review.csv`` and the last commits of this and the decisions' branches.

    A commit holds an image if the folder that its ``data.dvc`` names has it, and DVC's cache holds that list and the
    image.

    Args:
        journal: What was decided.
        only_absent: Whether to look only at images whose file is absent, so that ``unadded`` and ``committed`` are
            incomplete: without such images, DVC need not start.
    """
    accepted, changed, malformed = journal.read()
    state, root = State(malformed=[line.decode(errors="replace") for line in malformed]), journal.root
    images = [item for item in accepted.values() if not (only_absent and (root / item.file).is_file())]
    if images:
        _examine_images(state, journal, images)
    if changed:
        now = _Lines(_text(root / "review.csv"))
        branches = {"", *(item.branch for item in changed.values())}
        committed = {branch: _Lines(git(root, "show", f"{_revision(branch)}:./review.csv")) for branch in branches}
    for item in changed.values():
        line = now.find(item)
        if any(committed[branch].find(item) == item.after for branch in {"", item.branch}):
            state.written.append(item)
        elif line != item.after:
            (state.lost if line in (item.before, None) else state.written).append(item)
    return state


def _examine_images(state: State, journal: DecisionLog, images: Sequence[Accepted]) -> None:
    root = journal.root
    cache = cache_folder(root)
    recorded = _recorded_files(root, cache, _text(root / "data.dvc"))
    held = {
        branch: _recorded_files(root, cache, git(root, "show", f"{_revision(branch)}:./data.dvc"))
        for branch in {"", *(item.branch for item in images)}
    }
    present: list[Accepted] = []
    absent: list[Accepted] = []
    for item in images:
        if any(item.md5 in held[branch] for branch in {"", item.branch}) and cache and is_cached(cache, item.md5):
            state.committed.append(item)
        else:
            (present if (root / item.file).is_file() else absent).append(item)
    # People may have moved it to another class.
    moved = find_in(root / "data", {item.image: item.bytes for item in absent})
    kept = {entry.id for entry in journal.inbox.entries()[0]} if absent else set()
    for item in absent:
        if item.image in moved:
            present.append(item)
        else:
            (state.missing if item.image in kept else state.gone).append(item)
    state.unadded = [
        item for item in present if item.md5 not in recorded or cache is None or not is_cached(cache, item.md5)
    ]


def describe_state(state: State, most: int = _MOST) -> tuple[list[str], str] | None:
    """Return sentences on what is missing, gone or malformed, with its branch, and what helps; ``None`` if all is well.

    Args:
        state: What has become of what was decided.
        most: How many images a sentence names; default: 3.
    """
    said = []
    for branch in dict.fromkeys(item.branch for item in (*state.missing, *state.gone, *state.lost)):
        on = f" on branch {branch}" if branch else ""
        for items, where in (
            (state.missing, "missing from data/"),
            (state.gone, "lost: in no commit, nor in data/ or inbox/"),
        ):
            files = [item.file for item in items if item.branch == branch]
            if files:
                said.append(f"{count(len(files), 'image')} accepted{on}, {where}: {_name_first(files, most)}")
        lines = [_summary(item) for item in state.lost if item.branch == branch]
        if lines:
            made = f"{count(len(lines), 'decision')} made{on}"
            said.append(f"{made}, missing from review.csv: {_name_first(lines, most)}")
    if state.malformed:
        lines = [ascii(line[:_WIDTH]) for line in state.malformed]
        skipped = f"{count(len(lines), 'malformed line')} of {_FILE} skipped"
        said.append(f"{skipped}: {_name_first(lines, most)}")
    if state.missing or state.lost:
        return said, "pixmill review --restore"
    return (said, f"delete their lines in {_FILE} to forget them") if said else None


def describe_missing(root: Path) -> tuple[list[str], str] | None:
    """Return :func:`describe_state` of a project's inbox.

    Args:
        root: The project's folder.
    """
    if not (root / _FILE).is_file():
        return None
    return describe_state(examine(DecisionLog(Inbox(root / "inbox"), root), only_absent=True))


def find_in(data: Path, sizes: Mapping[str, int]) -> set[str]:
    """Return the ids of those images that lie in a folder tree; only files of their sizes are read.

    Args:
        data: The folder; images below ``unlabelled`` do not count.
        sizes: The size of each image in bytes, by its id.
    """
    wanted = set(sizes.values())
    found: set[str] = set()
    for folder, folders, names in os.walk(data) if wanted else ():
        if _UNLABELLED in folders:
            folders.remove(_UNLABELLED)
        for path in (Path(folder, name) for name in names if not name.startswith(".")):
            if path.is_file() and path.stat().st_size in wanted:
                found.add(file_digest(path))
    return found & sizes.keys()


class _Lines:
    """The lines of a ``review.csv``; malformed ones are left out."""

    def __init__(self, text: str | None) -> None:
        self._by_name: dict[str, list[tuple[int, Line]]] = defaultdict(list)
        for number, row in enumerate(csv.reader(io.StringIO(text or "", newline=""))):
            if len(row) == _COLUMNS:
                line = line_of(*row)
                for key in {line[0], line[0].lower()[:SHORTEST]}:
                    self._by_name[key].append((number, line))

    def find(self, item: Changed) -> Line | None:
        """Return the first line on the image of a decision."""
        keys = [item.image[:SHORTEST], *([item.before[0]] if item.before else [])]
        lines = [pair for key in keys for pair in self._by_name.get(key, ()) if item.concerns(pair[1][0])]
        return min(lines)[1] if lines else None


def _summary(item: Changed) -> str:
    verb = "cleared" if item.after is None else " ".join(item.after[1:3]).strip()
    return f"{item.image[:12]} {verb}"


def _name_first(items: Sequence[str], most: int) -> str:
    return ", ".join(items[:most]) + (f" and {len(items) - most:,} more" if len(items) > most else "")


def _revision(branch: str) -> str:
    return f"refs/heads/{branch}" if branch else "HEAD"


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None


def _recorded_files(root: Path, cache: Path | None, text: str | None) -> set[str]:
    """Return the MD5s of the files that a ``data.dvc`` stands for; none where that cannot be known."""
    try:
        record = read_record(root, text or "")
    except DataError:
        return set()
    return set(((read_listing(cache, record["md5"]) if cache and record else None) or {}).values())
