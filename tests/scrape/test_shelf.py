import os
import threading

import pytest

from pixmill.params import ScrapeParams
from pixmill.scrape.shelf import JOURNAL, earlier_shelf, journal_key, journal_path, shelf

KEYS = [digit * 32 for digit in "abcd"]


@pytest.fixture
def scratch(tmp_path):
    return tmp_path / "scrape"


def fill(scratch, key, *, size, used):
    with shelf(scratch, key) as folder:
        (folder / "journal.jsonl").write_bytes(bytes(size))
    os.utime(scratch / key, (used, used))


def folders(scratch):
    return sorted(path.name for path in scratch.iterdir() if path.is_dir())


def test_a_folder_stays(scratch):
    with shelf(scratch, KEYS[0]) as folder:
        (folder / "journal.jsonl").write_text("kept")
    with shelf(scratch, KEYS[0]) as folder:
        assert (folder / "journal.jsonl").read_text() == "kept"


def test_the_oldest_make_room(scratch):
    for place, key in enumerate(KEYS):
        fill(scratch, key, size=100, used=1000 + place)
    (scratch / "browser").mkdir()
    with shelf(scratch, "e" * 32, kept_bytes=250):
        assert folders(scratch) == sorted(["browser", *KEYS[2:], "e" * 32])


def test_what_is_in_use_stays(scratch):
    fill(scratch, KEYS[0], size=100, used=1000)
    with shelf(scratch, KEYS[1]) as used, shelf(scratch, KEYS[2], kept_bytes=0):
        assert used.is_dir()
        assert not (scratch / KEYS[0]).exists()


def test_what_was_left_half_written_is_swept(scratch):
    with shelf(scratch, KEYS[0]) as folder:
        (folder / ".part-1-x.png").write_bytes(b"half")
    with shelf(scratch, KEYS[0]) as folder:
        assert list(folder.iterdir()) == []


def test_who_comes_second_waits(scratch, capfd):
    order = []

    def second():
        with shelf(scratch, KEYS[0]):
            order.append("second")

    with shelf(scratch, KEYS[0]):
        thread = threading.Thread(target=second)
        thread.start()
        while "waiting" not in capfd.readouterr().err:
            pass
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_the_one_before_is_the_one_that_was_used_last(scratch):
    for place, key in enumerate(KEYS):
        fill(scratch, key, size=100, used=2000 - abs(place - 2))
    (scratch / "browser").mkdir()
    assert earlier_shelf(scratch, "e" * 32) == scratch / KEYS[2]
    assert earlier_shelf(scratch, KEYS[2]) == scratch / KEYS[3]
    (scratch / KEYS[3] / JOURNAL).unlink()
    assert earlier_shelf(scratch, KEYS[2]) == scratch / KEYS[1]


def test_there_need_be_none_before(scratch):
    with shelf(scratch, KEYS[0]):
        assert earlier_shelf(scratch, KEYS[0]) is None


def test_a_journal_belongs_to_its_snapshot_and_to_what_decides_over_its_records(scratch):
    first = ScrapeParams(snapshot="2026-11-20")
    same = ScrapeParams(snapshot="2026-11-20", source="bing", per_class=7, rate=1.0, licences=("by",))
    assert journal_key(first) == journal_key(same)
    others = [ScrapeParams(snapshot="2026-11-21"), ScrapeParams(snapshot="2026-11-20", max_bytes=7)]
    assert len({journal_key(params) for params in (first, *others)}) == 3
    with shelf(scratch, journal_key(first)) as folder:
        assert journal_path(scratch, first) == folder / JOURNAL
