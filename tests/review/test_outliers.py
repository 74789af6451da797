"""Outliers of a class are found with their reason; typical images are not."""

import numpy as np
import pandas as pd
import pytest

from pixmill.review.outliers import MIN_IMAGES, class_profiles


def images(label, count, seed=0, **columns):
    """Return typical images of a class."""
    chance = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "label": label,
            "verdict": "keep",
            "brightness": 120 + 10 * chance.normal(size=count),
            "contrast": 50 + 5 * chance.normal(size=count),
            "sharpness": 100 * np.exp(0.3 * chance.normal(size=count)),
            "entropy": 6 + 0.3 * chance.normal(size=count),
            "border": 0.0,
            "aspect_ratio": np.exp(0.1 * chance.normal(size=count)),
            "short_side": np.exp(0.2 * chance.normal(size=count)) * 200,
        }
    )
    return table.assign(**columns)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("brightness", 5.0),
        ("contrast", 110.0),
        ("sharpness", 0.5),
        ("entropy", 0.1),
        ("border", 0.6),
        ("aspect_ratio", 0.3),
        ("short_side", 2000.0),
    ],
)
def test_an_outlier_comes_first_with_its_reason(column, value):
    table = images("coat", 200)
    table.loc[77, column] = value
    first = class_profiles(table)["coat"].outliers()[0]
    assert first.row == 77
    assert (
        f"Unlike other images of 'coat': {column.replace('_', ' ')} {value:.4g} (inter" in first.why
    )


def test_invisible_differences_in_a_uniform_class_are_not_outliers():
    table = images("coat", 50, brightness=120.0, border=0.0)
    table.loc[3, "brightness"] = 123.0
    table.loc[4, "border"] = 0.05
    assert not {3, 4} & {item.row for item in class_profiles(table)["coat"].outliers()}


def test_compares_kept_images_of_the_same_class():
    table = pd.concat(
        [
            images("coat", 40),
            images("dress", 40, 1, brightness=20.0),
            images("hat", MIN_IMAGES - 1, 2),
        ],
        ignore_index=True,
    )
    table.loc[0, ["brightness", "verdict"]] = [1.0, "drop"]
    table["label"] = table["label"].astype("string")
    table.loc[1, "label"] = pd.NA
    profiles = class_profiles(table)
    assert sorted(profiles) == ["coat", "dress"]
    found = {item.row for profile in profiles.values() for item in profile.outliers()}
    assert not found & {0, 1}
    assert not found & set(profiles["dress"].typical(3))
    assert all(2 <= row < 40 for row in profiles["coat"].typical(5))
