"""Reasons and their meaning."""

import inspect

from pixmill.images import read_errors as images
from pixmill.images.decode import UndecodableError
from pixmill.images.read_errors import remedy
from pixmill.validate.reasons import UNREADABLE

LEFT_IN_PLACE = {"missing_file", "changed_bytes", "lfs", "annex", "no_decoder", "timeout", "memory"}
LEFT_IN_PLACE |= {"too_many_bytes", "too_many_pixels", "too_complex"}
"""Reasons that go after a command, another limit, or a new version in the same place."""


def test_reasons_of_the_decoder_have_a_meaning() -> None:
    documented = inspect.getdoc(UndecodableError) or ""
    named = {part for part in documented.split("``")[1::2] if part.isidentifier()}
    assert {"empty", "truncated", "too_many_pixels"} <= named
    assert named <= set(UNREADABLE)


def test_a_next_step_for_every_reason_and_none_deletes_a_sound_image() -> None:
    steps = {name: remedy(name) for name in images.UNREADABLE}
    assert all(steps.values())
    assert {name for name, step in steps.items() if "delete" in step} == {
        "empty",
        "truncated",
        "html",
    }
    # Otherwise the summary would name the file for ever.
    stays = {
        name
        for name in images.UNREADABLE
        if not any(word in steps[name] for word in ("away", "delete"))
    }
    assert stays == LEFT_IN_PLACE
    named = {
        "too_many_pixels": "validate.max_pixels",
        "no_decoder": "[heic]",
        "timeout": "validate.timeout",
    }
    named |= {"memory": "validate.memory", "lfs": "git lfs pull", "annex": "git annex get"}
    assert [name for name, text in named.items() if text not in steps[name]] == []


def test_reasons_are_counted_most_frequent_first() -> None:
    found = images.explain(["svg", "lfs", "lfs", "dicom"])
    counts = [(name, what.partition(":")[0]) for name, what, _ in found]
    assert counts == [("lfs", "2 files"), ("dicom", "1 file"), ("svg", "1 file")]
