"""What Git has of a project, in words: what is changed, whether the results are committed, what is not pushed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pixmill.core.repository.file_hashes import FileHashes
from pixmill.core.repository.git import changed_files, git
from pixmill.core.repository.stage_inputs import RESULTS
from pixmill.core.repository.uncommitted import Uncommitted, find_uncommitted
from pixmill.core.words import count

_OPERATIONS: Mapping[str, str] = {
    "MERGE_HEAD": "merge",
    "rebase-merge": "rebase",
    "rebase-apply": "rebase",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "REVERT_HEAD": "revert",
}
"""Files in ``.git`` that are there while something is under way."""

_MERGED = ("dvc.lock", "dvc.yaml", "params.yaml", "pixmill.lock", "data.dvc", "review.csv")
"""What people and runs change on several branches."""

_MARK = re.compile(rb"^(<{7}|>{7}) ", re.MULTILINE)

_REMOTE = re.compile(r"^\['remote \"", re.MULTILINE)
"""A section of DVC's configuration."""


@dataclass(frozen=True)
class Repository:
    """What Git has of a project.

    Args:
        has_git: Whether the project is in a Git repository.
        has_commit: Whether there is a commit with something of the project.
        branch: The branch; empty where none is checked out.
        changed: Files of the project that are not as the last commit has them, by path; a new folder counts once.
        untracked: Those of them that Git does not know.
        conflicts: Files that are left in a merge conflict, by Git or by marks in them.
        marked: Those of them that hold marks.
        operation: ``merge``, ``rebase``, ``cherry-pick`` or ``revert`` where one is under way; else empty.
        remote: The first remote of Git; empty if there is none.
        has_upstream: Whether ``git push`` knows where the branch goes.
        has_storage: Whether there is a remote of DVC, for images and models.
        unpushed: How many commits no remote has, as far as is known here; 0 without a remote.
        behind: How many commits of its upstream the branch has not, as of the last fetch.
        uncommitted: What of images and decisions no commit holds.
    """

    has_git: bool
    has_commit: bool = False
    branch: str = ""
    changed: tuple[str, ...] = ()
    untracked: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    marked: tuple[str, ...] = ()
    operation: str = ""
    remote: str = ""
    has_upstream: bool = False
    has_storage: bool = False
    unpushed: int = 0
    behind: int = 0
    uncommitted: Uncommitted = Uncommitted()  # noqa: RUF009 (it is frozen)

    @property
    def changed_results(self) -> tuple[str, ...]:
        """Which of :attr:`changed` a run wrote."""
        return tuple(path for path in self.changed if path.partition("/")[0] in RESULTS)

    @property
    def text(self) -> str:
        """The state in a sentence, such as ``3 files changed, results committed, 2 commits not pushed``."""
        if not self.has_git:
            return "not in Git"
        if not self.has_commit:
            return "no commit yet"
        parts = [f"{self.operation} under way"] if self.operation else []
        parts += [f"{count(len(self.conflicts), 'file')} in conflict"] if self.conflicts else []
        parts += [f"{count(len(self.changed), 'file')} changed" if self.changed else "nothing changed"]
        parts += [f"results {'not ' * bool(self.changed_results)}committed"]
        if not self.remote:
            parts.append("no remote")
        elif self.unpushed:
            parts.append(f"{count(self.unpushed, 'commit')} not pushed")
        parts += [f"{count(self.behind, 'commit')} to pull"] if self.behind else []
        return ", ".join(parts)


def read_repository(root: Path, hashes: FileHashes) -> Repository:
    """Return what Git has of a project; nothing is fetched.

    Args:
        root: The project's folder.
        hashes: Of its files.
    """
    folder = git(root, "rev-parse", "--absolute-git-dir")
    has_commit = git(root, "rev-parse", "--verify", "--quiet", "HEAD:./") is not None
    if folder is None:
        return Repository(has_git=False, has_storage=_has_storage(root))
    letters = changed_files(root, "-unormal", "--", ".") or {}
    unmerged = [path for path, two in letters.items() if "U" in two or two in ("AA", "DD")]
    files = [name for name in dict.fromkeys([*_MERGED, *unmerged]) if (root / name).is_file()]
    marked = [name for name in files if _MARK.search((root / name).read_bytes())]
    operation = next((name for file, name in _OPERATIONS.items() if Path(folder.removesuffix("\n"), file).exists()), "")
    remote = (git(root, "remote") or "").partition("\n")[0]
    unpushed = git(root, "rev-list", "--count", "HEAD", "--not", "--remotes") if has_commit and remote else None
    apart = git(root, "rev-list", "--count", "--left-right", "@{upstream}...HEAD")
    return Repository(
        has_git=True,
        has_commit=has_commit,
        branch=(git(root, "branch", "--show-current") or "").strip(),
        changed=tuple(sorted(letters)),
        untracked=tuple(path for path, two in letters.items() if two == "??"),
        conflicts=tuple(dict.fromkeys([*marked, *unmerged])),
        marked=tuple(marked),
        operation=operation,
        remote=remote,
        has_upstream=apart is not None,
        has_storage=_has_storage(root),
        unpushed=int(unpushed or 0),
        behind=int((apart or "0").split()[0]),
        uncommitted=Uncommitted() if marked or unmerged else find_uncommitted(root, hashes=hashes),
    )


def _has_storage(root: Path) -> bool:
    files = [root / ".dvc" / name for name in ("config", "config.local")]
    return any(_REMOTE.search(path.read_text("utf-8", "replace")) for path in files if path.is_file())
