"""Delete scratch that nothing needs any more.

Says how much each part of the project takes. With --yes, finished trainings,
idle caches and what killed processes left are deleted. DVC's cache and
MLflow have commands of their own, which are named.

It refuses while DVC or a stage runs.
"""

import argparse

from pixmill.cli.parser import project_workspace

EXAMPLES = (
    ("pixmill clean", "say what takes how much, and what may go"),
    ("pixmill clean --yes", "delete scratch"),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--yes", action="store_true", help="delete it")


def run(arguments: argparse.Namespace) -> None:
    """Print what takes how much and how it is deleted; delete scratch if asked to."""
    from pixmill.project.disk.cleaning import advice, find_scratch, remove
    from pixmill.project.disk.usage import measure, show, size_of

    workspace = project_workspace()
    for name, size in measure(workspace.root).items():
        print(f"{name:12}{show(size):>10}")
    with find_scratch(workspace) as paths:
        frees = show(sum(map(size_of, paths)))
        if arguments.yes:
            remove(paths)
    print(f"\nScratch: {frees} {'deleted' if arguments.yes else 'may go: pixmill clean --yes'}")
    print("\n".join(advice(workspace)))
