"""A salt is named where small classes are divided badly, and nowhere else."""

import re

import numpy as np
import pandas as pd
import pytest

from pixmill.core.params import SplitParams
from pixmill.split import suggest_salt
from pixmill.split.salts import names_of
from pixmill.split.splitting import assign
from tests.split.conftest import CLASSES, ids, pairs_table, table


def classes_of(count):
    return [f"class {number}" for number in range(count)]


def drawn(classes, each, *, seed):
    """Return the kept images of some classes, with other ids for each seed."""
    names = ids(classes * each * (seed + 1))[-classes * each :]
    return pd.DataFrame({"id": names, "label": classes_of(classes) * each, "given_split": None})


def counts(manifest, params):
    """Return how many images of each class the stage puts into a split."""
    found = assign(manifest, pairs_table([]), params, classes=CLASSES).manifest
    return found.groupby(["split", "label"]).size().to_dict()


def uneven():
    """Return 98 images of each class, of which the default salt puts 12 and 26 into test."""
    names = np.array(ids(2000), object)
    sides = assign(table(names, ["coat"] * 2000), pairs_table([]), SplitParams(), classes=CLASSES).manifest
    test = sides.loc[sides["split"] == "test", "id"].tolist()
    other = sides.loc[sides["split"] != "test", "id"].tolist()
    chosen = test[:12] + other[:86] + test[12:38] + other[86:158]
    return table(chosen, ["coat"] * 98 + ["dress"] * 98)


def test_the_salt_that_is_named_divides_both_classes():
    manifest = uneven()
    before = counts(manifest, SplitParams())
    assert (before["test", "coat"], before["test", "dress"]) == (12, 26)
    said = suggest_salt(manifest, SplitParams(), classes=CLASSES)
    assert "of 98 images of 'coat', where 20 are expected. Of 1,000 salts, pixmill-" in said
    assert "; it draws a new test set.\nNext: before you compare results, set split.salt: pixmill-" in said
    params = SplitParams(salt=re.search(r"split.salt: (pixmill-\d+)", said)[1])
    after = counts(manifest, params)
    assert all(abs(after["test", label] - 19.6) < 2 for label in CLASSES)
    assert all(abs(after["val", label] - 14.7) < 2 for label in CLASSES)
    assert f"(test: {after['test', 'coat']} of 98 'coat', {after['test', 'dress']} of 98 'dress')" in said
    assert suggest_salt(manifest, params, classes=CLASSES) is None


@pytest.mark.parametrize(("classes", "each", "least", "most"), [(2, 98, 4, 14), (5, 250, 0, 1), (10, 1000, 0, 0)])
def test_it_is_named_for_small_data(classes, each, least, most):
    found = [
        suggest_salt(drawn(classes, each, seed=seed), SplitParams(), classes=classes_of(classes))
        for seed in range(3 if each == 1000 else 30)
    ]
    assert least <= sum(said is not None for said in found) <= most


def test_a_class_with_too_few_of_many_classes_is_seen_though_its_share_is_small():
    images = drawn(10, 60, seed=0)
    at = assign(table(images["id"], images["label"].tolist()), pairs_table([]), SplitParams(), classes=classes_of(10))
    sides = at.manifest.set_index("id")["split"]
    lacking = (images["label"] == "class 3") & (images["id"].map(sides) == "test")
    said = suggest_salt(images[~lacking], SplitParams(), classes=classes_of(10))
    assert said.startswith("test has 0 of ")
    assert "images of 'class 3', where" in said
    assert "'class 4', …)" in said


def test_given_splits_stay_and_need_no_salt():
    given = uneven()
    given["given_split"] = ["test" if row < 30 else "val" if row < 60 else "train" for row in range(len(given))]
    assert suggest_salt(given, SplitParams(), classes=CLASSES) is None


def test_validation_alone_is_drawn_where_only_it_was_not_given():
    manifest = uneven()
    manifest["given_split"] = ["test" if row % 5 == 0 else "train" for row in range(len(manifest))]
    strict = SplitParams.model_validate({"class_shares": {"tolerance": 0.01}})
    said = suggest_salt(manifest, strict, classes=CLASSES)
    assert said.startswith("val has ")
    assert re.search(r"best \(val: 1\d of 98 'coat', 1\d of 98 'dress'\), judged by counts alone\.\nNext: ", said)


def test_groups_are_hashed_whole_and_where_no_salt_helps_none_is_named():
    manifest = uneven()
    manifest["page_url"] = pd.array([f"https://a.test/{label}" for label in manifest["label"]], manifest["id"].dtype)
    params = SplitParams(group_by="page")
    assert set(names_of(manifest, params)) == {f"page https://a.test/{label}" for label in CLASSES}
    assert suggest_salt(manifest, params, classes=CLASSES) is None
