import pandas as pd
import pytest

from pixmill.evaluate.mistakes import Confusion
from pixmill.pages.evaluate.reading import (
    calibration_sentence,
    cautions,
    confusion_sentence,
    headline,
    meaning,
    worse_slices,
)

GOOD = {"precision": 0.9, "recall": 0.9, "f1": 0.9, "support": 100}


@pytest.fixture
def metrics():
    return {
        "accuracy": 0.9,
        "accuracy_low": 0.85,
        "accuracy_high": 0.94,
        "n": 200,
        "ece": 0.02,
        "baseline": {"majority_accuracy": 0.5, "histogram_accuracy": 0.6},
        "temperature": None,
        "calibrated": {"ece": 0.2},
        "per_class": {"coat": GOOD, "dress": GOOD},
        "train": {"accuracy": 0.95},
    }


def test_the_headline_states_the_count_and_its_confidence_interval(metrics):
    assert headline(metrics, 0.95) == (
        "The model classified 180 of 200 test images correctly (95\u00a0% CI 85.0\u00a0% to 94.0\u00a0%). "
        "They were not used for training or early stopping."
    )


@pytest.mark.parametrize(
    ("accuracy", "message"),
    [(1, "classified every test image correctly"), (0.9, "one image in 10"), (0.6, "than a third"), (0.4, "than half")],
)
def test_the_error_rate_is_stated_in_words(metrics, accuracy, message):
    assert message in meaning(metrics | {"accuracy": accuracy})


@pytest.mark.parametrize(("count", "share"), [(1, "1 of 50 (2.0\u00a0%)"), (7, "7 of 50 (14.0\u00a0%)")])
def test_a_confusion_reads_as_a_sentence(count, share):
    assert confusion_sentence(Confusion("coat", "dress", count, of=50)) == f"coat predicted as dress: {share}"


@pytest.mark.parametrize(
    ("ece", "confidence", "message"),
    [(0.02, 0.92, "well calibrated"), (0.1, 0.99, "is overconfident"), (0.1, 0.7, "is underconfident")],
)
def test_a_confidence_that_is_off_is_called_so(metrics, ece, confidence, message):
    assert message in calibration_sentence(metrics | {"ece": ece}, confidence)


def test_a_sound_result_is_cautioned_only_by_its_interval_and_its_source(metrics):
    interval, source = cautions(metrics)
    assert "±4.5 points" in interval
    assert "same sources" in source


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"baseline": {"majority_accuracy": 0.86, "histogram_accuracy": 0.6}},
            "not clearly better than always predicting the most common class",
        ),
        ({"baseline": {"majority_accuracy": 0.5, "histogram_accuracy": 0.86}}, "colours rather than shapes"),
        ({"train": {"accuracy": 1.0}, "accuracy": 0.8}, "20 points higher: the model overfits"),
        ({"per_class": {"coat": GOOD | {"support": 9}, "dress": GOOD}}, "imprecise: coat (9)."),
        ({"per_class": {"coat": GOOD | {"precision": None}, "dress": GOOD}}, "Never predicted: coat."),
        ({"per_class": {"coat": GOOD | {"support": 0}, "dress": GOOD}}, "no metrics: coat."),
    ],
    ids=["baseline", "colours", "overfitting", "few", "never", "absent"],
)
def test_each_weakness_of_a_result_is_reported(metrics, change, message):
    sentences = list(cautions(metrics | change))
    assert len(sentences) == 3
    assert any(message in sentence for sentence in sentences)


def test_worse_slices_are_sentences_the_worst_first():
    row = {"dimension": "size", "accuracy": 0.5, "right": 20, "n": 40, "rest": 0.9, "worse": True}
    rows = [
        row | {"slice": "small", "what": "small images", "p_adjusted": 0.04},
        row | {"slice": "large", "what": "large images", "p_adjusted": 0.01},
        row | {"slice": "medium", "what": "medium images", "p_adjusted": 1, "worse": False},
    ]
    large, small = worse_slices(pd.DataFrame(rows))
    assert large.startswith(
        "Large images: 20 of 40 correct (50.0\u00a0%), against 90.0\u00a0% on all other test images."
    )
    assert "(p = 0.04, " in small
