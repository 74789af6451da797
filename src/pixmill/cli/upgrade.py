"""Adapt the project to the installed version of Pixmill, or to another one.

Rewrites pixmill.lock, what pyproject.toml or wheels/ install, and the template
files that nobody edited; prints what changes. Results change with the next dvc repro.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.cli.parser import project_root
from pixmill.core.errors import PixmillError

if TYPE_CHECKING:
    from pixmill.core.origin import Origin

EXAMPLES = (
    ("pixmill upgrade --check", "does the project fit this version? Exit 1 if not"),
    ("pixmill upgrade", "adapt the project to the installed version"),
    ("pixmill upgrade WHEEL", "install this build first: a wheel, its URL, or git+https://…@<commit>"),
    ("pixmill upgrade 0.2.0", "install this version first, where Pixmill comes from a package index"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "build", nargs="?", metavar="WHEEL|URL|GIT@COMMIT|VERSION", help="install this build or version first"
    )
    which.add_argument("--check", action="store_true", help="change nothing; exit 1 if an upgrade is pending")


def run(arguments: argparse.Namespace) -> None:
    """Print what changes, and change it unless told otherwise."""
    from pixmill.new.upgrading import apply_upgrade, plan_upgrade, project_extras

    root = project_root()
    if arguments.build is not None:
        _install(_find_build(root, arguments.build), project_extras(root))
        # This process has the modules of the earlier version.
        sys.exit(subprocess.call([sys.executable, "-m", "pixmill", "upgrade"], cwd=root))
    upgrade = plan_upgrade(root)
    fits = () if upgrade.pending else (f"The project is up to date with pixmill {upgrade.lock.version}.",)
    for line in (*fits, *upgrade.lines):
        print(line)
    if not arguments.check:
        apply_upgrade(root, upgrade)
        if upgrade.pending:
            print("Next: pixmill check && dvc repro, then commit all changes")
    elif upgrade.pending:
        raise PixmillError(f"the project is not up to date with pixmill {upgrade.lock.version}", next="pixmill upgrade")


def _find_build(root: Path, build: str) -> Origin:
    """Return the build that a person names; a version only where the project or what runs is from an index."""
    from pixmill.core.origin import Origin, running_origin
    from pixmill.new.supply import find_origin
    from pixmill.provenance.lock import read_lock

    if not re.fullmatch(r"\d[\w.+]*", build) or Path(build).is_file():
        return find_origin(build)
    lock = read_lock(root)
    origin = running_origin() if lock is None or lock.origin is None else lock.origin
    if not origin.from_index:
        raise PixmillError(
            f"this project installs pixmill from {origin.text}, and no index is asked for a version",
            next=f"pixmill upgrade, with the wheel, URL or git+https://…@<commit> of {build}",
        )
    return Origin(f"pixmill=={build}")


def _install(origin: Origin, extras: str) -> None:
    wanted = origin.requirement(extras)
    if importlib.util.find_spec("pip") is None:
        raise PixmillError(
            f"this environment has no pip to install {wanted} with",
            next=f"uv pip install --reinstall-package pixmill {shlex.quote(wanted)} && pixmill upgrade",
        )
    # pip keeps what is installed where the version is the same.
    again = [] if origin.from_index else [["--force-reinstall", "--no-deps", origin.requirement()]]
    for words in ([wanted], *again):
        if subprocess.call([sys.executable, "-m", "pip", "install", *words]) != 0:  # noqa: S603
            raise PixmillError(
                f"pip could not install {wanted}; the project is unchanged",
                next="see what pip says above, then repeat the command",
            )
