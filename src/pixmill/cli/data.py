"""Fill an empty data/ with the bundled images.

Existing images are yours and are never touched.
"""

import argparse

from pixmill.cli.parser import project_root
from pixmill.core.process.progress import announce

EXAMPLES = (("pixmill data", "fill an empty data/ with the bundled images"),)


def run(_: argparse.Namespace) -> None:
    """Fill ``data/`` and record it in DVC's cache."""
    root = project_root()
    import dvc  # noqa: F401 (run as a command: where it is missing, nothing is begun)

    from pixmill.project.bundled import commit_data, make_data

    make_data(root, report=announce)
    # Always: an earlier call may have been killed between the two.
    commit_data(root, report=announce)
