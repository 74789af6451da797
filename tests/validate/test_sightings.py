"""Sightings by image and by sets of images."""

from collections import defaultdict

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.validate.sightings import PARTS, SEEN, SightingIndex, collect_seen

IDS = pd.Series(["a", "b", "c"], dtype="string")


def look(*rows: tuple[str | None, str, str | None, str | None, str | None]) -> SightingIndex:
    """Return an index of sightings: id, label, URLs of page and image, predefined split."""
    return collect_seen(IDS, pd.DataFrame(rows, columns=list(SEEN)).astype("string"))


def test_inlined_image_has_the_url_of_its_page() -> None:
    found = look(
        ("a", "coat", "page/1", None, None),
        ("a", "coat", "page/2", None, None),
        ("a", "coat", "p", "u", None),
    )
    assert found.kinds(np.arange(3), 3, found.address).tolist() == [3, 0, 0]


def test_lowest_and_highest_predefined_split() -> None:
    found = look(
        *[("b", "coat", None, part, part) for part in ("val", "train", "test")],
        ("c", "coat", None, "u", None),
    )
    first, last = found.parts(3)
    assert [(PARTS[one], PARTS[other]) for one, other in zip(first, last, strict=True)] == [
        ("", ""), ("train", "test"), ("", ""),
    ]  # fmt: skip


def test_places_are_of_the_first_sighting_in_each_split() -> None:
    found = look(
        ("a", "coat", None, "x", "test"),
        ("a", "coat", None, "y", "test"),
        ("a", "coat", "page", None, "train"),
    )
    places = found.places(np.array([0, 1]))
    assert places[["row", "part", "address"]].values.tolist() == [[0, 1, "page"], [0, 3, "x"]]


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcz"), st.sampled_from(["l", "m"]), st.sampled_from(["u", "v", None])
        )
    )
)
def test_counts_distinct_values_of_sets(rows: list[tuple[str, str, str | None]]) -> None:
    found = look(*[(name, label, None, url, None) for name, label, url in rows])
    sets = np.array([0, -1, 0])  # a and c are one set, b is in none
    labels = defaultdict(set)
    urls = defaultdict(set)
    for name, label, url in rows:
        if name in "ac":
            labels[0].add(label)
            urls[0] |= {url} - {None}
    assert found.kinds(sets, 1, found.label).tolist() == [len(labels[0])]
    assert found.kinds(sets, 1, found.address).tolist() == [len(urls[0])]
