"""What checks tell a person, of tables of any kind."""

import pandas as pd
import pytest

from pixmill.validate import wording


def rows(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame(columns)


def told(table: pd.DataFrame) -> list[str]:
    """Return what is said of pictures that should be at least 10 wide."""
    missing = int(table["width"].isna().sum())
    result = {
        "element_count": len(table), "missing_count": missing, "unexpected_count": int((table["width"] < 10).sum())
    }  # fmt: skip
    return wording.share("pictures are wide", "width", lambda values: values < 10)(result, table)


def test_a_share_says_which_classes_fall_short_the_worst_first() -> None:
    labels = ["coat"] * 4 + ["shoe"] * 3 + ["hat"] * 2
    table = rows(label=labels, width=[1.0, 2.0, 50.0, None, 3.0, 4.0, 5.0, 50.0, 50.0])
    assert told(table) == [
        "3 of 8 pictures are wide (a share of 0.375); not so 3 of 3 in class 'shoe', 2 of 3 in class 'coat'"
    ]


def test_a_share_that_is_whole_names_no_class() -> None:
    assert told(rows(label=["coat"], width=[50.0])) == ["1 of 1 pictures are wide (a share of 1)"]
    assert told(rows(label=["coat"], width=[None]).astype({"width": float})) == ["0 of 0 pictures are wide"]


def test_of_many_classes_a_few_are_named() -> None:
    [line] = told(rows(label=[f"class {number}" for number in range(9)], width=[1.0] * 9))
    assert line.count("1 of 1 in class") == 5
    assert line.endswith("1 of 1 in class 'class 4' and some in 4 more")


def test_pictures_of_no_label_or_of_two_have_words_of_their_own() -> None:
    assert told(rows(label=[None, "coat"], width=[1.0, 50.0]))[0].endswith("; not so 1 of 1 without one label")


def test_conflicts_are_counted_by_their_labels() -> None:
    told = wording.conflicts(rows(conflict=["coat, shoe", "coat, hat", "coat, shoe"]))
    assert told == [
        "2 pictures came under several labels: coat, shoe",
        "1 picture came under several labels: coat, hat",
    ]


def test_every_placeholder_is_named_the_most_frequent_first() -> None:
    table = rows(
        id=["a" * 64, "b" * 64], placeholder=["came from 9 addresses", "came from 12 addresses"], addresses=[9, 12]
    )
    assert wording.placeholders(table) == [
        f"picture {'b' * 12} came from 12 addresses", f"picture {'a' * 12} came from 9 addresses",
    ]  # fmt: skip


def test_leaks_are_counted_by_class_and_parts_with_one_place() -> None:
    table = rows(
        id=["a", "b", "c"], label=["shoe", "coat", "coat"], leak=["train and test"] * 3,
        leak_places=["r and s", "t and u", "v and w"],
    )  # fmt: skip
    assert wording.leaks(table) == [
        "2 pictures of class 'coat' lie in train and test of the given split, such as t and u",
        "1 picture of class 'shoe' lies in train and test of the given split, such as r and s",
    ]


def test_near_duplicates_are_counted_by_their_labels_in_either_order() -> None:
    table = rows(label_a=["shoe", "coat", "hat", "hat"], label_b=["coat", "shoe", "hat", "coat"])
    assert wording.unlike({}, table) == [
        "2 pairs of near-duplicates carry the labels 'coat' and 'shoe'",
        "1 pair of near-duplicates carries the labels 'coat' and 'hat'",
    ]


@pytest.mark.parametrize("column", ["conflict", "placeholder"])
def test_where_there_is_no_finding_that_is_said(column: str) -> None:
    table = rows(id=["a"], addresses=[None], **{column: [None]})
    assert wording.absent("nothing", getattr(wording, f"{column}s"), column)({}, table) == ["nothing"]


@pytest.mark.parametrize(
    ("failures", "advice"),
    [
        (["truncated", None], None),
        (["missing_file", None], "1 file of artifacts/scrape is missing: dvc checkout artifacts/scrape brings"),
        (
            ["changed_bytes"] * 2,
            "2 files of artifacts/scrape are changed: dvc checkout --force artifacts/scrape brings",
        ),
    ],
)
def test_what_dvc_can_bring_back_is_told(failures: list[str | None], advice: str | None) -> None:
    found = wording.restore({}, rows(failure=failures))
    assert found is None if advice is None else str(found).startswith(advice)
