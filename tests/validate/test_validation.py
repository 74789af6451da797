"""Validation as a whole."""

import itertools
import tempfile
from pathlib import Path

import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.core.decisions import Row
from pixmill.core.params import ValidateParams
from pixmill.validate.statistics import metrics
from pixmill.validate.validation import validate
from tests.validate.conftest import Scrape, encoded, image, reasons, shapes


def test_bad_images_have_a_reason(scrape: Scrape) -> None:
    good = scrape.fill("coat", 3) + scrape.fill("shoe", 3, start=10)
    cut = scrape.add("coat", image(20, kind="JPEG", side=300)[:3000])
    text = scrape.add("coat", b"a text in a file named .jpg")
    tiny = scrape.add("shoe", image(21, side=10))
    stray = scrape.add("hat", image(22))
    disputed = scrape.add("coat", image(23))
    scrape.add("shoe", image(23))
    first, second = sorted(
        [scrape.add("shoe", image(24)), scrape.add("shoe", encoded(shapes(24), "BMP"))]
    )
    gone = scrape.add("shoe", image(25))
    changed = scrape.add("shoe", image(26))
    tables = scrape.tables()
    scrape.path(gone).unlink()
    scrape.path(changed).write_bytes(image(27))

    found = validate(
        *tables, classes=("coat", "shoe"), params=ValidateParams(), folder=scrape.folder, workers=0
    )

    assert reasons(found) == {
        cut: "truncated",
        text: "unknown",
        tiny: "too_small",
        stray: "label_undeclared",
        disputed: "label_conflict",
        second: f"duplicate_pixels:{first}",
        gone: "missing_file",
        changed: "changed_bytes",
    }
    kept = found.manifest[found.manifest["verdict"] == "keep"]
    assert sorted(kept["id"]) == sorted([*good, first])
    assert (
        kept[["width", "phash", "pixels", "brightness", "contrast", "sharpness"]]
        .notna()
        .all(axis=None)
    )


def test_near_duplicates_have_a_group_and_a_pair(scrape: Scrape) -> None:
    alone = scrape.add("coat", image(1, side=200))
    near = sorted(
        [
            scrape.add("coat", image(2, side=200)),
            scrape.add("coat", image(2, side=200, kind="JPEG", quality=60)),
        ]
    )
    found = scrape.validate()
    group = found.manifest.set_index("id")["group"]
    assert group[near].tolist() == [near[0]] * 2
    assert group[alone] == alone
    [(a, b, similarity)] = found.pairs.itertuples(index=False)
    assert [a, b] == near
    assert 0.99 <= similarity <= 1
    assert similarity == round(similarity, 4)
    assert len(found.pairs_across_labels()) == 0


def test_dropped_image_joins_no_group(scrape: Scrape) -> None:
    kept = scrape.add("coat", image(2))
    dropped = scrape.add("hat", image(2, kind="JPEG", quality=90))
    found = scrape.validate()
    assert len(found.pairs) == 0
    assert found.manifest.set_index("id")["group"][[kept, dropped]].tolist() == [kept, dropped]


def test_keeps_one_of_very_many_near_duplicates(scrape: Scrape) -> None:
    alone = scrape.fill("coat", 2, start=10)
    same = [scrape.add("coat", image(2, kind="JPEG", quality=40 + number)) for number in range(55)]
    found = scrape.validate()
    kept = set(found.manifest.loc[found.manifest["verdict"] == "keep", "id"])
    [one] = kept - set(alone)
    assert one in same
    assert reasons(found) == {name: f"repeated:{one}" for name in same if name != one}
    assert len(found.pairs) == 0
    assert found.manifest["group"].tolist() == found.manifest["id"].tolist()
    [row] = found.repeated.to_dict("records")
    assert row == {
        "id": one,
        "kind": "placeholder",
        "images": 55,
        "addresses": 55,
        "labels": "coat",
    }
    assert metrics(found)["placeholders"] == 1


def test_drops_very_many_near_duplicates_with_two_labels_unless_decided(scrape: Scrape) -> None:
    same = [
        scrape.add(("coat", "shoe")[number % 2], image(2, kind="JPEG", quality=40 + number))
        for number in range(55)
    ]
    found = scrape.validate()
    assert reasons(found) == dict.fromkeys(same, "placeholder")
    assert found.repeated["labels"].tolist() == ["coat, shoe"]
    decision = Row(same[7], answer="keep", line=2)
    found = scrape.validate(decisions=[decision])
    assert same[7] not in reasons(found)
    assert len(reasons(found)) == 54
    assert list(found.review.followed) == [same[7]]
    assert (len(found.review.powerless), len(found.pairs)) == (0, 0)


def test_forgotten_images_need_no_warning(scrape: Scrape) -> None:
    scrape.fill("coat", 3)
    gone = Row("f" * 64, answer="drop", why="forgotten: asked by mail", line=2)
    assert scrape.validate(decisions=[gone]).review.powerless == []


def test_decisions_are_applied_or_reported(scrape: Scrape) -> None:
    hat, coat, text = (
        scrape.add("coat", image(1), "hat.png"),
        *scrape.fill("coat", 1),
        scrape.add("coat", b"a text"),
    )
    decisions = [
        Row("data/coat/hat.png", answer="drop", why="a hat", line=2),
        Row(coat[:10], "shoe", "yes", line=3),
        Row(text, answer="keep", line=4),
        Row("f" * 64, answer="drop", line=5),
    ]
    found = scrape.validate(decisions=decisions)
    assert reasons(found) == {hat: "review", text: "unknown"}
    assert found.manifest.set_index("id")["label"][coat] == "shoe"
    assert set(found.review.followed) == {hat, coat}
    assert [row.line for row, _ in found.review.powerless] == [4, 5]
    # The row wins over the folder, and one line says so.
    assert found.review.moved == 1
    assert metrics(found)["warnings"]["decisions_not_followed"] == 2


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["PNG", "JPEG", "BMP"])), max_size=8))
def test_unlabelled_images_change_nothing_about_others(pile: list[tuple[int, str]]) -> None:
    """Not by copies of bytes, of pixels or of looks, nor by their number."""
    with tempfile.TemporaryDirectory() as folder:
        scrape = Scrape(Path(folder))
        # A near-duplicate of another one, an image under two labels, and one that is too small.
        for label, content in (
            ("coat", image(0)),
            ("coat", image(0, kind="JPEG", quality=60)),
            ("shoe", image(1)),
            ("coat", image(2)),
            ("shoe", image(2)),
            ("shoe", image(3, side=20)),
        ):
            scrape.add(label, content)
        alone = scrape.validate()
        for seed, kind in pile:
            scrape.add(None, image(seed, kind=kind), "copy", given_split="test")
        found = scrape.validate()
    rows = found.judged.reset_index(drop=True)
    pd.testing.assert_frame_equal(rows, alone.manifest)
    pd.testing.assert_frame_equal(found.pairs, alone.pairs)
    figures = metrics(found)
    figures.pop("unlabelled", None)
    assert figures == metrics(alone)
    others = found.manifest[~found.manifest["id"].isin(rows["id"])]
    assert set(others["reason"]) <= {"unlabelled"}


def test_an_unlabelled_near_duplicate_follows_the_labelled_image(scrape: Scrape) -> None:
    first, second = sorted(
        scrape.add("coat", image(1, kind="JPEG", quality=quality)) for quality in (60, 95)
    )
    near, far = (scrape.add(None, image(seed), "new.png") for seed in (1, 2))
    found = scrape.validate()
    group = found.manifest.set_index("id")["group"]
    assert group[[second, near, far]].tolist() == [first, first, far]
    assert metrics(found)["unlabelled"] == {"images": 2, "near_duplicates": 1}


def test_an_unlabelled_image_with_a_label_takes_part_with_its_split(scrape: Scrape) -> None:
    scrape.fill("coat", 3)
    drawn, came = (scrape.add(None, image(seed), f"{seed}.png") for seed in (10, 11))
    scrape.sightings[-1]["given_split"] = "val"
    rows = [Row(name, "shoe", "yes", split="test") for name in (drawn, came)]
    found = scrape.validate(decisions=rows)
    named = found.manifest.set_index("id").loc[[drawn, came]]
    assert named["label"].tolist() == ["shoe", "shoe"]
    assert named["verdict"].tolist() == ["keep", "keep"]
    assert named["given_split"].tolist() == ["test", "val"]
    assert metrics(found)["class_counts"] == {"coat": 3, "shoe": 2}
    assert found.review.moved == 0


def test_empty_manifest_fails_the_gate(scrape: Scrape) -> None:
    found = scrape.validate(gate=["not_empty"])
    assert len(found.manifest) == 0
    assert metrics(found)["gate"]["not_empty"] is False
    assert metrics(found)["near_duplicates"] == {"pairs": 0, "groups": 0, "largest_group": 0}


def test_series_change_no_verdict(tmp_path: Path) -> None:
    found = []
    for form in ("IMG_{n}_jpg.rf.{copy}.png", "{n}{copy}.png"):
        scrape = Scrape(tmp_path)
        for label, n, copy in itertools.product(("coat", "shoe"), range(5), "ab"):
            content = image(1000 * (label == "shoe") + 200 * n + ord(copy))
            scrape.add(label, content, form.format(n=n, copy=copy))
        found.append(scrape.validate())
    one, other = found
    assert (one.series is not None, other.series) == (True, None)
    pd.testing.assert_frame_equal(*(each.manifest.drop(columns="image_url") for each in found))
    pd.testing.assert_frame_equal(one.pairs, other.pairs)
