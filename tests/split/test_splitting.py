"""Pictures keep their part when others come and go, and an empty part is refused by name."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.errors import ManifestError, SplitError
from pixmill.params import SplitParams
from pixmill.split import split
from pixmill.split.splitting import assign
from tests.split.conftest import CLASSES, pairs_table, table

PARAMS = SplitParams(image_size=8)
IDS = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(80)]


def parts_of(frame):
    kept = frame[frame["split"].notna()]
    return dict(zip(kept["id"], kept["split"], strict=True))


@settings(max_examples=25)
@given(st.sets(st.sampled_from(range(40, 80)), max_size=12))
def test_no_picture_moves_when_others_go(gone):
    before = parts_of(assign(table(IDS), [], PARAMS, classes=CLASSES))
    labels = [CLASSES[n % 2] for n in range(80) if n not in gone]
    after = parts_of(
        assign(table([i for n, i in enumerate(IDS) if n not in gone], labels), [], PARAMS, classes=CLASSES)
    )
    assert after == {identity: part for identity, part in before.items() if identity in after}
    assert len(after) == 80 - len(gone)


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)).filter(lambda p: p[0] < p[1]), max_size=15))
def test_straddlers_are_dropped_with_a_reason_and_the_rest_stays(pairs):
    before = parts_of(assign(table(IDS), [], PARAMS, classes=CLASSES))
    frame = assign(table(IDS), pairs, PARAMS, classes=CLASSES)
    after = parts_of(frame)
    assert not [(a, b) for a, b in pairs if a in after and b in after and after[a] != after[b]]
    assert after.items() <= before.items()
    dropped = frame[frame["split"].isna()]
    assert set(dropped["verdict"]) <= {"drop"}
    others = dropped["reason"].str.removeprefix("straddles:")
    assert {tuple(sorted(pair)) for pair in zip(dropped["id"], others, strict=True)} <= set(pairs)
    assert set(others) <= after.keys()
    assert dropped["row"].isna().all()


def test_what_validate_dropped_has_no_part_and_keeps_its_reason():
    manifest = table(IDS)
    manifest.loc[3, ["verdict", "reason"]] = ["drop", "truncated"]
    frame = assign(manifest, [(IDS[0], manifest["id"][3])], PARAMS, classes=CLASSES)
    assert frame.loc[3, "reason"] == "truncated"
    assert frame["split"].isna().sum() == 1


def test_rows_count_up_by_id_within_a_part():
    frame = assign(table(IDS), [], PARAMS, classes=CLASSES)
    for _, part in frame.groupby("split"):
        assert part["id"].is_monotonic_increasing
        assert part["row"].tolist() == list(range(len(part)))


def test_a_class_without_test_pictures_is_refused_by_name():
    places = assign(table(IDS), [], PARAMS, classes=CLASSES)
    labels = ["coat" if part == "test" or n % 2 else "dress" for n, part in enumerate(places["split"])]
    with pytest.raises(SplitError) as caught:
        assign(table(sorted(IDS), labels), [], PARAMS, classes=CLASSES)
    dresses = labels.count("dress")
    assert caught.value.message == f"the class 'dress' has no picture in test, of {dresses} in all"
    assert "split.val (0.15)" in caught.value.next
    assert "split.test (0.2)" in caught.value.next
    assert "split.salt" in caught.value.next


def test_a_class_without_any_picture_is_refused_for_every_part():
    with pytest.raises(SplitError, match="the class 'hat' has no picture in train, of 0 in all"):
        assign(table(IDS), [], PARAMS, classes=(*CLASSES, "hat"))


def test_a_kept_picture_of_no_class_is_refused():
    with pytest.raises(ManifestError, match="validate kept pictures of dress"):
        assign(table(IDS), [], PARAMS, classes=("coat",))


def test_the_stage_packs_all_that_is_kept(project):
    pairs = pairs_table(
        [tuple(sorted((a, b))) for a, b in zip(project.manifest["id"][:6], project.manifest["id"][6:12], strict=True)]
    )
    result = split(project.manifest, pairs, PARAMS, classes=CLASSES, pictures=project.pictures, out=project.out)
    kept = result.manifest[result.manifest["split"].notna()]
    assert result.metrics["dropped"] == 60 - len(kept) > 0
    for part in ("train", "val", "test"):
        assert len(np.load(project.out / f"{part}.npy")) == sum(result.metrics[part].values())
        for label in CLASSES:
            assert result.metrics[part][label] == ((kept["split"] == part) & (kept["label"] == label)).sum()
    assert result.summary().endswith(f"{result.metrics['dropped']} dropped as too like a picture of another part")
