"""Wrong labels are found where shapes tell classes apart, and nothing is claimed where they do not."""

import numpy as np
import pandas as pd
import pytest

from pixmill.review.suspects import find_suspects


def pictures(label, count, shape, seed, *, noise=6):
    """Return pictures of a class whose hashes differ from its shape in a few bits."""
    chance = np.random.default_rng(seed)
    hashes = []
    for _ in range(count):
        flips = chance.choice(64, noise, replace=False)
        hashes.append(shape ^ int(sum(1 << int(bit) for bit in flips)))
    return pd.DataFrame(
        {
            "label": label,
            "verdict": "keep",
            "phash": [f"{value:016x}" for value in hashes],
            "brightness": 120 + 10 * chance.normal(size=count),
            "contrast": 50 + 5 * chance.normal(size=count),
            "sharpness": 100 * np.exp(0.3 * chance.normal(size=count)),
        }
    )


def shuffled(*tables):
    return pd.concat(tables).sample(frac=1, random_state=0).reset_index(drop=True)


@pytest.fixture
def three():
    shapes = np.random.default_rng(7).integers(2**63, size=3)
    return shuffled(
        *(pictures(label, 80, int(shape), seed) for seed, (label, shape) in enumerate(zip("abc", shapes, strict=True)))
    )


def test_a_wrong_label_is_found_with_the_right_one(three):
    wrong = [3, 50, 111]
    right = three.loc[wrong, "label"].tolist()
    three.loc[wrong, "label"] = [{"a": "b", "b": "c", "c": "a"}[label] for label in right]
    found = find_suspects(three)
    assert {item.row: item.other for item in found[:3]} == dict(zip(wrong, right, strict=True))
    assert all(item.label == three.loc[item.row, "label"] for item in found)
    assert [item.margin for item in found] == sorted(item.margin for item in found)


def test_right_labels_are_left_alone(three):
    assert find_suspects(three) == []


def test_where_shapes_say_nothing_of_the_class_nothing_is_in_doubt():
    chance = np.random.default_rng(0)
    table = shuffled(*(pictures(label, 300, int(chance.integers(2**63)), 1, noise=32) for label in "ab"))
    table["phash"] = [f"{chance.integers(2**63):016x}" for _ in range(len(table))]
    assert len(find_suspects(table)) < 0.01 * len(table)


def test_dropped_pictures_and_small_classes_are_left_out(three):
    three.loc[3, ["label", "verdict"]] = ["a" if three.loc[3, "label"] != "a" else "b", "drop"]
    small = pictures("d", 5, 0, 9)
    assert find_suspects(pd.concat([three, small], ignore_index=True)) == []


@pytest.mark.parametrize("count", [0, 40])
def test_one_class_alone_has_no_other(count):
    assert find_suspects(pictures("a", count, 5, 0)) == []


def test_classes_all_of_the_same_pictures_break_nothing():
    table = shuffled(pictures("a", 20, 5, 0, noise=0), pictures("b", 20, 5, 1, noise=0))
    for column in ("brightness", "contrast", "sharpness"):
        table[column] = 50.0
    assert find_suspects(table) == []
