"""Predictions of some classes only, or with other shares of the classes."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pixmill.core.errors import DataError
from pixmill.dataset.log_writer import PredictionLog
from pixmill.dataset.prediction_log import read_log
from pixmill.heads import head_of
from pixmill.metrics.prior_shift import PriorShift
from pixmill.models.classifier import Prediction
from pixmill.models.inference import Answer
from pixmill.serve.predict.inputs import find_images
from pixmill.serve.predict.predicting import predict
from pixmill.serve.predict.shifting import read_classes, read_prior, shift_answer, shift_model
from tests.serve.held_out import COAT, KURTA, add_held_out


@pytest.fixture
def known(model, tmp_path):
    """A copy of the model with held-out predictions."""
    return add_held_out(model, tmp_path / "known")


def test_reads_classes_and_shares(tmp_path):
    file = tmp_path / "classes.txt"
    file.write_text("coat\n\n T-shirt, long \n")
    assert read_classes(str(file)) == ["coat", "T-shirt, long"]
    assert read_classes("coat, dress") == ["coat", "dress"]
    assert len(read_classes(",".join(["coat"] * 100))) == 100  # too long for a path
    file.write_text("class,share\nNA,3\n1,0.5\n")
    assert read_prior(file) == {"NA": "3", "1": "0.5"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("coat,0.7\n", "cannot be read as columns class and share"),
        ("class;share\ncoat;0,8\n", "cannot be read as columns class and share"),
        ("", "cannot be read as columns class and share"),
        ("class,share\ncoat,1\ncoat,1\n", "twice"),
    ],
)
def test_refuses_other_tables(text, message, tmp_path):
    (tmp_path / "prior.csv").write_text(text)
    with pytest.raises(DataError, match=rf"prior\.csv .*{message}"):
        read_prior(tmp_path / "prior.csv")


def test_names_a_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"prior\.csv cannot be read .*No such file"):
        read_prior(tmp_path / "prior.csv")
    with pytest.raises(DataError, match=r"classes\.txt is neither a file nor a list"):
        read_classes("classes.txt")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": [COAT]}, "fewer than two"),
        ({"classes": COAT}, "neither a file nor a list"),
        ({"classes": [COAT, "dress"]}, "no class 'dress'"),
        ({"classes": [COAT, 1]}, "no class '1'"),
        ({"classes": [""]}, "no class ''"),
        ({"prior": {COAT: 1, "dress": 1}}, "no class 'dress'"),
        ({"prior": {COAT: -1, KURTA: 1}}, "not a number from 0"),
        ({"prior": {COAT: float("nan"), KURTA: 1}}, "not a number from 0"),
        ({"prior": {COAT: float("inf"), KURTA: 1}}, "not a number from 0"),
        ({"prior": {COAT: 10**400, KURTA: 1}}, "not a number from 0"),
        ({"prior": {COAT: "80%", KURTA: "1"}}, "not a number from 0"),
        ({"prior": {COAT: None, KURTA: 1}}, "not a number from 0"),
        ({"prior": {COAT: 0, KURTA: 1}}, "fewer than two"),
        ({"prior": {COAT: 1, KURTA: 1}, "classes": [KURTA]}, "fewer than two"),
    ],
    ids=str,
)
def test_refuses_what_does_not_fit_the_model(known, options, message):
    with pytest.raises(DataError, match=message):
        shift_model(known, **options)


def test_takes_shares_in_other_forms(known):
    expected = shift_model(known, prior={COAT: 3, KURTA: 1}).shift
    for prior in (pd.Series({COAT: 3, KURTA: 1}), {COAT: np.float32(3), KURTA: 1}):
        assert shift_model(known, prior=prior).shift == expected


def test_refuses_models_that_lack_what_it_needs(model, known):
    with pytest.raises(DataError, match="held-out"):
        shift_model(model, [COAT, KURTA])
    assert shift_model(model) is model
    with pytest.raises(DataError, match="none of these"):
        shift_model(replace(known, labels=(COAT, KURTA, "none of these")), [COAT, KURTA])
    with pytest.raises(DataError, match="several labels"):
        shift_model(replace(known, task="labels"), [COAT, KURTA])
    assert not head_of("labels").is_exclusive


def test_rows_of_a_shifted_model_are_those_of_bayes_and_the_log_is_not(known, photos, tmp_path):
    shifted = shift_model(known, prior={COAT: 3, KURTA: 1})
    images = find_images(["photos/00.jpeg", "photos/01.png"])
    before = list(predict(known, images, workers=1))
    with PredictionLog(tmp_path / "log") as log:
        after = list(predict(shifted, images, workers=1, log=log))
    for old, new in zip(before, after, strict=True):
        given = np.array([old[f"p_{label}"] for label in known.labels]) * shifted.shift.ratios
        found = [new[f"p_{label}"] for label in known.labels]
        assert found == pytest.approx(given / given.sum())
        assert new["p_T-shirt & top"] == 0
        assert new["predicted"] == known.labels[int(np.argmax(found))]
    ((_, table),) = read_log(tmp_path / "log")
    logged = pd.DataFrame(table.to_pylist())
    assert logged["confidence"].tolist() == pytest.approx([row["confidence"] for row in before])


def test_other_classes_are_none_of_these(model):
    shifted = replace(model, shift=PriorShift((1.0, 1.0, 0.0), 0.9, 0.5), threshold=0.9)

    def found(*probabilities, unlike=False):
        given = Prediction(COAT, 0.5, True, np.array(probabilities), unlike=unlike)
        return shift_answer(Answer("id", given), shifted).prediction

    answer = found(0.1, 0.3, 0.6)
    assert (answer.label, answer.confidence, answer.sure) == ("none of these", 0.6, None)
    assert answer.probabilities == pytest.approx([0.1, 0.3, 0])
    assert found(0.1, 0.3, 0.6, unlike=True).sure is False
    assert found(0.57, 0.03, 0.4, unlike=True).sure is False
    answer = found(0.57, 0.03, 0.4)
    assert (answer.label, answer.confidence, answer.sure) == (COAT, pytest.approx(0.95), True)
    assert found(0.3, 0.3, 0.4).sure is False
    shifted = replace(shifted, shift=replace(shifted.shift, outside_limit=None))
    answer = found(0.29, 0.01, 0.7)
    assert (answer.label, answer.sure) == (COAT, False)
    failed = Answer(None, Prediction(reason="unknown"))
    assert shift_answer(failed, shifted) is failed
