"""List disk usage, and delete unneeded scratch files.

With --yes, finished trainings, idle caches and leftovers of killed processes
are deleted. For the data of DVC and MLflow, it suggests their own commands.

Refuses to run while DVC or a stage runs.
"""

import argparse

from pixmill.cli.parser import project_workspace


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("--yes", action="store_true", help="delete the scratch files")


def run(arguments: argparse.Namespace) -> None:
    """Print sizes and suggestions; delete scratch files with ``--yes``."""
    from pixmill.core.files.scratch import remove_scratch
    from pixmill.project.disk.cleaning import advice, find_scratch
    from pixmill.project.disk.usage import measure, show, size_of

    workspace = project_workspace()
    for name, size in measure(workspace.root).items():
        print(f"{name:12}{show(size):>10}")
    with find_scratch(workspace) as paths:
        total = show(sum(map(size_of, paths)))
        if arguments.yes:
            remove_scratch(paths)
    print(
        f"\nScratch: {total} "
        f"{'deleted' if arguments.yes else 'can be deleted: pixmill clean --yes'}"
    )
    print("\n".join(advice(workspace)))
