"""Finished trials are stored and loaded; leftovers of a killed process are ignored."""

import numpy as np
import optuna
import pytest

from pixmill.experiments.sweep.trial_store import SweepTrial, TrialStore
from tests.experiments.sweep.swept import add


@pytest.fixture
def store(tmp_path) -> TrialStore:
    store = TrialStore(tmp_path / "sweep")
    store.make()
    return store


def trial(number: int, **options) -> SweepTrial:
    answers = np.full((2, 3), number, np.float32)
    options = {"state": "complete", "value": number / 3, "answers": answers, **options}
    return SweepTrial(
        number=number, values={"train.epochs": number}, started=0, seconds=0.0, **options
    )


def test_stored_trials_are_loaded_unchanged(store) -> None:
    curves = ({"epoch": 1, "ended": 5, "val_accuracy": 0.1 + 0.2},)
    kept = [
        trial(0, key="a", curves=curves),
        trial(1, state="failed", value=None, answers=None, reason="x"),
        trial(2),
    ]
    for each in kept:
        add(store, each)
    found = TrialStore(store.folder).load()
    for one, other in zip(found, kept, strict=True):
        names = ("number", "values", "state", "value", "key", "curves", "reason")
        assert [getattr(one, name) for name in names] == [getattr(other, name) for name in names]
        assert np.array_equal(one.answers, other.answers) or one.answers is other.answers is None
        assert one.started > 1e12


def test_ignores_leftovers_of_a_killed_process(store) -> None:
    add(store, trial(0))
    journal = store.folder / "journal.log"
    whole = journal.read_bytes()
    (store.folder / "journal.log.lock").touch()
    journal.write_bytes(whole + b'{"op_code": 4, "wor')
    store.make()
    assert journal.read_bytes() == whole
    study = store.open()
    study.ask()
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    assert [found.number for found in store.load()] == [0]
    (store.folder / "answers-00000.npy").unlink()
    add(store, trial(1))
    assert [(found.number, found.values["train.epochs"]) for found in store.load()] == [(0, 1)]
