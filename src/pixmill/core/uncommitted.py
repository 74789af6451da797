"""What people brought and decided and no commit holds yet: ``data.dvc``, ``review.csv`` and images not in ``data.dvc``.

``dvc exp apply``, ``git checkout``, ``dvc checkout``, ``dvc pull`` and another branch may remove it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from pixmill.core.git import git

__all__ = ["commit_command", "commit_first", "count_files", "describe_uncommitted", "read_recorded", "uncommitted"]

_FILES = ("data.dvc", "review.csv")

_LITTER = {".DS_Store", "Thumbs.db"}


def uncommitted(root: Path) -> list[str]:
    """Return which of ``data.dvc`` and ``review.csv`` are not as the last commit has them; none before the first.

    Args:
        root: The project's folder.
    """
    if git(root, "rev-parse", "--verify", "--quiet", "HEAD") is None:
        return []
    status = git(root, "status", "--porcelain", "-z", "--no-renames", "--", *_FILES) or ""
    changed = {entry[3:].rpartition("/")[2] for entry in status.split("\0") if entry}
    if _is_unadded(root):
        changed.add("data.dvc")
    return sorted(changed)


def commit_command(root: Path, message: str) -> str | None:
    """Return the command that commits what is uncommitted; ``None`` where nothing is.

    Args:
        root: The project's folder.
        message: The commit's message.
    """
    if not (names := uncommitted(root)):
        return None
    add = "dvc add data && " if _is_unadded(root) else ""
    return f'{add}git add {" ".join(names)} && git commit -m "{message}"'


def describe_uncommitted(root: Path) -> tuple[str, str] | None:
    """Return a sentence on what is uncommitted, and the command that commits it; ``None`` where nothing is."""
    command = commit_command(root, "Add images and decisions")
    if command is None:
        return None
    names = uncommitted(root)
    what = f"{' and '.join(names)} {'differ' if len(names) > 1 else 'differs'} from the last commit"
    if _is_unadded(root):
        what = f"data/ differs from data.dvc, and {what}"
    return f"{what}: dvc exp apply, checkout, pull or another branch may remove the changes", command


def commit_first(root: Path, advice: str) -> str:
    """Return advice that may overwrite images and decisions, behind the commit that keeps them, if one is needed.

    Args:
        root: The project's folder.
        advice: What to type, such as ``dvc pull``.
    """
    described = describe_uncommitted(root)
    if described is None:
        return advice
    return f"commit first ({' and '.join(uncommitted(root))}): {described[1]}; then: {advice}"


def count_files(root: Path) -> tuple[int, int]:
    """Return the number of files in ``data/`` and their size in bytes; what file managers leave does not count."""
    sizes = [path.stat().st_size for path in (root / "data").rglob("*") if path.is_file() and path.name not in _LITTER]
    return len(sizes), sum(sizes)


def read_recorded(root: Path) -> tuple[int, int] | None:
    """Return the number of files that ``data.dvc`` records and their size in bytes; ``None`` where there is none.

    Raises:
        LookupError: It is no file of DVC's; so for ``OSError``, ``TypeError``, ``ValueError`` and ``yaml.YAMLError``.
    """
    path = root / "data.dvc"
    if not path.exists():
        return None
    out: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["outs"][0]
    return int(out["nfiles"]), int(out["size"])


def _is_unadded(root: Path) -> bool:
    """Tell whether ``data/`` has files, and others than ``data.dvc`` records, by their number and size."""
    if not (root / ".dvc").is_dir():
        return False
    try:
        recorded = read_recorded(root)
    except (yaml.YAMLError, LookupError, TypeError, ValueError, OSError):
        return False  # `pixmill doctor` says so.
    there = count_files(root)
    return there[0] > 0 and there != recorded
