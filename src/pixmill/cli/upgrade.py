"""Adapt the project to the installed version of Pixmill.

Rewrites pixmill.lock, the origin of Pixmill in pyproject.toml or wheels/, and unedited
template files; prints the changes. Results change with the next dvc repro.
For another build, install that first: pip install WHEEL|URL|git+URL@COMMIT
"""

import argparse

from pixmill import __version__
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
    if not upgrade.pending:
        print(f"The project is up to date with pixmill {__version__}.")
    for line in upgrade.lines:
        print(line)
    if arguments.check and upgrade.pending:
        raise PixmillError(
            f"the project is not up to date with pixmill {__version__}", next="pixmill upgrade"
        )
    if not arguments.check:
        apply_upgrade(root, upgrade)
        if upgrade.pending:
            print("Next: pixmill doctor --quick && dvc repro, then commit all changes")
