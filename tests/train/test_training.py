"""From packed pictures to a fitted classifier, its figures and its page."""

from __future__ import annotations

import re

import pytest

from pixmill.errors import ManifestError
from pixmill.train import render_report, train
from tests.train.conftest import CLASSES, PARAMS, SIZES


@pytest.fixture
def trained(packed):
    return train(packed, PARAMS, classes=CLASSES)


def test_metrics_are_those_of_the_best_epoch(trained):
    best = min(trained.history, key=lambda epoch: epoch.val_loss)
    assert trained.metrics() == {
        "best_epoch": best.epoch,
        "epochs": 6,
        "parameters": 28 * 4 + 37 * 8 + (4 * 4 * 8 + 1) * 8 + 9 * 3,
        "train_accuracy": best.train_accuracy,
        "train_loss": best.train_loss,
        "val_accuracy": best.val_accuracy,
        "val_loss": best.val_loss,
    }
    assert trained.summary().startswith(f"epoch {best.epoch} of 6 was the best: validation accuracy ")


def test_it_knows_what_it_was_trained_on(trained):
    assert trained.labels == CLASSES
    assert trained.pictures == {"train": SIZES["train"], "val": SIZES["val"]}
    assert (trained.image_size, trained.aspect) == (16, "pad")


def test_the_page_holds_all_and_asks_for_nothing(trained):
    page = render_report(trained, PARAMS)
    for text in (
        "150 pictures",
        "45 others",
        "convolution_0",
        "16\u00a0\u00d7\u00a016\u00a0\u00d7\u00a04",
        "train.cnn.dropout",
        "learning_rate",
    ):
        assert text in page
    assert page.count("<svg") == 2
    assert not re.search(r"<script|(?:src|href)=\"(?!data:|#)", page)


def test_the_page_is_the_same_each_time(trained):
    assert render_report(trained, PARAMS) == render_report(trained, PARAMS)


def test_a_folder_that_split_did_not_write_is_a_message(tmp_path):
    with pytest.raises(ManifestError, match=r"preprocessing\.json is missing"):
        train(tmp_path, PARAMS, classes=CLASSES)


@pytest.mark.parametrize("text", ["{}", "[]", '{"image_size": "8", "aspect": "pad"}'])
def test_a_damaged_record_of_how_pictures_were_prepared_is_a_message(tmp_path, text):
    (tmp_path / "preprocessing.json").write_text(text)
    with pytest.raises(ManifestError, match=r"does not say how the pictures were prepared\nNext: dvc repro -f split"):
        train(tmp_path, PARAMS, classes=CLASSES)
