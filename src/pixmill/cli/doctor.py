"""Check this machine: packages, browser, MLflow, disk.

Prints a command to fix each problem; exits 1 if a run would fail. With --fix, merges of
branches keep the images of both sides, also a merge under way.
"""

import argparse
import sys
from pathlib import Path

from pixmill.cli.parser import project_root


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument(
        "--fix", action="store_true", help="set up how Git merges images and results; check nothing"
    )


def run(arguments: argparse.Namespace) -> None:
    """Print the findings; exit 1 if a run would fail."""
    from pixmill.project.doctor import examine, render

    root = project_root()
    if arguments.fix:
        _fix(root)
        return
    findings = examine(root)
    print(render(findings))
    if any(finding.status == "bad" for finding in findings):
        sys.exit(1)


def _fix(root: Path) -> None:
    """Set up the drivers, and merge files in conflict with them."""
    from pixmill.core.process.progress import announce
    from pixmill.core.repository.merging import add_drivers, merge_again, merge_problem
    from pixmill.core.words import first_of
    from pixmill.project.state import read_project_state

    add_drivers(root)
    merged = merge_again(
        root, read_project_state(root, stages=False, full=False).repository.conflicts
    )
    if merged:
        print(f"Merged: {first_of(merged, 3)}")
    if problem := merge_problem(root):
        announce(f"note: {problem[0]}\nNext: {problem[1]}")
    else:
        print("Git merges images and results here")
