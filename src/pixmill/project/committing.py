"""Find what the next commit should record, and commit it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pixmill.core.errors import PixmillError
from pixmill.core.repository.dvc import dvc
from pixmill.core.repository.git import FIRST_COMMIT, change
from pixmill.core.words import shell_word

if TYPE_CHECKING:
    from pixmill.project.state import ProjectState, Repository

_PINS = ("constraints.txt", "pixmill.lock", "requirements.txt")
OWN = (
    "data.dvc",
    "decisions.csv",
    "dvc.",
    "metrics/",
    "params.yaml",
    "plots/",
    "src/",
    "stages/",
    *_PINS,
)
"""Path prefixes that belong into a commit of results, tracked or not."""

MAX_ARGUMENTS = 6
"""Files listed in a command."""


@dataclass(frozen=True)
class Commit:
    """What a commit records.

    Args:
        kind: ``results`` of a run with everything that they depend on; ``decisions``: images and
            decisions; ``files``: others; ``first``: the first commit.
        paths: Changed files and new folders, relative to the project's folder.
        command: The shell command that does the same.
        message: Default message.
    """

    kind: Literal["results", "decisions", "files", "first"]
    paths: tuple[str, ...]
    command: str
    message: str


def find_commit(state: ProjectState) -> Commit | None:
    """Return what to commit next; ``None`` if there is nothing, or the results are out of date.

    Untracked files that are too large for Git are left out.
    """
    git = state.repository
    uncommitted = git.uncommitted
    images = ["data.dvc"] if uncommitted.unadded else []
    changed = [path for path in git.changed if path not in git.large]
    if not git.has_git or git.conflicts:
        return None
    if not git.has_commit:
        return Commit("first", tuple(changed), FIRST_COMMIT, "First results") if changed else None
    if git.changed_results and state.is_fresh:
        return _results(git, images)
    if state.commit is not None and not (uncommitted.missing or uncommitted.unfetched):
        paths = sorted({*uncommitted.changed, *uncommitted.params, *images})
        return Commit("decisions", tuple(paths), state.commit, "Add images and decisions")
    if changed and not git.changed_results:
        command = f"{_add_command(changed)} && git commit"
        return Commit("files", tuple(changed), command, f"Change {changed[0]}")
    return None


def _results(git: Repository, images: Sequence[str]) -> Commit:
    """Return the commit of new results with what they depend on."""
    own = [path for path in git.changed if path not in git.untracked or path.startswith(OWN)]
    paths = sorted({*own, *images} - {*git.uncommitted.deleted})
    add = _add_command([*dict.fromkeys(map(_top, paths))])
    message = "Record new results"
    command = " && ".join([*git.uncommitted.before, add, f'git commit -m "{message}"'])
    return Commit("results", tuple(paths), command, message)


def require_no_operation(state: ProjectState) -> None:
    """Raise an error during a merge or another operation of Git."""
    if operation := state.repository.operation:
        raise PixmillError(f"a {operation} is in progress", next=f"git {operation} --continue")


def make_commit(state: ProjectState, paths: Sequence[str], message: str) -> None:
    """Commit what :func:`find_commit` has found.

    Args:
        state: The current state of the project.
        paths: The paths that the person has seen.
        message: Message of the commit.

    Raises:
        PixmillError: Others have changed since, an operation of Git is in progress, or Git refuses.
    """
    found = find_commit(state)
    require_no_operation(state)
    if found is None:
        raise PixmillError("nothing is left to commit", next="look at the new list")
    if found.paths != tuple(paths):
        what = "other files have changed since the list was made"
        raise PixmillError(what, next="look at the new list")
    if not message.strip():
        raise PixmillError("a commit needs a message", next="write what changed, and why")
    uncommitted = state.repository.uncommitted
    keeps_images = found.kind in ("results", "decisions")
    if keeps_images and uncommitted.deleted:
        change(state.root, "checkout", "HEAD", "--", *uncommitted.deleted)
    if keeps_images and uncommitted.unadded:
        dvc(state.root, "add", "data", quiet=True)
    if files := [f":(literal){path}" for path in found.paths]:
        change(state.root, "add", "--", *files)
        # With the files, what else is staged stays out.
        change(state.root, "commit", f"--message={message}", "--", *files)


def _add_command(paths: Sequence[str]) -> str:
    """Return the command that adds files, or their top folders if there are many."""
    short = (
        paths
        if len(paths) <= MAX_ARGUMENTS
        else list(dict.fromkeys(path.partition("/")[0] for path in paths))
    )
    return f"git add {' '.join(map(shell_word, short))}"


def _top(path: str) -> str:
    """Return the results folder of a file, or the file itself."""
    return head if (head := path.partition("/")[0]) in ("metrics", "plots") else path
