"""Go back to an earlier commit: its images, params, model and results, in a new commit.

The commit is made from tree objects, without index and files. A kill leaves nothing, or a commit
whose files are not here yet: :func:`unfinished` finds it, and :func:`check_out` brings them.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pixmill.core.decisions import FILE as DECISIONS
from pixmill.core.errors import PixmillError
from pixmill.core.files.writing import write_text
from pixmill.core.repository.dvc import has_remote, read_record
from pixmill.core.repository.git import change, git
from pixmill.core.repository.stage_inputs import are_cached, outputs_of, stages_of
from pixmill.core.review_csv import rows_of
from pixmill.dataset.deciding import DecisionTable
from pixmill.dataset.uncommitted import find_uncommitted
from pixmill.project.stage_states import IN_GIT

_FILES = ("params.yaml", "dvc.yaml", "dvc.lock", "data.dvc", "metrics", "plots")
"""What goes back. Code and installed versions stay: the person has them now."""

_SCRATCH = Path(".pixmill", "open")

_MARKER = _SCRATCH / "going_back.json"
"""The new commit whose files are not here yet."""


@dataclass(frozen=True)
class Plan:
    """What going back changes.

    Args:
        commit: Hash of the earlier commit.
        title: Its subject and short hash.
        files: Number of files in ``data/`` now and then.
        decisions: Number of images that people decided about since.
    """

    commit: str
    title: str
    files: tuple[int, int]
    decisions: int


def make_plan(root: Path, commit: str) -> Plan:
    """Return what going back to a commit changes.

    Args:
        root: Project folder.
        commit: Hash of a commit before the last one, or the last one.

    Raises:
        PixmillError: There is no such commit, images or decisions are not committed, or DVC's cache
            lacks files of that commit.
    """
    if not commit.isalnum() or git(root, "merge-base", "--is-ancestor", commit, "HEAD") is None:
        raise PixmillError("the history has no such commit", next="reload the page")
    uncommitted = find_uncommitted(root)
    if uncommitted.changed or uncommitted.deleted or uncommitted.unadded:
        raise PixmillError("images or decisions are not committed yet", next="commit them first")
    subject = (git(root, "log", "-1", "--format=%s", commit) or "").strip()
    title = f"{subject} ({commit[:7]})"
    then = _read_data(root, commit)
    _require_cached(root, commit, then.get("md5"), title)
    files = (_read_data(root, "HEAD").get("nfiles", 0), then.get("nfiles", 0))
    return Plan(commit, title, files, _count_decided(root, commit))


def go_back(root: Path, plan: Plan, *, take_back: bool) -> None:
    """Make the commit, and bring its files in Git; ``dvc checkout`` brings the others.

    Changed params and results that no commit has are committed before.

    Args:
        root: Project folder.
        plan: Result of :func:`make_plan`.
        take_back: Whether to take back the decisions made since.

    Raises:
        PixmillError: Everything is as in that commit, or Git refuses; nothing was changed.
    """
    take_back = take_back and plan.decisions > 0
    paths = [*_FILES, *([DECISIONS] if take_back else [])]
    head = change(root, "rev-parse", "HEAD")
    (root / _SCRATCH).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".index-", dir=root / _SCRATCH) as folder:
        index = Path(folder, "index")
        change(root, "read-tree", "HEAD", index=index)
        here = [name for name in _FILES if (root / name).exists()]
        change(root, "add", "--all", "--", *{*here, *_names(root, head)}, index=index)
        kept = _commit(root, index, head, "Keep what was not committed")
        change(root, "reset", "--quiet", plan.commit, "--", *paths, index=index)
        made = _commit(root, index, kept, f"Go back to {plan.title}")
    if made == head:
        raise PixmillError(f"all is as in {plan.title}", next="choose another commit")
    if take_back:
        DecisionTable(root).release()  # else the review would offer to restore them
    marker = {"commit": made, "before": kept, "take_back": take_back, "title": plan.title}
    write_text(root / _MARKER, json.dumps(marker))
    change(root, "update-ref", "-m", f"go back to {plan.commit}", "HEAD", made, head)
    check_out(root)


def check_out(root: Path) -> None:
    """Bring the files in Git of the commit that :func:`unfinished` returns; may be repeated.

    Args:
        root: Project folder.

    Raises:
        PixmillError: Nothing is unfinished, or Git refuses.
    """
    found = unfinished(root)
    if found is None:
        raise PixmillError("nothing is left to finish", next="reload the page")
    made = found["commit"]
    before = found["before"]
    paths = {*_names(root, made), *_names(root, before)}
    # Decisions made in this second stay, uncommitted.
    if found["take_back"] and git(root, "diff", "--quiet", before, "--", DECISIONS) is not None:
        paths.add(DECISIONS)
    sides = [
        (git(root, "diff", "--name-only", commit, "--", *paths) or "").splitlines()
        for commit in (made, before)
    ]
    if edited := sorted({*sides[0]} & {*sides[1]}):
        names = " ".join(edited)
        raise PixmillError(
            f"{names} changed meanwhile",
            next=f"git add {names} && git commit, or to drop the change: git checkout HEAD -- "
            f"{names}",
        )
    # The index has files that only the commit before has, so that they are deleted.
    change(root, "reset", "--quiet", before, "--", *paths)
    change(root, "checkout", "--quiet", "--no-overlay", made, "--", *paths)


def unfinished(root: Path) -> dict[str, Any] | None:
    """Return ``title`` and more of the last commit if its files are not here yet, else ``None``."""
    path = root / _MARKER
    if not path.is_file():
        return None
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found if (git(root, "rev-parse", "HEAD") or "").strip() == found["commit"] else None


def set_finished(root: Path) -> None:
    """Record that all files of the commit are here."""
    (root / _MARKER).unlink(missing_ok=True)


def find_day_before(root: Path) -> dict[str, Any] | None:
    """Return the last ``commit`` before today, and the number of ``commits`` since.

    ``None`` without one.

    Args:
        root: Project folder.
    """
    midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    before = f"--before={midnight.isoformat()}"
    commit = (git(root, "log", "-1", "--first-parent", before, "--format=%H") or "").strip()
    if not commit:
        return None
    since = git(root, "rev-list", "--count", "--first-parent", f"{commit}..HEAD") or "0"
    return {"commit": commit, "commits": int(since)}


def _read_data(root: Path, commit: str) -> Mapping[str, Any]:
    """Return what ``data.dvc`` of a commit records; empty without the file."""
    text = git(root, "show", f"{commit}:./data.dvc")
    return (text and read_record(root, text)) or {}


def _require_cached(root: Path, commit: str, data: str | None, title: str) -> None:
    """Raise an error if DVC's cache lacks results of a commit, or images."""
    outputs = outputs_of(stages_of(git(root, "show", f"{commit}:./dvc.lock")))
    needed = {path: md5 for path, md5 in outputs.items() if not path.startswith(IN_GIT)}
    if data:
        needed["data"] = data
    if needed and not are_cached(root, needed):
        fetch = "dvc fetch --all-commits" if has_remote(root) else "choose another commit"
        raise PixmillError(f"DVC's cache lacks images or results of {title}", next=fetch)


def _count_decided(root: Path, commit: str) -> int:
    """Return the number of images whose rows differ between a commit and the last one."""
    before = rows_of(git(root, "show", f"{commit}:./{DECISIONS}") or "")
    after = rows_of(git(root, "show", f"HEAD:./{DECISIONS}") or "")
    return len({row.image for row in {*before} ^ {*after}})


def _names(root: Path, commit: str) -> list[str]:
    """Return which of the files that go back a commit has."""
    return (git(root, "ls-tree", "--name-only", commit, "--", *_FILES) or "").splitlines()


def _commit(root: Path, index: Path, parent: str, message: str) -> str:
    """Return a commit of an index; the parent itself if it has the same files."""
    tree = change(root, "write-tree", index=index)
    if tree == change(root, "rev-parse", f"{parent}^{{tree}}"):
        return parent
    return change(root, "commit-tree", "-p", parent, "-m", message, tree)
