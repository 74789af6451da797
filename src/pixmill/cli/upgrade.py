"""Adapt the project to the installed version of Pixmill.

Rewrites pixmill.lock, what pyproject.toml or wheels/ install, and the template
files that nobody edited; prints what changes. Results change with the next dvc repro.
For another build, install that first: pip install WHEEL|URL|git+URL@COMMIT
"""

import argparse

from pixmill.cli.parser import project_root
from pixmill.core.errors import PixmillError

EXAMPLES = (
    ("pixmill upgrade --check", "does the project fit this version? Exit 1 if not"),
    ("pixmill upgrade", "adapt the project to the installed version"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if an upgrade is pending")


def run(arguments: argparse.Namespace) -> None:
    """Print what changes, and change it unless told otherwise."""
    from pixmill.project.new.upgrading import apply_upgrade, plan_upgrade

    root = project_root()
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
