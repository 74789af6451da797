"""The table of classes has a row for each declared one, with or without pictures."""

import pandas as pd

from pixmill.validate.classes import class_table


def manifest(*rows: tuple[str | None, str, int, int]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["label", "verdict", "width", "height"])
    return frame.astype({"label": "string", "width": "Int32", "height": "Int32"})


def test_it_counts_what_is_kept_and_what_is_dropped() -> None:
    table = class_table(
        manifest(
            ("coat", "keep", 40, 50), ("coat", "keep", 60, 70), ("coat", "drop", 9, 9), ("shoe", "keep", 10, 20),
            ("hat", "drop", 5, 5), (None, "drop", 5, 5),
        ),
        ("shoe", "coat"),
    )  # fmt: skip
    assert table["label"].tolist() == ["shoe", "coat"]
    assert table["n"].tolist() == [1, 2]
    assert table["dropped"].tolist() == [0, 1]
    assert table["ratio_to_largest"].tolist() == [0.5, 1.0]
    coat = table.set_index("label").loc["coat"]
    assert coat[["width_min", "width_mean", "width_max"]].tolist() == [40, 50, 60]
    assert coat[["height_min", "height_mean", "height_max"]].tolist() == [50, 60, 70]


def test_a_class_without_pictures_has_a_row_and_no_sizes() -> None:
    table = class_table(manifest(("coat", "keep", 40, 50)), ("coat", "shoe")).set_index("label")
    assert table.loc["shoe", ["n", "dropped", "ratio_to_largest"]].tolist() == [0, 0, 0]
    assert table.loc["shoe"].isna().sum() == 6


def test_where_nothing_is_kept_no_ratio_is_above_zero() -> None:
    assert class_table(manifest(), ("coat", "shoe"))["ratio_to_largest"].tolist() == [0.0, 0.0]
