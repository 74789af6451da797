"""Slices of the common test images."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.multitest import multipletests

from pixmill.core.params import CompareParams, EvaluateParams
from pixmill.experiments.compare.comparison import Numbers
from pixmill.experiments.compare.numbers import compare_numbers
from pixmill.experiments.compare.slices import MIN_CLUSTERS
from pixmill.experiments.compare.verdict import give_verdict
from tests.experiments.compare.made_revisions import make_predictions, make_revision

IMAGES = 400
ACTUAL = np.arange(IMAGES) % 2
OF_SHOP = np.arange(IMAGES) % 8 < 2  # 100 images, half of each class


def answers(right: np.ndarray) -> np.ndarray:
    return np.where(right, ACTUAL, 1 - ACTUAL)


def falling() -> list[pd.DataFrame]:
    """Return two models: the second has 20 more errors in the shop, and 20 fewer elsewhere."""
    lost = OF_SHOP & (np.cumsum(OF_SHOP) <= 20)
    gained = ~OF_SHOP & (np.cumsum(~OF_SHOP) % 15 == 0)
    assert lost.sum() == gained.sum() == 20
    return [
        make_predictions(ACTUAL, answers(right), labels=("coat", "shirt"))
        for right in (~gained, ~lost)
    ]


def manifest(**columns: Any) -> pd.DataFrame:
    ids = make_predictions(ACTUAL, ACTUAL)["id"]
    return pd.DataFrame({"id": ids, "source": np.where(OF_SHOP, "shop-a", "bing"), **columns})


def numbers_of(
    table: pd.DataFrame | None, tables: list[pd.DataFrame] | None = None, **settings: Any
) -> Numbers:
    base, head = tables or falling()
    params = CompareParams(**{"metric": "accuracy", **settings})
    return compare_numbers(
        make_revision(base, name="main"),
        make_revision(head, table),
        params,
        EvaluateParams(draws=400),
    )


def by_name(numbers: Numbers) -> dict[str, Any]:
    return {f"{row.dimension} {row.name}": row for row in numbers.slices}


def test_falling_slice_is_named_in_all_verdicts():
    one, other = falling()
    worse = make_predictions(ACTUAL, answers(~OF_SHOP), labels=("coat", "shirt"))
    poor = make_predictions(
        ACTUAL, answers(OF_SHOP | (np.arange(IMAGES) % 2 == 0)), labels=("coat", "shirt")
    )
    cases = {
        "Undecided, but worse on source shop-a (": (one, other, 0.02),
        "Same, but worse on source shop-a (": (one, other, 0.2),
        "Better, but worse on source shop-a (": (poor, other, 0.02),
        "Worse, notably on source shop-a (": (one, worse, 0.02),
    }
    for start, (base, head, margin) in cases.items():
        verdict, sentence = give_verdict(numbers_of(manifest(), [base, head], margin=margin))
        assert sentence.startswith(start)
        assert verdict == start.partition(",")[0].lower()


def test_sentence_names_the_worst_slices():
    sources = [f"shop-{place // 2 % 6}" for place in range(IMAGES)]
    fallen = np.isin(sources, [f"shop-{place}" for place in range(5)]) & (np.arange(IMAGES) < 250)
    gained = np.isin(sources, ["shop-5"])
    tables = [
        make_predictions(ACTUAL, answers(right), labels=("coat", "shirt"))
        for right in (~gained, ~fallen)
    ]
    sentence = give_verdict(numbers_of(manifest(source=sources), tables))[1]
    assert sentence.partition(":")[0].count("source") == 3
    assert " and 4 more: accuracy " in sentence
    long = "x" * 500
    sentence = give_verdict(numbers_of(manifest(source=np.where(OF_SHOP, long, "bing"))))[1]
    assert "xxx…xxx" in sentence
    assert len(sentence) < 300


def test_quarters_of_measurements():
    brightness = np.arange(IMAGES, dtype=np.float32)
    border = np.where(np.arange(IMAGES) < 250, 0, np.arange(IMAGES) / 1000)
    table = manifest(
        brightness=brightness,
        border=border,
        contrast=1.5,
        entropy=np.nan,
        short_side=np.arange(IMAGES) * 1e5,
    )
    found = by_name(numbers_of(table))
    assert [name for name in found if name.startswith("brightness")] == [
        *("brightness up to 99", "brightness over 99, up to 199"),
        *("brightness over 199, up to 299", "brightness over 299"),
    ]
    assert {found[name].n for name in found if name.startswith("brightness")} == {100}
    assert [(name, found[name].n) for name in found if name.startswith("border")] == [
        *(("border up to 0", 250), ("border over 0, up to 0.299", 50), ("border over 0.299", 100)),
    ]
    assert not [name for name in found if name.startswith(("contrast", "entropy", "sharpness"))]
    assert "short side over 2.99e+07" in found
    first, second = (table["predicted"] == table["label"] for table in falling())
    row = found["brightness over 99, up to 199"].accuracy
    assert (row.first, row.second) == pytest.approx((first[100:200].mean(), second[100:200].mean()))


def test_given_split_colour_mode_and_clusters():
    table = manifest(
        given_split=np.where(OF_SHOP, "test", None),
        mode=np.where(np.arange(IMAGES) % 8 == 7, "L", "RGB"),
        cluster=[f"c{place // 2}" for place in range(IMAGES)],
    )
    found = by_name(numbers_of(table))
    assert (found["given split test"].n, found["given split none"].n) == (100, 300)
    assert (found["colour mode L"].n, found["colour mode L"].clusters) == (50, 50)
    # Images 8 k and 8 k + 1 are a cluster.
    assert (found["source shop-a"].n, found["source shop-a"].clusters) == (100, 50)
    assert found["given split test"].accuracy.p == pytest.approx(2 / 2**10)


def test_small_slices_are_not_tested():
    sources = np.array(["a"] * 9 + ["b"] * 10 + ["c"] * (IMAGES - 19))
    numbers = numbers_of(manifest(source=sources, brightness=np.arange(IMAGES)))
    tested = [row for row in numbers.slices if row.p_adjusted is not None]
    assert [row.name for row in numbers.slices if row.p_adjusted is None] == ["a"]
    assert by_name(numbers)["source b"].clusters == MIN_CLUSTERS
    assert len(tested) == 2 + 2 + 4
    expected = multipletests([row.accuracy.p for row in tested], method="holm")[1]
    assert [row.p_adjusted for row in tested] == pytest.approx(expected)
