"""Delete scratch files."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from pixmill.core.process.progress import track


def remove_scratch(paths: Sequence[Path]) -> None:
    """Delete scratch files and folders; after an interruption, the next call deletes the rest.

    Args:
        paths: Files and folders; the caller holds their locks.
    """
    for path in track(paths, "Delete scratch", len(paths), unit="file"):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
