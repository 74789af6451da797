import numpy as np
import pandas as pd
import pytest

from pixmill.evaluate.labels import LABELS
from pixmill.evaluate.labels_search import find_label_errors, first_doubts
from pixmill.manifest import write_table
from pixmill.parts import Part, Shards

CLASSES = ("a", "b", "c")


def part(name, targets, *, first):
    """Return pictures whose shade tells what they show: 40 for a, 120 for b, 200 for c."""
    chance = np.random.default_rng(first)
    ids = [f"{first + place:064x}" for place in range(len(targets))]
    # The first ten are what their class is like to a hair.
    noise = chance.integers(-10, 11, len(targets)) * (np.arange(len(targets)) >= 10)
    shades = 40 + 80 * np.asarray(targets) + noise
    pixels = np.broadcast_to(shades.astype(np.uint8)[:, None, None, None], (len(targets), 8, 8, 3))
    rows = pd.DataFrame({"id": ids, "label": [CLASSES[target] for target in targets], "cluster": ids})
    return Part(name, rows, np.array(targets, np.int32), Shards([pixels]))


def shades(parts):
    """Return features: the shade, and whether it is near that of each class."""
    values = np.concatenate([item.pixels[np.arange(len(item))].mean(axis=(1, 2, 3)) for item in parts])
    return np.column_stack([np.exp(-(((values - centre) / 30) ** 2)) for centre in (40, 120, 200)]).astype(np.float32)


@pytest.fixture
def parts():
    return {
        name: part(name, np.arange(count) % 3, first=first)
        for name, count, first in (("train", 90, 0), ("val", 30, 1000), ("test", 30, 2000))
    }


def swapped(parts, name, row, target):
    parts[name].rows.loc[row, "label"] = CLASSES[target]
    parts[name].targets[row] = target


def test_wrong_labels_are_found_in_every_part_with_the_right_ones(parts):
    for name, row in (("train", 3), ("val", 4), ("test", 8)):
        swapped(parts, name, row, (parts[name].targets[row] + 1) % 3)
    ranking = find_label_errors(list(parts.values()), CLASSES, shades, threads=2)
    assert len(ranking) == 150
    found = ranking.sort_values("rank").head(3)
    assert {row.id: (row.split, row.label, row.suggested) for row in found.itertuples()} == {
        parts["train"].rows["id"][3]: ("train", "b", "a"),
        parts["val"].rows["id"][4]: ("val", "c", "b"),
        parts["test"].rows["id"][8]: ("test", "a", "c"),
    }


def test_doubts_are_shown_in_order_with_their_own_pixels(parts):
    swapped(parts, "val", 4, 2)
    ranking = find_label_errors(list(parts.values()), CLASSES, shades, threads=2)
    doubts = first_doubts(ranking, parts, limit=1)
    assert [(doubt.label, doubt.suggested, doubt.split) for doubt in doubts] == [("c", "b", "val")]
    assert np.array_equal(doubts[0].pixels, parts["val"].pixels[4])
    assert len(first_doubts(ranking, parts, limit=99)) == ranking["suggested"].notna().sum()


def test_of_a_class_with_few_pictures_nothing_is_said():
    few = part("train", [0] * 30 + [1] * 30 + [2] * 5, first=5000)
    ranking = find_label_errors([few], CLASSES, shades, threads=2)
    assert set(ranking["label"]) == {"a", "b"}
    assert len(ranking) == 60


def test_with_one_class_left_the_table_is_empty_and_asks_for_no_feature(tmp_path):
    few = part("train", [0] * 30 + [1] * 5, first=5000)
    ranking = find_label_errors([few], CLASSES, lambda _: pytest.fail("not needed"), threads=2)
    write_table(tmp_path / "labels.parquet", ranking, LABELS)
    assert ranking.empty
