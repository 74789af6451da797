import pytest

from pixmill.evaluate.mistakes import Confusion
from pixmill.evaluate.reading import calibration, cautions, confusion_sentence, headline, meaning

GOOD = {"precision": 0.9, "recall": 0.9, "f1": 0.9, "support": 100}


@pytest.fixture
def metrics():
    return {
        "accuracy": 0.9,
        "accuracy_low": 0.85,
        "accuracy_high": 0.94,
        "n": 200,
        "ece": 0.02,
        "baseline": {"majority_accuracy": 0.5},
        "per_class": {"coat": GOOD, "dress": GOOD},
        "train": {"accuracy": 0.95},
    }


def test_the_headline_says_the_number_and_how_sure_it_is(metrics):
    assert headline(metrics, 0.95) == (
        "Of 200 test pictures, which no training has touched, the model named 180 right. "
        "With 95 % confidence its accuracy on pictures like these lies between 85.0 % and 94.0 %."
    )


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [(1, "named every test picture right"), (0.9, "one picture in 10"), (0.6, "than a third"), (0.4, "than half")],
)
def test_how_often_it_is_wrong_is_said_in_words(metrics, accuracy, said):
    assert said in meaning(metrics | {"accuracy": accuracy})


@pytest.mark.parametrize(("count", "times"), [(1, "once in 50 (2.0 %)"), (7, "7 times in 50 (14.0 %)")])
def test_a_confusion_reads_as_a_sentence(count, times):
    assert confusion_sentence(Confusion("coat", "dress", count, of=50)) == f"coat was taken for dress {times}"


@pytest.mark.parametrize(
    ("ece", "confidence", "said"),
    [(0.02, 0.92, "taken at its word"), (0.1, 0.99, "surer than it should"), (0.1, 0.7, "less sure than it could")],
)
def test_a_confidence_that_is_off_is_called_so(metrics, ece, confidence, said):
    assert said in calibration(metrics | {"ece": ece}, confidence)


def test_a_sound_result_is_cautioned_only_by_its_interval_and_its_source(metrics):
    interval, source = cautions(metrics)
    assert "±4.5 points" in interval
    assert "same sources" in source


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"baseline": {"majority_accuracy": 0.86}}, "not clearly better than always naming the commonest class"),
        ({"baseline": {"majority_accuracy": 0.5, "histogram_accuracy": 0.86}}, "it may have learnt no shapes"),
        ({"train": {"accuracy": 1.0}, "accuracy": 0.8}, "20 points more: it has learnt pictures by heart"),
        ({"per_class": {"coat": GOOD | {"support": 9}, "dress": GOOD}}, "say little: coat (9)."),
        ({"per_class": {"coat": GOOD | {"precision": None}, "dress": GOOD}}, "Never named at all: coat."),
        ({"per_class": {"coat": GOOD | {"support": 0}, "dress": GOOD}}, "nothing is known of: coat."),
    ],
    ids=["baseline", "colours", "by heart", "few", "never", "absent"],
)
def test_what_weakens_a_result_is_said(metrics, change, said):
    assert said in " ".join(cautions(metrics | change))
    assert len(cautions(metrics | change)) == 3


def test_of_very_many_classes_the_first_are_named_and_the_others_counted(metrics):
    few = {f"class {number}": GOOD | {"support": 5} for number in range(300)}
    (said,) = [caution for caution in cautions(metrics | {"per_class": few}) if "class 0" in caution]
    assert "class 0 (5), class 1 (5), " in said
    assert said.endswith("class 11 (5) and 288 more.")
