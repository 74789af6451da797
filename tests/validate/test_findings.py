"""Findings about identical images."""

from collections.abc import Mapping

import pandas as pd

from pixmill.validate.tables import LEAKS, REPEATED
from tests.validate.conftest import Scrape, encoded, image, reasons, shapes


def rows(table: pd.DataFrame) -> list[Mapping[str, object]]:
    return [dict(row) for row in table.to_dict("records")]


def test_conflict_includes_all_copies_and_labels(scrape: Scrape) -> None:
    ids = [scrape.add("coat", encoded(shapes(1), kind)) for kind in ("PNG", "BMP", "TIFF")]
    scrape.add("shoe", encoded(shapes(1), "PNG"))
    scrape.add("shoe", encoded(shapes(1), "BMP"))
    found = scrape.validate()
    assert set(reasons(found)) == set(ids)
    [row] = rows(found.repeated)
    assert row == {
        "id": min(ids),
        "kind": "conflict",
        "images": 3,
        "addresses": 5,
        "labels": "coat, shoe",
    }
    assert tuple(found.repeated) == REPEATED


def test_placeholder_is_reported_though_one_copy_is_kept(scrape: Scrape) -> None:
    scrape.fill("shoe", 1)
    for _ in range(3):
        name = scrape.add("coat", image(1))
    found = scrape.validate(placeholders={"repeats": 3})
    assert reasons(found) == {}
    assert rows(found.repeated) == [
        {"id": name, "kind": "placeholder", "images": 1, "addresses": 3, "labels": "coat"}
    ]


def test_file_in_two_splits_stays_in_the_higher_one(scrape: Scrape) -> None:
    name = scrape.add("coat", image(1), given_split="train")
    scrape.add("coat", image(1), given_split="test")
    other = scrape.add("coat", image(2), given_split="train")
    found = scrape.validate()
    assert reasons(found) == {}
    assert found.manifest.set_index("id")["given_split"].to_dict() == {name: "test", other: "train"}
    [row] = rows(found.leaks)
    assert tuple(row) == LEAKS
    assert tuple(row.values()) == (
        name,
        "train",
        "data/coat/0000.png",
        name,
        "test",
        "data/coat/0001.png",
    )


def test_dropped_images_are_no_leaks(scrape: Scrape) -> None:
    for part in ("train", "test"):
        scrape.add("coat", image(1, side=9), given_split=part)
        scrape.add("coat", b"a text", given_split=part)
    for label, part in (("coat", "train"), ("shoe", "test")):
        scrape.add(label, image(2), given_split=part)
    found = scrape.validate()
    assert set(reasons(found).values()) == {"too_small", "unknown", "label_conflict"}
    assert len(found.leaks) == 0
    assert found.repeated["kind"].tolist() == ["conflict"]
