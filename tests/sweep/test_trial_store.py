"""A finished trial is read as it was written, whatever happens to others."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pixmill.sweep import trial_store as module
from pixmill.sweep.trial_store import SweepTrial, TrialStore

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.dictionaries(st.text(min_size=1), st.none() | FLOATS | st.text() | st.lists(st.integers(0, 9)), max_size=3)
TRIALS = st.builds(
    SweepTrial,
    number=st.integers(0, 99_999),
    values=VALUES,
    state=st.sampled_from(["complete", "pruned", "failed"]),
    value=st.none() | FLOATS,
    started=st.integers(0, 2**53),
    seconds=FLOATS,
    key=st.text("0123456789abcdef", max_size=8),
    curves=st.lists(st.dictionaries(st.text(max_size=5), FLOATS, max_size=3), max_size=3).map(tuple),
    reason=st.none() | st.text(),
    answers=st.none() | arrays(np.float32, (4, 3), elements=st.floats(0, 1, width=32)),
)


def facts(trial: SweepTrial) -> dict:
    answers = None if trial.answers is None else (trial.answers.dtype, trial.answers.tolist())
    return {**vars(trial), "answers": answers}


@given(st.lists(TRIALS, max_size=5, unique_by=lambda trial: trial.number))
def test_trials_are_loaded_by_number_as_they_were_added(tmp_path_factory, trials) -> None:
    store = TrialStore(tmp_path_factory.mktemp("store"))
    for trial in trials:
        store.add(trial)
    expected = sorted(trials, key=lambda trial: trial.number)
    assert [*map(facts, TrialStore(store.folder).load())] == [*map(facts, expected)]


def trial(number: int) -> SweepTrial:
    return SweepTrial(number, {"train.epochs": number}, "complete", 0.5, 1000, 1.0, answers=np.ones((2, 3), np.float32))


@pytest.mark.parametrize("harm", ["cut", "empty", "text", "changed"])
def test_one_that_is_damaged_is_told_and_the_others_count(tmp_path, harm, capsys) -> None:
    store = TrialStore(tmp_path)
    for number in range(3):
        store.add(trial(number))
    path = tmp_path / "trial-00001.npz"
    content = path.read_bytes()
    place = content.index(b"train.epochs")
    damaged = {
        "cut": content[: len(content) // 2],
        "empty": b"",
        "text": b"no archive",
        "changed": content[:place] + b"T" + content[place + 1 :],
    }[harm]
    path.write_bytes(damaged)
    assert [found.number for found in store.load()] == [0, 2]
    assert capsys.readouterr().err == f"warning: {path} cannot be read; that trial does not count\n"
    assert path.read_bytes() == damaged, "another version may read it"


def test_only_the_third_end_of_the_process_in_the_same_trial_counts(tmp_path) -> None:
    store = TrialStore(tmp_path)
    for begun in (trial(1), trial(1), trial(2), trial(2)):
        store.begin(begun)
        assert store.killed_by() is None
    store.begin(trial(2))
    assert TrialStore(tmp_path).killed_by() == SweepTrial(
        2, {"train.epochs": 2}, "failed", None, 1000, 0.0, reason="the process was killed while it ran, 3 times"
    )
    store.interrupt()
    assert store.killed_by() is None
    assert store.unfinished()["values"] == {"train.epochs": 2}
    store.begin(trial(2))
    assert store.killed_by() is None, "the count began anew"
    store.end()
    assert store.unfinished() is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"number": 1, "values": {}}', None])
def test_a_note_of_what_runs_that_cannot_be_read_counts_for_nothing(tmp_path, content) -> None:
    store = TrialStore(tmp_path)
    if content is not None:
        (tmp_path / "running.json").write_text(content)
    assert store.killed_by() is store.unfinished() is None
    store.interrupt()
    store.begin(trial(1))
    store.add(trial(1))
    assert not (tmp_path / "running.json").exists()


def test_the_params_as_they_are_are_tried_again_after_any_number_of_kills(tmp_path) -> None:
    for _ in range(9):
        TrialStore(tmp_path).begin(trial(0))
    assert TrialStore(tmp_path).killed_by() is None


def test_a_kill_within_a_write_leaves_the_others(tmp_path, monkeypatch) -> None:
    class Killed(BaseException):
        pass

    def die(path, **_):
        path.write_bytes(b"half")
        raise Killed

    store = TrialStore(tmp_path)
    store.add(trial(0))
    monkeypatch.setattr(module.np, "savez", die)
    with pytest.raises(Killed):
        store.add(trial(1))
    assert [found.number for found in store.load()] == [0]


def test_only_a_sweep_removes_what_is_half_written(tmp_path) -> None:
    """`--show` and `--apply` look while a sweep may be writing."""
    with module.replacing(tmp_path / "trial-00000.npz") as temporary:
        temporary.write_bytes(b"half")
        assert TrialStore(tmp_path).load() == []
        assert temporary.exists()
        TrialStore(tmp_path).make()
        assert not temporary.exists()
        temporary.write_bytes(b"half")


def test_pickles_are_not_loaded(tmp_path) -> None:
    class Hostile:
        def __reduce__(self):
            return (tmp_path / "ran").touch, ()

    np.savez(tmp_path / "trial-00000.npz", record=np.array([Hostile()], object))
    assert TrialStore(tmp_path).load() == []
    assert not (tmp_path / "ran").exists()


def test_the_images_are_kept(tmp_path) -> None:
    store, rows = TrialStore(tmp_path), pd.DataFrame({"id": ["a"], "label": ["x"], "cluster": ["c"], "target": [1]})
    assert store.images() is None
    store.set_images(rows)
    assert TrialStore(tmp_path).images().to_dict("list") == rows.to_dict("list")
