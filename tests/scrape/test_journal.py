import itertools
import os
import time
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.fetch import Refused, Validators
from pixmill.scrape.candidate import Candidate
from pixmill.scrape.journal import Answers, Journal
from pixmill.scrape.pictures import Picture

COAT = "coat of a shop"
ANSWERS = Answers(
    [
        Candidate("coat", "warm coat", 0, "http://x.test/0.png", page_url="http://x.test/", title="Wärm \ud800"),
        Candidate("coat", "warm coat", 1, None, thumbnail_url="data:,x", price="€ 1", width=9, route="click"),
        Candidate("coat", "warm coat", 2, "http://x.test/2", licence="by", author="A", bytes=5, md5="ab", height=3),
    ],
    limit=None,
    complete=True,
)
PICTURE = Picture("ab" * 32, 123, "png")
OUTCOMES = {
    "http://x.test/0.png": PICTURE,
    "http://x.test/1.png": Refused("http_404", "gone"),
    "data:,x": Picture("cd" * 32, 1, None),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def keep_answers(journal, answers=ANSWERS):
    journal.keep_answers(COAT, "coat", "warm coat", answers)


def write(path):
    with Journal(path) as journal:
        keep_answers(journal)
        for url, outcome in OUTCOMES.items():
            journal.keep_outcome(url, outcome)


def content(journal):
    return journal.answers(COAT), {url: journal.outcome(url) for url in OUTCOMES}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    write(path)
    return path.read_bytes()


def test_what_is_kept_is_there_the_next_time(path):
    write(path)
    with Journal(path) as journal:
        assert content(journal) == (ANSWERS, OUTCOMES)
        assert len(journal) == 4


def test_it_is_there_at_once_too(path):
    with Journal(path) as journal:
        journal.keep_outcome("http://x.test/0.png", PICTURE)
        assert journal.outcome("http://x.test/0.png") == PICTURE
        assert journal.outcome("http://x.test/1.png") is None


def test_a_record_has_left_the_process_when_the_call_returns(path):
    with Journal(path) as journal:
        journal.keep_outcome("http://x.test/0.png", PICTURE)
        with Journal(path, read_only=True) as other:
            assert other.outcome("http://x.test/0.png") == PICTURE


def test_the_last_record_wins(path):
    write(path)
    with Journal(path) as journal:
        journal.keep_outcome("http://x.test/1.png", PICTURE)
    with Journal(path) as journal:
        assert journal.outcome("http://x.test/1.png") == PICTURE


def test_answers_tell_their_limit_and_whether_they_are_all(path):
    few = Answers(ANSWERS.candidates[:1], limit=10, complete=False)
    with Journal(path) as journal:
        keep_answers(journal, few)
    with Journal(path) as journal:
        assert journal.answers(COAT) == few
        assert journal.answers("another search") is None


@pytest.mark.parametrize(
    ("limit", "complete", "wanted", "enough"),
    [
        (None, True, None, True),
        (None, True, 100, True),
        (None, False, None, False),
        (None, False, 3, True),  # it broke off, but behind all that is wanted now
        (3, True, 3, True),
        (3, True, 2, True),
        (3, True, 4, False),
        (3, True, None, False),
        (9, True, 4, True),  # the source had no more
        (9, False, 4, False),
    ],
)
def test_answers_that_suffice_for_what_is_wanted(limit, complete, wanted, enough):
    assert len(ANSWERS.candidates) == 3
    assert Answers(ANSWERS.candidates, limit, complete).suffice(wanted) is enough


def test_what_servers_say_of_versions(path):
    with Journal(path) as journal:
        journal.keep_outcome("a", PICTURE, Validators('"1"', "Fri, 20 Nov 2026 12:00:00 GMT", "http://x.test/"))
        journal.keep_outcome("b", PICTURE, Validators())
        journal.keep_outcome("c", PICTURE)
    with Journal(path) as journal:
        assert journal.validators("a") == Validators('"1"', "Fri, 20 Nov 2026 12:00:00 GMT", "http://x.test/")
        assert [journal.validators(address) for address in "bcd"] == [None, None, None]


def test_what_this_run_has_written_is_fresh(path):
    write(path)
    with Journal(path) as journal:
        journal.keep_outcome("http://x.test/1.png", Refused("timeout"))
        assert [journal.is_fresh(url) for url in [*OUTCOMES, "never"]] == [False, True, False, False]


def test_who_only_reads_changes_nothing(path):
    write(path)
    with path.open("ab") as file:
        file.write(b"[1,torn")
    before = path.read_bytes()
    with Journal(path, read_only=True) as journal:
        assert content(journal) == (ANSWERS, OUTCOMES)
        with pytest.raises(ValueError, match="open for reading only"):
            journal.keep_outcome("http://x.test/new.png", PICTURE)
    assert path.read_bytes() == before


@given(data=st.data())
def test_a_journal_cut_anywhere_loses_its_end_only(whole, tmp_path_factory, data):
    path = tmp_path_factory.mktemp("cut") / "journal.jsonl"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    lines = path.read_bytes().count(b"\n")
    with Journal(path) as journal:
        answers, outcomes = content(journal)
        assert answers == (ANSWERS if lines >= 1 else None)
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
    assert answers in (None, ANSWERS)
    assert all(outcome in (None, OUTCOMES[url]) for url, outcome in outcomes.items())


@given(st.binary(max_size=200))
def test_any_bytes_are_a_journal(tmp_path_factory, junk):
    path = tmp_path_factory.mktemp("junk") / "journal.jsonl"
    path.write_bytes(junk)
    write(path)
    with Journal(path) as journal:
        assert content(journal) == (ANSWERS, OUTCOMES)


def test_a_record_of_another_version_is_done_again(path):
    write(path)
    text = path.read_bytes()
    key = text.splitlines()[1].partition(b'"key":"')[2][:16]
    with path.open("ab") as file:
        for record in (b'{"kind":"picture"}', b'{"key":"%b","kind":"news"}' % key, b'{"key":"zzzz"}', b"{}", b"[]"):
            file.write(b"[%d,%b]\n" % (zlib.crc32(record), record))
    with Journal(path) as journal:
        assert journal.outcome("http://x.test/0.png") is None
        assert content(journal)[0] == ANSWERS
        assert journal.outcome("data:,x") == OUTCOMES["data:,x"]
    assert path.read_bytes().startswith(text)


@pytest.mark.linux
def test_what_a_full_disk_cut_off_is_no_record(path, monkeypatch):
    with Journal(path) as journal:
        journal.keep_outcome("http://x.test/0.png", PICTURE)
        whole = path.read_bytes()

        def full(_file):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fdatasync", full)
        monkeypatch.setattr(journal, "_synced", 0.0)
        with pytest.raises(OSError, match="No space left") as stop:
            journal.keep_outcome("http://x.test/1.png", PICTURE)
        assert stop.value.filename == str(path)
        assert path.read_bytes() == whole
        assert journal.outcome("http://x.test/1.png") is None
        monkeypatch.undo()
        journal.keep_outcome("http://x.test/1.png", PICTURE)
    with Journal(path) as journal:
        assert journal.outcome("http://x.test/1.png") == PICTURE


@pytest.mark.linux
def test_the_disk_is_waited_for_at_most_once_a_second(path, monkeypatch):
    moments = []
    monkeypatch.setattr(os, "fdatasync", lambda _file: moments.append(time.monotonic()))
    began = time.monotonic()
    with Journal(path) as journal:
        while time.monotonic() < began + 1.5 or not moments:
            journal.keep_outcome("http://x.test/0.png", PICTURE)
    # One, but for a machine that stood still meanwhile.
    assert all(later - earlier >= 1.0 for earlier, later in itertools.pairwise([began, *moments]))


def test_a_long_journal_opens_in_seconds_and_needs_little_memory(path):
    count = 100_000
    with Journal(path) as journal:
        for number in range(count):
            journal.keep_outcome(f"http://x.test/{number}.png", Picture(f"{number:064x}", number, "png"))
    tracemalloc.start()
    try:
        began = time.monotonic()
        with Journal(path) as journal:
            seconds = time.monotonic() - began
            assert len(journal) == count
            held, _ = tracemalloc.get_traced_memory()
            assert journal.outcome(f"http://x.test/{count - 1}.png").size == count - 1
    finally:
        tracemalloc.stop()
    assert seconds < 10  # 0.2 where nobody traces the memory
    assert held < 20 * count
