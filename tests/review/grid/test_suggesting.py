import subprocess
import sys

import numpy as np
import pytest

from pixmill.review.grid.suggesting import (
    DROPPED,
    accuracy,
    clusters,
    propose,
    reduce,
    sample_of,
)

CLASSES = ["frog", "newt", "toad"]


def blobs(*counts: int, spread: float = 0.15, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    """Vectors around a direction of each class, and their true classes."""
    generator = np.random.default_rng(seed)
    places = np.repeat(np.arange(len(counts)), counts)
    found = np.eye(16)[places] + spread * generator.normal(size=(len(places), 16))
    truth = [[*CLASSES, "owl"][place] for place in places]
    order = generator.permutation(len(truth))
    vectors = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
    return vectors[order], [truth[row] for row in order]


@pytest.fixture
def pile() -> tuple[np.ndarray, list[str], np.ndarray]:
    """Vectors, true classes, and the sample."""
    vectors, truth = blobs(60, 60, 60)
    return vectors, truth, sample_of([str(row) for row in range(180)], 20)


def shown(proposal, kind: str) -> list[int]:
    return [
        row
        for section in proposal.sections
        if section.kind == kind
        for row in section.rows.tolist()
    ]


def first_labels(truth, sample, count: int) -> list[str | None]:
    """Labels of some images outside of the sample."""
    chosen = [row for row in range(len(truth)) if row not in sample][:count]
    return [label if row in chosen else None for row, label in enumerate(truth)]


def test_sample_grows_and_keeps_its_order() -> None:
    ids = [f"{row:x}" for row in range(500)]
    assert sample_of(ids, 100)[:30].tolist() == sample_of(ids, 30).tolist()
    ranks = sample_of([*ids, *(f"new {row}" for row in range(500))], 1000)
    assert ranks[ranks < 500].tolist() == sample_of(ids, 500).tolist()
    assert len(set(sample_of(ids[:3], 100).tolist())) == 3


def test_vectors_keep_what_distinguishes_images_and_missing_features() -> None:
    generator = np.random.default_rng(1)
    features = np.repeat(generator.normal(size=(2, 300)), 50, axis=0) + 0.1 * generator.normal(
        size=(100, 300)
    )
    features[7] = np.nan
    vectors = reduce(features.astype(np.float16))
    assert vectors.dtype == np.float32
    assert np.isnan(vectors[7]).all()
    assert np.allclose(np.linalg.norm(np.delete(vectors, 7, axis=0), axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[99]
    assert np.array_equal(vectors, reduce(features.astype(np.float16)), equal_nan=True)


def test_clusters_begin_with_the_largest_and_their_most_typical_image() -> None:
    vectors, truth = blobs(60, 40, 20, spread=0.05)
    found = clusters(vectors, 3)
    assert [len(rows) for rows in found] == [60, 40, 20]
    assert sorted(np.concatenate(found)) == list(range(120))
    for name, rows in zip(CLASSES, found, strict=True):
        assert {truth[row] for row in rows} == {name}
        distances = np.linalg.norm(vectors[rows] - vectors[rows].mean(axis=0), axis=1)
        assert np.all(np.diff(distances) > -1e-5)


def test_sample_comes_first_and_has_no_suggestion(pile) -> None:
    vectors, truth, sample = pile
    labels = first_labels(truth, sample, 40)
    labels[int(sample[0])] = truth[sample[0]]
    proposal = propose(vectors, labels, sample, CLASSES)
    assert proposal.sections[0].kind == "sample"
    assert proposal.sections[0].rows.tolist() == sample[1:].tolist()
    assert set(proposal.guess[sample]) == {-1}
    assert set(proposal.belief[sample]) == {0}
    assert {proposal.words[place] for place in proposal.word[sample[1:]]} == {"random sample"}


@pytest.mark.parametrize("count", [0, 5, 40])
def test_each_image_to_label_is_shown_once(pile, count) -> None:
    vectors, truth, sample = pile
    labels = first_labels(truth, sample, count)
    labels[-1] = DROPPED
    vectors = vectors.copy()
    without = next(row for row in range(100, 170) if row not in sample)
    vectors[without] = np.nan
    proposal = propose(vectors, labels, sample, CLASSES)
    rows = np.concatenate([section.rows for section in proposal.sections])
    assert sorted(rows) == [
        row for row, label in enumerate(labels) if label is None and row != without
    ]
    assert np.array_equal(np.flatnonzero(proposal.word >= 0), np.sort(rows))


def test_clusters_are_shown_until_each_class_has_a_label(pile) -> None:
    vectors, truth, sample = pile
    labels: list[str | None] = [None] * len(truth)
    names = set()
    while cluster := next(
        (s for s in propose(vectors, labels, sample, CLASSES).sections if s.kind == "cluster"), None
    ):
        names.add(truth[cluster.rows[0]])
        for row in cluster.rows[:6]:
            labels[row] = truth[row]
    assert names == set(CLASSES)
    assert labels.count(None) > 60


def test_probable_images_are_sorted_by_belief(pile) -> None:
    vectors, truth, sample = pile
    proposal = propose(vectors, first_labels(truth, sample, 60), sample, CLASSES)
    for section in proposal.sections:
        if section.kind == "probably":
            assert {truth[row] for row in section.rows} == {section.label}
            assert {CLASSES[place] for place in proposal.guess[section.rows]} == {section.label}
            assert np.all(np.diff(proposal.belief[section.rows]) <= 0)
            assert proposal.words[proposal.word[section.rows[0]]] == f"probably {section.label}"


def test_refused_class_is_not_suggested_again(pile) -> None:
    vectors, truth, sample = pile
    labels = first_labels(truth, sample, 60)
    section = next(
        s for s in propose(vectors, labels, sample, CLASSES).sections if s.label == "newt"
    )
    refused = {(row, "newt") for row in section.rows[:3].tolist()}
    proposal = propose(vectors, labels, sample, CLASSES, refused=refused)
    assert CLASSES.index("newt") not in proposal.guess[section.rows[:3]]
    assert CLASSES.index("newt") in proposal.guess[section.rows[3:]]


def test_labels_of_the_sample_are_not_fitted_to(pile) -> None:
    vectors, truth, sample = pile
    labels = first_labels(truth, sample, 60)
    before = propose(vectors, labels, sample, CLASSES)
    for row in sample:
        labels[row] = "frog" if truth[row] == "toad" else "toad"
    after = propose(vectors, labels, sample, CLASSES)
    assert np.array_equal(before.belief, after.belief)
    assert accuracy(vectors, labels, sample).value == 0


def test_unsure_images_are_named_and_unlike_one_another() -> None:
    generator = np.random.default_rng(0)
    vectors, truth = blobs(40, 40, 40, spread=0.1)
    between = []
    for first, second in ((0, 1), (1, 2)):
        middle = np.eye(16)[first] + np.eye(16)[second] + 0.01 * generator.normal(size=(30, 16))
        between.append(middle / np.linalg.norm(middle, axis=1, keepdims=True))
    every = np.concatenate([vectors, *between]).astype(np.float32)
    proposal = propose(every, [*truth, *[None] * 60], np.zeros(0, np.int64), CLASSES)
    unsure = shown(proposal, "unsure")
    assert {row // 30 for row in unsure[:2]} == {4, 5}
    strange = {"new region"}
    assert {proposal.words[place] for place in proposal.word[unsure]} - strange <= {
        f"{one} / {two}" for one in CLASSES for two in CLASSES
    }


def test_images_of_another_class_are_like_none() -> None:
    vectors, truth = blobs(60, 60, 60, 60)
    sample = np.zeros(0, np.int64)
    labels = [label if label != "owl" and row % 2 else None for row, label in enumerate(truth)]
    proposal = propose(vectors, labels, sample, CLASSES)
    strange = [truth[row] for row in shown(proposal, "like none")]
    found = strange + [truth[row] for row in shown(proposal, "unsure")]
    assert set(strange[:10]) == {"owl"}
    assert strange.count("owl") > 0.7 * len(strange)
    assert found.count("owl") > 50


def test_accuracy_is_of_the_sample() -> None:
    vectors, truth = blobs(60, 60, spread=0.05)
    sample = np.arange(10)
    labels: list[str | None] = [*truth]
    assert accuracy(vectors, [None] * 120, sample) is None
    assert accuracy(vectors, [None] * 10 + labels[10:], sample) is None
    assert accuracy(vectors, labels[:10] + [None] * 110, sample) is None
    for row in (3, 5):
        labels[row] = "frog" if truth[row] == "newt" else "newt"
    found = accuracy(vectors, labels, sample)
    # Wilson's interval of 8 of 10.
    assert (found.n, found.value) == (10, 0.8)
    assert (found.low, found.high) == pytest.approx((0.490, 0.943), abs=0.001)
    # ± 5 points take 245 labels.
    assert found.more == 235
    labels[3] = DROPPED
    assert accuracy(vectors, labels, sample).n == 9


def test_contradicted_images_of_the_sample_are_labelled_again(pile) -> None:
    vectors, truth, sample = pile
    labels: list[str | None] = [*truth]
    slip = int(sample[4])
    labels[slip] = "frog" if truth[slip] == "toad" else "toad"
    looks = [1] * len(truth)
    rows = shown(propose(vectors, labels, sample, CLASSES, looks=looks), "again")
    assert slip in rows
    assert len(rows) == 2
    assert set(rows) <= set(sample.tolist())
    for row in rows:
        looks[row] += 1
    # Another label that is contradicted is asked about once more.
    assert slip in shown(propose(vectors, labels, sample, CLASSES, looks=looks), "again")
    labels[slip] = truth[slip]
    assert shown(propose(vectors, labels, sample, CLASSES, looks=looks), "again") == []


def test_the_sample_is_shown_before_anything_is_fitted() -> None:
    """scikit-learn takes seconds to import, which the first images need not wait for."""
    code = (
        "import sys; import numpy as np; from pixmill.review.grid.suggesting import propose; "
        "found = propose(np.full((4, 1), np.nan), [None] * 4, np.array([1, 2]), ['a', 'b']); "
        "print([section.kind for section in found.sections], 'sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['sample'] False"
