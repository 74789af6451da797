"""Check this machine: packages, browser, MLflow, disk.

Prints a command to fix each problem; exits 1 if a run would fail. With --fix, merges of
branches keep the images of both sides, also a merge under way.
"""

import argparse
import sys

from pixmill.cli.parser import project_root


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("--fix", action="store_true", help="set up how Git merges images and results; check nothing")


def run(arguments: argparse.Namespace) -> None:
    """Print the findings; exit 1 if a run would fail."""
    from pixmill.project.doctor import examine, fix_merging, render

    if arguments.fix:
        print(fix_merging(project_root()))
        return
    findings = examine(project_root())
    print(render(findings))
    if any(finding.status == "bad" for finding in findings):
        sys.exit(1)
