"""Validation as a whole."""

import pytest

from pixmill.core.params import ValidateParams
from pixmill.validate.decisions import Decision
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


def test_unreadable_images_have_no_measures(scrape: Scrape) -> None:
    text = scrape.add("coat", b"a text")
    row = scrape.validate().manifest.set_index("id").loc[text]
    assert (
        row[["width", "height", "mode", "pixels", "phash", "brightness", "contrast", "sharpness"]]
        .isna()
        .all()
    )
    assert row["group"] == text


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


def test_near_duplicate_with_another_label_is_kept_with_a_warning(scrape: Scrape) -> None:
    scrape.add("coat", image(2, side=200))
    scrape.add("shoe", image(2, side=200, kind="JPEG", quality=60))
    found = scrape.validate()
    assert reasons(found) == {}
    assert len(found.pairs_across_labels()) == 1
    assert metrics(found)["warnings"]["near_duplicates_across_labels"] == 1


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
    decision = Decision(2, same[7], "keep")
    found = scrape.validate(decisions=[decision])
    assert same[7] not in reasons(found)
    assert len(reasons(found)) == 54
    assert (found.review.followed, len(found.review.powerless), len(found.pairs)) == (
        {same[7]: decision},
        0,
        0,
    )


@pytest.mark.parametrize("why", ["forgotten: asked by mail", "unlabelled"])
def test_images_that_are_meant_to_be_gone_need_no_warning(scrape: Scrape, why: str) -> None:
    scrape.fill("coat", 3)
    gone = Decision(2, "f" * 64, "drop", why=why)
    assert scrape.validate(decisions=[gone]).review.powerless == []


def test_decisions_are_applied_or_reported(scrape: Scrape) -> None:
    hat, coat, text = (
        scrape.add("coat", image(1), "hat.png"),
        *scrape.fill("coat", 1),
        scrape.add("coat", b"a text"),
    )
    decisions = [
        Decision(2, "data/coat/hat.png", "drop", why="a hat"),
        Decision(3, coat[:10], "relabel", "shoe"),
        Decision(4, text, "keep"),
        Decision(5, "f" * 64, "drop"),
    ]
    found = scrape.validate(decisions=decisions)
    assert reasons(found) == {hat: "review", text: "unknown"}
    assert found.manifest.set_index("id")["label"][coat] == "shoe"
    assert found.review.followed == {hat: decisions[0], coat: decisions[1]}
    assert [decision for decision, _ in found.review.powerless] == decisions[2:]
    assert metrics(found)["warnings"]["decisions_not_followed"] == 2


def test_empty_manifest_fails_the_gate(scrape: Scrape) -> None:
    found = scrape.validate(gate=["not_empty"])
    assert len(found.manifest) == 0
    assert metrics(found)["gate"]["not_empty"] is False
    assert metrics(found)["near_duplicates"] == {"pairs": 0, "groups": 0, "largest_group": 0}
