"""Delete what nothing needs any more.

Says how much each part of the project takes, and how much of it neither the
workspace nor any commit, experiment, stash, registered version or pending run
needs. With --yes it is deleted, for good: files in DVC's cache, models in
the project's own MLflow, and scratch. Nothing is deleted from remotes and servers.
"""

import argparse

from pixmill.cli.parser import project_workspace

EXAMPLES = (
    ("pixmill clean", "tell what nothing needs any more"),
    ("pixmill clean --yes", "delete it"),
)

NOTES = "It refuses while DVC or a stage runs, and deletes nothing if a commit cannot be read."


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--yes", action="store_true", help="delete it")


def run(arguments: argparse.Namespace) -> None:
    """Print the table, and delete if told so."""
    from pixmill.clean.cleaning import find_unneeded, remove
    from pixmill.clean.usage import measure, show

    workspace = project_workspace()
    with find_unneeded(workspace) as unneeded:
        before, said = measure(workspace.root), unneeded.describe()
        print(f"{'':12}{'takes':>10}{'unneeded':>10}")
        for name, size in before.items():
            frees = unneeded.sizes.get(name, 0)
            print(f"{name:12}{show(size):>10}{show(frees) if frees else '-':>10}  {said.get(name, '')}".rstrip())
        total = sum(unneeded.sizes.values())
        print(f"{'total':12}{show(sum(before.values())):>10}{show(total):>10}\n")
        if arguments.yes:
            remove(workspace, unneeded)
            print(f"Freed {show(sum(before.values()) - sum(measure(workspace.root).values()))}.")
        elif unneeded.files or unneeded.models or unneeded.scratch:
            print("Nothing is deleted yet. To delete this for good: pixmill clean --yes")
        else:
            print("Nothing to delete.")
