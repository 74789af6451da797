"""A search fits each model once, continues after a kill, and survives failed trials."""

import json
import random
from functools import partial

import pytest
import sklearn.metrics

from pixmill.core.errors import (
    ManifestError,
    ParamsError,
    PluginError,
    TrainError,
)
from pixmill.core.params import load_params
from pixmill.experiments.compare.class_scoring import ClassScoring
from pixmill.experiments.sweep import planning, searching
from pixmill.experiments.sweep.planning import open_trials
from pixmill.experiments.sweep.searching import search
from pixmill.experiments.sweep.trial_store import TrialStore
from pixmill.train.checkpoints import pinned_keys
from tests.experiments.sweep.swept import CLASSES, make_plan, write_images, write_params

RATES = {"train.learning_rate": [0.001, 0.003, 0.01]}


@pytest.fixture(autouse=True)
def _no_trainings(fake_trial) -> None:
    """Use fake trials in all tests."""


def run(workspace, **given):
    return search(workspace, make_plan(workspace, **given))


def values(trials):
    return [json.dumps(dict(trial.values), sort_keys=True) for trial in trials]


def test_starts_with_current_params_and_fits_each_model_once(workspace, fake_trial) -> None:
    trials = run(workspace, trials=12)
    assert [trial.number for trial in trials] == [*range(12)]
    assert dict(trials[0].values) == {
        "train.learning_rate": 0.003,
        "train.batch_size": 32,
        "train.augmentation.zoom": 0.05,
    }
    assert fake_trial.calls[0] == load_params(workspace.root).train
    assert len({*map(repr, fake_trial.calls)}) == len(fake_trial.calls) == 12
    assert {trial.state for trial in trials} == {"complete"}


MEASURES = {
    "macro_f1": partial(sklearn.metrics.f1_score, average="macro"),
    "accuracy": sklearn.metrics.accuracy_score,
    "balanced_accuracy": sklearn.metrics.balanced_accuracy_score,
    "log_loss": sklearn.metrics.log_loss,
}


@pytest.mark.parametrize("metric", MEASURES)
def test_values_match_scikit_learn(workspace, metric) -> None:
    write_params(workspace.root, metric=metric)
    trials = run(workspace, trials=3)
    images = open_trials(workspace, make_plan(workspace)).images()
    actual = images["label"].map(CLASSES.index)
    for trial in trials:
        chosen = trial.answers.argmax(axis=1)
        shares = trial.answers / trial.answers.sum(axis=1, dtype=float)[:, None]
        expected = MEASURES[metric](actual, shares if metric == "log_loss" else chosen)
        assert trial.value == pytest.approx(expected, abs=1e-6)
    best = make_plan(workspace).best(trials)
    assert best[0].value == (min if metric == "log_loss" else max)(trial.value for trial in trials)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_ends_early_if_all_choices_repeat(workspace, sampler, capsys) -> None:
    write_params(workspace.root, space=RATES, sampler=sampler)
    trials = run(workspace, trials=20)
    assert (
        sorted(trial.values["train.learning_rate"] for trial in trials)
        == RATES["train.learning_rate"]
    )
    assert "the last 50 choices were tried before\n" in capsys.readouterr().err


@pytest.mark.parametrize(("size", "rest"), [(32, 4), (16, 3)])
def test_grid_has_current_params_and_all_combinations(workspace, size, rest) -> None:
    space = {"train.batch_size": [8, 16], "train.epochs": [3, 4]}
    write_params(workspace.root, space=space, train={"batch_size": size}, sampler="grid", trials=2)
    assert len(run(workspace, trials=3)) == 3
    trials = run(workspace)
    assert tuple(trials[0].values.values()) == (size, 3)
    expected = [(batch, epochs) for batch in (8, 16) for epochs in (3, 4)]
    assert sorted({(size, 3), *expected}) == sorted(
        tuple(trial.values.values()) for trial in trials
    )
    assert make_plan(workspace).settings.trials == len(run(workspace)) == 1 + rest


def test_rejects_params_without_effect(workspace) -> None:
    write_params(
        workspace.root,
        space={"train.momentum": [0.1, 0.9], "train.features.dense": [[], [{"units": 8}]]},
    )
    with pytest.raises(ParamsError) as refused:
        make_plan(workspace)
    assert refused.value.message.splitlines() == [
        "sweep.space.train.momentum: has no effect with train.model=cnn",
        "sweep.space.train.features.dense: has no effect with train.model=cnn",
    ]
    write_params(
        workspace.root, space={"train.momentum": [0.1, 0.9], "train.optimizer": ["adam", "sgd"]}
    )
    assert make_plan(workspace).space


def test_continues_and_adds_trials(workspace, fake_trial) -> None:
    first = run(workspace, trials=4)
    again = run(workspace, trials=9)
    assert values(again[:4]) == values(first)
    assert len({*values(again)}) == 9
    assert len(run(workspace, trials=2)) == 9
    assert len(fake_trial.calls) == 9


class Killed(BaseException):
    """Exception that is not caught."""


def test_kill_loses_only_the_running_trial(workspace, monkeypatch) -> None:
    chance = random.Random(1)
    finished = []

    def dying(whole):
        def call(*given, **options):
            if chance.random() < 0.15:
                raise Killed
            result = whole(*given, **options)
            if chance.random() < 0.15:
                raise Killed
            return result

        return call

    for owner, name in (
        (searching, "run_trial"),
        (ClassScoring, "measure"),
        (searching, "pin"),
        (TrialStore, "set_answers"),
        (TrialStore, "set_images"),
    ):
        monkeypatch.setattr(owner, name, dying(getattr(owner, name)))
    for _ in range(200):
        try:
            trials = run(workspace, trials=5)
            break
        except Killed:
            kept = open_trials(workspace, make_plan(workspace)).load()
            assert values(kept)[: len(finished)] == finished
            finished = values(kept)
    assert [trial.number for trial in trials] == [*range(5)]
    assert len({*values(trials)}) == 5
    assert open_trials(workspace, make_plan(workspace)).images() is not None


def dying(fake_trial, error, number):
    """Raise an error in all trainings after a number of calls."""

    def die(_):
        if len(fake_trial.calls) > number:
            raise error

    fake_trial.fail = die


@pytest.mark.parametrize("error", [Killed(), KeyboardInterrupt()])
def test_interrupted_trial_is_started_at_most_three_times(workspace, fake_trial, error) -> None:
    dying(fake_trial, error, 2)
    for _ in range(3):
        with pytest.raises(type(error)):
            run(workspace, trials=4)
    first, *others = map(repr, fake_trial.calls[2:])
    assert {*others} == {first}
    fake_trial.fail = lambda _: None
    assert [trial.state for trial in run(workspace, trials=4)] == ["complete"] * 4
    assert len({*map(repr, fake_trial.calls)}) == 5


def test_failed_trials_have_reasons_and_do_not_stop_others(workspace, fake_trial, capsys) -> None:
    errors = [TrainError("out of memory", next="-"), PluginError("no such plugin", next="-")]
    fake_trial.fail = lambda _: errors.pop() if len(fake_trial.calls) in (2, 3) else None
    trials = run(workspace, trials=5)
    assert [trial.state for trial in trials] == [
        "complete",
        "failed",
        "failed",
        "complete",
        "complete",
    ]
    assert [trial.reason for trial in trials[1:3]] == ["no such plugin", "out of memory"]
    assert [trial.value for trial in trials[1:3]] == [None, None]
    assert "warning: trial 1 failed: no such plugin\n" in capsys.readouterr().err


def test_failed_first_trial_stops_and_is_repeated(workspace, fake_trial) -> None:
    fake_trial.fail = lambda _: TrainError("the disk has no weights", next="-")
    with pytest.raises(
        TrainError, match="the current params cannot be fitted: the disk has no weights"
    ):
        run(workspace, trials=3)
    assert len(fake_trial.calls) == 1
    fake_trial.fail = lambda _: None
    assert [trial.state for trial in run(workspace, trials=2)] == ["complete"] * 2


@pytest.mark.parametrize("metric", ["macro_f1", "log_loss"])
def test_prunes_networks_by_accuracy(workspace, fake_trial, metric) -> None:
    # The loss ranks the other way round: it depends on the searched params.
    fake_trial.val_loss = lambda loss: 9 - loss
    rates = [0.003, 0.0104, 0.0103, 0.0102, 0.0101, 0.01, 1.0, 10.0]
    write_params(
        workspace.root,
        space={"train.learning_rate": rates},
        train={"epochs": 9, "learning_rate": 0.003},
        sampler="grid",
        metric=metric,
    )
    trials = run(workspace)
    assert [trial.state for trial in trials] == ["complete"] * 6 + ["pruned"] * 2
    assert [len(trial.curves) for trial in trials] == [9] * 6 + [5] * 2, "pruned after five epochs"
    assert {trial.value for trial in trials[6:]} == {None}
    # Pruned trials are not run again.
    assert len(run(workspace, trials=20)) == 8
    assert len(fake_trial.calls) == 8


def test_pins_weights_of_the_best_three(workspace) -> None:
    trials = run(workspace, trials=7)
    best = make_plan(workspace).best(trials)[:3]
    assert pinned_keys(workspace.scratch("train") / "checkpoints") == {trial.key for trial in best}


def test_key_depends_on_params_images_and_code(workspace, monkeypatch) -> None:
    key = make_plan(workspace).key
    assert make_plan(workspace, trials=7).key == key
    assert make_plan(workspace, folds=3).key != key
    # Searched params may change, as by `--apply`.
    write_params(workspace.root, train={"learning_rate": 0.01})
    assert make_plan(workspace).key == key
    for changes in (
        {"train": {"epochs": 4}},
        {"metric": "log_loss"},
        {"sampler": "random"},
        {"seed": 8},
        {"space": RATES},
    ):
        write_params(workspace.root, **changes)
        assert make_plan(workspace).key != key
    write_params(workspace.root)
    assert make_plan(workspace).key == key
    with monkeypatch.context() as patched:
        patched.setattr(planning, "digest_code", lambda _: "other")
        assert make_plan(workspace).key != key
    path = workspace.root / "artifacts" / "split" / "train.bin"
    path.write_bytes(path.read_bytes()[::-1])
    assert make_plan(workspace).key != key
    write_images(workspace.root, seed=8)
    assert make_plan(workspace).key != key


def test_stops_if_images_change(workspace, fake_trial) -> None:
    fake_trial.fail = lambda _: (
        write_images(workspace.root, seed=8) if len(fake_trial.calls) == 2 else None
    )
    with pytest.raises(
        ManifestError, match="artifacts/split changed while the sweep ran"
    ) as refusal:
        run(workspace, trials=5, folds=3)
    assert refusal.value.next == "dvc repro, then: pixmill sweep --folds 3"
