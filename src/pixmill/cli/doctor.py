"""Check what a run needs on this machine.

Each thing that is missing is told with the command that fixes it; exits 1 where
there is one.
"""

from __future__ import annotations

import argparse
import sys

from pixmill.cli.parser import project_root


def run(_: argparse.Namespace) -> None:
    """Print what was found; exit 1 where something is missing."""
    from pixmill.doctor import examine, render

    findings = examine(project_root())
    print(render(findings))
    if any(finding.state == "bad" for finding in findings):
        sys.exit(1)
