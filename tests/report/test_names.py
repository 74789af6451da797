"""A long name is shown by both its ends."""

import pytest

from pixmill.report import shorten


def test_a_name_that_is_short_enough_stays_as_it_is() -> None:
    assert shorten("a" * 90) == "a" * 90


@pytest.mark.parametrize("limit", [32, 90, 300])
def test_a_long_one_loses_its_middle(limit: int) -> None:
    text = "https://example.org/" + "x" * 5000 + "/" + "y" * 21 + "/end.png"
    found = shorten(text, limit)
    assert len(found) == limit
    first, last = found.split("…")
    assert text.startswith(first)
    assert text.endswith(last)
    assert len(last) == 30
