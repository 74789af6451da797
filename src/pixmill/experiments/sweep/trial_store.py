"""Trials of a sweep in Optuna's journal, with their answers beside it: a killed sweep loses no finished one."""

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

VALUES, CURVES, REASON, KEY, SAME = "values", "curves", "reason", "key", "same_as"
"""Attributes of a trial in Optuna: those of a :class:`SweepTrial`, and the number of an equal trial that ran before."""

_NAME = "sweep"
"""The study's name in its journal."""


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
        lower_is_better: Whether the lowest value is the best.
    """

    def __init__(self, folder: Path, *, lower_is_better: bool = False) -> None:
        self.folder = folder
        self._journal, self._lower_is_better = folder / "journal.log", lower_is_better

    def make(self) -> None:
        """Make the folder, and remove what a killed sweep left half-written; call it only while no other runs."""
        self.folder.mkdir(parents=True, exist_ok=True)
        remove_temporary(self.folder)
        self._journal.with_name("journal.log.lock").unlink(missing_ok=True)
        if self._journal.exists() and not (content := self._journal.read_bytes()).endswith(b"\n"):
            self._journal.write_bytes(content[: content.rfind(b"\n") + 1])

    def open(self, **options: Any) -> optuna.Study:
        """Return the study, which is created if need be.

        Args:
            options: Sampler and pruner.
        """
        import optuna

        return optuna.create_study(
            storage=self._storage(),
            study_name=_NAME,
            direction="minimize" if self._lower_is_better else "maximize",
            load_if_exists=True,
            **options,
        )

    def load(self) -> list[SweepTrial]:
        """Return all finished trials by number; nothing is made."""
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
        """Return a trial of Optuna's; ``None`` for one that was not finished, or equals an earlier one.

        Args:
            trial: The trial.
            number: Its number among the finished ones.
        """
        known, value, answers = trial.user_attrs, None, None
        state: State | None = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}.get(trial.state.name)  # type: ignore[assignment]
        # One that failed without a reason was interrupted.
        if state is None or SAME in known or (state == "failed" and REASON not in known):
            return None
        if state == "complete":
            try:
                value, answers = trial.value, np.load(self._answers(trial.number))
            except (OSError, ValueError):
                return None  # Somebody deleted the file: the model is fitted again.
        began, duration = trial.datetime_start, trial.duration
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
        """Keep the answers of a trial, by its number in Optuna.

        Raises:
            OSError: The disk is full or read-only.
        """
        with replacing(self._answers(number)) as temporary:
            np.save(temporary, answers)

    def is_recorded(self, trials: int) -> bool:
        """Tell whether the result of so many trials was sent to MLflow, or waits to be."""
        return (self.folder / f"recorded-{trials}").exists()

    def set_recorded(self, trials: int) -> None:
        """Note that it was."""
        (self.folder / f"recorded-{trials}").touch()

    def images(self) -> pd.DataFrame | None:
        """Return the images that the trials answered about: ``id``, ``label``, ``cluster`` and ``target``."""
        path = self.folder / "images.parquet"
        return pd.read_parquet(path) if path.exists() else None

    def set_images(self, rows: pd.DataFrame) -> None:
        """Keep the images, once."""
        with replacing(self.folder / "images.parquet") as temporary:
            rows.to_parquet(temporary, index=False)

    def _answers(self, number: int) -> Path:
        return self.folder / f"answers-{number:05}.npy"

    def _storage(self) -> optuna.storages.BaseStorage:
        import optuna
        from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        path = str(self._journal)
        return optuna.storages.JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))
