"""Label issues are ranked by a model that was not trained on the image."""

import numpy as np
import pandas as pd
import pytest

from pixmill.core.params import BackboneParams, TrainParams
from pixmill.evaluate.labels import (
    doubtful_labels,
    find_label_issues,
    first_issues,
    fold_numbers,
    held_out_probabilities,
    rank_labels,
    search_part,
)
from pixmill.images.parts import Part, Shards


def test_as_many_labels_are_doubtful_as_are_probably_wrong_the_least_probable_first():
    targets = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    first = np.array([0.7, 0.7, 0.25, 0.1, 0.1, 0.1, 0.1, 0.6])
    suggested, score = doubtful_labels(targets, [np.column_stack([first, 1 - first])])
    # Only the last image reaches the mean of another class, 0.55, but its label is more probable.
    assert suggested.tolist() == [-1, -1, 1, -1, -1, -1, -1, -1]
    assert score == pytest.approx([0.7, 0.7, 0.25, 0.9, 0.9, 0.9, 0.9, 0.4])


NAN = [np.nan, np.nan]


def test_a_label_that_one_model_surely_contradicts_is_doubtful():
    targets = np.array([0, 0, 1, 1])
    search = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.1, 0.9]])
    model = np.array([NAN, [0.04, 0.96], [0.94, 0.06], NAN])
    assert doubtful_labels(targets, [search, model])[0].tolist() == [-1, 1, -1, -1]


@pytest.mark.parametrize(
    ("backbone", "found"),
    [
        ({}, True),
        ({"name": ("efficientnet_lite2", "efficientnet_lite0"), "image_size": (260, 224)}, True),
        ({"name": ("efficientnet_lite0", "efficientnet_lite2"), "image_size": (224, 260)}, False),
        ({"image_size": 160}, False),
    ],
)
def test_searches_the_top_of_the_bundled_network_if_it_is_the_last(backbone, found):
    features = np.arange(2 * 6880, dtype=np.float32).reshape(2, -1)
    part = search_part(features, TrainParams(backbone=BackboneParams(**backbone)), 224)
    assert part is None if not found else (part == features[:, -1280:]).all()


@pytest.fixture
def ranking():
    rows = pd.DataFrame({"id": list("dcbae"), "split": ["train", "val", "test", "train", "train"]})
    probabilities = np.array([[0.9, 0.1], [0.8, 0.2], [0.05, 0.95], [0.1, 0.9], [0.2, 0.8]])
    return rank_labels(rows, np.array([0, 0, 0, 1, 1]), [probabilities], ["x", "y"])


def test_ranks_likeliest_wrong_label_first(ranking):
    table = ranking.set_index("id")
    assert list(ranking["id"]) == sorted(ranking["id"])
    assert table["rank"].to_dict() == {"b": 1, "c": 2, "e": 3, "a": 4, "d": 5}
    assert table.loc["b", ["label", "suggested", "split"]].tolist() == ["x", "y", "test"]
    assert table.loc["b", "score"] == pytest.approx(0.05)
    assert table["suggested"].drop("b").isna().all()


CHANCE = np.random.default_rng(5)


def test_folds_keep_groups_whole_and_are_stratified():
    groups = [f"{CHANCE.integers(2**40):x}" for _ in range(300)]
    groups[10:13] = [groups[10]] * 3
    targets = np.arange(300) % 3
    targets[10:13] = [0, 1, 2]
    folds = fold_numbers(targets, groups)
    assert len(set(folds[10:13])) == 1
    assert set(folds) == set(range(5))
    for target in range(3):
        counts = np.bincount(folds[targets == target], minlength=5)
        assert counts.max() - counts.min() <= 3


def test_held_out_model_has_not_seen_the_group():
    # The features identify the group only, so a model that has seen the group knows the label.
    group_of = np.arange(1000) // 50
    targets = np.arange(20)[group_of] % 2
    features = np.eye(20, dtype=np.float32)[group_of]
    together = held_out_probabilities(
        features, targets, [f"{group:02}" for group in group_of], 2, threads=2
    )
    apart = held_out_probabilities(
        features, targets, [f"{place:04}" for place in range(1000)], 2, threads=2
    )
    assert np.mean(together.argmax(axis=1) == targets) < 0.75
    assert np.mean(apart.argmax(axis=1) == targets) > 0.9


CLASSES = ("a", "b", "c")


def part(name, targets, *, first):
    """Return images whose grey level depends on the class: 40 for a, 120 for b, 200 for c."""
    chance = np.random.default_rng(first)
    ids = [f"{first + place:064x}" for place in range(len(targets))]
    # The first ten have no noise.
    noise = chance.integers(-10, 11, len(targets)) * (np.arange(len(targets)) >= 10)
    shades = 40 + 80 * np.asarray(targets) + noise
    pixels = np.broadcast_to(shades.astype(np.uint8)[:, None, None, None], (len(targets), 8, 8, 3))
    rows = pd.DataFrame(
        {"id": ids, "label": [CLASSES[target] for target in targets], "cluster": ids}
    )
    return Part(name, rows, np.array(targets, np.int32), Shards([pixels]))


def shades(parts):
    """Return features: closeness of the grey level to that of each class."""
    values = np.concatenate(
        [item.pixels[np.arange(len(item))].mean(axis=(1, 2, 3)) for item in parts]
    )
    return np.column_stack(
        [np.exp(-(((values - centre) / 30) ** 2)) for centre in (40, 120, 200)]
    ).astype(np.float32)


@pytest.fixture
def parts():
    return {
        name: part(name, np.arange(count) % 3, first=first)
        for name, count, first in (("train", 90, 0), ("val", 30, 1000), ("test", 30, 2000))
    }


def swapped(parts, name, row, target):
    parts[name].rows.loc[row, "label"] = CLASSES[target]
    parts[name].targets[row] = target


def answers(parts):
    """Return predictions that give each label nine tenths."""
    rows = pd.concat([part.rows.assign(split=part.name) for part in parts])
    shares = {f"p_{name}": np.where(rows["label"] == name, 0.9, 0.05) for name in CLASSES}
    return rows[["id", "split", "label"]].assign(**shares, held_out=True)


def test_finds_wrong_labels_in_every_split(parts):
    every = list(parts.values())
    predictions = answers(every)
    for name, row in (("train", 3), ("val", 4), ("test", 8)):
        swapped(parts, name, row, (parts[name].targets[row] + 1) % 3)
    ranking = find_label_issues(every, CLASSES, shades(every), predictions, threads=2)
    assert len(ranking) == 150
    found = ranking.sort_values("rank").head(3)
    issues = first_issues(ranking, parts, limit=3)
    assert [issue["id"] for issue in issues] == found["id"].tolist()
    for issue in issues:
        part = parts[issue["split"]]
        assert np.array_equal(
            issue["pixels"], part.pixels[part.rows["id"].tolist().index(issue["id"])]
        )
    assert {row.id: (row.split, row.label, row.suggested) for row in found.itertuples()} == {
        parts["train"].rows["id"][3]: ("train", "b", "a"),
        parts["val"].rows["id"][4]: ("val", "c", "b"),
        parts["test"].rows["id"][8]: ("test", "a", "c"),
    }


@pytest.mark.parametrize("is_held_out", [True, False])
def test_what_the_projects_model_surely_contradicts_is_doubtful_in_every_split(parts, is_held_out):
    every = list(parts.values())
    wrong = {part.rows["id"][8] for part in every}
    predictions = answers(every)
    is_wrong = predictions["id"].isin(wrong)
    predictions.loc[is_wrong, ["p_a", "p_b", "p_c"]] = [0.96, 0.02, 0.02]  # they are labelled c
    predictions.loc[is_wrong, "held_out"] = is_held_out
    ranking = find_label_issues(every, CLASSES, shades(every), predictions, threads=2)
    found = ranking[ranking["suggested"].notna()]
    assert set(found["id"]) == (wrong if is_held_out else set())
    assert set(found["suggested"]) == ({"a"} if is_held_out else set())


def test_skips_classes_with_few_images():
    few = part("train", [0] * 30 + [1] * 30 + [2] * 5, first=5000)
    ranking = find_label_issues([few], CLASSES, shades([few]), answers([few]), threads=2)
    assert set(ranking["label"]) == {"a", "b"}
    assert len(ranking) == 60


def test_a_model_that_confirms_few_labels_suggests_none() -> None:
    rows = pd.DataFrame({"id": list("abcd"), "split": "train"})
    targets = np.array([0, 0, 1, 1])
    wrong = np.array([[0.4, 0.6], [0.3, 0.7], [0.6, 0.4], [0.2, 0.8]])
    assert rank_labels(rows, targets, [wrong], ["x", "y"])["suggested"].notna().sum() == 0
    half = np.array([[0.4, 0.6], [0.7, 0.3], [0.58, 0.42], [0.2, 0.8]])
    assert rank_labels(rows, targets, [half], ["x", "y"])["suggested"].notna().sum() == 1
