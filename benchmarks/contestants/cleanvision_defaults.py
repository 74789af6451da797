"""CleanVision with its defaults: all issues, one process per physical core."""

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

from cleanvision import Imagelab
from looking import compete


def look(paths: Sequence[Path], _: int) -> int:
    lab = Imagelab(filepaths=[str(path) for path in paths])
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        lab.find_issues(verbose=False)
    return len(lab.issues)


if __name__ == "__main__":
    compete(look)
