"""Fill an empty data/ with the bundled images.

Existing images are yours and are never touched.
"""

from __future__ import annotations

import argparse
from importlib.util import find_spec

from pixmill.cli.parser import project_root, say


def run(_: argparse.Namespace) -> None:
    """Fill ``data/`` and record it in DVC's cache."""
    from pixmill.bundled import commit_data, make_data

    if not find_spec("dvc"):
        raise ModuleNotFoundError(name="dvc")  # Nothing is begun where `dvc commit` could not end it.

    root = project_root()
    make_data(root, report=say)
    # Always: an earlier call may have been killed between the two.
    commit_data(root, report=say)
