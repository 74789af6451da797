"""Check this machine: packages, browser, MLflow, disk.

Prints a command to fix each problem; exits 1 if a run would fail.
"""

import argparse
import sys

from pixmill.cli.parser import project_root


def run(_: argparse.Namespace) -> None:
    """Print the findings; exit 1 if a run would fail."""
    from pixmill.project.doctor import examine, render

    findings = examine(project_root())
    print(render(findings))
    if any(finding.status == "bad" for finding in findings):
        sys.exit(1)
