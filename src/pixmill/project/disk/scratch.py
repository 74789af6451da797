"""What lies in ``.pixmill/`` and ``.dvc/tmp/`` and is of no use any more; journals, pending runs and backups stay."""

import json
import time
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pixmill.train.checkpoints import pinned_keys

_IDLE = 7 * 86_400
"""Seconds after which a cache that was not used gives way to the newest of its kind."""

_ABANDONED = 86_400
"""Seconds after which a file that is still being written was left by a killed process."""

_CACHES = ("train/features/[!.]*.sqlite", "train/features/[!.]*.tflite", "validate/[!.]*.sqlite")


def stale_scratch(home: Path) -> list[Path]:
    """Return the files and folders that may go, while no stage and no DVC runs.

    - finished trainings, but for the newest and those that a sweep pinned: DVC's cache has what is needed, too
    - caches of features and measures that were not used for a week, but for the newest of each kind
    - pages of ``dvc plots``, and what killed processes left half-written, or in the folders of temporary experiments

    Args:
        home: The repository's own root.
    """
    scratch, temporary, now = home / ".pixmill", home / ".dvc" / "tmp" / "exps", time.time()
    found = [*_finished(scratch / "train" / "checkpoints"), *scratch.glob("plots")]
    for pattern in _CACHES:
        found += [path for path in _newest_first(scratch.glob(pattern))[1:] if now - _modified(path) > _IDLE]
    found += [path for path in scratch.rglob(".part-*") if now - _modified(path) > _ABANDONED]
    found += [*temporary.glob("tmp*"), *temporary.glob("standalone/tmp*")]
    return found


def _finished(folder: Path) -> Iterator[Path]:
    """Yield the files of finished trainings, each with those of its folds and its curve."""
    trainings, pinned = defaultdict(list), pinned_keys(folder)
    for path in _newest_first(folder.glob("[!.]*.npz")):
        trainings[path.name.partition(".")[0]].append(path)
    for key, files in list(trainings.items())[1:]:
        if key not in pinned and (folder / f"{key}.npz") in files and _is_finished(folder / f"{key}.npz"):
            yield from files


def _is_finished(path: Path) -> bool:
    try:
        with np.load(path) as file:
            return bool(json.loads(file["record"].tobytes())["finished"])
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return False  # What cannot be read just now, or is another version's, may be an unfinished training.


def _newest_first(paths: Iterator[Path]) -> list[Path]:
    return sorted(paths, key=_modified, reverse=True)


def _modified(path: Path) -> float:
    """Return when a file was written, in seconds since 1970; one that went meanwhile counts as new."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()
