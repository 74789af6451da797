"""Wrong labels among real photographs are found: what the search is for."""

import hashlib

import numpy as np
import pandas as pd
import pytest

from pixmill.evaluate.labels import find_label_errors, search_backbone
from pixmill.images import decode, fit
from pixmill.images.parts import Part, Shards
from pixmill.learn.features import part_features

CLASSES = ("coat", "dress", "shirt", "sneaker", "trouser")
SIDE = 56


@pytest.fixture(scope="module")
def photographs(bundled_images):
    """All bundled images of the default classes, as split packs them: ids, classes and pixels, sorted by id."""
    found = []
    for target, label in enumerate(CLASSES):
        for path in (bundled_images / label).iterdir():
            content = path.read_bytes()
            pixels = fit(decode(content).pixels, SIDE, "pad", "bicubic")
            found.append((hashlib.sha256(content).hexdigest(), target, pixels))
    ids, targets, pixels = zip(*sorted(found, key=lambda item: item[0]), strict=True)
    return list(ids), np.array(targets, np.int32), np.stack(pixels)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("features")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_four_of_five_swapped_labels_are_among_the_first_tenth(photographs, scratch, seed):
    ids, targets, pixels = photographs
    chance = np.random.default_rng(seed)
    count = len(ids)
    swapped = chance.choice(count, round(0.05 * count), replace=False)
    given = targets.copy()
    given[swapped] = (given[swapped] + chance.integers(1, len(CLASSES), len(swapped))) % len(CLASSES)
    rows = pd.DataFrame({"id": ids, "label": [CLASSES[target] for target in given], "cluster": ids})
    part = Part("train", rows, given, Shards([pixels]))

    features = part_features([part], search_backbone(SIDE), scratch=scratch, threads=2)
    ranking = find_label_errors([part], CLASSES, features, threads=2)

    first = set(ranking.loc[ranking["rank"] <= round(0.1 * count), "id"])
    assert np.mean([ids[row] in first for row in swapped]) >= 0.8
    table = ranking.set_index("id")
    named = table.loc[[ids[row] for row in swapped], "suggested"]
    right = [CLASSES[targets[row]] for row in swapped]
    told = named.notna().to_numpy()
    # Where it names another class for a swapped label, it nearly always is the right one.
    assert np.mean(named.to_numpy()[told] == np.array(right)[told]) >= 0.85
