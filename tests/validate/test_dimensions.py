"""The dimension statistics are of kept pictures, one row a class."""

import math

from pixmill.validate.dimensions import DIMENSIONS, dimension_table
from tests.validate.tables import dropped, kept, unread, validation


def test_each_class_has_least_mean_and_most_of_each_dimension() -> None:
    rows = [
        kept(1, width=40, height=20, short_side=20, aspect_ratio=2.0),
        kept(2, width=50, height=50, short_side=50, aspect_ratio=1.0),
        dropped(3, "too_small", width=1, height=1, short_side=1),
        unread(4, "html"),
        kept(5, "hat"),
    ]
    table = dimension_table(validation(rows).manifest, ["coat", "shoe"])
    assert list(table.columns) == [
        "label",
        "n",
        *(f"{name}_{statistic}" for name in DIMENSIONS for statistic in ("min", "mean", "max")),
    ]
    coat, shoe = table.to_dict("records")
    assert (coat["label"], coat["n"]) == ("coat", 2)
    assert [coat[f"width_{statistic}"] for statistic in ("min", "mean", "max")] == [40, 45, 50]
    assert [coat[f"height_{statistic}"] for statistic in ("min", "mean", "max")] == [20, 35, 50]
    assert [coat[f"short_side_{statistic}"] for statistic in ("min", "mean", "max")] == [20, 35, 50]
    assert [coat[f"aspect_ratio_{statistic}"] for statistic in ("min", "mean", "max")] == [1, 1.5, 2]
    assert (shoe["label"], shoe["n"]) == ("shoe", 0)
    assert math.isnan(shoe["width_mean"])


def test_an_empty_manifest_has_a_row_for_each_class() -> None:
    assert dimension_table(validation([]).manifest, ["coat", "shoe"])["n"].tolist() == [0, 0]
