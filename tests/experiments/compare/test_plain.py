"""Why the accuracy moved, in one sentence."""

import numpy as np

from pixmill.core.params import CompareParams, EvaluateParams
from pixmill.experiments.compare.comparison import Comparison, Gate
from pixmill.experiments.compare.numbers import compare_numbers
from pixmill.experiments.compare.plain import Group, Shared, find_shift, headline
from pixmill.experiments.compare.verdict import give_verdict
from tests.experiments.compare.made_revisions import make_predictions, make_revision

TRUTH = np.repeat([0, 1, 2], 20)


def predict(*wrong, truth=TRUTH, first=0, **options):
    """Predict all but these images correctly."""
    answers = truth.copy()
    answers[list(wrong)] = (truth[list(wrong)] + 1) % 3
    ids = [f"image-{first + place:05d}" for place in range(len(truth))]
    return make_predictions(truth, answers, ids=ids, **options)


def test_nothing_moved():
    assert find_shift(predict(1, 2), predict(1, 2)).sentence == ""


def test_same_images_and_new_ones_are_told_apart():
    base = predict(0, 1)
    head = predict(1, 2, 3, *range(60, 70), truth=np.concatenate([TRUTH, [0] * 15]))
    shift = find_shift(base, head)
    assert shift.same == Shared(60, 57, 2, 1, "No clear difference")
    assert (shift.new, shift.gone) == (Group(15, 5), Group(0, 0))
    assert "15 new test images are harder (33 % right)" in shift.sentence
    assert find_shift(head, base).gone == Group(15, 5)


def test_changed_labels_are_no_change_of_the_model():
    truth = TRUTH.copy()
    truth[:2] = 1
    base = predict(0, 1)
    head = predict(truth=truth)
    shift = find_shift(base, head)
    assert (shift.corrected, shift.same.lost, shift.same.gained) == (2, 0, 0)


def test_classes_of_one_side_are_named():
    wider = predict(labels=("coat", "shirt", "tulip"))
    shift = find_shift(predict(), wider)
    assert shift.new_classes == ["tulip"]
    assert (shift.same.n, shift.new.n) == (40, 20)


def test_a_comparison_is_told_by_its_own_verdict_and_images():
    base = make_revision(predict(0, 1), name="base")
    head = make_revision(predict(*range(2, 14)))
    numbers = compare_numbers(base, head, CompareParams(), EvaluateParams())
    verdict, sentence = give_verdict(numbers)
    found = Comparison(base, head, verdict, sentence, numbers, None, None, Gate("pass", ()), ())
    assert headline(found).startswith(
        "Worse by macro-F1 on the same 60 test images: 12 worse, 2 better"
    )
    alone = Comparison(None, head, "not_comparable", "Alone.", None, None, None, found.gate, ())
    assert headline(alone) == "Not comparable"
