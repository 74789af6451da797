"""Adapt the project to the installed version of Pixmill, or to another one.

Rewrites pixmill.lock, the pin in pyproject.toml and the template files that
nobody edited; prints what changes. Results change with the next dvc repro.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys

from pixmill.cli.parser import project_root
from pixmill.core.errors import PixmillError

EXAMPLES = """\
examples:
  pixmill upgrade            adapt the project to the installed version
  pixmill upgrade 0.2.0      install this version first
  pixmill upgrade --check    print what would change; exit 1 if anything would
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    which = parser.add_mutually_exclusive_group()
    which.add_argument("version", nargs="?", metavar="VERSION", help="install this version first")
    which.add_argument("--check", action="store_true", help="change nothing; exit 1 if an upgrade is pending")


def run(arguments: argparse.Namespace) -> None:
    """Print what changes, and change it unless told otherwise."""
    from pixmill.new.upgrading import apply_upgrade, pinned_extras, plan_upgrade

    root = project_root()
    if arguments.version is not None:
        _install(f"pixmill{pinned_extras(root)}=={arguments.version}")
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


def _install(requirement: str) -> None:
    if importlib.util.find_spec("pip") is None:
        raise PixmillError(
            f"this environment has no pip to install {requirement} with",
            next=f"uv pip install '{requirement}' && pixmill upgrade",
        )
    if subprocess.call([sys.executable, "-m", "pip", "install", requirement]) != 0:  # noqa: S603
        raise PixmillError(
            f"pip could not install {requirement}; the project is unchanged", next="pip index versions pixmill"
        )
