"""A training as it stood at the end of its last whole epoch, so that a killed one goes on from there."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import numpy.typing as npt

from pixmill.errors import ManifestError
from pixmill.files import read_json, remove_temporary, write_text
from pixmill.models.precision import Precision
from pixmill.progress import announce
from pixmill.train.arrays import read_arrays, write_arrays
from pixmill.train.history import Epoch, Timing

__all__ = ["Checkpoint", "Checkpoints", "open_checkpoints"]

Arrays = Mapping[str, npt.NDArray[np.generic]]

_STATE = "state.json"
_DAMAGED = "damaged"

_DAY = 86_400.0

_MOST_BYTES = 4 * 10**9
"""What the checkpoints of other trainings may take together: those that were killed and never went on."""


@dataclass(frozen=True)
class Checkpoint:
    """Hold all that a training needs to go on as if it had never ended.

    What is random follows from seed and epoch, and the state of schedule and patience from the history.

    Args:
        history: The figures of each epoch.
        timings: When each of them was, and how long it took.
        state: Weights and optimizer after the last of them.
        best: Weights of the best of them.
        precision: What they were computed with.
    """

    history: list[Epoch]
    timings: list[Timing]
    state: Arrays
    best: Arrays
    precision: Precision = "float32"


class Checkpoints:
    """Keep the last whole epoch of one training in a folder of its own.

    Arrays are written first, what names them and their digests last, each to a temporary name: a kill at any instant
    leaves the checkpoint before or the new one. Nothing in it is needed for the result, so nothing about it stops a
    training: where it is damaged the training begins anew, where it cannot be written (a full or forbidden disk) the
    training goes on without it; a line tells either.

    Args:
        folder: Where the files go; it is another one for each training.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._refused = False

    def within(self, name: str) -> Checkpoints:
        """Return the checkpoints of a training that is part of this one, such as a fold's."""
        return Checkpoints(self.folder / name)

    def load(self) -> Checkpoint | None:
        """Return the last checkpoint, or ``None`` where there is none that is whole."""
        if not (self.folder / _STATE).exists():
            return None
        try:
            body = _opened(read_json(self.folder / _STATE, stage="train"))
            return Checkpoint(
                history=[Epoch(**epoch) for epoch in body["history"]],
                timings=[Timing(**timing) for timing in body["timings"]],
                state=self._read(body["state"]),
                best=self._read(body["best"]),
                precision=body["precision"],
            )
        except (KeyError, ManifestError, OSError, TypeError, UnicodeDecodeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            announce(
                f"train: the checkpoint in {self.folder} is damaged and set aside ({reason}); training begins anew"
            )
            self._set_aside()
            return None

    def save(
        self,
        history: Sequence[Epoch],
        timings: Sequence[Timing],
        *,
        state: Arrays,
        best: Arrays | None = None,
        precision: Precision = "float32",
    ) -> None:
        """Keep an epoch that has just ended.

        Args:
            history: The epochs so far, this one included.
            timings: When each of them was, and how long it took.
            state: Weights and optimizer as they are now.
            best: Weights of the best epoch where that is this one; ``None`` where those kept before are still the best.
            precision: What is computed with: a training that goes on does not measure it again.
        """
        number = history[-1].epoch
        try:
            # The state file still names the files of the epoch before, which are removed last.
            files = {"state": self._write(f"state-{number:06}", state)}
            files["best"] = self._kept_best() if best is None else self._write(f"best-{number:06}", best)
            body = {
                "history": [asdict(epoch) for epoch in history],
                "timings": [asdict(timing) for timing in timings],
                "precision": precision,
                **files,
            }
            write_text(self.folder / _STATE, _sealed(body))
            self._remove_others({entry["file"] for entry in files.values() if entry})
        except (ManifestError, OSError, ValueError) as error:
            if not self._refused:
                reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
                announce(
                    f"warning: train keeps no checkpoint in {self.folder}: {reason}. Training goes on; "
                    "where it is killed, it begins anew from the last one that was kept"
                )
            self._refused = True

    def settle(self) -> None:
        """Let the arrays go, and keep the history: nothing goes on from here, but what came of it is known."""
        with contextlib.suppress(ManifestError, OSError, ValueError, KeyError, TypeError):
            body = _opened(read_json(self.folder / _STATE, stage="train"))
            write_text(self.folder / _STATE, _sealed({**body, "state": None, "best": None}))
            self._remove_others(set())

    def remove(self) -> None:
        """Remove everything: the training is over and its outputs are written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write(self, stem: str, arrays: Arrays) -> dict[str, str]:
        path = self.folder / f"{stem}.arrays"
        return {"file": path.name, "sha256": write_arrays(path, arrays)}

    def _read(self, entry: Mapping[str, str] | None) -> Arrays:
        return {} if entry is None else read_arrays(self.folder / Path(entry["file"]).name, entry["sha256"])

    def _kept_best(self) -> Any:
        return _opened(read_json(self.folder / _STATE, stage="train"))["best"]

    def _remove_others(self, kept: set[str]) -> None:
        for path in self.folder.glob("*.arrays"):
            if path.name not in kept:
                path.unlink(missing_ok=True)

    def _set_aside(self) -> None:
        with contextlib.suppress(OSError):
            shutil.rmtree(self.folder / _DAMAGED, ignore_errors=True)
            (self.folder / _DAMAGED).mkdir()
            for path in [*self.folder.glob("*.arrays"), self.folder / _STATE]:
                path.rename(self.folder / _DAMAGED / path.name)


@contextlib.contextmanager
def open_checkpoints(folder: Path, key: str) -> Iterator[Checkpoints | None]:
    """Hold the only permission to keep checkpoints of a training; those of others are limited in size.

    Args:
        folder: Where checkpoints lie, each training's under its key.
        key: What tells this training from all others.

    Yields:
        The checkpoints; ``None`` where another process is at the very same training, or where none can be kept.
    """
    own = folder / key
    lock = filelock.FileLock(folder / f"{key}.lock", blocking=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        # Under its lock alone: another training that makes room would remove it.
        own.mkdir(exist_ok=True)
    except (filelock.Timeout, OSError) as error:
        lock.release()
        why = (
            error.strerror if isinstance(error, OSError) and error.strerror else "another process has the same training"
        )
        announce(f"train: no checkpoint is kept ({why})")
        yield None
        return
    try:
        remove_temporary(own)
        with contextlib.suppress(OSError):
            os.utime(own)
            _limit(folder, key)
        yield Checkpoints(own)
    finally:
        lock.release()


def _limit(folder: Path, key: str) -> None:
    """Remove checkpoints of other trainings, those that were used last excepted, and old locks."""
    for path in folder.glob("*.lock"):
        # A lock that is removed as it is taken would be nobody's: only those that nobody wants any more go.
        if not path.with_suffix("").exists() and time.time() - path.stat().st_mtime > _DAY:
            path.unlink(missing_ok=True)
    others = [path for path in folder.iterdir() if path.is_dir() and path.name != key]
    room = _MOST_BYTES
    for other in sorted(others, key=lambda path: path.stat().st_mtime, reverse=True):
        room -= sum(path.stat().st_size for path in other.rglob("*") if path.is_file())
        lock = filelock.FileLock(folder / f"{other.name}.lock", blocking=False)
        if room < 0:
            with contextlib.suppress(filelock.Timeout), lock:
                shutil.rmtree(other, ignore_errors=True)


def _sealed(body: Mapping[str, Any]) -> str:
    text = json.dumps(body)
    return json.dumps({"sha256": hashlib.sha256(text.encode()).hexdigest(), "body": text}) + "\n"


def _opened(sealed: Any) -> Any:
    text = sealed["body"]
    if hashlib.sha256(text.encode()).hexdigest() != sealed["sha256"]:
        raise ValueError(f"{_STATE} is not what was written")
    return json.loads(text)
