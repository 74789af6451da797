"""Models that answer yes or no for each label: compared, ranked, and held to limits."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from pixmill.core.cells import to_texts
from pixmill.core.params import CompareParams, EvaluateParams
from pixmill.experiments.compare.answers import split_answers
from pixmill.experiments.compare.comparison import Comparison, Gate, NotComparableError
from pixmill.experiments.compare.gate import judge
from pixmill.experiments.compare.numbers import compare_numbers
from pixmill.experiments.compare.page import ImageSelection, render_page
from pixmill.experiments.compare.plain import find_shift
from pixmill.experiments.compare.ranking import rank_models
from pixmill.experiments.compare.verdict import give_verdict
from pixmill.experiments.compare.view import comparison_text, view
from tests.experiments.compare.made_revisions import make_predictions, make_revision
from tests.experiments.compare.ranked import model

LABELS = ("dark", "long", "warm")
GENERATOR = np.random.default_rng(7)
CELLS = GENERATOR.integers(-1, 2, size=(150, 3))
CELLS[:2] = [[1, 0, 1], [0, 1, 0]]
GOOD = np.where(CELLS == 1, 0.8, 0.2) + GENERATOR.uniform(-0.15, 0.15, CELLS.shape)
NOISE = GENERATOR.uniform(-0.5, 0.5, CELLS.shape)
METRICS = CompareParams(metric="mean_average_precision", max_drop="significant")
EVALUATE = EvaluateParams(draws=1000)


def table(values, cells=CELLS, labels=LABELS, split="test") -> pd.DataFrame:
    values = np.asarray(values, np.float32)
    columns = {
        "id": [f"image-{place:05d}" for place in range(len(cells))],
        "split": split,
        "label": to_texts(cells, labels),
        "predicted": to_texts(np.where(values >= 0.5, 1, -1), labels),
        **{f"p_{label}": values[:, place] for place, label in enumerate(labels)},
        "loss": 0.1,
    }
    return pd.DataFrame(columns)


def worse(label: int):
    """Return probabilities of which those of one label are worse."""
    values = GOOD.copy()
    values[:, label] = np.clip(values[:, label] + 1.2 * NOISE[:, label], 0.01, 0.99)
    return values


def compared(base, head):
    before = make_revision(base, name="base")
    return compare_numbers(before, make_revision(head), METRICS, EVALUATE)


def test_each_label_is_compared_by_average_precision():
    numbers = compared(table(GOOD), table(worse(1)))
    assert give_verdict(numbers)[0] == "worse"
    row = numbers.per_class["long"]
    known = CELLS[:, 1] >= 0
    values = np.float32(worse(1)[known, 1])
    expected = average_precision_score(CELLS[known, 1] == 1, values)
    assert row.score.second == pytest.approx(expected)
    assert row.p_adjusted < 0.05
    assert numbers.per_class["dark"].score.difference == 0
    assert row.support == (CELLS[:, 1] == 1).sum()
    assert numbers.confusion is None
    rules = judge(make_revision(table(GOOD)), numbers, METRICS, confidence=0.95).rules
    assert [rule.result for rule in rules] == ["fail"]


def test_unknown_cells_have_no_weight():
    values = np.where(CELLS < 0, NOISE + 0.5, GOOD)
    numbers = compared(table(GOOD), table(values))
    assert numbers.flips.empty
    assert numbers.metrics["exact_match"].difference == 0
    assert numbers.metrics["log_loss"].difference == 0


def test_flips_are_cells():
    values = GOOD.copy()
    values[0] = 1 - values[0]
    flips = compared(table(GOOD), table(values)).flips
    assert flips["id"].tolist() == ["image-00000"] * 3
    assert dict(zip(flips["label"], flips["base_predicted"], strict=True)) == {
        "dark": "yes",
        "long": "no",
        "warm": "yes",
    }
    assert not flips["gained"].any()


def test_labels_that_only_one_side_knows_are_measured_apart():
    base = table(GOOD[:, :2], CELLS[:, :2], LABELS[:2])
    numbers = compared(base, table(GOOD))
    assert (numbers.labels, numbers.metrics["exact_match"].difference) == (("dark", "long"), 0)
    assert [(row["side"], row["name"]) for row in numbers.own_classes] == [("head", "warm")]


def test_other_tasks_are_not_comparable():
    one = make_predictions([0, 1, 2], [0, 1, 2], labels=LABELS)
    with pytest.raises(NotComparableError, match="the task is one_label in base, and labels in"):
        compared(one, table(GOOD))


@pytest.mark.parametrize("text", ["{", '{"dark":"x"}', "{1}"])
def test_damaged_cells_are_not_comparable(text):
    damaged = table(GOOD)
    damaged.loc[0, "label"] = text
    with pytest.raises(NotComparableError):
        compared(table(GOOD), damaged)
    impossible = table(GOOD).assign(p_dark=1.5)
    with pytest.raises(NotComparableError):
        compared(table(GOOD), impossible)


def test_a_shift_counts_images_whose_known_cells_are_right():
    values = GOOD.copy()
    values[:4] = 1 - values[:4]
    shift = find_shift(table(GOOD), table(values))
    known = (CELLS >= 0).any(axis=1)
    assert 0 < known.sum() < 150
    assert (shift.same.n, shift.same.lost, shift.same.gained) == (known.sum(), known[:4].sum(), 0)


def test_one_shared_label_is_enough():
    one = table(GOOD[:, :2], CELLS[:, :2], ("dark", "cold"))
    numbers = compared(one, table(worse(0)))
    assert [*numbers.per_class] == ["dark"]


@pytest.mark.parametrize("metric", ["mean_average_precision", "exact_match", "log_loss"])
def test_models_are_ranked_by_each_metric(metric):
    tables = {"runs:/good": table(GOOD), "runs:/bad": table(worse(1))}
    answers = {name: split_answers(make_revision(found), LABELS) for name, found in tables.items()}
    rows, others = rank_models(
        [model("bad"), model("good")],
        answers,
        answers["runs:/good"],
        np.arange(150),
        metric=metric,
        confidence=0.95,
    )
    assert [row.model.name for row in rows] == ["good", "bad"]
    assert (rows[1].gap.worse, others) == (True, [])
    assert rows[0].low <= rows[0].value <= rows[0].high


def test_no_text_shows_cells():
    cells = CELLS.copy()
    cells[0] = [0, 1, 0]
    base = make_revision(table(GOOD), name="base")
    head = make_revision(table(worse(1), cells))
    numbers = compare_numbers(base, head, METRICS, EVALUATE)
    verdict, sentence = give_verdict(numbers)
    found = Comparison(base, head, verdict, sentence, numbers, None, None, Gate("pass", ()), ())
    page = render_page(found, ImageSelection([], [], {}, [], {}))
    for text in (page, comparison_text(found)):
        assert '{"dark' not in text
        assert "{&#34;dark" not in text
    made = view(found)
    assert made["flips"]["lost"] == len(made["flips"]["images"]) - made["flips"]["gained"]
    assert "f1" not in made["per_class"]["long"]
