from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from pixmill.metrics import mcnemar


def models(gained, lost, same=5):
    """Return what two models are right of."""
    first = np.array([*[False] * gained, *[True] * lost, *[True] * same, *[False] * same])
    return first, np.array([*[True] * gained, *[False] * lost, *[True] * same, *[False] * same])


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 5))
def test_the_exact_test_is_scipys_binomial_test(gained, lost, same):
    found = mcnemar(*models(gained, lost, same))
    assert (found.gained, found.lost) == (gained, lost)
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1
    assert found.p == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 40), st.integers(0, 40))
def test_mid_p_counts_what_was_seen_by_half(gained, lost):
    n, fewer = gained + lost, min(gained, lost)
    beyond, seen = sum(comb(n, count) for count in range(fewer)), comb(n, fewer)
    expected = 1 if gained == lost else (2 * beyond + seen) / 2**n
    assert mcnemar(*models(gained, lost)).mid_p == pytest.approx(expected, abs=1e-9)


def test_many_pictures_are_no_trouble():
    found = mcnemar(*models(30_000, 31_000))
    assert found.p == pytest.approx(binomtest(30_000, 61_000).pvalue, rel=1e-9)


def test_pictures_of_which_both_are_right_or_wrong_say_nothing():
    assert mcnemar(*models(3, 9, same=0)) == mcnemar(*models(3, 9, same=1000))


def test_other_pictures_are_refused():
    with pytest.raises(ValueError, match="the same pictures"):
        mcnemar(np.array([True]), np.array([True, False]))
