"""The learning curve: nested shares of whole clusters, growth and table."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.images.parts import Part
from pixmill.metrics.growth import Growth
from pixmill.train.learning_curve import (
    SHARES,
    LearningCurve,
    LearningPoint,
    learning_curve,
    learning_curve_csv,
    nested_rows,
)


def split_of(labels, clusters):
    rows = pd.DataFrame({"cluster": [str(cluster) for cluster in clusters]})
    return Part(
        "train", rows, np.array(labels, np.int32), np.zeros((len(labels), 2, 2, 3), np.uint8)
    )


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), min_size=1, max_size=60),
    st.integers(0, 9),
)
def test_shares_are_nested_and_consist_of_whole_clusters(images, seed):
    labels, clusters = zip(*images, strict=True)
    shares = [set(rows.tolist()) for rows in nested_rows(split_of(labels, clusters), 3, seed=seed)]
    assert len(shares) == len(SHARES)
    for smaller, larger in itertools.pairwise(shares):
        assert smaller <= larger
    for rows in shares:
        taken = {clusters[row] for row in rows}
        assert rows == {row for row, cluster in enumerate(clusters) if cluster in taken}
        assert {labels[row] for row in rows} == set(labels)


def curve_of(accuracy_of):
    """Return the curve of models whose accuracy is a function of their number of images."""
    images = split_of(np.zeros(1000), range(1000))
    sizes = []

    def hits(count, others):
        return (np.arange(others) >= accuracy_of(count) * others).astype(np.int64)

    def predict(rows, others):
        sizes.append(len(rows))
        assert not np.isin(others, rows).any()
        return hits(len(rows), len(others))

    predicted = np.zeros(1000, np.int64)
    predicted[np.setdiff1d(np.arange(1000), [*nested_rows(images, 2, seed=7)][-1])] = hits(800, 600)
    curve = learning_curve(images, predicted, 2, shared=1000, fitted=800, seed=7, predict=predict)
    assert sizes == [100, 200, 400]
    return curve


def test_gain_with_each_doubling():
    curve = curve_of(lambda count: 0.2 + 0.25 * np.log2(count / 100))
    assert [round(point.accuracy, 2) for point in curve.points] == [0.2, 0.45, 0.7, 0.95]
    assert [point.images for point in curve.points] == [100, 200, 400, 800]
    assert curve.growth.gain == pytest.approx(0.25, abs=0.01)
    assert curve.growth.sentence().startswith("Twice as many images would add about 2")


def test_no_gain():
    curve = curve_of(lambda _: 0.75)
    # None of 600 images differs, so at most 1 - 0.025 ** (1 / 600) of all images do.
    assert curve.growth == Growth(0, -0.006129, 0.006129)
    assert "would not help" in curve.growth.sentence()


def test_validation_split_measures_shares_of_the_training_split():
    images = split_of(np.arange(120) % 2, range(120))
    predicted = np.r_[np.full(100, -1), np.arange(20) % 2]
    curve = learning_curve(
        images,
        predicted,
        2,
        shared=100,
        fitted=100,
        seed=7,
        predict=lambda _, others: np.zeros(len(others)),
    )
    assert [(point.images, point.share, point.accuracy) for point in curve.points] == [
        (10, 0.1, 0.5), (20, 0.2, 0.5), (40, 0.4, 0.5), (100, 1.0, 1.0),
    ]  # fmt: skip


def test_table_has_one_line_per_point():
    points = (LearningPoint(0.1, 10, 0.5, 0.4, 0.6), LearningPoint(1.0, 100, 2 / 3, 0.6, 0.7))
    assert learning_curve_csv(LearningCurve(points, Growth(0, 0, 0))).splitlines() == [
        "images,share,accuracy,low,high",
        "10,0.1,0.5,0.4,0.6",
        "100,1.0,0.666667,0.6,0.7",
    ]
    assert learning_curve_csv(None) == "images,share,accuracy,low,high\n"
