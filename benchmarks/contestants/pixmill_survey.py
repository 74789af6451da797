"""Pixmill's complete pass as in the stage, without cache: guarded decode, measures, hash, digests, table."""

import hashlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from looking import compete

from pixmill.core.params import ValidateParams
from pixmill.images.compute import RowLimits
from pixmill.validate.survey import survey

ids: dict[Path, str] = {}


def look(paths: Sequence[Path], processes: int) -> int:
    rows = pd.DataFrame(
        {"id": [ids[path] for path in paths], "path": [path.name for path in paths]}
    )
    params = ValidateParams()
    limits = RowLimits(seconds=params.timeout, memory=params.memory << 20)
    found = survey(
        rows, paths[0].parent, max_pixels=params.max_pixels, limits=limits, workers=processes
    )
    return int(found.table["pixels"].notna().sum())


if __name__ == "__main__":  # spawned workers import this file
    folder = Path(sys.argv[sys.argv.index("--folder") + 1])
    # In the stage, they come from the manifest.
    ids |= {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.jpg")}
    sys.stderr = io.StringIO()  # no progress bar
    compete(look)
