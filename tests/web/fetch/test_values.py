import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.web.fetch.values import Refused


@pytest.mark.parametrize(
    "reason",
    ["connection", "timeout", "incomplete", "robots_unreachable", "busy", "host_down", "http_429", "http_503"],
)
def test_what_may_pass(reason):
    assert Refused(reason).transient


@pytest.mark.parametrize(
    "reason", ["http_404", "http_501", "robots", "crawl_delay", "opted_out", "private_address", "too_large", "tls"]
)
def test_what_will_not(reason):
    assert not Refused(reason).transient


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
def test_words_that_quote_a_stranger_are_escaped(detail, shown):
    assert Refused("bad_url", detail).detail == shown


@settings(max_examples=25)
@given(st.text(st.characters(), max_size=500))
def test_any_words_can_be_written_down(text):
    detail = Refused("bad_url", text).detail
    assert detail.encode().decode().isprintable()
    assert len(detail) <= 200
    assert Refused("bad_url", detail).detail == detail  # so that a journal gives back what was put into it
