"""What no commit and not the workspace needs of DVC's cache."""

import subprocess
import sys
from pathlib import Path

from pixmill.core.errors import DataError
from pixmill.core.progress import announce

_GC = ("gc", "--workspace", "--all-branches", "--all-tags", "--all-experiments", "--force")
"""A folder whose list of files neither the cache nor a remote has can be brought back by nothing: forced. Never
``--cloud``: remotes are not touched."""


def unneeded_files(root: Path) -> list[Path]:
    """Return the files that ``dvc gc`` would remove, within :func:`pixmill.clean.commits.all_named`.

    Args:
        root: The project's folder.

    Raises:
        DataError: DVC cannot read a commit, or is busy.
    """
    mark = "Removing "
    announce("clean: reading all commits")
    return [Path(line.removeprefix(mark)) for line in _gc(root, "--dry").splitlines() if line.startswith(mark)]


def remove_unneeded(root: Path) -> None:
    """Let ``dvc gc`` remove them; it reads all commits first, and removes nothing if one cannot be read."""
    announce("clean: deleting from DVC's cache")
    _gc(root)


def _gc(root: Path, *options: str) -> str:
    done = subprocess.run(  # noqa: S603 (no part of the command comes from outside)
        [sys.executable, "-m", "dvc", *_GC, *options],
        cwd=root,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
    )
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if line.startswith("ERROR: ")), done.stderr.strip())
        message = reason.removeprefix("ERROR: ") or f"exit code {done.returncode}"
        # Without --dry it may have begun.
        raise DataError(
            f"{'nothing was deleted, since ' * ('--dry' in options)}`dvc gc` failed: {message}",
            next="fix that, or delete the branch or experiment that leads there, then: pixmill clean",
        )
    return done.stdout
