"""Send pending runs to MLflow.

Sends the runs that wait in .pixmill/record/, because the server was not
reachable, to MLFLOW_TRACKING_URI or the server of pyproject.toml. No run is
sent twice. Exits 1 if some are still pending.
"""

import argparse
import sys

from pixmill.cli.parser import project_workspace

EXAMPLES = (("pixmill sync", "send pending runs to MLflow"),)


def run(_: argparse.Namespace) -> None:
    """Print what was sent; exit 1 if runs are still pending."""
    from pixmill.tracking.delivery import sync

    result = sync(project_workspace())
    print(f"sync: {result.line()}")
    if result.waiting:
        sys.exit(1)
