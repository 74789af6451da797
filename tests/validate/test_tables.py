"""Tables of the checks."""

import numpy as np
import pandas as pd

from pixmill.validate.tables import LEAKS, REPEATED, class_table, image_table, pair_table


def images(count: int = 4, **columns: list[object]) -> pd.DataFrame:
    """Return valid images named a, b, c, …, with some columns replaced."""
    names = [chr(ord("a") + place) for place in range(count)]
    valid = {
        "id": names,
        "label": ["coat"] * count,
        "pixels": names,
        "failure": [None] * count,
        "width": [60] * count,
        "height": [40] * count,
        "format": ["png"] * count,
        "brightness": [100.0] * count,
        "sharpness": [50.0] * count,
        "entropy": [6.0] * count,
        "group": names,
        "reason": [None] * count,
    }
    frame = pd.DataFrame(valid | columns)
    texts = ("id", "label", "pixels", "failure", "format", "group", "reason")
    return frame.astype(
        dict.fromkeys(texts, "string") | dict.fromkeys(("width", "height"), "Int32")
    )


def look(
    table: pd.DataFrame,
    *settled: int,
    repeated: tuple[tuple[object, ...], ...] = (),
    leaks: tuple[tuple[object, ...], ...] = (),
) -> pd.DataFrame:
    chosen = np.zeros(len(table), bool)
    chosen[list(settled)] = True
    return image_table(
        table,
        settled=chosen,
        repeated=pd.DataFrame(list(repeated), columns=list(REPEATED)),
        leaks=pd.DataFrame(list(leaks), columns=list(LEAKS)),
        min_sharpness=10.0,
    )


def test_image_has_measures_and_no_findings() -> None:
    row = look(images(1)).iloc[0]
    assert row[["elongation", "redundant", "width"]].tolist() == [1.5, 0.0, 60]
    assert row[["conflict", "placeholder", "leak", "leak_places"]].isna().all()


def test_decided_image_has_no_measures() -> None:
    table = look(images(2), 1)
    assert table["pixels"].notna().all()
    assert table["brightness"].isna().tolist() == [False, True]
    assert table["redundant"].isna().tolist() == [False, True]


def test_images_dropped_by_decision_are_left_out() -> None:
    table = look(images(3, reason=["review", "too_small", None]))
    assert table["id"].tolist() == ["b", "c"]


def test_copies_and_near_duplicates_are_redundant() -> None:
    table = images(
        5, pixels=list("ppqrp"), group=list("abbde"), reason=["review", None, None, None, None]
    )
    assert look(table).set_index("id")["redundant"].to_dict() == {
        "b": 0.0,
        "c": 1.0,
        "d": 0.0,
        "e": 1.0,
    }


def test_findings_are_joined_by_id() -> None:
    table = look(
        images(3),
        repeated=(("a", "conflict", 2, 2, "coat, shoe"), ("c", "placeholder", 1, 1234, "coat")),
        leaks=(("b", "train", "x", "c", "test", "y"), ("b", "val", "z", "c", "test", "y")),
    ).set_index("id")
    assert table["conflict"].dropna().to_dict() == {"a": "coat, shoe"}
    assert table["placeholder"].dropna().to_dict() == {
        "c": "was found at 1,234 URLs, labelled coat"
    }
    assert table["leak"].dropna().to_dict() == {"b": "train and test"}
    assert table["leak_places"].dropna().to_dict() == {"b": "x and y"}


def test_pair_with_two_decisions_is_left_out() -> None:
    pairs = pd.DataFrame(
        {"a": ["a", "a", "b"], "b": ["b", "c", "c"], "similarity": [1.0, 1.0, 1.0]}
    )
    table = images(3, label=["coat", "shoe", "coat"])
    found = pair_table(pairs, table, settled=np.array([True, True, False]))
    assert found[["a", "b", "label_a", "label_b"]].values.tolist() == [
        ["a", "c", "coat", "coat"], ["b", "c", "shoe", "coat"],
    ]  # fmt: skip


def manifest(*rows: tuple[str | None, str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["label", "verdict"]).astype({"label": "string"})


def test_class_table_counts_kept_and_dropped() -> None:
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
