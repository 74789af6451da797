"""The salt that spreads all labels best."""

import numpy as np
import pytest

from pixmill.core.params import SplitParams
from pixmill.split.grouping import TEST, VAL, places, sides_of
from pixmill.split.salts import choose_salt, deviations
from tests.split.conftest import ids

PARAMS = SplitParams()
NAMES = ids(300)
CELLS = (np.random.default_rng(1).random((300, 6)) < 0.15).astype(np.int8)
ANSWERS = np.hstack([CELLS == 1, CELLS == 0])


def test_is_the_best_of_all_that_lack_no_label():
    salt = choose_salt(CELLS, NAMES, PARAMS)
    inside, found = deviations(ANSWERS, NAMES, PARAMS, ["pixmill", *map(str, range(256))])
    worst = found.max(axis=(0, 1))
    assert inside[..., int(salt) + 1].all()
    assert worst[int(salt) + 1] == worst.min() < 0.6 * np.median(worst)


def test_counts_what_the_stage_draws():
    sides = sides_of(places(NAMES, "7"), val=PARAMS.val, test=PARAMS.test)
    inside, found = deviations(ANSWERS, NAMES, PARAMS, ["7"])
    for place, part in enumerate((TEST, VAL)):
        assert inside[place, :, 0].tolist() == ANSWERS[sides == part].sum(axis=0).tolist()
    yes = CELLS[:, 0].sum()
    expected = abs(inside[0, 0, 0] - 0.2 * yes) / np.sqrt(0.2 * 0.8 * yes)
    assert found[0, 0, 0] == pytest.approx(expected)


def test_groups_stay_together():
    groups = [f"g{number // 10}" for number in range(300)]
    inside, _ = deviations(np.ones((300, 1), bool), groups, PARAMS, ["7", "8"])
    assert (inside % 10 == 0).all()
