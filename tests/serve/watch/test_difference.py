"""P-values of new images among the test images."""

import numpy as np
import pytest
from scipy.stats import kstest

from pixmill.serve.watch.difference import p_values


def drawn(seed, images, *, moved=0.0):
    generator = np.random.default_rng(seed)
    old = generator.standard_normal((100, 12))
    test = generator.standard_normal((80, 12))
    new = generator.standard_normal((images, 12))
    new[:, 3] += moved
    return [old, test, new, [generator.bytes(8).hex() for _ in range(images)]]


def ranked(given):
    return p_values(*given, np.full(len(given[2]), np.nan))


@pytest.fixture(scope="module")
def unchanged():
    """P-values of 40 streams, without those of images that train."""
    found = []
    for seed in range(40):
        p = ranked(drawn(seed, 80))
        found.append(p[~np.isnan(p)])
    return found


def test_p_values_are_uniform(unchanged):
    assert kstest(np.concatenate(unchanged), "uniform").pvalue > 0.05
    for place in (0, 15, 30):
        assert kstest([p[place] for p in unchanged if len(p) > place], "uniform").pvalue > 0.01


def test_p_values_are_independent(unchanged):
    for lag in (1, 2, 10):
        before = np.concatenate([p[:-lag] for p in unchanged])
        after = np.concatenate([p[lag:] for p in unchanged])
        assert abs(np.corrcoef(before, after)[0, 1]) < 3 / np.sqrt(len(after))


def test_looks_in_parts_find_the_same_as_one():
    given = drawn(1, 300, moved=1.0)
    known = np.full(300, np.nan)
    for end in (1, 7, 50, 51, 220, 300):
        old, test, new, ids = given
        known[:end] = p_values(old, test, new[:end], ids[:end], known[:end])
    assert np.array_equal(known, ranked(given), equal_nan=True)


def test_earlier_p_values_stay():
    given = drawn(2, 60)
    expected = ranked(given)
    place = int(np.flatnonzero(~np.isnan(expected))[5])
    known = np.full(60, np.nan)
    known[place] = 0.123
    found = p_values(*given, known)
    expected[place] = 0.123
    assert np.array_equal(found, expected, equal_nan=True)


def test_images_that_train_have_none():
    given = drawn(3, 60)
    trains = [name[-1] in "13579bdf" for name in given[3]]
    assert np.isnan(ranked(given)).tolist() == trains


def test_p_values_of_changed_images_become_small():
    given = drawn(4, 300, moved=2.0)
    assert np.nanmean(ranked(given)[100:]) < 0.35


def test_units_of_the_features_do_not_matter():
    given = drawn(5, 120, moved=1.0)
    scaled = [each * 64 + 3 for each in given[:3]]
    assert ranked([*scaled, *given[3:]]) == pytest.approx(ranked(given), abs=0.02, nan_ok=True)
