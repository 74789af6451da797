import json

import numpy as np
import pandas as pd
import pytest

from pixmill.core.files.writing import write_json
from pixmill.evaluate.measure import slice_figures, slices

IMAGES = 300


@pytest.fixture
def tables():
    """Return predictions and a manifest: two classes, two sources, 90 % accuracy on every slice."""
    number = np.arange(IMAGES)
    ids = [f"{place:04}" for place in number]
    label = np.where(number % 2 == 0, "cat", "dog")
    wrong = np.isin(number % 20, (4, 11))
    predictions = pd.DataFrame(
        {
            "id": ids,
            "split": "test",
            "label": label,
            "predicted": np.where(wrong, np.where(label == "cat", "dog", "cat"), label),
        }
    )
    manifest = pd.DataFrame(
        {
            "id": ids,
            "source": np.where(number // 20 % 3 == 0, "folder", "shop"),
            "short_side": pd.array(100 + 10 * (number // 20 % 9), dtype="Int32"),
            "brightness": (50 + number // 20 * 7 % 100).astype("float32"),
            "group": [f"{place - place % 2 * (place % 60 < 6):04}" for place in number],
        }
    )
    return predictions, manifest.assign(cluster=manifest["group"])


def cut(tables, **options):
    return slices(*tables, **{"draws": 2000, "confidence": 0.95, **options})


def mistaken(tables, where):
    """Return the tables with half of the selected images misclassified."""
    predictions, manifest = tables
    half = where & (np.arange(IMAGES) % 4 < 2)
    other = predictions["label"].map({"cat": "dog", "dog": "cat"})
    return predictions.assign(predicted=predictions["predicted"].where(~half, other)), manifest


def test_dimensions_cover_all_test_images(tables):
    found = cut(tables)
    assert found.groupby("dimension", sort=False)["n"].sum().to_dict() == dict.fromkeys(
        ["class", "source", "size", "brightness", "near_duplicate"], IMAGES
    )
    size = found[found["dimension"] == "size"]
    assert list(size["slice"]) == ["small", "medium", "large"]
    assert (found["right"] == (found["accuracy"] * found["n"]).round()).all()
    assert (
        (found["accuracy_low"] <= found["accuracy"]) & (found["accuracy"] <= found["accuracy_high"])
    ).all()


@pytest.mark.parametrize(
    ("dimension", "name", "column", "values"),
    [
        ("size", "small", "short_side", [100, 110, 120]),
        ("class", "dog", "label", ["dog"]),
    ],
)
def test_finds_worse_slice(tables, dimension, name, column, values):
    joined = tables[0].merge(tables[1], on="id")
    found = cut(mistaken(tables, joined[column].isin(values).to_numpy()))
    worse = found[found["worse"]].sort_values("p_adjusted")
    assert (worse["dimension"].iloc[0], worse["slice"].iloc[0]) == (dimension, name)


def test_figures_are_valid_json(tables, tmp_path):
    predictions, manifest = tables
    few = manifest.assign(source=np.where(np.arange(IMAGES) < 9, "rare", "shop"))
    write_json(tmp_path / "evaluate.json", {"slices": slice_figures(cut((predictions, few)))})
    content = json.loads((tmp_path / "evaluate.json").read_text(), parse_constant=pytest.fail)
    row = content["slices"]["source"]["rare"]
    assert set(row) == {"n", "accuracy", "accuracy_low", "accuracy_high", "worse", "p_adjusted"}
    assert (row["n"], row["p_adjusted"], row["worse"]) == (9, None, False)
