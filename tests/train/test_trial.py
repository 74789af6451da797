"""Trials: predictions for images that the model was not fitted to."""

import numpy as np
import pandas as pd
import pytest

from pixmill.core.errors import ManifestError
from pixmill.core.manifest import SPLIT, read_table, write_table
from pixmill.heads import ONE_LABEL
from pixmill.images.parts import load_parts
from pixmill.train import train, training
from pixmill.train.trial import draw_folds, run_trial
from tests.train.conftest import CLASSES, PARAMS, SIZE, SIZES, EpochCallback, write_packed
from tests.train.test_training import REUSED

SHORT = PARAMS.model_copy(update={"epochs": 2})
FOLDS = 2


class UnreadablePixels:
    """Pixels that raise when they are read."""

    def __init__(self, pixels):
        self.shape = pixels.shape

    def __getattr__(self, name):
        raise AssertionError("the test split is read")

    def __getitem__(self, rows):
        raise AssertionError("the test split is read")

    def __array__(self, *_, **__):
        raise AssertionError("the test split is read")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = write_packed(tmp_path_factory.mktemp("trial") / "artifacts" / "split")
    table = read_table(folder / "manifest.parquet", SPLIT, stage="split")
    table["cluster"] = [
        f"{split} {row // 6} {row % 3}"
        for split, row in zip(table["split"], table["row"], strict=True)
    ]
    write_table(folder / "manifest.parquet", table, SPLIT)
    return folder


@pytest.fixture(scope="module")
def scratch(folder):
    return folder.parent.parent / "scratch"


@pytest.fixture(scope="module")
def tried(folder, scratch):
    """A trial and its reported epochs, in a project whose test split cannot be read."""
    reported = []

    def load(*given, **options):
        parts = load_parts(*given, **options)
        object.__setattr__(parts["test"], "pixels", UnreadablePixels(parts["test"].pixels))
        return parts

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(training, "load_parts", load)
        callback = EpochCallback(lambda epoch, _: reported.append(epoch))
        return run_trial(
            folder, SHORT, head=ONE_LABEL, classes=CLASSES, scratch=scratch, callback=callback
        ), reported


def test_predicts_validation_and_reads_no_test_image(tried, folder) -> None:
    trial, reported = tried
    part = load_parts(folder, CLASSES, image_size=SIZE)["val"]
    assert trial.rows["id"].tolist() == part.rows["id"].tolist()
    assert trial.targets.tolist() == part.targets.tolist()
    assert trial.probabilities.shape == (SIZES["val"], len(CLASSES))
    assert trial.probabilities.sum(axis=1) == pytest.approx(1)
    assert reported == [*trial.history]
    assert trial.best_epoch in (1, 2)


def test_train_reuses_the_weights_of_a_trial(tried, folder, scratch, capfd) -> None:
    trial, _ = tried
    before = {path.name for path in (scratch / "checkpoints").glob(f"{trial.key}*")}
    assert before
    # The target accuracy does not affect the weights.
    params = SHORT.model_copy(update={"target_accuracy": 0.8})
    trained = train(folder, params, classes=CLASSES, scratch=scratch)
    assert REUSED in capfd.readouterr().err
    probabilities = np.asarray(
        trained.classifier(np.asarray(trained.validation.pixels, np.float32))
    )
    assert probabilities == pytest.approx(trial.probabilities, abs=1e-5)


@pytest.fixture(scope="module")
def crossed(folder, scratch):
    return run_trial(
        folder, SHORT, head=ONE_LABEL, classes=CLASSES, scratch=scratch, folds=FOLDS, seed=1
    )


def test_folds_predict_each_training_and_validation_image_once(crossed, tried, folder) -> None:
    parts = load_parts(folder, CLASSES, image_size=SIZE)
    expected = [*parts["train"].rows["id"], *parts["val"].rows["id"]]
    assert crossed.rows["id"].tolist() == expected
    assert crossed.targets.tolist() == [*parts["train"].targets, *parts["val"].targets]
    assert crossed.probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    # The weights that train reuses are the same as without folds.
    assert crossed.key == tried[0].key
    assert crossed.best_epoch == tried[0].best_epoch
    held_out = crossed.probabilities[SIZES["train"] :]
    assert not np.allclose(held_out, tried[0].probabilities), "a fold's model has seen other images"


def test_rejects_more_folds_than_images_of_a_class() -> None:
    rows = pd.DataFrame({"label": ["a"] * 30 + ["b"] * 4, "cluster": range(34)})
    with pytest.raises(ManifestError) as refusal:
        draw_folds(rows, 5, 1)
    assert refusal.value.message == (
        "5 folds need as many images of each class, near-duplicates counted once; b has 4 for "
        "training and validation"
    )
    assert refusal.value.next == "pixmill sweep --folds 4"
