"""Finished trials, each in a file of its own: a killed sweep loses none, and leaves nothing half-written."""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.files import remove_temporary, replacing, write_text
from pixmill.core.progress import announce

State = Literal["complete", "pruned", "failed"]

_RUNNING = "running.json"
"""What runs now, or ran when the process ended."""

_RECORDED = "recorded"
"""How many trials the result had that was recorded last."""

_MOST = 3
"""Times that the process may end in one trial before that counts as failed."""


@dataclass(frozen=True)
class SweepTrial:
    """A finished trial.

    Args:
        number: From 0; that of ``params.yaml`` as it was is 0.
        values: What was tried, by dotted name.
        state: ``complete``; ``pruned``, which was no better than others after as many epochs; or ``failed``.
        value: Its metric on validation; ``None`` unless complete.
        started: When it began, in milliseconds since 1970.
        seconds: How long it took.
        key: By which ``train`` finds its weights.
        curves: Per epoch: its number, when it ended, and its metrics by name.
        reason: Why it failed.
        answers: Its calibrated probabilities, shape (images, classes); ``None`` unless complete.
    """

    number: int
    values: Mapping[str, Any]
    state: State
    value: float | None
    started: int
    seconds: float
    key: str = ""
    curves: tuple[dict[str, Any], ...] = ()
    reason: str | None = None
    answers: npt.NDArray[np.float32] | None = None

    @property
    def name(self) -> str:
        """What it is called everywhere."""
        return f"trial {self.number}"


class TrialStore:
    """The trials of one sweep.

    Args:
        folder: Where they are kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> None:
        """Make the folder, and remove what a killed sweep left half-written; call it only while no other runs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_temporary(self.folder)

    def load(self) -> list[SweepTrial]:
        """Return all trials by number, but for those whose file cannot be read."""
        found = []
        for path in sorted(self.folder.glob("trial-*.npz")):
            try:
                with path.open("rb") as stream, np.load(stream) as file:
                    record = json.loads(file["record"].tobytes())
                    answers = file["answers"] if "answers" in file.files else None
                record["curves"] = tuple(record["curves"])
                found.append(SweepTrial(**record, answers=answers))
            except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
                announce(f"warning: {path} cannot be read; that trial does not count")
        return found

    def begin(self, trial: SweepTrial) -> None:
        """Note what is about to run, and how often it was begun."""
        before = self.unfinished()
        times = 1 + (before["times"] if before and before["values"] == trial.values else 0)
        self._note({"number": trial.number, "values": trial.values, "started": trial.started, "times": times})

    def interrupt(self) -> None:
        """Note that a person ended what runs, so that it does not count how often it was begun."""
        if before := self.unfinished():
            self._note(before | {"times": 0})

    def end(self) -> None:
        """Note that nothing runs."""
        (self.folder / _RUNNING).unlink(missing_ok=True)

    def killed_by(self) -> SweepTrial | None:
        """Return a failed trial for values in which the process ended again and again: it would begin with them."""
        before = self.unfinished()
        if before is None or before["times"] < _MOST or before["number"] == 0:
            return None
        reason = f"the process was killed while it ran, {_MOST} times"
        return SweepTrial(before["number"], before["values"], "failed", None, before["started"], 0.0, reason=reason)

    def unfinished(self) -> dict[str, Any] | None:
        """Return what ran when the last process ended, with its ``number`` and ``values``; ``None`` if nothing did."""
        path = self.folder / _RUNNING
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return {name: found[name] for name in ("number", "values", "started", "times")}
        except (OSError, KeyError, TypeError, ValueError):
            return None

    def _note(self, record: Mapping[str, Any]) -> None:
        write_text(self.folder / _RUNNING, json.dumps(record))

    def add(self, trial: SweepTrial) -> None:
        """Keep a trial.

        Raises:
            OSError: The disk is full or read-only.
        """
        record = {name: value for name, value in asdict(trial).items() if name != "answers"}
        arrays = {} if trial.answers is None else {"answers": trial.answers}
        with replacing(self.folder / f"trial-{trial.number:05}.npz") as temporary:
            np.savez(temporary, record=np.frombuffer(json.dumps(record).encode(), np.uint8), **arrays)  # type: ignore[arg-type]
        self.end()

    def is_recorded(self, trials: int) -> bool:
        """Tell whether the result of so many trials was sent to MLflow."""
        path = self.folder / _RECORDED
        return path.exists() and path.read_text(encoding="utf-8") == str(trials)

    def set_recorded(self, trials: int) -> None:
        """Note that the result of so many trials was sent, or waits to be."""
        write_text(self.folder / _RECORDED, str(trials))

    def images(self) -> pd.DataFrame | None:
        """Return the images that the trials answered about: ``id``, ``label``, ``cluster`` and ``target``."""
        path = self.folder / "images.parquet"
        return pd.read_parquet(path) if path.exists() else None

    def set_images(self, rows: pd.DataFrame) -> None:
        """Keep the images, once."""
        with replacing(self.folder / "images.parquet") as temporary:
            rows.to_parquet(temporary, index=False)
