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
    return Part("train", rows, np.array(labels, np.int32), np.zeros((len(labels), 2, 2, 3), np.uint8))


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), min_size=1, max_size=60), st.integers(0, 9))
def test_shares_are_nested_and_consist_of_whole_clusters(images, seed):
    labels, clusters = zip(*images, strict=True)
    shares = [set(rows.tolist()) for rows in nested_rows(split_of(labels, clusters), 3, seed=seed)]
    assert len(shares) == len(SHARES)
    assert shares[-1] == set(range(len(images)))
    for smaller, larger in itertools.pairwise(shares):
        assert smaller <= larger
    for rows in shares:
        taken = {clusters[row] for row in rows}
        assert rows == {row for row, cluster in enumerate(clusters) if cluster in taken}
        assert {labels[row] for row in rows} == set(labels)


def curve_of(hits_of):
    """Return the curve of a model that is correct on the first ``hits_of(images)`` validation images."""
    training, validation = split_of(np.arange(1000) % 2, range(1000)), split_of(np.zeros(400), range(400))
    sizes = []

    def predict(rows):
        sizes.append(len(rows))
        return (np.arange(400) >= hits_of(len(rows))).astype(np.int64)

    curve = learning_curve(training, validation, 2, seed=7, predict=predict)
    assert sizes == [100, 200, 400, 700, 1000]
    return curve


def test_gain_with_each_doubling():
    curve = curve_of(lambda count: int(80 + 100 * np.log2(count / 100)))
    assert [round(point.accuracy, 2) for point in curve.points] == [0.2, 0.45, 0.7, 0.9, 1.0]
    assert curve.growth.gain == pytest.approx(0.23, abs=0.02)
    assert curve.growth.sentence().startswith("Twice as many images would add about 2")


def test_no_gain():
    curve = curve_of(lambda _: 300)
    # None of 400 images differs, so at most 1 - 0.025 ** (1 / 400) of all images do.
    assert curve.growth == Growth(0, -0.00918, 0.00918)
    assert "would not help" in curve.growth.sentence()


def test_equal_shares_are_one_point():
    validation = split_of(np.zeros(9), range(9))

    def fitted_to(clusters):
        sizes = []
        training = split_of(np.arange(8) % 2, clusters)
        curve = learning_curve(training, validation, 2, seed=7, predict=lambda rows: (sizes.append(len(rows)), 0)[1])
        return sizes, curve and [point.images for point in curve.points]

    assert fitted_to([0, 1] * 4) == ([8], None)
    sizes, images = fitted_to([0, 1, 2, 3] * 2)
    assert sizes == images == [4, 8]


def test_table_has_one_line_per_point():
    points = (LearningPoint(0.1, 10, 0.5, 0.4, 0.6), LearningPoint(1.0, 100, 2 / 3, 0.6, 0.7))
    assert learning_curve_csv(LearningCurve(points, Growth(0, 0, 0))).splitlines() == [
        "images,share,accuracy,low,high",
        "10,0.1,0.5,0.4,0.6",
        "100,1.0,0.666667,0.6,0.7",
    ]
    assert learning_curve_csv(None) == "images,share,accuracy,low,high\n"
