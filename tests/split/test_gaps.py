"""A class without a picture in some part or fold is refused by name, with what may mend it."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from pixmill.params import SplitParams
from pixmill.split.counts import metrics, plot_table
from pixmill.split.gaps import Gaps, count_by, gap_error
from pixmill.split.splitting import assign, split
from tests.split.conftest import CLASSES, ids, pairs_table, table

IDS = sorted(ids(80))


def refusal(manifest, params=None, classes=CLASSES, pairs=()):
    gaps = assign(manifest, pairs_table(list(pairs)), params or SplitParams(), classes=classes).gaps
    error = gap_error(gaps, report="reports/split.html")
    assert error is not None
    return error


def test_a_class_without_test_pictures_is_refused_by_name():
    parts = assign(table(IDS), pairs_table([]), SplitParams(), classes=CLASSES).manifest["split"]
    labels = ["coat" if part == "test" or n % 2 else "dress" for n, part in enumerate(parts)]
    error = refusal(table(IDS, labels))
    assert error.message == f"the class 'dress' has no picture in test, of {labels.count('dress')} in all"
    assert error.next == (
        "open reports/split.html; bring more pictures of it, or change split.val (0.15), split.test (0.2) or "
        "split.salt in params.yaml; then: dvc repro"
    )


def test_a_class_without_any_picture_is_refused_for_every_part():
    error = refusal(table(IDS), classes=(*CLASSES, "hat"))
    assert error.message.splitlines() == [
        f"the class 'hat' has no picture in {part}, of 0 in all" for part in ("train", "val", "test")
    ]


def test_a_class_of_one_group_names_the_grouping():
    pages = [f"http://shop.test/{CLASSES[n % 2] if n % 2 else n}" for n in range(80)]
    error = refusal(table(IDS, page_url=pages), SplitParams(group_by="page"))
    assert "of 40 in all (in 1 groups)" in error.message
    assert "split.group_by (page)" in error.next


def test_a_class_that_people_gave_to_training_alone_is_said_so():
    labels = [CLASSES[n % 2] for n in range(80)]
    given = ["test" if n % 4 == 0 else "train" for n in range(80)]
    error = refusal(table(IDS, labels, given_split=given))
    assert error.message == "the class 'dress' has no picture in test, of 40 in all: people put 40 into train"
    assert error.next == (
        "open reports/split.html; put pictures into data/test/dress, or let the hash part them "
        "(scrape.folder.layout: classes); then: dvc repro"
    )


def test_a_validation_part_that_lacks_a_class_that_people_gave_is_said_so():
    given = [
        ("test", "train", "val", "train")[n // 2 % 4] if n % 2 else ("test", "train")[n // 2 % 2] for n in range(80)
    ]
    error = refusal(table(IDS, given_split=given))
    assert error.message.startswith(
        "the class 'coat' has no picture in val, of 40 in all: people put 20 into train and"
    )
    assert "data/val/coat" in error.next


def test_what_was_dropped_as_straddling_is_counted():
    given = ["test" if n < 40 else "train" for n in range(80)]
    labels = ["coat" if n < 78 and n != 3 else "dress" for n in range(80)]
    pairs = [(IDS[0], IDS[n]) for n in (78, 79)]
    error = refusal(table(IDS, labels, given_split=given), pairs=pairs)
    assert "of 1 in all: people put 2 into train and 1 into test; 2 more straddled two parts" in error.message


def test_a_class_with_an_empty_fold_names_the_number():
    labels = ["dress" if n % 10 == 0 else "coat" for n in range(80)]
    error = refusal(table(IDS, labels), SplitParams(folds=20, test=0.3, val=0.3))
    assert re.search(r"^the class 'dress' has no picture in fold \d+, of \d in train and val$", error.message, re.M)
    assert "; bring more pictures of it, or lower split.folds (20), or change split.salt" in error.next


def test_many_gaps_do_not_fill_the_terminal():
    error = gap_error(Gaps(tuple(f"gap {n}" for n in range(900)), "mend it"), report="page.html")
    assert error is not None
    assert error.message.splitlines()[-2:] == ["gap 19", "880 more like these"]
    assert gap_error(None, report="page.html") is None


@pytest.mark.parametrize("count", [80, 0], ids=["one class", "nothing"])
def test_what_is_there_is_counted_all_the_same(count):
    found = split(table(IDS[:count], ["coat"] * count), pairs_table([]), SplitParams(), classes=CLASSES)
    numbers = metrics(found)
    assert sum(numbers[part]["coat"] for part in ("train", "val", "test")) == count
    assert numbers["test"]["dress"] == 0
    assert numbers["gate"]["same_classes"] is False
    assert plot_table(found).query("label == 'dress'")["share"].tolist() == [0, 0, 0]


def test_counts_have_zeros():
    frame = pd.DataFrame({"split": ["train", "train", None], "label": ["coat", "coat", "dress"]})
    assert count_by(frame, "split", ("train", "val"), CLASSES) == {
        "train": {"coat": 2, "dress": 0},
        "val": {"coat": 0, "dress": 0},
    }
