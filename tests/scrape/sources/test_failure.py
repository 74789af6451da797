import pickle

import pytest

from pixmill.scrape.sources.failure import SearchFailed


@pytest.mark.parametrize(
    ("said", "shown"),
    [("wait", "wait"), ("a\x1b[2Jb\0", "a\\x1b[2Jb\\x00"), ("\ud83d", "\\ud83d"), ("\u202eevil", "\\u202eevil")],
)
def test_words_that_quote_a_site_are_escaped(said, shown):
    assert str(SearchFailed("stalled", f"it says '{said}'")) == f"it says '{shown}'"


def test_words_without_an_end_are_cut():
    said = SearchFailed("stalled", "x" * 10**6).message
    assert said == "x" * 8192 + "…"


def test_a_failure_travels_between_processes():
    failed = pickle.loads(pickle.dumps(SearchFailed("captcha", "prove it\x07", evidence="there")))
    assert (failed.failure, failed.message, failed.evidence) == ("captcha", "prove it\\x07", "there")
