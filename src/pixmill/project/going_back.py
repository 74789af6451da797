"""Go back to an earlier commit: its images, params, model and results, in a new commit.

A kill leaves staged changes, the commit, or a part of the images; going back again completes it. A
reference of Git says that it was begun, until all is back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any

from pixmill.core.decisions import FILE as DECISIONS
from pixmill.core.errors import PixmillError
from pixmill.core.repository.dvc import (
    cache_folder,
    has_remote,
    read_listing,
    read_record,
)
from pixmill.core.repository.file_hashes import FileHashes
from pixmill.core.repository.git import change, git, git_line
from pixmill.core.repository.stage_inputs import are_cached, outputs_of, stages_of
from pixmill.core.review_csv import committed_rows
from pixmill.core.words import count
from pixmill.dataset.deciding import DecisionTable
from pixmill.dataset.uncommitted import find_uncommitted
from pixmill.project.stage_states import IN_GIT

_FILES = ("params.yaml", "dvc.yaml", "dvc.lock", "data.dvc", "metrics", "plots")
"""What goes back. Code and installed versions stay: the person has them now."""

_BEGUN = "refs/worktree/pixmill/going-back"
"""The commit that going back to was begun; another clone never gets it."""

RESTORE = f"""
import subprocess
import sys
from dvc.cli import main
status = 0
if "data.dvc" in sys.argv:
    status = main(["checkout", "data.dvc"])
if not status and "dvc.yaml" in sys.argv:
    status = main(["checkout", "dvc.yaml", "--force", "--allow-missing"])
if not status:
    status = subprocess.call(["git", "update-ref", "-d", "{_BEGUN}"])
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
        obstacles: What has to be done first, as sentences.
    """

    commit: str
    title: str
    files: tuple[int, int]
    decisions: int
    is_begun: bool
    obstacles: tuple[str, ...]


def make_plan(root: Path, commit: str) -> Plan:
    """Return what going back to a commit changes.

    Args:
        root: Project folder.
        commit: Hash of a commit before the last one, or the last one.

    Raises:
        PixmillError: There is no such commit.
    """
    if not commit.isalnum() or git(root, "merge-base", "--is-ancestor", commit, "HEAD") is None:
        raise PixmillError("the history has no such commit", next="reload the page")
    title = f"{_subject(root, commit)} ({commit[:7]})"
    is_begun = git_line(root, "rev-parse", "--verify", "--quiet", _BEGUN) == commit
    then = _read_data(root, commit)
    obstacles = [
        *_find_unsaved(root, commit, is_begun=is_begun),
        *_find_lacking(root, commit, then.get("md5")),
    ]
    files = (_read_data(root, "HEAD").get("nfiles", 0), then.get("nfiles", 0))
    decisions = _count_decided(root, commit)
    return Plan(commit, title, files, decisions, is_begun, tuple(obstacles))


def go_back(root: Path, plan: Plan, *, take_back: bool) -> None:
    """Make the commit and bring its files in Git; :data:`RESTORE` brings the others.

    Changed params and results that no commit has are committed before.

    Args:
        root: Project folder.
        plan: Result of :func:`make_plan`.
        take_back: Whether to take back the decisions made since.

    Raises:
        GitError: Git refuses.
        PixmillError: Something has to be done first.
    """
    if plan.obstacles:
        raise PixmillError("; ".join(plan.obstacles), next="do that, then go back again")
    decisions = [DECISIONS] if take_back and plan.decisions else []
    paths = [*_FILES, *decisions]
    message = f"Go back to {plan.title}"
    here = [name for name in _FILES if (root / name).exists()]
    change(root, "add", "--all", "--", *{*here, *_staged(root)})
    _commit(root, paths, message if plan.is_begun else "Keep what was not committed")
    change(root, "update-ref", _BEGUN, plan.commit)
    if decisions:
        DecisionTable(root).release()  # else the review would offer to restore them
    then = (git(root, "ls-tree", "--name-only", plan.commit, "--", *paths) or "").splitlines()
    names = {*then, *_staged(root), *decisions}
    change(root, "checkout", "--quiet", "--no-overlay", plan.commit, "--", *names)
    _commit(root, paths, message)


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


def _find_unsaved(root: Path, commit: str, *, is_begun: bool) -> Iterator[str]:
    """Yield which images and decisions of now no commit has, so that going back would take them.

    Args:
        root: Project folder.
        commit: The earlier commit.
        is_begun: Whether files may be that commit's, or those of the one before the last.
    """
    revisions = ["HEAD", "HEAD~1", commit] if is_begun else ["HEAD"]
    with FileHashes(root) as hashes:
        uncommitted = find_uncommitted(root, hashes)
        differing = {*uncommitted.changed, *uncommitted.deleted}
        is_back = is_begun and git(root, "diff", "--quiet", commit, "--", DECISIONS) is not None
        if DECISIONS in differing and not is_back:
            yield f"{DECISIONS} differs from the last commit: commit it"
        if not (uncommitted.unadded or uncommitted.unfetched or "data.dvc" in differing):
            return
        here = {(name, hashes.md5(f"data/{name}")) for name in hashes.files("data")}
    known = set(chain.from_iterable(_list_images(root, each) for each in revisions))
    folders = Counter(name.rpartition("/")[0] for name, _ in here - known)
    for folder, number in sorted(folders.items()):
        yield f"data/{folder} has {count(number, 'file')} that no commit has: commit or delete them"
    gone = dict(known).keys() - dict(here)
    if gone and not (is_begun or uncommitted.unfetched):
        lacks = f"data/ lacks {count(len(gone), 'file')} of the last commit"
        yield f"{lacks}: commit that, or bring them back"


def _list_images(root: Path, commit: str) -> Iterable[tuple[str, str]]:
    """Return name and MD5 of each file in ``data/`` in a commit, as far as DVC's cache knows it."""
    md5 = _read_data(root, commit).get("md5")
    cache = cache_folder(root)
    return ((md5 and cache and read_listing(cache, md5)) or {}).items()


def _find_lacking(root: Path, commit: str, data: str | None) -> Iterator[str]:
    """Yield that DVC's cache lacks results of a commit, or images."""
    outputs = outputs_of(stages_of(git(root, "show", f"{commit}:./dvc.lock")))
    needed = {path: md5 for path, md5 in outputs.items() if not path.startswith(IN_GIT)}
    if data:
        needed["data"] = data
    if needed and not are_cached(root, needed):
        fetch = "type dvc fetch --all-commits" if has_remote(root) else "choose another commit"
        yield f"DVC's cache lacks images or results of that commit: {fetch}"


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
