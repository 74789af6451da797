"""Go back to an earlier commit: its images, params, model and results, in a new commit.

A kill leaves staged changes or the commit; going back again completes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pixmill.core.decisions import FILE as DECISIONS
from pixmill.core.errors import PixmillError
from pixmill.core.repository.dvc import has_remote, read_record
from pixmill.core.repository.git import change, git, git_line
from pixmill.core.repository.stage_inputs import are_cached, outputs_of, stages_of
from pixmill.core.review_csv import committed_rows
from pixmill.dataset.deciding import DecisionTable
from pixmill.dataset.uncommitted import find_uncommitted
from pixmill.project.stage_states import IN_GIT

_FILES = ("params.yaml", "dvc.yaml", "dvc.lock", "data.dvc", "metrics", "plots")
"""What goes back. Code and installed versions stay: the person has them now."""

RESTORE = """
import sys
from dvc.cli import main
status = 0
if "data.dvc" in sys.argv:
    status = main(["checkout", "data.dvc"])
if not status and "dvc.yaml" in sys.argv:
    status = main(["checkout", "dvc.yaml", "--force", "--allow-missing"])
sys.exit(status)
"""
"""Program that brings the files of DVC that its arguments name, after :func:`go_back`.

Results replace what a killed run left; the commit may be older than the first ones. Images are never
replaced by force: DVC deletes none that its cache does not have.
"""


@dataclass(frozen=True)
class Plan:
    """What going back changes.

    Args:
        commit: Hash of the earlier commit.
        title: Its subject and short hash.
        files: Number of files in ``data/`` now and then.
        decisions: Number of images that people decided about since.
        is_begun: Whether going back was begun and killed.
    """

    commit: str
    title: str
    files: tuple[int, int]
    decisions: int
    is_begun: bool


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
    title = f"{_subject(root, commit)} ({commit[:7]})"
    is_begun = _is_begun(root, commit, title)
    uncommitted = find_uncommitted(root)
    if not is_begun and (uncommitted.changed or uncommitted.deleted or uncommitted.unadded):
        raise PixmillError("images or decisions are not committed yet", next="commit them first")
    then = _read_data(root, commit)
    _require_cached(root, commit, then.get("md5"), title)
    files = (_read_data(root, "HEAD").get("nfiles", 0), then.get("nfiles", 0))
    return Plan(commit, title, files, _count_decided(root, commit), is_begun)


def go_back(root: Path, plan: Plan, *, take_back: bool) -> None:
    """Make the commit and bring its files in Git; :data:`RESTORE` brings the others.

    Changed params and results that no commit has are committed before.

    Args:
        root: Project folder.
        plan: Result of :func:`make_plan`.
        take_back: Whether to take back the decisions made since.

    Raises:
        GitError: Git refuses.
    """
    decisions = [DECISIONS] if take_back and plan.decisions else []
    paths = [*_FILES, *decisions]
    if not plan.is_begun:
        here = [name for name in _FILES if (root / name).exists()]
        change(root, "add", "--all", "--", *{*here, *_staged(root)})
        _commit(root, _FILES, "Keep what was not committed")
        if decisions:
            DecisionTable(root).release()  # else the review would offer to restore them
        then = (git(root, "ls-tree", "--name-only", plan.commit, "--", *paths) or "").splitlines()
        names = {*then, *_staged(root), *decisions}
        change(root, "checkout", "--quiet", "--no-overlay", plan.commit, "--", *names)
    _commit(root, paths, f"Go back to {plan.title}")


def find_day_before(root: Path) -> dict[str, Any] | None:
    """Return the last ``commit`` before today, and the number of ``commits`` since.

    ``None`` without one.

    Args:
        root: Project folder.
    """
    midnight = datetime.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    before = f"--before={midnight.isoformat()}"
    commit = git_line(root, "log", "-1", "--first-parent", before, "--format=%H")
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
    """Return the number of images whose rows differ between a commit and the last one.

    None if one is malformed: it is not worth going back to.
    """
    before, after = (committed_rows(root, each) for each in (commit, "HEAD"))
    if before is None or after is None:
        return 0
    return len({row.image for row in {*before} ^ {*after}})


def _subject(root: Path, commit: str) -> str:
    return git_line(root, "log", "-1", "--format=%s", commit)


def _is_begun(root: Path, commit: str, title: str) -> bool:
    """Return whether going back to a commit has staged its files, or has made the new commit."""
    if git(root, "diff", "--cached", "--quiet", commit, "--", *_FILES) is None:
        return False
    is_only_staged = git(root, "diff", "--quiet", commit, "HEAD", "--", *_FILES) is None
    return is_only_staged or _subject(root, "HEAD") == f"Go back to {title}"


def _staged(root: Path) -> set[str]:
    """Return which of the files that go back are in the index."""
    names = (git(root, "ls-files", "--", *_FILES) or "").splitlines()
    return {name.partition("/")[0] for name in names}


def _commit(root: Path, paths: Sequence[str], message: str) -> None:
    """Commit what is staged of some files, if anything is."""
    options = ("--cached", "--name-only", "--no-renames", "--relative", "-z")
    staged = git(root, "diff", *options, "--", *paths) or ""
    if files := [f":(literal){path}" for path in staged.split("\0") if path]:
        change(root, "commit", f"--message={message}", "--", *files)
