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

from pixmill.core.files import remove_temporary, replacing

State = Literal["complete", "pruned", "failed"]


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
        folder: Where they are kept; made if absent.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def tidy(self) -> None:
        """Remove what a killed sweep left half-written; call it only while no other runs."""
        remove_temporary(self.folder)

    def load(self) -> list[SweepTrial]:
        """Return all trials by number; a file that cannot be read is deleted, so that its trial runs again."""
        found = []
        for path in sorted(self.folder.glob("trial-*.npz")):
            try:
                with path.open("rb") as stream, np.load(stream) as file:
                    record = json.loads(file["record"].tobytes())
                    answers = file["answers"] if "answers" in file.files else None
                record["curves"] = tuple(record["curves"])
                found.append(SweepTrial(**record, answers=answers))
            except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile):
                path.unlink(missing_ok=True)
        return found

    def add(self, trial: SweepTrial) -> None:
        """Keep a trial.

        Raises:
            OSError: The disk is full or read-only.
        """
        record = {name: value for name, value in asdict(trial).items() if name != "answers"}
        arrays = {} if trial.answers is None else {"answers": trial.answers}
        with replacing(self.folder / f"trial-{trial.number:05}.npz") as temporary:
            np.savez(temporary, record=np.frombuffer(json.dumps(record).encode(), np.uint8), **arrays)  # type: ignore[arg-type]

    def images(self) -> pd.DataFrame | None:
        """Return the images that the trials answered about: ``id``, ``label``, ``cluster`` and ``target``."""
        path = self.folder / "images.parquet"
        return pd.read_parquet(path) if path.exists() else None

    def set_images(self, rows: pd.DataFrame) -> None:
        """Keep the images, once."""
        with replacing(self.folder / "images.parquet") as temporary:
            rows.to_parquet(temporary, index=False)
