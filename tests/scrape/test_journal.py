import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.fetch import Refused
from pixmill.scrape.candidate import Candidate, Query
from pixmill.scrape.journal import Journal
from pixmill.scrape.pictures import Picture

COAT = Query("coat", "warm coat", "http://x.test/?q=coat")
CANDIDATES = [
    Candidate("coat", "warm coat", 0, "http://x.test/0.png", "http://x.test/", "Wärm \ud800", "€ 1"),
    Candidate("coat", "warm coat", 1, None, thumbnail=True),
]
PICTURE = Picture("ab" * 32, 123, "png")
OUTCOMES = {
    "http://x.test/0.png": PICTURE,
    "http://x.test/1.png": Refused("http_404", "gone"),
    "data:,x": Picture("cd" * 32, 1, None),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def write(path, *, limit=None):
    with Journal(path) as journal:
        journal.keep_answers(COAT, limit, CANDIDATES)
        for url, outcome in OUTCOMES.items():
            journal.keep_outcome(url, outcome)


def content(journal):
    return journal.answers(COAT, None), {url: journal.outcome(url) for url in OUTCOMES}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    write(path)
    return path.read_bytes()


def test_what_is_kept_is_there_the_next_time(path):
    write(path)
    with Journal(path) as journal:
        assert content(journal) == (CANDIDATES, OUTCOMES)


def test_a_record_has_left_the_process_when_the_call_returns(path):
    with Journal(path) as journal:
        journal.keep_outcome("http://x.test/0.png", PICTURE)
        with Journal(path) as other:
            assert other.outcome("http://x.test/0.png") == PICTURE


def test_the_last_record_wins(path):
    write(path)
    with Journal(path) as journal:
        journal.keep_outcome("http://x.test/1.png", PICTURE)
    with Journal(path) as journal:
        assert journal.outcome("http://x.test/1.png") == PICTURE


def test_answers_hold_for_their_limit_only(path):
    write(path, limit=10)
    with Journal(path) as journal:
        assert journal.answers(COAT, 10) == CANDIDATES
        assert journal.answers(COAT, None) is None
        assert journal.answers(Query("coat", "other", ""), 10) is None


def test_without_a_file_it_lasts_as_long_as_the_object():
    with Journal(None) as journal:
        journal.keep_outcome("data:,x", PICTURE)
        assert journal.outcome("data:,x") == PICTURE


@given(data=st.data())
def test_a_journal_cut_anywhere_loses_its_end_only(whole, tmp_path_factory, data):
    path = tmp_path_factory.mktemp("cut") / "journal.jsonl"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    lines = path.read_bytes().count(b"\n")
    with Journal(path) as journal:
        answers, outcomes = content(journal)
        assert answers == (CANDIDATES if lines >= 1 else None)
        assert [outcome is not None for outcome in outcomes.values()] == [lines > place for place in (1, 2, 3)]
        journal.keep_outcome("http://x.test/new.png", PICTURE)
    with Journal(path) as journal:
        assert journal.outcome("http://x.test/new.png") == PICTURE
        assert content(journal) == (answers, outcomes)


@given(data=st.data())
def test_a_damaged_byte_is_never_believed(whole, tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damage") / "journal.jsonl"
    place = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255))
    path.write_bytes(whole[:place] + bytes([byte]) + whole[place + 1 :])
    with Journal(path) as journal:
        answers, outcomes = content(journal)
    assert answers in (None, CANDIDATES)
    assert all(outcome in (None, OUTCOMES[url]) for url, outcome in outcomes.items())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_journal(tmp_path_factory, junk):
    path = tmp_path_factory.mktemp("junk") / "journal.jsonl"
    path.write_bytes(junk)
    write(path)
    with Journal(path) as journal:
        assert content(journal) == (CANDIDATES, OUTCOMES)


def test_a_record_of_another_version_is_done_again(path):
    write(path)
    text = path.read_bytes()
    with path.open("ab") as file:
        for record in (b'{"kind":"picture","key":"x"}', b'{"kind":"something new"}', b"{}", b"[]"):
            file.write(b"[%d,%b]\n" % (zlib.crc32(record), record))
    with Journal(path) as journal:
        assert content(journal) == (CANDIDATES, OUTCOMES)
    assert path.read_bytes().startswith(text)
