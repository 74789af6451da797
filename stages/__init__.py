"""Entry points of the five stages, each run as ``python -m stages.<stage>`` from the project folder."""

import sys
from pathlib import Path

# A temporary copy made by `dvc exp run --temp` must run its own code, not that of the workspace.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from pixmill.core.process.stage import run

__all__ = ["run"]
