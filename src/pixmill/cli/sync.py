"""Send to MLflow what it has not taken yet.

Runs that wait in .pixmill/record/ because the server was away go to the
present MLFLOW_TRACKING_URI. What was sent before is not doubled. Exits 1
where something still waits.
"""

from __future__ import annotations

import argparse
import sys

from pixmill.cli.parser import project_root


def run(_: argparse.Namespace) -> None:
    """Print what was sent; exit 1 where something still waits."""
    from pixmill.core.workspace import Workspace
    from pixmill.record.sync import sync

    result = sync(Workspace(project_root(), project_root()))
    print(f"sync: {result.line()}")
    if result.waiting:
        sys.exit(1)
