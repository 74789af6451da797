"""Trainings cached by key: finished ones are reused, others resume after their last epoch."""

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
from pixmill.train.history import Callback, Epoch, Timing

Arrays = Mapping[str, npt.NDArray[np.generic]]

_MAX_BYTES = 10**9
"""Maximum total size of all checkpoints that are not pinned; the oldest are deleted first."""

_PIN_PREFIX = "pinned"
"""Name prefix of files that list pinned trainings."""


@dataclass(frozen=True)
class Checkpoint:
    """The state from which a training resumes, or the result of a finished training.

    Randomness is a function of seed and epoch; the state of schedule and early stopping is a
    function of the history.

    Args:
        history: Metrics of each epoch.
        timings: End and duration of each epoch.
        state: Weights and optimizer state after the last epoch; for a finished training, the fields
            of :class:`pixmill.models.novelty.Novelty`, or nothing.
        best: Weights of the best epoch; for a finished training, those of the whole classifier.
        finished: Whether the training is finished.
    """

    history: list[Epoch]
    timings: list[Timing]
    state: Arrays
    best: Arrays
    finished: bool = False


def pin(folder: Path, owner: str, keys: Iterable[str]) -> None:
    """Exempt finished trainings from deletion until their owner pins others.

    Args:
        folder: Folder of the checkpoints.
        owner: Name of the owner, such as ``sweep``.
        keys: Keys of the trainings.
    """
    write_text(folder / f"{_PIN_PREFIX}-{owner}", "".join(f"{key}\n" for key in keys))


def discard(folder: Path, keys: Iterable[str]) -> None:
    """Delete trainings that are not pinned, with those of their folds.

    Args:
        folder: Folder of the checkpoints.
        keys: Keys of the trainings.
    """
    for key in {*keys} - pinned_keys(folder):
        for path in folder.glob(f"{key}*.npz"):
            path.unlink(missing_ok=True)


class Checkpoints:
    """The checkpoint file of one training.

    The file is written under a temporary name and renamed: a killed process leaves the previous or
    the new checkpoint. If the file is damaged (its archive has checksums), the training starts over
    with a message.

    >>> import tempfile
    >>> checkpoints = Checkpoints(Path(tempfile.mkdtemp(), "key.npz"))
    >>> history, timings = [Epoch(1, 0.7, 0.5, 0.6, 0.6)], [Timing(0, 1.0, 90.0)]
    >>> state, best = {"step": np.int64(9)}, {"kernel": np.ones(2)}
    >>> checkpoints.save(Checkpoint(history, timings, state=state, best=best))
    >>> checkpoints.load().state["step"]
    array(9)

    Args:
        path: The file. Default: nothing is saved.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path

    def within(self, name: str) -> Checkpoints:
        """Return the checkpoints of a sub-training, such as a fold."""
        return Checkpoints(self._path and self._path.with_suffix(f".{name}.npz"))

    def load(self) -> Checkpoint | None:
        """Return the checkpoint; ``None`` if it is missing or damaged."""
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
                state=under("state/", arrays),
                best=under("best/", arrays),
                finished=record["finished"],
            )
        except Exception as error:  # noqa: BLE001 (a damaged archive fails in many ways)
            announce(
                f"train: the checkpoint {self._path} cannot be read ({error}); training starts over"
            )
            with contextlib.suppress(OSError):
                self._path.unlink()
            return None

    def load_finished(self, callback: Callback) -> Checkpoint | None:
        """Return a finished training, after passing its epochs to a callback.

        ``None`` if there is none.
        """
        checkpoint = self.load()
        if checkpoint is None or not checkpoint.finished:
            return None
        for epoch, timing in zip(checkpoint.history, checkpoint.timings, strict=True):
            callback.on_epoch_end(epoch, timing)
        return checkpoint

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
            text = np.frombuffer(json.dumps(record).encode(), np.uint8)
            np.savez(temporary, record=text, **arrays)  # type: ignore[arg-type]
        pinned = pinned_keys(self._path.parent)
        others = (
            path
            for path in self._path.parent.glob("[!.]*.npz")
            if path.name.partition(".")[0] not in pinned
        )
        keep_newest(others, _MAX_BYTES)


def pinned_keys(folder: Path) -> set[str]:
    """Return the keys of pinned trainings."""
    return {key for path in folder.glob(f"{_PIN_PREFIX}-*") for key in path.read_text().split()}


def under(prefix: str, arrays: Arrays) -> Arrays:
    """Return the arrays whose names have a prefix, by the rest of their names."""
    return {
        name.removeprefix(prefix): array
        for name, array in arrays.items()
        if name.startswith(prefix)
    }
