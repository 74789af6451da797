"""One vocabulary of reasons, with a meaning for each word."""

import inspect

from pixmill.images.decode import UndecodableError
from pixmill.validate.reasons import REASONS, UNREADABLE, meaning, reason, word


def test_a_reason_is_a_word_or_a_word_with_an_id() -> None:
    assert reason("too_small") == "too_small"
    assert reason("duplicate_pixels", "ab12") == "duplicate_pixels:ab12"
    assert word("duplicate_pixels:ab12") == "duplicate_pixels"
    assert meaning("duplicate_pixels:ab12") == REASONS["duplicate_pixels"]


def test_every_reason_of_the_decoder_has_a_meaning() -> None:
    documented = inspect.getdoc(UndecodableError) or ""
    named = {part for part in documented.split("``")[1::2] if part.isidentifier()}
    assert {"empty", "truncated", "too_many_pixels"} <= named
    assert named <= set(UNREADABLE)
