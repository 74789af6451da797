"""Checks on the splits and their messages."""

import re

import pytest

from pixmill.core.expectations import gate_error, run_checks
from pixmill.core.params import SplitParams
from pixmill.split.checks import checks, tables
from pixmill.split.labelling import OneLabel
from pixmill.split.splitting import assign, split
from tests.split.conftest import CLASSES, ids, pairs_table, table

PARAMS = SplitParams(
    folds=2, group_by="page", class_shares={"tolerance": 0.3, "severity": "critical"}
)
IDS = sorted(ids(80))
LABELS = [CLASSES[number % 3 == 0] for number in range(80)]
STRICT = PARAMS.model_copy(
    update={"class_shares": PARAMS.class_shares.model_copy(update={"tolerance": 0.0})}
)
LAX = PARAMS.model_copy(
    update={"class_shares": PARAMS.class_shares.model_copy(update={"tolerance": 1.0})}
)
ONE_SIDE = ("ids_on_one_side", "pixels_on_one_side", "near_duplicates_on_one_side")
PAGES = [f"http://shop.test/{number // 8}" for number in range(80)]
TWINS = pairs_table([(IDS[8], IDS[10])])
GROUPS = [IDS[8] if number == 10 else name for number, name in enumerate(IDS)]


@pytest.fixture(scope="module")
def valid():
    """Return a split without leakage whose test split is predefined, and its groups."""
    found = assign(table(IDS, LABELS, page_url=PAGES, group=GROUPS), TWINS, PARAMS)
    return found.manifest.assign(
        given_split=found.manifest["split"].where(found.manifest["split"] == "test")
    ), found.groups


def failed(manifest, groups, *names, pairs=TWINS, params=PARAMS):
    """Return the messages of the failed checks among the given names."""
    of = tables(manifest, pairs, groups, CLASSES, OneLabel())
    found = {}
    for outcome in run_checks(
        [check for check in checks(params, CLASSES, labelling=OneLabel()) if check.name in names],
        of,
    ):
        if not outcome.success:
            found[outcome.check.name] = (*found.get(outcome.check.name, ()), *outcome.found)
    return found


def side(manifest, part, fold=None):
    """Return the rows of a split or of a fold."""
    return manifest.index[
        (manifest["split"] == part) & (True if fold is None else manifest["fold"] == fold)
    ]


def test_valid_split_passes_all_checks(valid):
    manifest, groups = valid
    of = tables(manifest, TWINS, groups, CLASSES, OneLabel())
    outcomes = run_checks(checks(PARAMS, CLASSES, labelling=OneLabel()), of)
    assert [outcome.found for outcome in outcomes if not outcome.success] == []
    assert list(dict.fromkeys(outcome.check.name for outcome in outcomes)) == [
        "not_empty", "ids_on_one_side", "pixels_on_one_side", "near_duplicates_on_one_side", "groups_on_one_side",
        "pixels_in_one_fold", "near_duplicates_in_one_fold", "groups_in_one_fold", "same_classes", "given_test_kept",
        "class_shares",
    ]  # fmt: skip
    assert gate_error(outcomes, report="page.html") is None


def test_no_checks_of_groups_by_default():
    found = checks(SplitParams(), CLASSES, labelling=OneLabel())
    assert not {check.name for check in found if "group" in check.name}


def test_an_empty_split_fails(valid):
    manifest, groups = valid
    empty = failed(manifest.assign(split=None, fold=None), groups, "not_empty")
    assert empty["not_empty"] == ("0 images in all splits",)


def test_id_in_two_splits_fails(valid):
    manifest, groups = valid
    train = side(manifest, "train", 0)[0]
    test = side(manifest, "test")[0]
    twice = manifest.copy()
    twice.loc[test, "id"] = twice.loc[train, "id"]
    found = failed(twice, groups, "ids_on_one_side")
    assert found == {"ids_on_one_side": ("1 of 79 ids are in two splits",)}


BETWEEN = pytest.mark.parametrize(
    ("other", "suffix", "message"),
    [
        (("test", None), "on_one_side", "are in two splits"),
        (("train", 1), "in_one_fold", "are in two folds"),
    ],
    ids=["splits", "folds"],
)


@BETWEEN
def test_pixels_on_two_sides_fail(valid, other, suffix, message):
    manifest, groups = valid
    changed = manifest.copy()
    changed.loc[side(manifest, *other)[0], "pixels"] = changed.loc[
        side(manifest, "train", 0)[0], "pixels"
    ]
    [line] = failed(changed, groups, name := f"pixels_{suffix}")[name]
    assert re.fullmatch(rf"1 of \d+ distinct images {message}", line)


@BETWEEN
def test_pair_on_two_sides_fails(valid, other, suffix, message):
    manifest, groups = valid
    pair = sorted(IDS[side(manifest, *place)[0]] for place in (("train", 0), other))
    [line] = failed(
        manifest, groups, name := f"near_duplicates_{suffix}", pairs=pairs_table([tuple(pair)])
    )[name]
    assert line == f"1 of 1 near-duplicate pairs {message}"


def test_pair_with_dropped_image_is_ignored(valid):
    manifest, groups = valid
    one, other = sorted((IDS[side(manifest, "train", 0)[0]], IDS[side(manifest, "test")[0]]))
    dropped = manifest.copy()
    dropped.loc[dropped["id"] == one, ["split", "fold", "given_split"]] = None
    assert failed(dropped, groups, *ONE_SIDE, pairs=pairs_table([(one, other)])) == {}


@BETWEEN
def test_group_on_two_sides_fails(valid, other, suffix, message):
    manifest, groups = valid
    changed = groups.copy()
    changed[side(manifest, "train", 0)[0]] = changed[side(manifest, *other)[0]]
    [line] = failed(manifest, changed, name := f"groups_{suffix}")[name]
    assert line.endswith(f"groups {message}")


def test_split_without_a_class_fails(valid):
    manifest, groups = valid
    changed = manifest.copy()
    changed.loc[side(manifest, "val"), "label"] = "coat"
    found = failed(changed, groups, "same_classes", params=LAX)
    assert found == {"same_classes": ("val has no image of 'dress'",)}
    changed.loc[side(manifest, "test")[0], "label"] = "hat"
    assert failed(changed, groups, "same_classes", params=LAX)["same_classes"] == (
        "val has no image of 'dress'",
        "test has images of 'hat'",
    )


def test_a_test_split_that_people_chose_may_lack_a_class():
    chosen = table(IDS, ["coat"] * 30 + LABELS[30:], given_split=["test"] * 30 + ["train"] * 50)
    outcomes = split(chosen, pairs_table([]), SplitParams(), classes=CLASSES).outcomes
    found = [
        (each.found, each.check.severity) for each in outcomes if each.check.name == "same_classes"
    ]
    assert found[2] == (("test has no image of 'dress'",), "warning")
    assert gate_error(outcomes, report="") is None


def test_predefined_test_image_outside_test_fails(valid):
    manifest, groups = valid
    changed = manifest.copy()
    changed.loc[side(manifest, "train")[:2], "given_split"] = "test"
    total = int((changed["given_split"] == "test").sum())
    assert failed(changed, groups, "given_test_kept") == {
        "given_test_kept": (f"2 of {total} kept images of data/test are not in test",)
    }


def test_different_class_shares_fail_by_class_and_split(valid):
    manifest, groups = valid
    found = failed(manifest, groups, "class_shares", params=STRICT)
    counts = manifest.groupby(["split", "label"]).size()
    share = counts["val", "coat"] / counts["val"].sum()
    of_all = counts[:, "coat"].sum() / 80
    assert (
        f"class 'coat' makes up {share:.3g} of val, but {of_all:.3g} of all images"
        in found["class_shares"]
    )


def test_a_salt_is_named_with_which_each_split_has_every_class():
    manifest = table(ids(8), page_url=[f"http://shop.test/{number // 2}" for number in range(8)])
    params = SplitParams(group_by="page", val=0.3, test=0.3)
    others = (params.model_copy(update={"salt": f"another {number}"}) for number in range(50))
    errors = (
        gate_error(split(manifest, pairs_table([]), other, classes=CLASSES).outcomes, report="")
        for other in others
    )
    advice = next(error.next for error in errors if error)
    salt = re.search(r"salt: '(\d+)'", advice)[1]
    again = split(
        manifest, pairs_table([]), params.model_copy(update={"salt": salt}), classes=CLASSES
    )
    assert not [
        outcome
        for outcome in again.outcomes
        if outcome.check.name == "same_classes" and not outcome.success
    ]


@pytest.mark.parametrize("params", [SplitParams(group_by="page"), SplitParams(test=0.3, val=0.3)])
def test_missing_class_error_has_advice(params):
    labels = ["dress" if n % 10 == 0 else "coat" for n in range(80)]
    found = split(table(IDS, labels), pairs_table([]), params, classes=(*CLASSES, "hat"))
    error = gate_error(found.outcomes, report="reports/split.html")
    assert (
        "same_classes: train has no image of 'hat'; expected exactly coat, dress, hat in each split"
        in error.message
    )
    assert "split.salt in params.yaml" in error.next
    assert ("split.group_by (page)" in error.next) == (params.group_by is not None)
