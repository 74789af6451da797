"""From packed pictures to a fitted classifier, its figures and its page."""

from __future__ import annotations

import contextlib
import dataclasses
import re

import numpy as np
import pytest

from pixmill.errors import ManifestError, TrainError
from pixmill.params import BlockParams, CnnParams
from pixmill.train import render_report, train
from pixmill.train.checkpoint import Checkpoints
from pixmill.train.folds import Fold
from pixmill.train.history import Epoch, Timing
from pixmill.train.training import _cross_validate
from tests.train.conftest import CLASSES, FOLDS, PARAMS, SIZES, write_packed

PARAMETERS = 28 * 4 + 37 * 8 + (4 * 4 * 8 + 1) * 8 + 9 * 3


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    return train(write_packed(tmp_path_factory.mktemp("split") / "split"), PARAMS, classes=CLASSES)


def test_metrics_are_those_of_the_best_epoch(trained):
    best = min(trained.history, key=lambda epoch: epoch.val_loss)
    assert trained.metrics() == {
        "best_epoch": best.epoch,
        "epochs": 6,
        "learning_rate": 0.003,
        "parameters": PARAMETERS,
        "trainable": PARAMETERS,
        "train_accuracy": best.train_accuracy,
        "train_loss": best.train_loss,
        "val_accuracy": best.val_accuracy,
        "val_loss": best.val_loss,
    }
    assert trained.summary().startswith(f"epoch {best.epoch} of 6 was the best: validation accuracy ")


def test_a_run_is_compared_by_names_that_no_curve_has(trained):
    record = trained.record()
    assert record.keys() == {"best_epoch", "best_val_accuracy", "best_val_loss", "epochs", "parameters", "trainable"}
    assert record["best_val_loss"] == trained.best.val_loss


def test_it_knows_what_it_was_trained_on(trained):
    assert trained.labels == CLASSES
    assert trained.pictures == {"train": SIZES["train"], "val": SIZES["val"]}
    assert trained.preprocessing == {"image_size": 16, "aspect": "pad", "resize": "bicubic"}


def test_the_page_holds_all_and_asks_for_nothing(trained):
    page = render_report(trained, PARAMS)
    for text in (
        "150 pictures",
        "45 others",
        "convolution_0",
        "16\u00a0\u00d7\u00a016\u00a0\u00d7\u00a04",
        "A plain convolutional network of 2 convolutions, fitted from nothing",
        "a dropout in <code>train.cnn.dense</code>",
        "learning_rate",
        "as the model may see it",
    ):
        assert text in page
    assert page.count("<svg") == 3
    assert page.count('src="data:image/png;base64,') == 1
    assert not re.search(r"backbone\.name|momentum|weight_decay|schedule\.patience", page)
    assert not re.search(r"<script|(?:src|href)=\"(?!data:|#)", page)


def test_what_is_solved_at_once_speaks_of_no_epochs(trained):
    solved = dataclasses.replace(trained, history=(Epoch(1, 0.1, 0.999, 0.3, 0.905),))
    page = render_report(solved, PARAMS.model_copy(update={"model": "features"}))
    assert "epochs, and no curves" in page
    assert "90.5 % right" in page
    assert not re.search(r"<svg|[Bb]est epoch|optimizer|batch_size|learning_rate|backbone\.dropout", page)
    assert solved.summary().startswith("validation accuracy 0.905, loss 0.300; ")
    assert not {"best_epoch", "epochs", "learning_rate"} & solved.metrics().keys()


def test_of_very_many_classes_the_page_names_the_first(trained):
    many = tuple(f"class {number}" for number in range(300))
    page = render_report(dataclasses.replace(trained, labels=many), PARAMS)
    assert "class 28, class 29 and 270 more, all named in" in page
    assert "class 30" not in page


def test_the_page_is_the_same_each_time(trained):
    assert render_report(trained, PARAMS) == render_report(trained, PARAMS)


def test_a_folder_that_split_did_not_write_is_a_message(tmp_path):
    with pytest.raises(ManifestError, match=r"preprocessing\.json is missing"):
        train(tmp_path, PARAMS, classes=CLASSES)


@pytest.mark.parametrize(
    "text", ["{}", "[]", '{"image_size": "8", "aspect": "pad", "resize": "box"}', '{"image_size": 8, "aspect": "pad"}']
)
def test_a_damaged_record_of_how_pictures_were_prepared_is_a_message(tmp_path, text):
    (tmp_path / "preprocessing.json").write_text(text)
    with pytest.raises(ManifestError, match=r"does not say how the pictures were prepared\nNext: dvc repro -f split"):
        train(tmp_path, PARAMS, classes=CLASSES)


def test_accuracy_is_watched_where_params_say_so(packed):
    params = PARAMS.model_copy(update={"monitor": "val_accuracy", "epochs": 3, "precision": "bfloat16"})
    trained = train(packed, params, classes=CLASSES)
    assert trained.choice.precision == "bfloat16"
    assert trained.best.val_accuracy == max(epoch.val_accuracy for epoch in trained.history)
    assert "where the accuracy on the validation part is highest" in render_report(trained, params)


def test_each_fold_is_told_by_a_model_that_never_met_it(packed, tmp_path):
    params = PARAMS.model_copy(update={"cross_validation": True, "epochs": 3})
    opened = []

    @contextlib.contextmanager
    def on_fold(number):
        epochs = []
        opened.append((number, epochs))
        yield lambda epoch, _: epochs.append(epoch)

    class Killed(BaseException):
        pass

    def run(on_fold):
        return train(packed, params, classes=CLASSES, checkpoints=Checkpoints(tmp_path / "key"), on_fold=on_fold)

    @contextlib.contextmanager
    def die_in_the_third(number):
        with on_fold(number) as on_epoch:
            yield on_epoch
        if number == 2:
            raise Killed

    with pytest.raises(Killed):
        run(die_in_the_third)
    opened.clear()
    trained = run(on_fold)
    assert [number for number, _ in opened] == list(range(FOLDS))
    assert all(len(epochs) == trained.best.epoch for _, epochs in opened)
    assert [fold.accuracy for fold in trained.folds] == [epochs[-1].val_accuracy for _, epochs in opened]
    alone = train(packed, params, classes=CLASSES)
    assert alone.metrics() == trained.metrics()
    figures = trained.metrics()["folds"]
    assert figures["n"] == FOLDS
    assert 0.3 < figures["accuracy_mean"] <= 1
    assert trained.record()["folds.accuracy_mean"] == figures["accuracy_mean"]
    assert "How much of it is luck" in render_report(trained, params)


@pytest.mark.parametrize("settled", [False, True])
@pytest.mark.parametrize("until", [1, 2, 3])
def test_a_fold_that_was_kept_for_another_number_of_epochs_goes_on_only_where_it_can(tmp_path, until, settled):
    history = [Epoch(number, 0.5, 0.6, 0.7, number / 10) for number in (1, 2, 3)]
    kept, arrays = Checkpoints(tmp_path / "fold-0"), {"a": np.zeros(3)}
    kept.save(history[:2], [Timing(0, 1.0, 1.0)] * 2, state=arrays, best=arrays)
    if settled:
        kept.settle()
    begun = []

    def fitted(_model, _training, _validation, *, checkpoints):
        last = checkpoints.load()
        begun.append(len(last.history) if last else 0)
        return history[:until]

    fold = Fold(0, None, None)
    result = _cross_validate(fold, lambda: None, fitted, kept, lambda *_: None, until)
    assert result.accuracy == until / 10
    assert begun == {1: [0], 2: [], 3: [0 if settled else 2]}[until]


@pytest.mark.slow
def test_a_model_that_no_memory_holds_is_a_message(packed):
    cnn = CnnParams(blocks=(BlockParams(filters=10**13),), dense=())
    with pytest.raises(TrainError, match="the memory does not suffice") as caught:
        train(packed, PARAMS.model_copy(update={"cnn": cnn}), classes=CLASSES)
    assert "smaller model" in caught.value.next
