"""A picture's part follows from its own id, for ever."""

from __future__ import annotations

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from pixmill.parts import PARTS
from pixmill.split.assignment import part_of, place

SALTS = st.text(max_size=8)
IDS = st.binary(max_size=8).map(lambda content: hashlib.sha256(content).hexdigest())


def test_the_place_of_an_id_is_pinned():
    # If this fails, every split that people have changes.
    assert place("0" * 64, "pixmill") == 0.3936977882254203


@given(IDS, SALTS, st.floats(0.01, 0.3), st.floats(0.01, 0.3), st.floats(0.01, 0.3))
def test_another_share_of_val_moves_nothing_in_or_out_of_test(identity, salt, test, val, other):
    before = part_of(identity, salt=salt, val=val, test=test)
    after = part_of(identity, salt=salt, val=other, test=test)
    assert (before == "test") == (after == "test")


def test_parts_have_their_shares_and_another_salt_is_another_split():
    ids = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(20_000)]
    splits = [[part_of(identity, salt=salt, val=0.15, test=0.2) for identity in ids] for salt in ("one", "other")]
    for parts in splits:
        shares = [parts.count(part) / len(parts) for part in PARTS]
        assert all(abs(share - wanted) < 0.012 for share, wanted in zip(shares, (0.65, 0.15, 0.2), strict=True))
    same = sum(one == other for one, other in zip(*splits, strict=True)) / len(ids)
    # Two independent splits agree by chance in .65² + .15² + .2² of the pictures.
    assert abs(same - 0.485) < 0.015
