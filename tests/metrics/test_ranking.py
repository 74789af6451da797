import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from pixmill.metrics.ranking import Ranking, pr_auc, roc_auc
from tests.metrics.parts import parts


@settings(max_examples=50, deadline=None)
@given(parts())
def test_the_area_under_precision_and_recall_is_scikit_learns(part):
    actual, probabilities = part
    areas = [
        average_precision_score(actual == place, probabilities[:, place])
        for place in range(probabilities.shape[1])
        if 0 < np.sum(actual == place) < len(actual)
    ]
    assert pr_auc(actual, probabilities) == (pytest.approx(np.mean(areas), abs=1e-9) if areas else None)


@settings(max_examples=50, deadline=None)
@given(parts())
def test_where_every_class_is_there_both_areas_are_scikit_learns_means(part):
    actual, probabilities = part
    classes = probabilities.shape[1]
    if classes < 3 or len(set(actual)) < classes:
        return
    members = np.eye(classes)[actual]
    assert pr_auc(actual, probabilities) == pytest.approx(average_precision_score(members, probabilities), abs=1e-9)
    expected = roc_auc_score(actual, probabilities, multi_class="ovr")
    assert roc_auc(actual, probabilities) == pytest.approx(expected, abs=1e-9)


@st.composite
def weighted(draw):
    """Draw members, what they were given (with ties) and how often each counts."""
    picture = st.tuples(st.booleans(), st.integers(0, 6), st.integers(0, 3))
    pictures = draw(
        st.lists(picture, min_size=2, max_size=30).filter(lambda found: len({row[0] for row in found}) == 2)
    )
    members, given_, weights = (np.array(column) for column in zip(*pictures, strict=True))
    return members, given_ / 6, weights


@settings(max_examples=50, deadline=None)
@given(weighted())
def test_weighted_areas_are_scikit_learns_with_weights(pictures):
    members, given_, weights = pictures
    ranking = Ranking(members, given_, np.arange(len(members)), len(members))
    roc, average = (float(area[0]) for area in ranking.areas(weights[:, None].astype(float)))
    if not weights[members].any() or not weights[~members].any():
        assert np.isnan(roc)
        assert np.isnan(average)
        return
    assert roc == pytest.approx(roc_auc_score(members, given_, sample_weight=weights), abs=1e-9)
    assert average == pytest.approx(average_precision_score(members, given_, sample_weight=weights), abs=1e-9)


def test_a_rare_class_that_is_often_said_in_vain_has_a_small_area_under_precision_and_recall():
    actual = np.array([*[1] * 10, *[0] * 990])
    sure = np.array([*[0.8] * 10, *[0.9] * 40, *[0.1] * 950])
    probabilities = np.stack([1 - sure, sure], axis=1)
    assert roc_auc(actual, probabilities) > 0.95
    assert average_precision_score(actual, sure) < 0.25
    assert pr_auc(actual, probabilities) < 0.65
