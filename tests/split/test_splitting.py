"""Splits, folds and metrics."""

import functools
import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.core.manifest import SPLIT
from pixmill.core.params import SplitParams
from pixmill.heads import ONE_LABEL
from pixmill.images.likeness.groups import VerifiedPairs, groups
from pixmill.split.checks import tables
from pixmill.split.labelling import OneLabel
from pixmill.split.splitting import (
    Split,
    assign,
    metrics,
    series_remark,
    split,
    summary,
)
from pixmill.train.cross_fitting import divisions
from tests.split.conftest import CLASSES, ids, pairs_table, table

# Large shares, so that each class has images in each split after dropping.
PARAMS = SplitParams(val=0.3, test=0.3)
TWO_FOLDS = PARAMS.model_copy(update={"folds": 2})
FOLDED = PARAMS.model_copy(update={"folds": 3})
PAGED = PARAMS.model_copy(update={"group_by": "page"})
IDS = sorted(ids(80))
PAGES = [f"http://shop.test/{number % 30}" for number in range(80)]
PAIRS = st.lists(
    st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)).filter(lambda pair: pair[0] < pair[1]),
    max_size=15,
    unique=True,
)
ROWS = st.sets(st.integers(40, 79), max_size=16)


def places(manifest, params=PARAMS):
    """Return split and fold of each kept image by id."""
    return places_in(assign(manifest, pairs_table([]), params).manifest)


def places_in(frame):
    kept = frame[frame["split"].notna()]
    folds = [None if pd.isna(fold) else int(fold) for fold in kept["fold"]]
    return dict(zip(kept["id"], zip(kept["split"], folds, strict=True), strict=True))


def placed(pairs, params):
    """Return the manifest for the given near-duplicates, and split and fold of each kept image."""
    frame = assign(alike(pairs), pairs_table(pairs), params).manifest
    return frame, places_in(frame)


def alike(pairs, **columns):
    """Return a manifest with groups of near-duplicates as validate gives them."""
    pairs = sorted(pairs)
    ends = [np.array([IDS.index(pair[end]) for pair in pairs], np.int64) for end in (0, 1)]
    none = np.empty((0, 2), np.int64)
    leaders = groups(len(IDS), VerifiedPairs(*ends, np.full(len(pairs), 0.995), none))
    return table(IDS, group=[IDS[leader] for leader in leaders], **columns)


def without(rows, **columns):
    left = [n for n in range(80) if n not in rows]
    return table(
        [IDS[n] for n in left],
        [CLASSES[n % 2] for n in left],
        **{name: [values[n] for n in left] for name, values in columns.items()},
    )


@functools.cache
def whole(params):
    """Return split and fold of each image without removed images and near-duplicates."""
    return places(without(set(), page_url=PAGES), params=params)


@pytest.mark.parametrize(
    "params", [PARAMS, FOLDED, PAGED.model_copy(update={"folds": 3})], ids=["", "folds", "pages"]
)
@settings(max_examples=10)
@given(gone=ROWS)
def test_image_keeps_its_split_when_others_change(params, gone):
    fewer = places(without(gone, page_url=PAGES), params=params)
    assert fewer == {name: whole(params)[name] for n, name in enumerate(IDS) if n not in gone}


@settings(max_examples=15)
@given(PAIRS)
def test_drops_straddlers_with_reason(pairs):
    before = whole(PARAMS)
    frame, after = placed(pairs, PARAMS)
    assert not [(a, b) for a, b in pairs if a in after and b in after and after[a] != after[b]]
    assert {name: part for name, (part, _) in after.items()}.items() <= {
        name: part for name, (part, _) in before.items()
    }.items()
    dropped = frame[frame["split"].isna()]
    assert set(dropped["verdict"]) <= {"drop"}
    others = dropped["reason"].str.removeprefix("straddles:")
    assert {tuple(sorted(pair)) for pair in zip(dropped["id"], others, strict=True)} <= set(pairs)
    assert set(others) <= after.keys()
    assert dropped["row"].isna().all()


@settings(max_examples=15)
@given(PAIRS)
def test_folds_keep_near_duplicates_together_and_drop_no_image(pairs):
    _, after = placed(pairs, FOLDED)
    assert not [(a, b) for a, b in pairs if a in after and b in after and after[a] != after[b]]
    assert after.keys() == placed(pairs, PARAMS)[1].keys()


@st.composite
def projects(draw):
    """Return a manifest with all that links images, its near-duplicates, and the params.

    Pairs are drawn among few images, so that they form chains.
    """
    near = st.sampled_from(IDS[: draw(st.sampled_from([12, 30, 80]))])
    pair = st.tuples(near, near).filter(lambda pair: pair[0] < pair[1])
    pairs = draw(st.lists(pair, max_size=40, unique=True))
    rows = st.lists(st.integers(0, 79), max_size=10)
    given_split = [None] * 80
    for part in ("train", "val", "test"):
        for row in draw(rows):
            given_split[row] = part
    corrected = set(draw(rows))
    files = [
        f"data/coat/{'feedback-models-2026-11-20-' if row in corrected else ''}{row}.jpg"
        for row in range(80)
    ]
    pixels = list(IDS)
    for row in draw(rows):
        pixels[row] = IDS[draw(st.integers(0, 79))]
    pages = [f"http://shop.test/{draw(st.integers(0, 40))}" for _ in range(80)]
    manifest = alike(pairs, given_split=given_split, image_url=files, pixels=pixels, page_url=pages)
    return (
        manifest,
        pairs,
        FOLDED.model_copy(update={"group_by": draw(st.sampled_from([None, "page"]))}),
    )


@settings(max_examples=40, deadline=None)
@given(projects())
def test_no_head_predicts_an_image_linked_to_one_that_it_was_fitted_to(project):
    manifest, pairs, params = project
    found = assign(manifest, pairs_table(pairs), params)
    frame = found.manifest
    fitted = frame[frame["split"].isin(["train", "val"])].reset_index(drop=True)
    rows = {name: row for row, name in enumerate(fitted["id"])}
    links = [(rows[a], rows[b]) for a, b in pairs if a in rows and b in rows]
    groups = found.groups[frame["split"].isin(["train", "val"])].reset_index(drop=True)
    names = [fitted["pixels"], groups]
    for name in names:
        for members in name.groupby(name).indices.values():
            links += [(members[0], other) for other in members[1:]]
    folds = fitted["fold"].fillna(-1).to_numpy(np.int64)
    targets = fitted["label"].map(CLASSES.index).to_numpy(np.int64)
    for trained, predicted in divisions(folds, targets, ONE_LABEL):
        apart = {*trained.tolist()}
        measured = {*predicted.tolist()}
        assert not [pair for pair in links if set(pair) & apart and set(pair) & measured]
    # What the checks of leakage read is right by construction.
    of = tables(frame, pairs_table(pairs), found.groups, CLASSES, OneLabel())
    for name in of.keys() & {"pixels", "groups", "pixels in folds", "groups in folds"}:
        assert of[name].rows["name"].is_unique
    for name in ("pairs", "pairs in folds"):
        assert (of[name].rows["side_a"] == of[name].rows["side_b"]).all()


def test_a_correction_takes_the_fold_of_its_whole_chain():
    chain = [(IDS[0], IDS[1]), (IDS[1], IDS[2]), (IDS[2], IDS[3])]
    files = [
        f"data/coat/{'feedback-2026-11-20-' * (number == 0)}{number}.jpg" for number in range(80)
    ]
    frame = assign(
        alike(chain, image_url=files, given_split="train"), pairs_table(chain), FOLDED
    ).manifest
    assert frame["cluster"][:4].nunique() == 1
    assert np.flatnonzero(frame["fold"].isna() & (frame["split"] != "test")).tolist() == [
        0,
        1,
        2,
        3,
    ]


@pytest.mark.parametrize("group_by", [None, "page"])
def test_a_class_that_is_one_series_is_named(group_by):
    coats = IDS[::2]
    chain = list(itertools.pairwise(coats)) if group_by is None else []
    pages = [f"http://shop.test/{0 if number % 2 == 0 else number}" for number in range(80)]
    # Without drawn validation images, which would cut the chain.
    given_split = ["train"] * 79 + ["val"]
    manifest = alike(chain, page_url=pages, given_split=given_split)
    params = SplitParams(group_by=group_by)
    remark = series_remark(split(manifest, pairs_table(chain), params, classes=CLASSES))
    assert "all images of coat are one series" in remark
    assert "split.group_by" in remark
    apart = split(
        alike([], page_url=PAGES, given_split=given_split), pairs_table([]), params, classes=CLASSES
    )
    assert series_remark(apart) == ""


def test_manifest_has_its_columns_and_folds_exclude_test():
    frame = assign(table(IDS), pairs_table([]), FOLDED).manifest
    assert list(frame.columns) == SPLIT.names
    assert frame["fold"].isna().eq(frame["split"] == "test").all()
    assert set(frame["fold"].dropna()) == {0, 1, 2}
    assert frame["cluster"].equals(frame["group"])


def test_folds_do_not_change_splits():
    assert {name: part for name, (part, _) in places(table(IDS), params=FOLDED).items()} == {
        name: part for name, (part, _) in places(table(IDS)).items()
    }


def test_equal_pixels_are_in_one_split():
    pixels = [f"{number // 2}" for number in range(80)]
    frame = assign(table(IDS, pixels=pixels), pairs_table([]), FOLDED).manifest
    kept = frame[frame["split"].notna()]
    assert kept.groupby("pixels")["split"].nunique().max() == 1
    assert kept.groupby("pixels")["fold"].nunique().max() == 1
    assert {reason.split(":")[0] for reason in frame["reason"].dropna()} == {"straddles"}


def test_group_is_in_one_split():
    manifest = table(IDS, page_url=PAGES)
    frame = assign(manifest, pairs_table([]), PAGED.model_copy(update={"folds": 3})).manifest
    assert frame["split"].notna().all()
    assert frame.groupby("page_url")["split"].nunique().max() == 1
    assert frame.groupby("page_url")["fold"].nunique().max() == 1
    assert frame.groupby("page_url")["cluster"].nunique().max() == 1
    assert frame["cluster"].nunique() == 30
    assert (
        assign(manifest, pairs_table([]), PARAMS)
        .manifest.groupby("page_url")["split"]
        .nunique()
        .max()
        > 1
    )


def test_image_without_group_is_assigned_by_id():
    pages = [None if number % 2 else f"http://shop.test/{number}" for number in range(80)]
    by_page = places(table(IDS, page_url=pages), params=PAGED)
    alone = places(table(IDS))
    assert [by_page[IDS[n]] == alone[IDS[n]] for n in range(1, 80, 2)] == [True] * 40


def test_dropped_images_have_no_split_and_keep_their_reason():
    manifest = table(IDS)
    manifest.loc[3, ["verdict", "reason"]] = ["drop", "truncated"]
    frame = assign(manifest, pairs_table([(IDS[0], IDS[3])]), PARAMS).manifest
    assert frame.loc[3, "reason"] == "truncated"
    assert frame["split"].isna().sum() == 1


def test_rows_are_numbered_by_id_within_a_split():
    frame = assign(table(IDS), pairs_table([]), PARAMS).manifest
    for _, part in frame.groupby("split"):
        assert part["id"].is_monotonic_increasing
        assert part["row"].tolist() == list(range(len(part)))


GIVEN = ["test" if number % 4 < 2 else "train" for number in range(80)]


def test_predefined_split_is_kept():
    frame = assign(table(IDS, given_split=GIVEN), pairs_table([]), PARAMS).manifest
    given = pd.Series(GIVEN)
    assert set(frame.loc[given == "test", "split"]) == {"test"}
    # Without a predefined validation split, it is drawn from training.
    assert set(frame.loc[given == "train", "split"]) == {"train", "val"}


def test_predefined_validation_split_is_the_only_one():
    given = ["test", "test", "val", "val", "train", "train", "train", "train"] * 10
    frame = assign(table(IDS, given_split=given), pairs_table([]), PARAMS).manifest
    assert list(frame["split"]) == given


def test_group_in_two_predefined_splits_stays_in_the_higher_one():
    pages = [f"http://shop.test/{number // 3}" if number < 12 else None for number in range(80)]
    manifest = table(IDS, given_split=GIVEN, page_url=pages)
    frame = assign(manifest, pairs_table([]), PAGED).manifest
    kept = frame[frame["split"].notna()]
    assert kept.groupby("page_url")["split"].nunique().max() == 1
    assert (frame.loc[np.array(GIVEN) == "test", "split"] == "test").all()
    # 0 and 1 are predefined as test, 2 as train; all three are of one page.
    assert frame.loc[2, "reason"] == f"straddles_group:{IDS[0]}"


@pytest.mark.parametrize("val", [[], ["val"]])
def test_group_of_files_in_two_predefined_splits(val):
    """Whole clips are in one split, whether validation images are given or drawn from train."""
    parts = ["test", *val, "train", "train"]
    manifest = table(
        IDS,
        given_split=[parts[number % len(parts)] for number in range(80)],
        image_url=[f"data/coat/clip{number // 8}_{number}.jpg" for number in range(80)],
    )
    params = PARAMS.model_copy(update={"group_by": r"(clip\d+)_"})
    frame = assign(manifest, pairs_table([]), params).manifest
    assert set(frame["split"].dropna()) == {"test"}
    manifest["given_split"] = [parts[number // 8 % len(parts)] for number in range(80)]
    frame = assign(manifest, pairs_table([]), params).manifest
    assert frame["split"].notna().all()
    assert frame.groupby(np.arange(80) // 8)["split"].nunique().max() == 1
    assert set(frame["split"]) == {"train", "val", "test"}


@pytest.mark.parametrize("given", [None, "train"])
def test_corrections_of_users_are_in_train(given):
    files = [
        f"data/coat/{'feedback-2026-11-20-' * (number < 40)}{number}.jpg" for number in range(80)
    ]
    manifest = table(IDS, image_url=files, given_split=given)
    manifest.loc[0, "given_split"] = "test"  # by hand
    manifest.loc[50, "group"] = manifest["group"][5]
    frame = assign(manifest, pairs_table([(IDS[0], IDS[1])]), PARAMS).manifest
    assert frame["split"][0] == "test"
    assert frame["reason"][1] == f"straddles:{IDS[0]}"
    assert set(frame["split"][2:40]) == {"train"}
    assert {"train", "val"} <= set(frame["split"][40:])
    # Neither they nor images like them are predicted by cross-fitting.
    outside = set(range(2, 40)) | {50} | set(np.flatnonzero(~frame["split"].isin(["train", "val"])))
    assert set(np.flatnonzero(frame["fold"].isna())) == outside


@pytest.fixture(scope="module")
def found():
    manifest = table(IDS, group=[*IDS[:20], *IDS[:20], *IDS[40:]])
    manifest.loc[79, ["verdict", "reason"]] = ["drop", "duplicate_pixels:" + IDS[0]]
    pairs = pairs_table(list(zip(IDS[:20], IDS[20:40], strict=True)))
    assigned = assign(manifest, pairs, TWO_FOLDS)
    return Split(assigned.manifest, None, assigned.dropped, pairs, CLASSES, (), OneLabel())


def test_dropped_lists_only_images_dropped_by_split(found):
    dropped = found.dropped
    assert IDS[79] not in set(dropped["id"])
    kept = set(found.manifest.loc[found.manifest["split"].notna(), "id"])
    assert set(dropped["id"]) == set(IDS) - kept - {IDS[79]}
    assert set(dropped["other"]) <= kept
    assert set(dropped["word"]) == {"straddles"}
    assert set(dropped["part"]) <= {"train", "val"}


def test_dropped_may_be_empty():
    assigned = assign(table(IDS), pairs_table([]), TWO_FOLDS)
    nothing = assigned.dropped
    assert list(nothing.columns) == ["id", "label", "part", "word", "other"]
    assert nothing.empty


def test_summary(found):
    sizes = found.manifest["split"].value_counts()
    dropped = metrics(found)["dropped"]
    assert summary(found) == (
        f"{sizes['train']} train, {sizes['val']} val, {sizes['test']} test; {dropped} dropped to "
        "prevent leakage"
    )
