"""The numbers add up to what is kept and what was dropped here."""

from __future__ import annotations

import pytest

from pixmill.params import SplitParams
from pixmill.split.counts import metrics, plot_table, summary
from pixmill.split.splitting import Split, assign
from tests.split.conftest import CLASSES, ids, pairs_table, table

IDS = sorted(ids(80))
PARAMS = SplitParams(val=0.3, test=0.3, folds=2)


@pytest.fixture(scope="module")
def found():
    manifest = table(IDS)
    manifest.loc[79, ["verdict", "reason"]] = ["drop", "duplicate_pixels:" + IDS[0]]
    pairs = pairs_table(list(zip(IDS[:20], IDS[20:40], strict=True)))
    assigned = assign(manifest, pairs, PARAMS, classes=CLASSES)
    return Split(assigned.manifest, None, assigned.dropped, pairs, CLASSES, (), 2)


def test_what_was_dropped_here_is_told_apart_from_what_validate_dropped(found):
    dropped = found.dropped
    assert IDS[79] not in set(dropped["id"])
    kept = set(found.manifest.loc[found.manifest["split"].notna(), "id"])
    assert set(dropped["id"]) == set(IDS) - kept - {IDS[79]}
    assert set(dropped["other"]) <= kept
    assert set(dropped["word"]) == {"straddles", "straddles_folds"}
    assert set(dropped["part"]) <= {"train", "val"}


def test_nothing_dropped_is_an_empty_table():
    assigned = assign(table(IDS), pairs_table([]), PARAMS, classes=CLASSES)
    nothing = assigned.dropped
    assert list(nothing.columns) == ["id", "label", "part", "word", "other"]
    assert nothing.empty


def test_metrics_add_up(found):
    numbers = metrics(found)
    kept = found.manifest["split"].notna().sum()
    assert sum(sum(numbers[part].values()) for part in ("train", "val", "test")) == kept
    assert numbers["dropped"] == 79 - kept == sum(numbers["reasons"].values())
    held = sum(sum(numbers[part].values()) for part in ("train", "val"))
    assert sum(sum(fold.values()) for fold in numbers["folds"].values()) == held
    assert list(numbers["folds"]) == [0, 1]
    assert set(numbers["folds"][0]) == set(CLASSES)


def test_without_folds_there_are_none_in_the_metrics():
    assigned = assign(table(IDS), pairs_table([]), SplitParams(), classes=CLASSES)
    assert "folds" not in metrics(Split(assigned.manifest, None, assigned.dropped, pairs_table([]), CLASSES, (), None))


def test_the_plot_has_a_row_a_part_and_class_with_its_share(found):
    numbers, plot = metrics(found), plot_table(found)
    assert list(plot.columns) == ["part", "label", "name", "n", "share"]
    for row in plot.to_dict("records"):
        assert row["n"] == numbers[row["part"]][row["label"]]
        assert row["name"] == f"{row['part']} {row['label']}"
        assert row["share"] == pytest.approx(row["n"] / sum(numbers[row["part"]].values()), abs=1e-6)


def test_the_summary_is_one_line(found):
    sizes = found.manifest["split"].value_counts()
    dropped = metrics(found)["dropped"]
    assert summary(found) == (
        f"{sizes['train']} train, {sizes['val']} val, {sizes['test']} test; {dropped} dropped so that nothing leaks"
    )
