"""Store of finished trials: Optuna's journal, and one file per trial with its probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from pixmill.core.files.writing import remove_temporary, replacing

if TYPE_CHECKING:
    import optuna

State = Literal["complete", "pruned", "failed"]

VALUES = "values"
CURVES = "curves"
REASON = "reason"
KEY = "key"
SAME = "same_as"
"""User attributes of an Optuna trial: fields of :class:`SweepTrial`, and the number of an earlier
equal trial."""

_STATES: dict[str, State] = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
"""States of finished trials by Optuna's names."""

_STUDY = "sweep"
"""Name of the study in the journal."""


@dataclass(frozen=True)
class SweepTrial:
    """A finished trial.

    Args:
        number: Number from 0; trial 0 has the values of ``params.yaml`` at the start of the sweep.
        values: Values of the searched params by dotted name.
        state: ``complete``, ``failed``, or ``pruned`` if others were more accurate at the same
            epoch.
        value: Metric on validation; ``None`` unless complete.
        started: Start time in milliseconds since 1970.
        seconds: Duration.
        key: Key of the weights in the cache of ``train``.
        curves: Number, end time and metrics of each epoch.
        reason: Reason of a failure.
        answers: Calibrated probabilities, shape (images, classes); ``None`` unless complete.
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
        """The name in texts, pages and MLflow."""
        return f"trial {self.number}"


class TrialStore:
    """The trials of one sweep.

    Args:
        folder: Folder of the store; created by :meth:`make`.
        lower_is_better: Whether the best value is the lowest.
    """

    def __init__(self, folder: Path, *, lower_is_better: bool = False) -> None:
        self.folder = folder
        self._journal = folder / "journal.log"
        self._lower_is_better = lower_is_better

    def make(self) -> None:
        """Create the folder, and remove incomplete files of a killed sweep.

        Requires :func:`.lock_sweep`.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_temporary(self.folder)
        self._journal.with_name("journal.log.lock").unlink(missing_ok=True)
        if self._journal.exists() and not (content := self._journal.read_bytes()).endswith(b"\n"):
            self._journal.write_bytes(content[: content.rfind(b"\n") + 1])

    def open(self, **options: Any) -> optuna.Study:
        """Return the study; create it if it does not exist.

        Args:
            options: Sampler and pruner.
        """
        import optuna

        return optuna.create_study(
            storage=self._storage(),
            study_name=_STUDY,
            direction="minimize" if self._lower_is_better else "maximize",
            load_if_exists=True,
            **options,
        )

    def load(self) -> list[SweepTrial]:
        """Return all finished trials by number; create no files."""
        if not self._journal.exists():
            return []
        storage = self._storage()
        found: list[SweepTrial] = []
        for study in storage.get_all_studies():
            for trial in storage.get_all_trials(study._study_id):
                if (finished := self.read(trial, len(found))) is not None:
                    found.append(finished)
        return found

    def read(self, trial: optuna.trial.FrozenTrial, number: int) -> SweepTrial | None:
        """Return a finished trial; ``None`` if it is unfinished or equals an earlier one.

        Args:
            trial: Optuna's trial.
            number: Number among the finished trials.
        """
        known = trial.user_attrs
        value = None
        answers = None
        state = _STATES.get(trial.state.name)
        # A failed trial without a reason was interrupted.
        if state is None or SAME in known or (state == "failed" and REASON not in known):
            return None
        if state == "complete":
            try:
                value = trial.value
                answers = np.load(self._answers(trial.number))
            except (OSError, ValueError):
                return None  # The file was deleted or damaged: the model is fitted again.
        began = trial.datetime_start
        duration = trial.duration
        return SweepTrial(
            number=number,
            values=known[VALUES],
            state=state,
            value=value,
            started=int(1000 * began.timestamp()) if began else 0,
            seconds=duration.total_seconds() if duration else 0.0,
            key=known.get(KEY, ""),
            curves=tuple(known.get(CURVES, ())),
            reason=known.get(REASON),
            answers=answers,
        )

    def set_answers(self, number: int, answers: npt.NDArray[np.float32]) -> None:
        """Store the probabilities of a trial, by its number in Optuna.

        Raises:
            OSError: The disk is full or read-only.
        """
        with replacing(self._answers(number)) as temporary:
            np.save(temporary, answers)

    def is_recorded(self, trials: int) -> bool:
        """Return whether the outcome of this number of trials was recorded, or queued for it."""
        return (self.folder / f"recorded-{trials}").exists()

    def set_recorded(self, trials: int) -> None:
        """Mark the outcome of this number of trials as recorded."""
        (self.folder / f"recorded-{trials}").touch()

    def images(self) -> pd.DataFrame | None:
        """Return the images that each trial predicted: ``id label cluster``."""
        path = self.folder / "images.parquet"
        return pd.read_parquet(path) if path.exists() else None

    def set_images(self, rows: pd.DataFrame) -> None:
        """Store the images."""
        with replacing(self.folder / "images.parquet") as temporary:
            rows.to_parquet(temporary, index=False)

    def _answers(self, number: int) -> Path:
        return self.folder / f"answers-{number:05}.npy"

    def _storage(self) -> optuna.storages.BaseStorage:
        import optuna
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        path = str(self._journal)
        return optuna.storages.JournalStorage(
            JournalFileBackend(path, lock_obj=JournalFileOpenLock(path))
        )
