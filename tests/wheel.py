"""Build the package as for a release, from the files that Git would clone, and install it."""

import shutil
import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["build_package", "copy_repository", "environment"]


def copy_repository(repository: Path, folder: Path) -> Path:
    """Copy the files that Git would clone, as in the working tree, and return the folder."""
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
        [
            sys.executable,
            "-m",
            "build",
            "--no-isolation",
            *words,
            "--outdir",
            str(folder),
            str(source),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment(folder: Path, wheel: Path | None = None) -> Path:
    """Create an environment with the packages of the tests and a wheel; return its interpreter.

    Nothing is downloaded. This repository cannot be imported from it: Python does not read ``.pth``
    files, such as that of an editable installation, in folders that a ``.pth`` file adds.
    """
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/python*/site-packages")
    packages = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (site / "tests.pth").write_text("\n".join(packages), encoding="utf-8")
    python = folder / "bin" / "python"
    for name in ("dvc", "mlflow", "pip", "pytest"):
        script = python.with_name(name)
        script.write_text(f'#!/bin/sh\nexec "{python}" -m {name} "$@"\n', encoding="utf-8")
        script.chmod(0o755)
    if wheel is not None:
        words = ["-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--force-reinstall"]
        subprocess.run([python, *words, wheel], check=True, capture_output=True, text=True)
    return python
