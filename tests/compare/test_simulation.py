"""Simulated pairs of models: verdicts are wrong, and right, as often as theory says."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binom, multinomial, norm

from pixmill.compare.comparison import Numbers
from pixmill.compare.numbers import compare_numbers
from pixmill.core.params import EvaluateParams, ReviewParams
from tests.compare.made_revisions import from_probabilities, make_revision

IMAGES, PAIRS = 1000, 150
REVIEW = ReviewParams(metric="accuracy")


def simulated(generator: np.random.Generator, *, gained: float, lost: float, largest: int, draws: int) -> Numbers:
    """Compare two models that fail on 10 % together, and alone on these shares of the images.

    Images come in clusters of up to ``largest``, all answered alike.
    """
    sizes = generator.integers(1, largest + 1, IMAGES)
    cluster = np.repeat(np.arange(IMAGES), sizes)[:IMAGES]
    actual = generator.integers(0, 2, IMAGES)
    outcome = generator.choice(4, size=IMAGES, p=[0.9 - gained - lost, gained, lost, 0.1])
    revisions = []
    for fails in ((1, 3), (2, 3)):
        predicted = np.where(np.isin(outcome, fails), 1 - actual, actual)
        sure = generator.uniform(0.5, 0.95, IMAGES)
        given = np.where(predicted == 1, sure, 1 - sure)
        table = from_probabilities(actual[cluster], np.stack([1 - given, given], axis=1)[cluster], labels=("no", "yes"))
        manifest = pd.DataFrame({"id": table["id"], "cluster": cluster.astype(str)})
        revisions.append(make_revision(table, manifest))
    return compare_numbers(*revisions, REVIEW, EvaluateParams(draws=draws))


def significant(*, gained: float, lost: float, pairs: int, largest: int = 1, draws: int = 400) -> pd.DataFrame:
    """Return one row per pair, and by metric whether its limits leave out zero: -1, 0 or 1."""
    generator, rows = np.random.default_rng(20260101), []
    for _ in range(pairs):
        found = simulated(generator, gained=gained, lost=lost, largest=largest, draws=draws)
        rows.append({name: int(row.low > 0) - int(row.high < 0) for name, row in found.metrics.items()})
    return pd.DataFrame(rows)


def power(gained: float, lost: float) -> float:
    """Return how often the paired test of two accuracies says better: a sum over all counts of differing images."""
    more, fewer = np.meshgrid(np.arange(IMAGES // 3), np.arange(IMAGES // 3))
    chance = multinomial.pmf(
        np.stack([more, fewer, IMAGES - more - fewer], axis=-1), IMAGES, [gained, lost, 1 - gained - lost]
    )
    deviation = np.sqrt(np.maximum(more + fewer - (more - fewer) ** 2 / IMAGES, 1e-9))
    return float(chance[(more - fewer) / deviation > norm.ppf(0.975)].sum())


def within_chance(count: int, pairs: int, share: float) -> bool:
    low, high = binom.interval(0.99, pairs, share)
    return bool(low <= count <= high)


@pytest.mark.slow
@pytest.mark.parametrize(("largest", "pairs"), [(1, PAIRS), (4, PAIRS // 2)])
def test_equal_models_are_told_apart_as_rarely_as_the_level_says(largest, pairs):
    found = significant(gained=0.065, lost=0.065, pairs=pairs, largest=largest)
    alarms = (found != 0).sum()
    assert within_chance(alarms["accuracy"], pairs, 0.05), alarms
    assert within_chance(alarms["macro_f1"], pairs, 0.05), alarms


@pytest.mark.slow
def test_three_points_are_found_as_often_as_theory_says():
    gained, lost = 0.08, 0.05
    better = int((significant(gained=gained, lost=lost, pairs=PAIRS)["accuracy"] > 0).sum())
    assert within_chance(better, PAIRS, power(gained, lost)), (better, power(gained, lost))
