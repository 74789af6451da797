"""Reasons and their meaning."""

import inspect

from pixmill.images.decode import UndecodableError
from pixmill.validate.reasons import UNREADABLE


def test_reasons_of_the_decoder_have_a_meaning() -> None:
    documented = inspect.getdoc(UndecodableError) or ""
    named = {part for part in documented.split("``")[1::2] if part.isidentifier()}
    assert {"empty", "truncated", "too_many_pixels"} <= named
    assert named <= set(UNREADABLE)
