import numpy as np
import pandas as pd
import pytest

from pixmill.evaluate.labels import LABELS, rank_labels, suggested_classes
from pixmill.manifest import read_table, write_table


def test_a_label_is_in_doubt_where_another_class_reaches_that_classes_own_average():
    targets = np.array([0, 0, 0, 1, 1])
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.35, 0.65], [0.3, 0.7], [0.4, 0.6]])
    # The average of class 1 over its own pictures is .65, that of class 0 is .683.
    assert suggested_classes(targets, probabilities).tolist() == [-1, -1, 1, -1, -1]


def test_a_timid_class_has_a_low_threshold_and_a_bold_one_a_high():
    targets = np.array([0, 0, 1, 1, 2, 2])
    probabilities = np.array(
        [
            [0.95, 0.03, 0.02],
            [0.53, 0.45, 0.02],
            [0.40, 0.45, 0.15],
            [0.60, 0.35, 0.05],
            [0.02, 0.03, 0.95],
            [0.02, 0.03, 0.95],
        ]
    )
    # The second reaches the threshold of class 1 (.4), but is not above its own class's probability by that alone:
    # its own class has a threshold of .74, which it does not reach.
    assert suggested_classes(targets, probabilities).tolist() == [-1, 1, -1, -1, -1, -1]


def test_a_class_without_a_picture_is_never_suggested():
    assert suggested_classes(np.array([0, 0]), np.array([[0.1, 0.9], [0.9, 0.1]])).tolist() == [-1, -1]


@pytest.fixture
def ranking():
    rows = pd.DataFrame({"id": list("dcbae"), "split": ["train", "val", "test", "train", "train"]})
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.05, 0.95], [0.1, 0.9], [0.2, 0.8]])
    return rank_labels(rows, np.array([0, 0, 0, 1, 1]), probabilities, ["x", "y"])


def test_the_likeliest_wrong_label_comes_first(ranking):
    table = ranking.set_index("id")
    assert list(ranking["id"]) == sorted(ranking["id"])
    assert table["rank"].to_dict() == {"b": 1, "c": 2, "e": 3, "a": 4, "d": 5}
    assert table.loc["b", ["label", "suggested", "split"]].tolist() == ["x", "y", "test"]
    assert table.loc["b", "score"] == pytest.approx(0.05)
    assert table["suggested"].drop("b").isna().all()


def test_equals_are_ranked_by_id():
    rows = pd.DataFrame({"id": ["b", "a"], "split": "train"})
    table = rank_labels(rows, np.array([0, 0]), np.array([[0.5, 0.5], [0.5, 0.5]]), ["x", "y"]).set_index("id")
    assert table["rank"].to_dict() == {"a": 1, "b": 2}


def test_it_is_a_table_that_others_can_read(ranking, tmp_path):
    write_table(tmp_path / "labels.parquet", ranking, LABELS)
    read = read_table(tmp_path / "labels.parquet", LABELS, stage="evaluate")
    assert read["rank"].tolist() == ranking["rank"].tolist()
    assert read["suggested"].isna().sum() == 4
