"""What an evaluation says: one approved text, and the cases that decide which sentence stands there."""

import pandas as pd
import pytest

from pixmill.evaluate.mistakes import Confusion
from pixmill.metrics.growth import UNMEASURED, Growth
from pixmill.pages.evaluate.sentences import cautions, labels_sentence, next_steps, say, threshold_sentence, worse

GOOD = {"precision": 0.9, "recall": 0.9, "f1": 0.9, "support": 100}
SHORTCUT = {"property": "width", "skill": 1.0, "label": "a", "example": "90 of 90", "advice": "collect others"}
METRICS = {
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
OVERFITTED = METRICS | {"train": {"accuracy": 1.0}, "accuracy": 0.8}
ROW = {"dimension": "size", "right": 20, "n": 40, "accuracy": 0.5, "rest": 0.9, "worse": True}
SLICES = pd.DataFrame(
    [
        ROW | {"slice": "small", "what": "small images", "p_adjusted": 0.04},
        ROW | {"slice": "large", "what": "large images", "p_adjusted": 0.01},
        ROW | {"slice": "medium", "what": "medium images", "p_adjusted": 1.0, "worse": False},
    ]
)
APPROVED = """\
The model classified 180 of 200 test images correctly (95 % CI 85.0 % to 94.0 %). They were not used for training or \
early stopping.
The model misclassifies about one image in 10. Always predicting the most common class of the test split would reach \
50.0 % accuracy; a logistic regression on colour histograms, which ignores shapes, reaches 60.0 %.
On the 170 validation images the network is underconfident; temperature scaling (T = 0.80) raises its confidence. On \
the 200 test images the calibrated confidence is 97.0 % on average, and the accuracy 90.0 % (CI 85.0 % to 94.0 %). The \
model is overconfident (expected calibration error 0.080): do not read its confidence as the probability of being \
correct. The temperature fits the validation images, but not the test images.
Below a confidence of 70.0 % the model answers “not sure”. At or above it, the 170 validation images show an accuracy \
of at least 95 %. It is sure of 80.0 % of the test images; of these, 97.5 % are correct (CI 94.0 % to 99.0 %).
width (skill 1) alone tells one class from the others: the accuracy may measure this, not what the images show. 90 of \
90.
Width (skill 1) alone tells one class from the others: the accuracy may measure this, not what the images show. 90 of \
90. It may be lower on images that do not differ in this; collect others.
Large images: 20 of 40 correct (50.0 %), against 90.0 % on all other test images. This is unlikely to be chance \
(p = 0.01, Holm-adjusted for all slices).
coat predicted as dress: 7 of 50 (14.0 %)"""


def test_the_text_is_as_approved() -> None:
    found = METRICS | {"shortcuts": [SHORTCUT]}
    lines = [
        say("headline", METRICS, 0.95),
        say("meaning", METRICS),
        say("calibration", METRICS | {"temperature": 0.8, "ece": 0.08, "confidence": 0.97}),
        threshold_sentence(METRICS, 0.95),
        say("shortcut", found),
        cautions(found)[0],
        say("worse", worse(SLICES)[0]),
        say("confusion", Confusion("coat", "dress", 7, of=50)),
    ]
    assert "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ") == APPROVED
    assert say("shortcut", METRICS) == ""


@pytest.mark.parametrize(
    ("confidence", "ece", "low", "high", "message"),
    [
        (0.89, 0.03, 0.87, 0.93, "is well calibrated (expected calibration error 0.030)."),
        (0.80, 0.11, 0.85, 0.94, "is underconfident (expected calibration error 0.110): do not"),
        (0.93, 0.08, 0.85, 0.94, "do not show that it is off on average (expected calibration error 0.080). Single"),
        (0.97, 0.03, 0.70, 0.98, "do not show that it is off on average. Showing a difference of 5 points takes"),
    ],
)
def test_a_confidence_is_called_off_only_outside_the_interval(confidence, ece, low, high, message) -> None:
    changes = {"ece": ece, "confidence": confidence, "accuracy_low": low, "accuracy_high": high}
    assert message in say("calibration", METRICS | changes)


def test_the_threshold_has_a_sentence_for_each_case() -> None:
    assert threshold_sentence(METRICS, 0.995).endswith(": the test images contradict the target.")
    assert threshold_sentence(METRICS | {"covered_accuracy": None}, 0.95).endswith("not sure of any test image.")
    for threshold in (None, 0.0):  # 0 is of a model that an earlier version trained
        text = threshold_sentence(METRICS | {"threshold": threshold, "val": {"n": 27}}, 0.95)
        assert "at least 59 confident predictions if all are correct" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"baseline": {"majority_accuracy": 0.86, "histogram_accuracy": 0.6}}, "predicting the most common class"),
        ({"baseline": {"majority_accuracy": 0.5, "histogram_accuracy": 0.86}}, "colours rather than shapes"),
        ({"train": {"accuracy": 1.0}, "accuracy": 0.8}, "20 points higher: the model overfits"),
        ({"per_class": {"coat": GOOD | {"support": 9}, "dress": GOOD}}, "imprecise: coat (9)."),
        ({"per_class": {"coat": GOOD | {"precision": None}, "dress": GOOD}}, "Never predicted: coat."),
        ({"per_class": {"coat": GOOD | {"support": 0}, "dress": GOOD}}, "no metrics: coat."),
    ],
    ids=["baseline", "colours", "overfitting", "few", "never", "absent"],
)
def test_each_weakness_of_a_result_is_reported(change, message) -> None:
    first, interval, source = cautions(METRICS | change)
    assert message in first
    assert "points: the test set is a sample" in interval
    assert "same sources" in source
    assert cautions(METRICS)[-1] == source


def ranked(confirmed: int, suggested: int) -> pd.DataFrame:
    """Return a ranking of 100 labels."""
    names = ["coat"] * suggested + [None] * (100 - suggested)
    return pd.DataFrame({"suggested": names, "score": [0.9] * confirmed + [0.1] * (100 - confirmed)})


def test_next_steps_are_those_that_the_result_needs() -> None:
    confusions = [Confusion("coat", "dress", 9, of=50), Confusion("dress", "coat", 1, of=50)]
    growth = Growth(-0.006, -0.03, 0.018)
    steps = next_steps(OVERFITTED, confusions, ranking=ranked(60, 7), slices=SLICES, growth=growth)
    assert [command for _, command in steps] == [
        "pixmill review --only labels",
        "",
        "",
        "reports/train.html",
        "split.test",
    ]
    labels, confused, lower, overfits, more = (sentence for sentence, _ in steps)
    assert labels.startswith("7 labels are worth a look: ")
    assert "most suggestions are its mistakes" in labels
    assert confused.startswith("9 of the 10 errors are coat predicted as dress.")
    assert "lower on large images and small images (see" in lower
    assert overfits == f"The model overfits. {growth.sentence()} Remedies for this kind of model are in"
    assert "takes about 1,000 test images; there are 200" in more
    helpful = Growth(0.03, 0.01, 0.05)
    first, *_ = next_steps(METRICS, [], ranking=ranked(90, 0), slices=SLICES.tail(1), growth=helpful)
    assert first == (f"Add images. {helpful.sentence()}", "")
    unmeasured, *_ = next_steps(OVERFITTED, [], ranking=None, slices=SLICES.tail(1), growth=None)
    assert UNMEASURED in unmeasured[0]


def test_suggested_labels_are_claimed_to_be_right_less_often_on_hard_images() -> None:
    assert "mistakes" not in labels_sentence(ranked(90, 7))
    assert labels_sentence(ranked(90, 1)).startswith("One label is worth a look")
    assert labels_sentence(ranked(90, 0)) == labels_sentence(None) == ""
