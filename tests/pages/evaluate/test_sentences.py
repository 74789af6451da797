import re

import pandas as pd
import pytest

from pixmill.evaluate.mistakes import Confusion
from pixmill.metrics.growth import UNMEASURED, Growth
from pixmill.pages.evaluate.sentences import (
    calibration_sentence,
    cautions,
    confusion_sentence,
    headline,
    labels_sentence,
    meaning,
    next_steps,
    shortcut_sentence,
    threshold_sentence,
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
        "baseline": {"majority_accuracy": 0.5, "histogram_accuracy": 0.6},
        "temperature": None,
        "ece": 0.03,
        "confidence": 0.9,
        "threshold": 0.7,
        "coverage": 0.8,
        "covered_accuracy": 0.975,
        "covered_accuracy_low": 0.94,
        "covered_accuracy_high": 0.99,
        "val": {"n": 170},
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
    ("confidence", "ece", "interval", "message"),
    [
        (0.89, 0.03, (0.87, 0.93), "is well calibrated (expected calibration error 0.030)."),
        (0.97, 0.08, (0.85, 0.94), "is overconfident (expected calibration error 0.080): do not"),
        (0.80, 0.11, (0.85, 0.94), "is underconfident (expected calibration error 0.110): do not"),
        (0.93, 0.08, (0.85, 0.94), "do not show that it is off on average (expected calibration error 0.080). Single"),
        (0.97, 0.03, (0.70, 0.98), "do not show that it is off on average. Showing a difference of 5 points takes"),
    ],
)
def test_a_confidence_is_called_off_only_outside_the_interval(metrics, confidence, ece, interval, message):
    low, high = interval
    changes = {"ece": ece, "confidence": confidence, "accuracy_low": low, "accuracy_high": high}
    sentence = calibration_sentence(metrics | changes)
    assert message in sentence
    assert [word for word in ("overconfident", "underconfident", "well calibrated") if word in sentence] == [
        word for word in ("overconfident", "underconfident", "well calibrated") if word in message
    ]


def test_the_images_it_takes_to_show_that_a_confidence_is_off_are_counted(metrics):
    wide = {"n": 37, "accuracy_low": 0.73, "accuracy_high": 0.93, "ece": 0.1, "confidence": 0.84}
    assert calibration_sentence(metrics | wide).endswith("takes about 150 images.")


def test_a_temperature_is_told_with_what_validation_showed_and_test_is_judged_with_it(metrics):
    off = {"temperature": 0.8, "ece": 0.08, "confidence": 0.97}
    assert calibration_sentence(metrics | off) == (
        "On the 170 validation images the network is underconfident; temperature scaling (T = 0.80) raises its "
        "confidence. On the 200 test images the calibrated confidence is 97.0\u00a0% on average, and the accuracy "
        "90.0\u00a0% (CI 85.0\u00a0% to 94.0\u00a0%). The model is overconfident (expected calibration error 0.080): "
        "do not read its confidence as the probability of being correct. The temperature fits the validation images, "
        "but not the test images."
    )
    lowered = calibration_sentence(metrics | {"temperature": 1.3})
    assert "the network is overconfident; temperature scaling (T = 1.30) lowers its confidence" in lowered


def test_without_a_temperature_the_confidence_is_not_called_calibrated(metrics):
    sentence = calibration_sentence(metrics)
    assert sentence.startswith("The 170 validation images give no reliable correction of the confidence, so no temper")
    assert "On the 200 test images the confidence is" in sentence


def test_a_threshold_is_told_with_its_coverage_and_whether_test_contradicts_it(metrics):
    assert threshold_sentence(metrics, 0.95) == (
        "Below a confidence of 70.0\u00a0% the model answers \u201cnot sure\u201d. At or above it, the 170 "
        "validation images show an accuracy of at least 95\u00a0%. It is sure of 80.0\u00a0% of the test images; of "
        "these, 97.5\u00a0% are correct (CI 94.0\u00a0% to 99.0\u00a0%)."
    )
    assert threshold_sentence(metrics, 0.995).endswith("99.0\u00a0%): the test images contradict the target.")
    none = {"covered_accuracy": None, "covered_accuracy_low": None, "covered_accuracy_high": None, "coverage": 0.0}
    assert threshold_sentence(metrics | none, 0.95).endswith("It is not sure of any test image.")


def test_without_a_threshold_it_is_told_how_many_images_it_would_take(metrics):
    none = {"threshold": None, "coverage": None, "covered_accuracy": None, "val": {"n": 27}}
    sentence = threshold_sentence(metrics | none, 0.95)
    assert "the 27 validation images do not show 95\u00a0% accuracy" in sentence
    assert "at least 59 confident predictions if all are correct" in sentence
    # Of a model that an earlier version trained.
    assert threshold_sentence(metrics | none | {"threshold": 0.0}, 0.95) == sentence


def test_a_sound_result_is_cautioned_only_by_its_interval_and_its_source(metrics):
    interval, source = cautions(metrics)
    assert "±4.5 points" in interval
    assert "same sources" in source


SHORTCUTS = [
    {
        "property": "width",
        "skill": 1.0,
        "label": "covid",
        "example": "90 of 90 images of 'covid' are at least 1,060 pixels wide, 0 of 90 of 'normal'",
        "advice": "collect images of the same sizes for every class",
    },
    {"property": "colour_mode", "skill": 0.83, "label": "covid", "example": "others", "advice": "others"},
]


def test_what_gives_a_class_away_is_the_first_limitation(metrics):
    assert shortcut_sentence(metrics) == ""
    found = metrics | {"shortcuts": SHORTCUTS}
    sentence = (
        "width (skill 1) and colour mode (skill 0.83) alone tell one class from the others: the accuracy may measure "
        "this, not what the images show. 90 of 90 images of 'covid' are at least 1,060 pixels wide, 0 of 90 of "
        "'normal'."
    )
    assert shortcut_sentence(found) == sentence
    first, *others = cautions(found)
    assert first == (
        f"W{sentence[1:]} It may be lower on images that do not differ in this; collect images of the same sizes for "
        "every class."
    )
    assert others == list(cautions(metrics))
    assert " (skill 1) alone tells one" in shortcut_sentence(metrics | {"shortcuts": SHORTCUTS[:1]})


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


SLICES = pd.DataFrame(
    [
        {"dimension": "class", "slice": "coat", "what": "coat", "p_adjusted": 0.01, "accuracy": 0.7, "worse": True},
        {
            "dimension": "size",
            "slice": "small",
            "what": "small images",
            "p_adjusted": 0.02,
            "accuracy": 0.8,
            "worse": True,
        },
        {
            "dimension": "size",
            "slice": "large",
            "what": "large images",
            "p_adjusted": 1.0,
            "accuracy": 0.9,
            "worse": False,
        },
    ]
)
OVERFITTED = {"train": {"accuracy": 1.0}, "accuracy": 0.8}


def steps_of(metrics, growth=None, slices=SLICES, ranking=None):
    return [sentence for sentence, _ in next_steps(metrics, [], ranking=ranking, slices=slices, growth=growth)]


def test_a_next_step_names_the_slices_that_are_worse(metrics):
    assert any("lower on coat and small images (see" in step for step in steps_of(metrics))
    assert not any("significantly lower" in step for step in steps_of(metrics, slices=SLICES.tail(1)))


@pytest.mark.parametrize(
    "growth", [Growth(0.03, 0.01, 0.05), Growth(-0.006, -0.03, 0.018), Growth(0.0, -0.004, 0.004), None]
)
def test_only_the_learning_curve_tells_whether_more_images_help(metrics, growth):
    steps = [*steps_of(metrics | OVERFITTED, growth, SLICES.tail(1)), *cautions(metrics | OVERFITTED)]
    said = [step for step in steps if "ore images" in step or "as many images" in step or "Add images." in step]
    assert [UNMEASURED if growth is None else growth.sentence()] == [
        re.sub("^(Add images|The model overfits)[.] | Remedies .*$", "", step) for step in said
    ]
    assert any(step.startswith("The model overfits. ") for step in steps)
    assert any(step.startswith("Add images. Twice") for step in steps) == (growth is not None and growth.helps)


def ranked(confirmed, suggested):
    """Return a ranking of 100 labels."""
    names = ["coat"] * suggested + [None] * (100 - suggested)
    return pd.DataFrame({"suggested": names, "score": [0.9] * confirmed + [0.1] * (100 - confirmed)})


def test_suggested_labels_are_worth_a_look_and_the_claim_is_lower_on_hard_images(metrics):
    easy, hard = (steps_of(metrics, ranking=ranked(confirmed, 7))[0] for confirmed in (90, 60))
    assert easy.startswith("7 labels are worth a look: ")
    assert hard.startswith("7 labels are worth a look: ")
    assert "it confirms only 60.0\u00a0% of all labels, so most suggestions are its mistakes" in hard
    assert "mistakes" not in easy
    assert labels_sentence(ranked(90, 1)).startswith("One label is worth a look")
    assert not any("worth a look" in step for step in steps_of(metrics, ranking=ranked(90, 0)))
