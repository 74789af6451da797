"""Resolve the names of two revisions, or their defaults, to commits."""

import difflib
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from pixmill.core.errors import PixmillError
from pixmill.core.repository.git import FIRST_COMMIT, git, git_line, require_git
from pixmill.core.words import printable

WORKSPACE = "workspace"

_REF = re.compile(r"refs/(?:heads|tags|remotes|exps/[0-9a-f]{2}/[0-9a-f]{38})/(.+)")
"""Branches, tags, remote branches, and DVC experiments, whose refs have their first commit."""

_INPUTS = (
    "data.dvc", "decisions.csv", "dvc.lock", "dvc.yaml", "metrics", "params.yaml", "pixmill.lock", "plots",
    "requirements.txt", "review.csv", "src", "stages",
)  # fmt: skip

_DEEPEN = "git fetch --unshallow origin '+refs/heads/*:refs/remotes/origin/*'"


@dataclass(frozen=True)
class GitRevision:
    """A name resolved to a commit.

    Args:
        name: The name, such as ``main`` or ``workspace``.
        title: Display name: ``main (1a2b3c4 Train longer)``.
        commit: Full hash; HEAD for the workspace, ``None`` without commits.
        checkout: Argument for ``git checkout``.
    """

    name: str
    title: str
    commit: str | None
    checkout: str

    @property
    def is_workspace(self) -> bool:
        """Whether it is the working tree."""
        return self.name == WORKSPACE


def find(root: Path, name: str) -> GitRevision:
    """Return the revision of a name.

    Args:
        root: Folder of the project.
        name: ``workspace``, or a commit, branch, tag or DVC experiment.

    Raises:
        PixmillError: The name is unknown or ambiguous.
    """
    head = _commit(root, "HEAD")
    if name == WORKSPACE:
        return GitRevision(name, "the workspace", head, "HEAD")
    require_git()
    if git(root, "rev-parse", "--git-dir") is None:
        raise PixmillError(
            f"{root} is not in a Git repository, so it has no '{name}'",
            next=f"git init && {FIRST_COMMIT}",
        )
    if head is None:
        raise PixmillError(f"there is no commit yet, so there is no '{name}'", next=FIRST_COMMIT)
    named = refs_by_name(root)
    refs = named.get(name, {})
    if len(set(refs.values())) > 1:
        raise PixmillError(f"'{name}' is ambiguous", next=f"write {' or '.join(sorted(refs))}")
    commit = next(iter(refs.values()), None)
    # Git would parse a name with a leading dash as an option.
    if commit is None and not name.startswith("-"):
        commit = _commit(root, name)
    if commit is None:
        raise _unknown(name, list(named))
    is_ref = any(ref.startswith(("refs/heads/", "refs/tags/", "refs/remotes/")) for ref in refs)
    return GitRevision(name, _title(root, name, commit), commit, name if is_ref else commit[:10])


def choose(
    root: Path, base: str | None, head: str | None
) -> tuple[GitRevision | None, GitRevision]:
    """Return the revisions to compare.

    Args:
        root: Folder of the project.
        base: Name; default: the merge base with the main branch. On the main branch: HEAD if the
            workspace has changes, otherwise its parent.
        head: Name; default: the workspace.

    Returns:
        Base and head; no base if the head is the first commit.

    Raises:
        PixmillError: A name is unknown or ambiguous, or the history of this clone is too short.
    """
    after = find(root, head or WORKSPACE)
    if base is not None:
        return find(root, base), after
    last = find(root, "HEAD") if after.is_workspace else after
    fork = _fork(root, last, is_named=head is not None)
    if fork is not None:
        return fork, after
    if after.is_workspace and git(root, "status", "--porcelain", "--", *_INPUTS):
        return last, after
    return _parent(root, last), last


def _fork(root: Path, last: GitRevision, *, is_named: bool) -> GitRevision | None:
    """Return the commit where the main branch was left.

    ``None`` on the main branch, or without one.

    Args:
        root: Folder of the project.
        last: Last commit of the head.
        is_named: Whether the user named the head; otherwise it is the workspace.
    """
    main = main_branch(root)
    if main is None:
        _require_depth(root, "this clone has no main branch")
        return None
    start = git_line(root, "merge-base", main, str(last.commit))
    if not start:
        lack = f"no common commit with {main}"
        _require_depth(root, f"this clone has {lack}")
        raise PixmillError(f"HEAD has {lack}", next="name the base: pixmill compare BASE")
    branch = git_line(root, "symbolic-ref", "--short", "-q", "HEAD")
    is_main = not is_named and branch == main.removeprefix("origin/")
    if is_main or start == last.commit:
        return None
    if _commit(root, main) == start:
        return find(root, main)
    title = f"{_title(root, start, start)}, where {main} was left"
    return GitRevision(start[:7], title, start, start[:10])


def _parent(root: Path, last: GitRevision) -> GitRevision | None:
    """Return the first parent of a commit; ``None`` for the first commit."""
    parents = (git(root, "log", "-1", "--format=%P", str(last.commit)) or "").split()
    if parents:
        first = parents[0]
        return GitRevision(first[:7], _title(root, first, first), first, first[:10])
    _require_depth(root, f"this clone does not have the parent of {last.title}")
    return None


def _require_depth(root: Path, problem: str) -> None:
    """Raise an error with this message if the clone is shallow."""
    if git_line(root, "rev-parse", "--is-shallow-repository") == "true":
        raise PixmillError(problem, next=_DEEPEN)


def main_branch(root: Path) -> str | None:
    """Return the main branch, preferably the remote's; ``None`` if there is none."""
    remote = git_line(root, "symbolic-ref", "--short", "-q", "refs/remotes/origin/HEAD")
    names = (remote, "origin/main", "origin/master", "main", "master")
    return next((name for name in names if name and _commit(root, name)), None)


def _commit(root: Path, name: str) -> str | None:
    found = git(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    return found and found.strip()


def _title(root: Path, name: str, commit: str) -> str:
    described = (
        git(root, "log", "-1", "--no-show-signature", "--format=%h %<(200,trunc)%s", commit)
        or commit[:7]
    ).strip()
    short, _, subject = described.partition(" ")
    subject = re.sub(r"^dvc: commit experiment \w+$", "DVC experiment", subject)
    subject = printable(subject, instead="\N{REPLACEMENT CHARACTER}")
    return f"{short} ({subject})" if commit.startswith(name) else f"{name} ({short} {subject})"


def refs_by_name(root: Path) -> dict[str, dict[str, str]]:
    """Return the commits of all refs by short and full name."""
    names: dict[str, dict[str, str]] = defaultdict(dict)
    for line in (
        git(root, "for-each-ref", "--format=%(refname) %(objectname) %(*objectname)") or ""
    ).splitlines():
        ref, *objects = line.split(" ")
        if match := _REF.fullmatch(ref):
            # An annotated tag is an object that points to a commit.
            names[match[1]][ref] = objects[-1] or objects[0]
    return names


def _unknown(name: str, names: list[str]) -> PixmillError:
    elsewhere = [known for known in names if known.endswith(f"/{name}")]
    close = elsewhere or difflib.get_close_matches(name, [*names, WORKSPACE], 3)
    hint = f"did you mean {' or '.join(close)}?" if close else "git branch -a, dvc exp list -A"
    return PixmillError(f"there is no commit, branch, tag or experiment '{name}'", next=hint)
