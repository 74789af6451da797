"""The table of classes has a row for each declared one, with or without pictures."""

import pandas as pd

from pixmill.validate.classes import class_table


def manifest(*rows: tuple[str | None, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["label", "verdict"]).astype({"label": "string"})


def test_it_counts_what_is_kept_and_what_is_dropped() -> None:
    table = class_table(
        manifest(
            ("coat", "keep"), ("coat", "keep"), ("coat", "drop"), ("shoe", "keep"), ("hat", "drop"), (None, "drop")
        ),
        ("shoe", "coat"),
    )  # fmt: skip
    assert table["label"].tolist() == ["shoe", "coat"]
    assert table["n"].tolist() == [1, 2]
    assert table["dropped"].tolist() == [0, 1]
    assert table["ratio_to_largest"].tolist() == [0.5, 1.0]


def test_a_class_without_pictures_has_a_row() -> None:
    table = class_table(manifest(("coat", "keep")), ("coat", "shoe")).set_index("label")
    assert table.loc["shoe", ["n", "dropped", "ratio_to_largest"]].tolist() == [0, 0, 0]


def test_where_nothing_is_kept_no_ratio_is_above_zero() -> None:
    assert class_table(manifest(), ("coat", "shoe"))["ratio_to_largest"].tolist() == [0.0, 0.0]
