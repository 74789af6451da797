"""Adapt the project to the installed version of Pixmill.

Rewrites pixmill.lock, the origin of Pixmill in pyproject.toml or wheels/, and unedited
template files; prints the changes. Results change with the next dvc repro.
For another build, install that first: pip install WHEEL|URL|git+URL@COMMIT
"""

import argparse

from pixmill.cli.parser import project_root
from pixmill.core.errors import PixmillError


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "--check", action="store_true", help="change nothing; exit 1 if an upgrade is pending"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the changes, and apply them without ``--check``."""
    from pixmill.project.new.upgrading import apply_upgrade, plan_upgrade

    root = project_root()
    upgrade = plan_upgrade(root)
    fits = (
        ()
        if upgrade.pending
        else (f"The project is up to date with pixmill {upgrade.lock.version}.",)
    )
    for line in (*fits, *upgrade.lines):
        print(line)
    if not arguments.check:
        apply_upgrade(root, upgrade)
        if upgrade.pending:
            print("Next: pixmill doctor --quick && dvc repro, then commit all changes")
    elif upgrade.pending:
        raise PixmillError(
            f"the project is not up to date with pixmill {upgrade.lock.version}",
            next="pixmill upgrade",
        )
