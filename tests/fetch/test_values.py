import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.fetch.values import Refused


@pytest.mark.parametrize(
    "reason",
    [
        "connection",
        "timeout",
        "incomplete",
        "robots_unreachable",
        "busy",
        "host_down",
        "http_429",
        "http_503",
    ],
)
def test_temporary_reasons_are_transient(reason):
    assert Refused(reason).transient


@pytest.mark.parametrize(
    ("detail", "shown"),
    [
        ("noai", "noai"),
        ("bücher.example", "bücher.example"),
        ("a\x1b[2Jb\n", "a\\x1b[2Jb\\n"),
        ("\u202eevil", "\\u202eevil"),
        ("\udce4", "\\udce4"),
    ],
)
def test_quoted_text_is_escaped(detail, shown):
    assert Refused("bad_url", detail).detail == shown


@settings(max_examples=25)
@given(st.text(st.characters(), max_size=500))
def test_any_detail_is_printable_and_short(text):
    detail = Refused("bad_url", text).detail
    assert detail.encode().decode().isprintable()
    assert len(detail) <= 200
    assert Refused("bad_url", detail).detail == detail  # idempotent, so journals round-trip
