import contextlib
import signal
import sqlite3
import subprocess
import sys
import threading

import pytest

from pixmill.core.errors import StorageError
from pixmill.core.params import ScrapeParams
from pixmill.fetch import Refused, Validators
from pixmill.scrape.candidate import Candidate, StoredImage
from pixmill.scrape.journal import Journal, SearchResults, hold_journal, read_journal

TODAY, TOMORROW = (ScrapeParams(snapshot=day) for day in ("2026-11-20", "2026-11-21"))
COAT = "coat of a shop"
ANSWERS = SearchResults(
    [
        Candidate(
            "coat",
            "warm coat",
            0,
            "http://x.test/0.png",
            page_url="http://x.test/",
            title="Wärm \ud800",
        ),
        Candidate(
            "coat",
            "warm coat",
            1,
            None,
            thumbnail_url="data:,x",
            price="€ 1",
            width=9,
            route="click",
        ),
        Candidate(
            "coat",
            "warm coat",
            2,
            "http://x.test/2",
            licence="by",
            author="A",
            bytes=5,
            md5="ab",
            height=3,
        ),
    ],
    limit=None,
    complete=True,
)
IMAGE = StoredImage("ab" * 32, 123, "png")
OUTCOMES = {
    "http://x.test/0.png": IMAGE,
    "http://x.test/1.png": Refused("http_404", "gone"),
    "data:,x": StoredImage("cd" * 32, 1, None),
}


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "journal"


def write(folder, params=TODAY):
    with Journal(folder, params) as journal:
        journal.save_results(COAT, ANSWERS)
        for url, outcome in OUTCOMES.items():
            journal.save_outcome(url, outcome)


def content(journal):
    return journal.results(COAT), {url: journal.outcome(url) for url in OUTCOMES}


def test_records_persist(folder):
    write(folder)
    with Journal(folder, TODAY) as journal:
        assert content(journal) == (ANSWERS, OUTCOMES)
        assert journal.results("another search") is None
        journal.save_outcome("http://x.test/1.png", IMAGE)
        assert journal.outcome("http://x.test/1.png") == IMAGE
        with Journal(folder, TODAY) as other:
            assert other.outcome("http://x.test/1.png") == IMAGE


@pytest.mark.parametrize(
    ("limit", "complete", "wanted", "enough"),
    [
        (None, True, None, True),
        (None, True, 100, True),
        (None, False, None, False),
        (None, False, 3, True),  # incomplete, but enough
        (3, True, 3, True),
        (3, True, 2, True),
        (3, True, 4, False),
        (3, True, None, False),
        (9, True, 4, True),  # the source had no more
        (9, False, 4, False),
    ],
)
def test_results_suffice(limit, complete, wanted, enough):
    assert len(ANSWERS.candidates) == 3
    assert SearchResults(ANSWERS.candidates, limit, complete).suffice(wanted) is enough


@pytest.mark.parametrize("params", [TOMORROW, ScrapeParams(snapshot="2026-11-20", max_bytes=7)])
def test_records_belong_to_a_snapshot_and_a_size_limit(folder, params):
    write(folder)
    with Journal(folder, params) as journal:
        assert content(journal) == (None, dict.fromkeys(OUTCOMES))


def test_a_damaged_record_is_an_error(folder):
    write(folder)
    with contextlib.closing(sqlite3.connect(folder / "journal.db")) as database:
        database.execute("UPDATE records SET record = substr(record, 2)")
        database.commit()
    with (
        Journal(folder, TODAY) as journal,
        pytest.raises(StorageError, match=r"journal\.db cannot be used: "),
    ):
        content(journal)


def test_an_earlier_version_needs_validators_and_its_bytes(folder, image):
    kept = StoredImage.of(image(1))
    validators = Validators('"1"', "Fri, 20 Nov 2026 12:00:00 GMT", "http://x.test/")
    with Journal(folder, TODAY) as journal:
        journal.images.add(kept, image(1))
        journal.save_outcome("a", kept, validators)
        journal.save_outcome("without validators", kept, Validators())
        journal.save_outcome("without bytes", IMAGE, validators)
        journal.save_outcome("refused", Refused("http_404"))
        assert journal.earlier_version("a") is None
    with Journal(folder, TOMORROW) as journal:
        assert journal.earlier_version("a") == (kept, validators)
        for address in ("without validators", "without bytes", "refused", "never tried"):
            assert journal.earlier_version(address) is None


KILLED = """
import os, signal, sys
from pathlib import Path
from pixmill.core.params import ScrapeParams
from pixmill.scrape.candidate import StoredImage
from pixmill.scrape.journal import Journal

with Journal(Path(sys.argv[1]), ScrapeParams(snapshot="2026-11-20")) as journal:
    for number in range(50):
        journal.save_outcome(f"http://x.test/{number}", StoredImage(f"{number:064x}", number, "png"))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.linux
def test_a_killed_process_loses_no_record(folder):
    killed = subprocess.run([sys.executable, "-c", KILLED, folder])
    assert killed.returncode == -signal.SIGKILL
    with Journal(folder, TODAY) as journal:
        assert [journal.outcome(f"http://x.test/{number}").size for number in range(50)] == list(
            range(50)
        )


@pytest.mark.parametrize("junk", [b"junk" * 2000, b"SQLite format 3\0" + bytes(5000), b"[1,{}]\n"])
def test_a_damaged_database_names_the_folder_to_delete(folder, junk):
    folder.mkdir()
    (folder / "journal.db").write_bytes(junk)
    with pytest.raises(StorageError, match=r"journal\.db cannot be used: ") as stop:
        Journal(folder, TODAY)
    assert f"delete {folder}" in stop.value.next
    assert stop.value.next.endswith("dvc repro scrape")


def test_a_second_process_waits(tmp_path, capfd):
    order = []

    def second():
        with hold_journal(TODAY, tmp_path):
            order.append("second")

    with hold_journal(TODAY, tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        while "waiting" not in capfd.readouterr().err:
            pass
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_read_journal_creates_nothing(tmp_path, folder):
    with read_journal(TODAY, tmp_path) as journal:
        assert journal is None
    assert not folder.exists()
    write(folder)
    with hold_journal(TODAY, tmp_path), read_journal(TODAY, tmp_path) as journal:
        assert content(journal) == (ANSWERS, OUTCOMES)


def test_forgets_candidates_and_keeps_the_others(folder):
    inline = [f"data:image/gif;base64,{letter * 40}" for letter in "ABC"]
    page = "http://x.test/page"
    places = [
        {"image_url": "http://x.test/0"},
        {"image_url": None, "page_url": page},
        {"image_url": "http://x.test/2"},
    ]
    found = [
        Candidate("coat", "", rank, thumbnail_url=inline[rank], **place)
        for rank, place in enumerate(places)
    ]
    with Journal(folder, TODAY) as journal:
        journal.save_results(COAT, SearchResults(found, None, complete=True))
        journal.forget(frozenset({"http://x.test/0", page}))
        assert journal.results(COAT) == SearchResults(found[2:], None, complete=True)
        left = b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    assert [each.encode() in left for each in inline] == [False, False, True]
