"""Entry points of the five stages, each run as ``python -m stages.<stage>`` from the project folder."""

import sys
from pathlib import Path

# A temporary copy made by `dvc exp run --temp` must run its own code, not that of the workspace.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

try:
    from pixmill.core.process.stage import run
except ModuleNotFoundError as error:
    if error.name != "pixmill":
        raise
    sys.exit("Pixmill is not installed in this environment\nNext: @install@")

__all__ = ["run"]
