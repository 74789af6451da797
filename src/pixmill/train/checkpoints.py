"""Trainings kept by their key: a finished one is taken over, an unfinished one goes on from its last whole epoch."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pixmill.core.files import keep_newest, remove_temporary, replacing
from pixmill.core.progress import announce
from pixmill.learn.precision import Precision
from pixmill.train.history import Epoch, Timing

__all__ = ["Arrays", "Checkpoint", "Checkpoints", "OnEpoch"]

Arrays = Mapping[str, npt.NDArray[np.generic]]

OnEpoch = Callable[[Epoch, Timing], None]
"""What is called after each epoch, also after those of a training that goes on or is taken over."""

_MOST_BYTES = 10**9
"""How large all kept trainings may be together, finished or not; the oldest go first."""


@dataclass(frozen=True)
class Checkpoint:
    """Hold all that a training needs to go on as if it had never ended, or what came of it where it is finished.

    What is random follows from seed and epoch, and the state of schedule and patience from the history.

    Args:
        history: The figures of each epoch.
        timings: When each of them was, and how long it took.
        state: Weights and optimizer after the last of them; none where the training is finished.
        best: Weights of the best of them; of a finished training, those of the whole classifier.
        precision: What they were computed with.
        finished: Whether nothing is left to fit.
    """

    history: list[Epoch]
    timings: list[Timing]
    state: Arrays
    best: Arrays
    precision: Precision = "float32"
    finished: bool = False


class Checkpoints:
    """Keep one training in a file of its own.

    The file is written under a temporary name and renamed, so a kill at any instant leaves the checkpoint before or the
    new one, and two processes at the same training write the same. Nothing in it is needed for the result, so nothing
    about it stops a training: where it is damaged (its archive has checksums) the training begins anew, where it cannot
    be written (a full or forbidden disk) the training goes on without it; a line tells either.

    >>> import tempfile
    >>> checkpoints = Checkpoints(Path(tempfile.mkdtemp(), "key.npz"))
    >>> history, timings = [Epoch(1, 0.7, 0.5, 0.6, 0.6)], [Timing(0, 1.0, 90.0)]
    >>> checkpoints.save(Checkpoint(history, timings, state={"step": np.int64(9)}, best={"kernel": np.ones(2)}))
    >>> checkpoints.load().state["step"]
    array(9)

    Args:
        path: The file; it is another one for each training.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._refused = False

    def within(self, name: str) -> Checkpoints:
        """Return the checkpoints of a training that is part of this one, such as a fold's."""
        return Checkpoints(self._path.with_suffix(f".{name}.npz"))

    def load(self) -> Checkpoint | None:
        """Return the last checkpoint, or ``None`` where there is none that is whole."""
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
                precision=record["precision"],
                finished=record["finished"],
            )
        except Exception as error:  # noqa: BLE001 (a damaged archive fails in many ways)
            announce(f"train: the kept training {self._path} cannot be read ({error}); it is fitted anew")
            with contextlib.suppress(OSError):
                self._path.unlink()
            return None

    def load_finished(self, on_epoch: OnEpoch) -> Checkpoint | None:
        """Return a training that came to its end before, its epochs reported again; ``None`` where it did not."""
        kept = self.load()
        if kept is None or not kept.finished:
            return None
        for epoch, timing in zip(kept.history, kept.timings, strict=True):
            on_epoch(epoch, timing)
        return kept

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep an epoch that has just ended, or what came of a training that is over."""
        record = {
            "history": [asdict(epoch) for epoch in checkpoint.history],
            "timings": [asdict(timing) for timing in checkpoint.timings],
            "precision": checkpoint.precision,
            "finished": checkpoint.finished,
        }
        arrays = {f"state/{name}": array for name, array in checkpoint.state.items()}
        arrays |= {f"best/{name}": array for name, array in checkpoint.best.items()}
        try:
            with replacing(self._path) as temporary:
                np.savez(temporary, record=np.frombuffer(json.dumps(record).encode(), np.uint8), **arrays)  # type: ignore[arg-type]
            keep_newest(self._path.parent.glob("[!.]*.npz"), _MOST_BYTES)
        except OSError as error:
            if not self._refused:
                announce(
                    f"warning: train keeps no checkpoint in {self._path.parent}: {error.strerror}. Training goes on; "
                    "where it is killed, it begins anew from the last one that was kept"
                )
            self._refused = True


def _without(prefix: str, arrays: Arrays) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
