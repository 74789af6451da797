"""Sets of pictures with the same pixels: who is in them, and what they were seen with."""

import numpy as np
import pandas as pd

from pixmill.validate.sightings import SEEN, seen
from pixmill.validate.twins import Twins, find_twins


def twins(*rows: tuple[str, int, str | None], claims: list[bool] | None = None, settled: tuple[int, ...] = ()) -> Twins:
    """Return the sets of pictures given by pixels, width and label; each was seen at two addresses, one in common."""
    names = [f"{place:02}" for place in range(len(rows))]
    table = pd.DataFrame(
        {
            "pixels": pd.array([row[0] for row in rows], dtype="string"),
            "width": pd.array([row[1] for row in rows], dtype="Int32"),
            "height": pd.array([9] * len(rows), dtype="Int32"),
            "part": np.zeros(len(rows), np.int8),
        }
    )
    places = [
        (name, row[2] or "x", None, url, None) for name, row in zip(names, rows, strict=True) for url in ("u", name)
    ]
    chosen = np.zeros(len(rows), bool)
    chosen[list(settled)] = True
    return find_twins(
        table,
        np.array([row[2] for row in rows], dtype=object),
        claims=np.array(claims or [True] * len(rows), bool),
        settled=chosen,
        seen=seen(pd.Series(names, dtype="string"), pd.DataFrame(places, columns=list(SEEN)).astype("string")),
        repeats=4,
    )


def test_pictures_of_the_same_pixels_and_size_are_a_set() -> None:
    found = twins(("p", 8, "coat"), ("q", 8, "coat"), ("p", 8, "coat"), ("p", 9, "coat"))
    assert found.of.tolist() == [0, 1, 0, 2]
    assert found.first.tolist() == [0, 1, 3]
    assert found.members.tolist() == [2, 1, 1]
    assert found.twin.tolist() == [-1, -1, 0, -1]
    assert found.rival.tolist() == [-1] * 4


def test_what_has_no_claim_is_in_no_set() -> None:
    found = twins(("p", 8, "coat"), ("p", 8, "shoe"), claims=[False, True])
    assert found.of.tolist() == [-1, 0]
    assert found.members.tolist() == [1]
    assert not found.several.any()


def test_addresses_are_those_of_all_members_each_once() -> None:
    found = twins(*[("p", 8, "coat")] * 3, ("q", 8, "coat"), ("q", 8, "coat"))
    assert found.addresses.tolist() == [4, 3]
    assert found.placeholder.tolist() == [True, False]
    assert found.conflict.tolist() == [False, False]


def test_a_set_under_several_labels_is_a_conflict_or_a_placeholder() -> None:
    found = twins(("p", 8, "coat"), ("p", 8, "shoe"), *[("q", 8, label) for label in ("coat", "shoe", "hat")])
    assert found.conflict.tolist() == [True, False]
    assert found.placeholder.tolist() == [False, True]
    assert found.rival.tolist() == [1, 0, 3, 2, 2]


def test_a_set_that_a_person_has_looked_at_is_neither() -> None:
    found = twins(*[("p", 8, "coat")] * 5, ("p", 8, "shoe"), settled=(2,))
    assert not found.conflict.any()
    assert not found.placeholder.any()
    assert found.twin.tolist() == [2, 2, -1, 2, 2, -1]
    assert found.rival.tolist() == [-1] * 5 + [2]
