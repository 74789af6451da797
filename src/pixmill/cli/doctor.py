"""Check what a run needs on this machine.

Prints a command to fix each problem; exits 1 if there is one.
"""

import argparse
import sys

from pixmill.cli.parser import project_root

EXAMPLES = (("pixmill doctor", "check this machine: packages, browser, MLflow, disk"),)


def run(_: argparse.Namespace) -> None:
    """Print the findings; exit 1 if something is missing."""
    from pixmill.project.doctor import examine, render

    findings = examine(project_root())
    print(render(findings))
    if any(finding.status == "bad" for finding in findings):
        sys.exit(1)
