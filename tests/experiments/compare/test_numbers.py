"""Metrics and significance match scipy, statsmodels and scikit-learn."""

import dataclasses
import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn import metrics as sklearn
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from pixmill.core.params import CompareParams, EvaluateParams
from pixmill.experiments.compare.comparison import NotComparableError, Numbers, Step
from pixmill.experiments.compare.numbers import compare_numbers
from pixmill.experiments.compare.verdict import give_verdict, images_needed
from pixmill.metrics.confidence import reliability
from tests.experiments.compare.made_revisions import (
    LABELS,
    from_probabilities,
    make_predictions,
    make_revision,
)

COMPARE = CompareParams()
EVALUATE = EvaluateParams(draws=400)


def compared(
    base, head, *, manifest=None, settings=COMPARE, evaluate=EVALUATE, base_manifest=None
) -> Numbers:
    before = make_revision(base, base_manifest, name="main", title="main (0a1b2c3 Start)")
    return compare_numbers(before, make_revision(head, manifest), settings, evaluate)


def verdict_of(numbers) -> tuple[str, str]:
    """Return verdict and sentence, with hyphens as minus signs."""
    verdict, sentence = give_verdict(numbers)
    assert " -" not in sentence
    return verdict, sentence.replace("\N{MINUS SIGN}", "-")


def noisy(images, *, clear=2.0, seed=1, classes=3):
    """Return labels and probabilities of a noisy model.

    Part of the noise is shared by all models.
    """
    shared = np.random.default_rng(99)
    actual = shared.integers(0, classes, images)
    seen = shared.normal(0, 1, (images, classes))
    logits = (
        seen
        + np.random.default_rng(seed).normal(0, 0.5, seen.shape)
        + clear * np.eye(classes)[actual]
    )
    raised = np.exp(logits)
    return actual, raised / raised.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def tables():
    return from_probabilities(*noisy(300, seed=1)), from_probabilities(
        *noisy(300, clear=1.4, seed=2)
    )


@pytest.fixture(scope="module")
def numbers(tables) -> Numbers:
    return compared(*tables)


def columns(table):
    values = table[[f"p_{label}" for label in LABELS]].to_numpy(float)
    return values / values.sum(axis=1, keepdims=True)


def test_metrics_match_scikit_learn(tables, numbers):
    for revision, table in zip(("first", "second"), tables, strict=True):
        actual = table["label"]
        predicted = table["predicted"]
        values = columns(table)
        expected = {
            "accuracy": sklearn.accuracy_score(actual, predicted),
            "balanced_accuracy": sklearn.balanced_accuracy_score(actual, predicted),
            "macro_f1": sklearn.f1_score(actual, predicted, average="macro"),
            "weighted_f1": sklearn.f1_score(actual, predicted, average="weighted"),
            "log_loss": sklearn.log_loss(actual, values, labels=LABELS),
            "roc_auc": sklearn.roc_auc_score(actual, values, multi_class="ovr"),
            "top_2_accuracy": sklearn.top_k_accuracy_score(actual, values, k=2, labels=LABELS),
        }
        found = {name: getattr(numbers.metrics[name], revision) for name in expected}
        assert found == pytest.approx(expected, abs=1e-9)
    assert set(numbers.metrics) == {*expected, "pr_auc", "ece"}
    for row in numbers.metrics.values():
        assert row.difference == pytest.approx(row.second - row.first, abs=1e-12)
        assert row.low <= row.difference <= row.high


def test_class_scores_match_scikit_learn_and_statsmodels(tables, numbers):
    both = [
        sklearn.precision_recall_fscore_support(table["label"], table["predicted"], labels=LABELS)
        for table in tables
    ]
    for place, label in enumerate(LABELS):
        row = numbers.per_class[label]
        assert row.support == both[0][3][place]
        for name, column in (("precision", 0), ("recall", 1)):
            assert getattr(row, name) == pytest.approx(
                [found[column][place] for found in both], abs=1e-9
            )
        assert (row.score.first, row.score.second) == pytest.approx(
            [found[2][place] for found in both], abs=1e-9
        )
    p = [row.score.p for row in numbers.per_class.values()]
    adjusted = [row.p_adjusted for row in numbers.per_class.values()]
    assert adjusted == pytest.approx(multipletests(p, method="holm")[1], abs=1e-9)


def test_mcnemar_and_confusion_match_references(tables, numbers):
    right = [table["label"] == table["predicted"] for table in tables]
    expected = mcnemar(pd.crosstab(*right), exact=True)
    assert numbers.mcnemar.p == pytest.approx(expected.pvalue, abs=1e-9)
    for matrix, table, rows in zip(numbers.confusion, tables, numbers.reliability, strict=True):
        assert (
            matrix == sklearn.confusion_matrix(table["label"], table["predicted"], labels=LABELS)
        ).all()
        actual = pd.Categorical(table["label"], LABELS).codes.astype(int)
        pd.testing.assert_frame_equal(rows, reliability(actual, columns(table)))


def test_flips_match_a_join(tables, numbers):
    both = tables[0].merge(tables[1], on=["id", "label"], suffixes=("_base", "_head"))
    right = {
        revision: both[f"predicted_{revision}"] == both["label"] for revision in ("base", "head")
    }
    lost = both[right["base"] & ~right["head"]].sort_values("loss_head", ascending=False)
    gained = both[~right["base"] & right["head"]].sort_values("loss_base", ascending=False)
    assert len(lost) > 5
    assert len(gained) > 5
    expected = pd.concat([lost, gained])
    found = numbers.flips
    assert found["id"].tolist() == expected["id"].tolist()
    assert found["gained"].tolist() == [False] * len(lost) + [True] * len(gained)
    for revision in ("base", "head"):
        assert found[f"{revision}_predicted"].tolist() == expected[f"predicted_{revision}"].tolist()
        sure = expected[[f"p_{label}_{revision}" for label in LABELS]].max(axis=1)
        assert found[f"{revision}_confidence"].to_numpy() == pytest.approx(
            sure.to_numpy(), abs=1e-6
        )


def test_equal_predictions_are_same():
    table = from_probabilities(*noisy(12))
    numbers = compared(table, table.copy())
    assert give_verdict(numbers) == ("same", "Same: both predict the same on all 12 test images.")
    for row in (*numbers.metrics.values(), *(row.score for row in numbers.per_class.values())):
        assert (row.difference, row.low, row.high, row.p) == (0, 0, 0, 1)
    assert numbers.steps == ()
    assert numbers.flips.empty


def test_common_images_and_steps():
    actual, values = noisy(300)
    _, other = noisy(300, clear=1.5, seed=3)
    base = from_probabilities(actual, values).iloc[:200]
    head = from_probabilities(actual, other).iloc[50:]
    numbers = compared(base, head)
    assert (numbers.n, numbers.clusters) == (150, 150)
    f1 = [
        sklearn.f1_score(table["label"], table["predicted"], average="macro")
        for table in (base, base.iloc[50:], head.iloc[:150], head)
    ]
    assert [step.what for step in numbers.steps] == [
        "before, on its own test images",
        "on the 150 test images of both",
        "now, on the same images",
        "now, on its own test images",
    ]
    assert [step.n for step in numbers.steps] == [200, 150, 150, 250]
    assert [step.value for step in numbers.steps] == pytest.approx(f1, abs=1e-9)
    assert (numbers.decisive.first, numbers.decisive.second) == pytest.approx(
        (f1[1], f1[2]), abs=1e-9
    )


def in_splits(table, **columns):
    """Return a table of which 60 images are test, 60 validation and the others training."""
    return table.assign(
        split=np.repeat(["test", "val", "train"], [60, 60, len(table) - 120]), **columns
    )


def test_cross_fitted_predictions_decide_with_test(tables, numbers):
    found = compared(*(in_splits(table, held_out=True) for table in tables))
    assert (found.n, found.cross_validated, found.image) == (300, 240, "held-out image")
    for name, row in numbers.metrics.items():
        wide = found.metrics[name]
        assert (wide.first, wide.second) == (row.first, row.second)
        limits = [row.difference + 1.25 * (limit - row.difference) for limit in (row.low, row.high)]
        assert (wide.low, wide.high) == pytest.approx(limits, abs=1e-9)
    assert found.on_test == compared(*(table.iloc[:60] for table in tables)).decisive
    assert found.steps == ()
    assert "on 300 held-out images" in give_verdict(found)[1]


def test_only_images_that_both_held_out_count(tables):
    held = np.arange(300) % 3 > 0
    base = in_splits(tables[0], held_out=True)
    head = in_splits(tables[1], held_out=held)
    found = compared(base, head)
    assert (found.n, found.cross_validated) == (200, 160)
    assert [step.n for step in found.steps] == [300, 200, 200]
    assert compared(base, in_splits(tables[1], held_out=True).iloc[60:]).on_test is None


@pytest.mark.parametrize("held_out", [None, [True] * 120 + [False] * 180])
def test_test_decides_if_one_side_is_not_cross_fitted(tables, held_out):
    other = in_splits(tables[1])
    other = other if held_out is None else other.assign(held_out=held_out)
    found = compared(in_splits(tables[0], held_out=True), other)
    assert (found.n, found.cross_validated, found.on_test) == (60, 0, None)
    assert found.decisive == compared(*(table.iloc[:60] for table in tables)).decisive


def test_scores_with_the_heads_labels():
    actual, values = noisy(200)
    head = from_probabilities(actual, values)
    wrong = actual.copy()
    wrong[:12] = (wrong[:12] + 1) % 3
    base = from_probabilities(wrong, values)
    numbers = compared(base, head)
    assert give_verdict(numbers)[0] == "same"
    assert (numbers.decisive.low, numbers.decisive.high) == (0, 0)
    value = sklearn.f1_score(base["label"], base["predicted"], average="macro")
    assert [step.what for step in numbers.steps] == [
        *("before, on its own test images", "with 12 changed labels", "now, on the same images")
    ]
    assert numbers.steps[0] == Step(
        "before, on its own test images", 200, pytest.approx(value, abs=1e-9)
    )
    values = [step.value for step in numbers.steps[1:]]
    assert values == [pytest.approx(numbers.decisive.first, abs=1e-12)] * 2


def test_clusters_of_head_then_base():
    table = from_probabilities(*noisy(40))
    pairs = pd.DataFrame({"id": table["id"], "cluster": [f"c{place // 2}" for place in range(40)]})
    fours = pairs.assign(cluster=[f"c{place // 4}" for place in range(40)])
    some = pairs.iloc[:20].astype({"cluster": object})
    some.loc[0, "cluster"] = None
    assert compared(table, table, manifest=pairs, base_manifest=fours).clusters == 20
    assert compared(table, table, base_manifest=fours).clusters == 10
    assert compared(table, table, manifest=pairs[["id"]], base_manifest=fours).clusters == 10
    assert compared(table, table, manifest=some).clusters == 31
    assert compared(table, table).clusters == 40


REFUSED = {
    "one common class": (
        make_predictions([0, 1, 2], [0, 1, 2], labels=("coat", "hat", "bag")),
        "Not comparable: fewer than two classes are in both; only main has shirt and sneaker and "
        "only head has hat and bag.",
    ),
    "no image of a common class": (
        make_predictions([3, 3, 3], [3, 3, 3], labels=(*LABELS, "hat")),
        "Not comparable: no image of the classes that both know is in the test split of both main "
        "and head.",
    ),
    "other images": (
        make_predictions([0, 1, 2], [0, 1, 2], ids=["a", "b", "c"]),
        "Not comparable: no image is in the test split of both main and head.",
    ),
    "an image twice": (
        make_predictions([0, 1, 2], [0, 1, 2], ids=["a", "b", "a"]),
        "Not comparable: image a is twice in the predictions of head.",
    ),
    "an unknown label": (
        make_predictions([0, 1, 2], [0, 1, 2]).assign(label=["coat", "hat", "coat"]),
        "Not comparable: the label hat in the predictions of head is not a class.",
    ),
    "no number": (
        make_predictions([0, 1, 2], [0, 1, 2]).assign(p_coat=np.nan),
        "Not comparable: the probabilities in the predictions of head do not add up to one.",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_incomparable_revisions_raise(case):
    table, sentence = REFUSED[case]
    with pytest.raises(NotComparableError) as raised:
        compared(make_predictions([0, 1, 2], [0, 1, 1]), table)
    assert str(raised.value) == sentence


def test_compares_models_with_other_classes_on_common_ones():
    """Images of common classes count.

    An answer of a class that one model lacks is an error, and no class.
    """
    truth = np.arange(120) % 4
    labels = (*LABELS, "hat")
    older = np.where(truth == 3, 0, truth)
    older[:8] = (truth[:8] + 1) % 3
    newer = truth.copy()
    newer[truth == 0] = np.where(np.arange(30) < 5, 3, 0)
    newer[truth == 3] = np.where(np.arange(30) < 12, 2, 3)
    base = make_predictions(np.minimum(truth, 2), older)
    head = make_predictions(truth, newer, labels=labels)
    known = truth < 3
    numbers = compared(base, head)
    assert (numbers.n, numbers.labels, list(numbers.per_class)) == (90, labels, list(LABELS))
    for place, answers in enumerate((older, newer)):
        found = {name: dataclasses.astuple(row)[place] for name, row in numbers.metrics.items()}
        assert found["accuracy"] == pytest.approx(np.mean(answers[known] == truth[known]))
        expected = sklearn.f1_score(truth[known], answers[known], average="macro", labels=[0, 1, 2])
        assert found["macro_f1"] == pytest.approx(expected, abs=1e-9)
    assert numbers.decisive.low <= numbers.decisive.difference <= numbers.decisive.high
    f1 = pytest.approx(18 * 2 / (30 + 23))
    hat = {
        "name": "hat",
        "support": 30,
        "recall": 0.6,
        "precision": pytest.approx(18 / 23),
        "f1": f1,
    }
    assert numbers.own_classes == ({"side": "head", **hat},)
    assert (numbers.confusion[1].sum(), numbers.confusion[1][0, 3]) == (90, 5)
    assert "hat" in set(numbers.flips["head_predicted"])
    sentence = verdict_of(numbers)[1]
    assert "90 test images of the 3 classes that both know" in sentence
    assert sentence.endswith(" New: hat (recall 0.60, precision 0.78, F1 0.68, 30 test images).")
    back = compared(head, base)
    assert back.own_classes == ({"side": "base", **hat},)
    assert " Removed: hat (recall 0.60, " in verdict_of(back)[1]


def judged(low, high, *, difference=None, metric="macro_f1", n=262):
    """Return verdict and sentence for an interval."""
    table = make_predictions([0, 1, 2], [0, 1, 1])
    numbers = compared(
        table, make_predictions([0, 1, 2], [0, 1, 2]), settings=CompareParams(metric=metric)
    )
    gap = (low + high) / 2 if difference is None else difference
    row = dataclasses.replace(
        numbers.decisive, first=0.874, second=0.874 + gap, difference=gap, low=low, high=high
    )
    return verdict_of(dataclasses.replace(numbers, metrics={**numbers.metrics, metric: row}, n=n))


def test_verdict_sentences():
    assert judged(0.004, 0.041, difference=0.022) == (
        "better",
        "Better: macro-F1 rises from 0.874 to 0.896 (+0.022, 95 % CI +0.004 to +0.041) on 262 "
        "test images.",
    )
    assert judged(-0.041, -0.004, difference=-0.022)[1] == (
        "Worse: macro-F1 falls from 0.874 to 0.852 (-0.022, 95 % CI -0.041 to -0.004) on 262 test "
        "images."
    )
    assert judged(-0.02000000001, 0.02, difference=0, n=5000) == (
        "undecided",
        "Undecided: macro-F1 stays at 0.874 (0.000, 95 % CI -0.020 to +0.020), and 5,000 test "
        "images cannot rule out a drop of more than 0.02; about 21,000 would probably settle it.",
    )
    assert judged(-0.02, 0.01, difference=-0.003) == (
        "same",
        "Same: macro-F1 falls from 0.874 to 0.871 (-0.003, 95 % CI -0.020 to +0.010), within the "
        "margin of 0.02, on 262 test images.",
    )
    assert judged(-0.021, 0.01, difference=-0.006)[1] == (
        "Undecided: macro-F1 falls from 0.874 to 0.868 (-0.006, 95 % CI -0.021 to +0.010), and 262 "
        "test images cannot "
        "rule out a drop of more than 0.02; about 630 would probably settle it."
    )
    assert "cannot rule out a rise of more than 0.02" in judged(-0.01, 0.03)[1]
    assert "cannot rule out a change of more than 0.02" in judged(-0.03, 0.03)[1]
    assert "cannot rule out a rise of more than 0.02" in judged(-0.01, 0.03, metric="log_loss")[1]
    assert "1 test image cannot rule out" in judged(-0.9, 0.9, n=1)[1]


def test_images_needed():
    for confidence in (0.8, 0.95, 0.99):
        needed = images_needed(250, 0.04, 0.02, confidence)
        deviation = 0.04 / norm.ppf((1 + confidence) / 2) * (250 / needed) ** 0.5
        assert 0.8 <= norm.cdf(0.02 / deviation - norm.ppf((1 + confidence) / 2)) < 0.82
        assert images_needed(250, 0.04, 0.02, confidence, margin=0.04) == 1000
    assert images_needed(100, 0.05, 0, 0.95) is None
    assert images_needed(100, 0.05, 0, 0.95, margin=0.000999) is None
    assert images_needed(100, 0.05, 0, 0.95, margin=0.001001) == 1_000_000
    assert images_needed(100, 0.0, 0.01, 0.95) == 0


@st.composite
def revisions(draw):
    """Draw labels and two models of a few images, including absent and unpredicted classes."""
    classes = draw(st.integers(2, 4))
    images = draw(st.integers(1, 25))
    some = st.lists(st.integers(0, classes - 1), min_size=images, max_size=images)
    labels = LABELS[:classes] + ("dress",) * (classes - 3)
    actual, *models = draw(some), draw(some), draw(some)
    sure = st.lists(st.sampled_from([0.4, 0.6, 0.75, 0.9]), min_size=images, max_size=images)
    tables = [
        make_predictions(actual, predicted, labels=labels, certainty=np.array(draw(sure)))
        for predicted in models
    ]
    clusters = draw(st.lists(st.integers(0, 5), min_size=images, max_size=images))
    return *tables, pd.DataFrame(
        {"id": tables[0]["id"], "cluster": [str(number) for number in clusters]}
    )


QUICK = EvaluateParams(draws=100)


def rows(numbers: Numbers):
    yield from numbers.metrics.items()
    yield from (
        (label, row.score) for label, row in numbers.per_class.items() if row.score is not None
    )


@settings(max_examples=8)
@given(revisions(), st.randoms(use_true_random=False))
def test_invariant_to_order_and_antisymmetric(drawn, random):
    base, head, manifest = drawn
    there = compared(base, head, manifest=manifest, evaluate=QUICK)
    back = compared(head, base, manifest=manifest, evaluate=QUICK)
    for (name, row), (other, turned) in itertools.zip_longest(rows(there), rows(back)):
        assert name == other
        assert np.isfinite([*dataclasses.astuple(row), *dataclasses.astuple(turned)]).all()
        assert (row.difference, row.low, row.high) == pytest.approx(
            (-turned.difference, -turned.high, -turned.low), abs=1e-9
        )
        assert 0 < row.p <= 1
        assert row.p == pytest.approx(turned.p, abs=1e-9)
    turned_round = {"better": "worse", "worse": "better", "same": "same", "undecided": "undecided"}
    assert give_verdict(back)[0] == turned_round[give_verdict(there)[0]]
    order = list(range(len(base)))
    random.shuffle(order)
    again = compared(
        base.iloc[order], head.iloc[::-1], manifest=manifest.iloc[order], evaluate=QUICK
    )
    assert (again.metrics, again.per_class, again.mcnemar) == (
        there.metrics,
        there.per_class,
        there.mcnemar,
    )
    pd.testing.assert_frame_equal(again.flips, there.flips)
