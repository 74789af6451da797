"""Training on packed images: metrics, folds, and reuse of finished trainings."""

import contextlib
import re
from dataclasses import replace

import numpy as np
import pytest

from pixmill.core.cells import render_cells
from pixmill.core.errors import ManifestError, TrainError
from pixmill.core.files.writing import write_json
from pixmill.core.manifest import SERIES_FILE, SPLIT, read_table, write_table
from pixmill.core.params import BackboneParams, BlockParams, CnnParams, FeaturesParams, TrainParams
from pixmill.heads import head_of
from pixmill.metrics.probabilities import losses
from pixmill.train import Callback, train
from tests.train.conftest import CLASSES, FOLDS, PARAMS, SIZES, EpochCallback

PARAMETERS = 28 * 4 + 37 * 8 + (4 * 4 * 8 + 1) * 8 + 9 * 3


def test_error_without_artifacts_of_split(tmp_path):
    with pytest.raises(ManifestError, match=r"preprocessing\.json is missing"):
        train(tmp_path, PARAMS, classes=CLASSES)


def lines_of(capfd):
    """Return the lines that a training printed, except for its description."""
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("train: ")]
    return [line for line in lines if not re.search(r" validation images$", line)]


REUSED = "train: reused the weights of an earlier training: nothing they depend on has changed"


def weights(trained):
    return [weight.tobytes() for weight in trained.classifier.get_weights()]


@pytest.fixture
def run(packed, tmp_path):
    """A function that trains in one project and returns the result and the reported epochs."""

    def trained(**changes):
        ended = []
        params = PARAMS.model_copy(update={"epochs": 2, **changes})
        callback = EpochCallback(lambda *epoch: ended.append(epoch))
        return train(
            packed, params, classes=CLASSES, scratch=tmp_path / "scratch", callback=callback
        ), ended

    return trained


def test_metrics_of_the_best_epoch_and_reuse_after_another_training(run, capfd):
    first, reported = run()
    best = min(first.history, key=lambda epoch: epoch.val_loss)
    assert first.metrics() == {
        "series_accuracy": None,
        "learning_curve": None,
        "best_epoch": best.epoch,
        "epochs": 2,
        "learning_rate": 0.003,
        "parameters": PARAMETERS,
        "trainable": PARAMETERS,
        "train_accuracy": best.train_accuracy,
        "train_loss": best.train_loss,
        "val_accuracy": best.val_accuracy,
        "val_loss": best.val_loss,
    }
    assert first.summary().startswith(f"best epoch {best.epoch} of 2: accuracy ")
    other, _ = run(seed=8)
    assert lines_of(capfd) == []
    assert weights(other) != weights(first)
    # The momentum of `sgd` does not affect a training with `adam`.
    again, reported_again = run(momentum=0.5)
    assert lines_of(capfd) == [REUSED]
    assert weights(again) == weights(first)
    # The epochs and timings of the first training: nothing was fitted.
    assert reported_again == reported
    assert again.metrics() == first.metrics()


@pytest.mark.slow
def test_cross_validation_and_reuse_of_folds(packed, tmp_path, capfd):
    params = PARAMS.model_copy(update={"epochs": 2})
    opened = []

    class Folds(Callback):
        @contextlib.contextmanager
        def on_fold(self, number):
            epochs = []
            opened.append((number, epochs))
            yield EpochCallback(lambda epoch, _: epochs.append(epoch))

    first = train(packed, params, classes=CLASSES, scratch=tmp_path)
    crossed = params.model_copy(update={"cross_validation": True})
    assert lines_of(capfd) == []
    result = train(packed, crossed, classes=CLASSES, scratch=tmp_path, callback=Folds())
    assert lines_of(capfd) == [REUSED]
    assert weights(result) == weights(first)
    assert [number for number, _ in opened] == list(range(FOLDS))
    assert all(len(epochs) == result.best.epoch for _, epochs in opened)
    assert [fold.accuracy for fold in result.folds] == [
        epochs[-1].val_accuracy for _, epochs in opened
    ]
    figures = result.metrics()["folds"]
    assert figures["n"] == FOLDS
    assert 0.3 < figures["accuracy_mean"] <= 1
    assert result.record()["folds_accuracy"] == figures["accuracy_mean"]
    again = train(packed, crossed, classes=CLASSES, scratch=tmp_path)
    for one, other in zip(again.folds, result.folds, strict=True):
        assert (one.number, one.accuracy, one.loss) == (other.number, other.accuracy, other.loss)
        assert np.array_equal(one.probabilities, other.probabilities)


def test_cross_fitted_head_and_its_reuse(packed, tmp_path, tiny_backbone, capfd):
    layers = ("first_relu", "top")
    params = TrainParams(
        model="features",
        backbone=BackboneParams(name="plugin:tiny"),
        features=FeaturesParams(layers=layers),
    )

    def run(**options):
        given = params.model_copy(update=options)
        return train(
            packed, given, classes=CLASSES, scratch=tmp_path / "scratch", root=tiny_backbone
        )

    first = run()
    again = run(epochs=7)
    assert REUSED in capfd.readouterr().err
    assert weights(again) == weights(first)
    assert (again.history, again.solved) == (first.history, True)
    images = SIZES["train"] + SIZES["val"]
    assert len(first.fitted_to) == images
    for name, array in vars(first.cross_fitted).items():
        assert np.array_equal(array, vars(again.cross_fitted)[name]), name
    # The validation metrics are those of the cross-fitted predictions.
    targets = first.fitted_to.targets
    probabilities = first.cross_fitted.probabilities
    assert first.best.val_accuracy == pytest.approx(
        np.mean(probabilities.argmax(axis=1) == targets)
    )
    assert first.best.val_loss == pytest.approx(losses(targets, probabilities).mean(), rel=1e-5)
    assert [fold.number for fold in first.folds] == list(range(FOLDS))
    assert first.metrics()["folds"]["accuracy_mean"] == pytest.approx(
        first.best.val_accuracy, abs=0.02
    )
    curve = first.learning_curve
    assert again.learning_curve == curve
    assert curve.points[-1].images == round(images * (1 - 1 / FOLDS))
    assert run(learning_curve="never").learning_curve is None


def test_cross_fitting_with_each_series_in_one_fold(packed, tiny_backbone):
    params = TrainParams(model="features", backbone=BackboneParams(name="plugin:tiny"))
    # The folds of the split, then folds that tell the classes apart.
    same = [row % FOLDS for part in ("train", "val") for row in range(SIZES[part])]
    uneven = [0 if row % 3 else 1 for part in ("train", "val") for row in range(SIZES[part])]
    found = []
    try:
        for folds in (same, uneven):
            write_json(packed / SERIES_FILE, {"folds": folds})
            found.append(train(packed, params, classes=CLASSES, root=tiny_backbone))
    finally:
        (packed / SERIES_FILE).unlink()
    one, other = found
    assert one.series_accuracy == pytest.approx(one.best.val_accuracy)
    one = replace(one, series_accuracy=one.best.val_accuracy - 0.1)
    assert ", but " in one.summary()
    one = replace(one, series_accuracy=one.best.val_accuracy + 0.1)
    together = f", and {100 * one.series_accuracy:.1f} % with each series in one fold"
    assert together in one.summary()
    # No image can be predicted if each class is in a single fold.
    assert other.series_accuracy is None


def test_large_data_sets_are_not_cross_fitted(packed, tiny_backbone, monkeypatch):
    monkeypatch.setattr("pixmill.train.cross_fitting._MAX_COST", 1000)
    params = TrainParams(model="features", backbone=BackboneParams(name="plugin:tiny"))
    found = train(packed, params, classes=CLASSES, root=tiny_backbone)
    assert found.cross_fitted is None
    assert len(found.fitted_to) == SIZES["train"]
    assert found.folds == ()
    point = found.learning_curve.points[-1]
    assert (point.images, point.accuracy) == (
        SIZES["train"],
        pytest.approx(found.best.val_accuracy),
    )


@pytest.mark.slow
def test_error_if_memory_is_exhausted(packed):
    # Params have bounds, but several blocks within them may exceed the memory, too.
    cnn = CnnParams(
        blocks=(BlockParams(filters=8).model_copy(update={"filters": 10**13}),), dense=()
    )
    with pytest.raises(TrainError, match="not enough memory") as caught:
        train(packed, PARAMS.model_copy(update={"cnn": cnn}), classes=CLASSES)
    assert "smaller model" in caught.value.next


@pytest.fixture
def packed_cells(packed):
    """The packed images with two labels each, a fifth of which is unknown."""
    path = packed / "manifest.parquet"
    table = read_table(path, SPLIT, stage="split")
    generator = np.random.default_rng(7)

    def cells_of(label):
        cells = {"red": label == "red", "warm": label != "blue"}
        return render_cells(
            {name: cell for name, cell in cells.items() if generator.random() > 0.2}
        )

    write_table(path, table.assign(label=[cells_of(label) for label in table["label"]]), SPLIT)
    return packed


@pytest.mark.parametrize("model", ["cnn", "backbone"])
def test_networks_fit_labels_of_which_some_are_unknown(packed_cells, tiny_backbone, model):
    backbone = BackboneParams(name="plugin:tiny", unfreeze="all", image_size=32)
    params = PARAMS.model_copy(update={"model": model, "epochs": 1, "backbone": backbone})

    trained = train(
        packed_cells, params, head=head_of("labels"), classes=("red", "warm"), root=tiny_backbone
    )

    assert trained.best.val_loss < 2
    assert trained.learning_curve is None
    probabilities = trained.classifier(np.asarray(trained.validation.pixels[:4], np.float32))
    assert probabilities.shape == (4, 2)
    assert f"share of labels right {100 * trained.best.val_accuracy:.1f} %" in trained.summary()
