"""Sightings are counted by image, or by sets of images: addresses, labels and given parts."""

from collections import defaultdict

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.validate.sightings import PARTS, SEEN, SightingIndex, collect_seen

IDS = pd.Series(["a", "b", "c"], dtype="string")


def look(*rows: tuple[str | None, str, str | None, str | None, str | None]) -> SightingIndex:
    """Return sightings: id, label, page, address of the image, given part."""
    return collect_seen(IDS, pd.DataFrame(rows, columns=list(SEEN)).astype("string"))


def test_an_image_inlined_in_a_page_is_at_the_pages_address() -> None:
    found = look(
        ("a", "coat", "page/1", None, None), ("a", "coat", "page/2", None, None), ("a", "coat", "p", "u", None)
    )
    assert found.kinds(np.arange(3), 3, found.address).tolist() == [3, 0, 0]


def test_an_image_lies_in_parts_from_first_to_last() -> None:
    found = look(
        *[("b", "coat", None, part, part) for part in ("val", "train", "test")], ("c", "coat", None, "u", None)
    )
    first, last = found.parts(3)
    assert [(PARTS[one], PARTS[other]) for one, other in zip(first, last, strict=True)] == [
        ("", ""), ("train", "test"), ("", ""),
    ]  # fmt: skip


def test_places_are_those_of_the_first_sighting_in_each_part() -> None:
    found = look(
        ("a", "coat", None, "x", "test"), ("a", "coat", None, "y", "test"), ("a", "coat", "page", None, "train")
    )
    places = found.places(np.array([0, 1]))
    assert places[["row", "part", "address"]].values.tolist() == [[0, 1, "page"], [0, 3, "x"]]


@settings(max_examples=15)
@given(st.lists(st.tuples(st.sampled_from("abcz"), st.sampled_from(["l", "m"]), st.sampled_from(["u", "v", None]))))
def test_sets_of_images_have_what_their_images_were_seen_with(rows: list[tuple[str, str, str | None]]) -> None:
    found = look(*[(name, label, None, url, None) for name, label, url in rows])
    sets = np.array([0, -1, 0])  # a and c are the same image, b is nobody's
    labels, urls = defaultdict(set), defaultdict(set)
    for name, label, url in rows:
        if name in "ac":
            labels[0].add(label)
            urls[0] |= {url} - {None}
    assert found.kinds(sets, 1, found.label).tolist() == [len(labels[0])]
    assert found.kinds(sets, 1, found.address).tolist() == [len(urls[0])]
