"""Build the package as for a release, from the files that Git would clone."""

import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["build_package", "copy_repository"]


def copy_repository(repository: Path, folder: Path) -> Path:
    """Copy the files that Git would clone, in their state in the working tree, and return the folder."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "-co", "--exclude-standard"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (repository / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repository / name, folder / name)
    return folder


def build_package(source: Path, folder: Path, *words: str) -> Path:
    """Build an sdist, and from it a wheel, into a folder; return the wheel.

    The backend is the installed one, to download nothing. ``--wheel`` builds only the wheel.
    """
    done = subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", *words, "--outdir", str(folder), str(source)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel
