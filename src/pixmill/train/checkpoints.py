"""Trainings cached by their key: a finished one is reused, an unfinished one resumes from its last complete epoch."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pixmill.core.files.writing import keep_newest, remove_temporary, replacing, write_text
from pixmill.core.process.progress import announce
from pixmill.train.callback import Callback
from pixmill.train.history import Epoch, Timing

Arrays = Mapping[str, npt.NDArray[np.generic]]

_MOST_BYTES = 10**9
"""Maximum total size of all checkpoints that are not pinned, finished or not; the oldest are deleted first."""

_PINNED = "pinned"
"""How the names of files begin that name pinned trainings."""


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a training needs to resume as if never interrupted, or the result of a finished one.

    Randomness follows from seed and epoch, and the state of schedule and early stopping from the history.

    Args:
        history: The metrics of each epoch.
        timings: When each epoch ended, and how long it took.
        state: Weights and optimizer state after the last epoch; for a finished training, the classifier's
            :class:`pixmill.models.novelty.Novelty`, or nothing.
        best: Weights of the best epoch; for a finished training, those of the whole classifier.
        finished: Whether the training is finished.
    """

    history: list[Epoch]
    timings: list[Timing]
    state: Arrays
    best: Arrays
    finished: bool = False


def pin(folder: Path, owner: str, keys: Iterable[str]) -> None:
    """Keep finished trainings, whatever else is written, until their owner pins others instead.

    Args:
        folder: That of the checkpoints.
        owner: Who pins them, such as ``sweep``.
        keys: Of the trainings.
    """
    write_text(folder / f"{_PINNED}-{owner}", "".join(f"{key}\n" for key in keys))


class Checkpoints:
    """Keep one training in its own file.

    The file is written under a temporary name and renamed, so a kill at any instant leaves either the previous or the
    new checkpoint, and two processes at the same training write the same. From a damaged file (its archive has
    checksums) the training starts over, and a line says so.

    >>> import tempfile
    >>> checkpoints = Checkpoints(Path(tempfile.mkdtemp(), "key.npz"))
    >>> history, timings = [Epoch(1, 0.7, 0.5, 0.6, 0.6)], [Timing(0, 1.0, 90.0)]
    >>> checkpoints.save(Checkpoint(history, timings, state={"step": np.int64(9)}, best={"kernel": np.ones(2)}))
    >>> checkpoints.load().state["step"]
    array(9)

    Args:
        path: The file; each training has its own. Default: none, so that nothing is kept.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    def within(self, name: str) -> Checkpoints:
        """Return the checkpoints of a sub-training, such as a fold's."""
        return Checkpoints(self._path and self._path.with_suffix(f".{name}.npz"))

    def load(self) -> Checkpoint | None:
        """Return the last checkpoint, or ``None`` if there is no intact one."""
        if self._path is None:
            return None
        remove_temporary(self._path.parent, f"-{self._path.name}")
        if not self._path.exists():
            return None
        try:
            with self._path.open("rb") as stream, np.load(stream) as file:
                arrays = {name: file[name] for name in file.files}
            record = json.loads(arrays.pop("record").tobytes())
            os.utime(self._path)
            return Checkpoint(
                history=[Epoch(**epoch) for epoch in record["history"]],
                timings=[Timing(**timing) for timing in record["timings"]],
                state=_without("state/", arrays),
                best=_without("best/", arrays),
                finished=record["finished"],
            )
        except Exception as error:  # noqa: BLE001 (a damaged archive fails in many ways)
            announce(f"train: the checkpoint {self._path} cannot be read ({error}); training starts over")
            with contextlib.suppress(OSError):
                self._path.unlink()
            return None

    def load_finished(self, callback: Callback) -> Checkpoint | None:
        """Return a finished training, reporting its epochs again; ``None`` if there is none."""
        kept = self.load()
        if kept is None or not kept.finished:
            return None
        for epoch, timing in zip(kept.history, kept.timings, strict=True):
            callback.on_epoch_end(epoch, timing)
        return kept

    def save(self, checkpoint: Checkpoint) -> None:
        """Save the state after an epoch, or the result of a finished training."""
        if self._path is None:
            return
        record = {
            "history": [asdict(epoch) for epoch in checkpoint.history],
            "timings": [asdict(timing) for timing in checkpoint.timings],
            "finished": checkpoint.finished,
        }
        arrays = {f"state/{name}": array for name, array in checkpoint.state.items()}
        arrays |= {f"best/{name}": array for name, array in checkpoint.best.items()}
        with replacing(self._path) as temporary:
            np.savez(temporary, record=np.frombuffer(json.dumps(record).encode(), np.uint8), **arrays)  # type: ignore[arg-type]
        pinned = pinned_keys(self._path.parent)
        others = (path for path in self._path.parent.glob("[!.]*.npz") if path.name.partition(".")[0] not in pinned)
        keep_newest(others, _MOST_BYTES)


def pinned_keys(folder: Path) -> set[str]:
    """Return the keys of the trainings that are pinned."""
    return {key for path in folder.glob(f"{_PINNED}-*") for key in path.read_text().split()}


def _without(prefix: str, arrays: Arrays) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
