"""Send pending runs to MLflow.

Runs wait in .pixmill/record/ if the server was not reachable. They are sent once to
MLFLOW_TRACKING_URI or the server in pyproject.toml. Exits 1 if some are still
pending.
"""

import argparse
import sys

from pixmill.cli.parser import project_workspace


def run(_: argparse.Namespace) -> None:
    """Print the number of sent runs; exit 1 if runs are still pending."""
    from pixmill.tracking.delivery import sync

    result = sync(project_workspace())
    print(f"sync: {result.line()}")
    if result.waiting:
        sys.exit(1)
