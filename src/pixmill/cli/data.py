"""Fill an empty data/ with the bundled images.

Existing images are never changed.
"""

import argparse

from pixmill.cli.parser import project_root
from pixmill.core.process.progress import announce


def run(_: argparse.Namespace) -> None:
    """Fill ``data/`` and record it in DVC's cache."""
    root = project_root()
    import dvc  # noqa: F401 (a subprocess uses it; fail before anything is written)

    from pixmill.dataset.bundled import commit_data, make_data

    make_data(root, report=announce)
    # Even if data/ exists: an earlier call may have been interrupted in between.
    commit_data(root, report=announce)
