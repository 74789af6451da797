"""Folds of training and validation images."""

import numpy as np
import pytest

from pixmill.core.errors import ManifestError
from pixmill.train.folds import FoldResult, fold_metrics, folds_of
from tests.train.conftest import FOLDS, SIZES


def test_each_image_is_held_out_once(parts):
    folds = list(folds_of(parts["train"].join(parts["val"])))
    assert [fold.number for fold in folds] == list(range(FOLDS))
    everything = set(parts["train"].rows["id"]) | set(parts["val"].rows["id"])
    held = [identity for fold in folds for identity in fold.validation.rows["id"]]
    assert len(held) == len(set(held)) == SIZES["train"] + SIZES["val"]
    for fold in folds:
        learnt = set(fold.training.rows["id"])
        assert not learnt & set(fold.validation.rows["id"])
        assert learnt | set(fold.validation.rows["id"]) == everything


def test_images_without_a_fold_are_only_fitted_to(parts):
    images = parts["train"].join(parts["val"])
    images.rows.loc[:4, "fold"] = None
    for fold in folds_of(images):
        assert set(images.rows["id"][:5]) <= set(fold.training.rows["id"])


def test_error_without_folds(parts):
    for part in parts.values():
        part.rows["fold"] = None
    with pytest.raises(ManifestError, match=r"artifacts/split has no folds"):
        next(folds_of(parts["train"].join(parts["val"])))


def test_fold_metrics():
    results = [
        FoldResult(number, accuracy, 0.5, np.empty(0, np.float32))
        for number, accuracy in enumerate((0.7, 0.8, 0.9))
    ]
    figures = fold_metrics(results)["folds"]
    assert figures["n"] == 3
    assert figures["accuracy_mean"] == pytest.approx(0.8)
    assert figures["accuracy_spread"] == pytest.approx(0.1)
    assert (figures["accuracy_min"], figures["accuracy_max"]) == (0.7, 0.9)
