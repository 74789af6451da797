"""What the inbox has answered is there, whatever happens to those who write into it."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pixmill.core.errors import LockedError, PixmillError, StorageError
from pixmill.serve.correction import correction_of
from pixmill.serve.inbox import Inbox, InboxFullError
from tests.disk import limit_file_size

SAID = {"label": "coat", "confidence": 0.75, "sure": True, "probabilities": {"coat": 0.75, "dress": 0.25}}
MODEL = {"name": "garments", "version": "3", "digest": "ab" * 32}


@pytest.fixture
def inbox(tmp_path):
    return Inbox(tmp_path / "inbox")


def add(inbox, content=b"image", label="dress", **more):
    told = {"extension": "jpg", "prediction": SAID, "label": label, "model": MODEL, **more}
    return inbox.add(content, correction_of(content, **told))


def files(inbox):
    """Return the names of the corrections' files."""
    return sorted(path.name for path in Path(inbox.place, "corrections").glob("*"))


def test_a_correction_comes_back_as_it_was_given(inbox):
    name = add(inbox)
    [entry], broken = inbox.entries()
    assert (name, broken) == (hashlib.sha256(b"image").hexdigest(), 0)
    assert (entry.id, inbox.read_image(entry)) == (name, b"image")
    [item] = entry.corrections
    assert (item.label, item.prediction, item.model, item.bytes, item.extension) == ("dress", SAID, MODEL, 5, "jpg")
    assert abs(item.received.timestamp() - time.time()) < 60
    assert item.received.utcoffset().total_seconds() == 0


def test_the_image_corrected_last_and_its_newest_correction_come_first(inbox):
    first, second = add(inbox, b"1", "dress"), add(inbox, b"2", None)
    assert [entry.id for entry in inbox.entries()[0]] == [second, first]
    add(inbox, b"1", "shoe")
    entries, _ = inbox.entries()
    assert [(entry.id, [item.label for item in entry.corrections]) for entry in entries] == [
        (first, ["shoe", "dress"]),
        (second, [None]),
    ]
    inbox.remove(entries[0].names[-1:])
    assert [[item.label for item in entry.corrections] for entry in inbox.entries()[0]] == [["shoe"], [None]]


def test_an_empty_inbox_makes_no_folder(inbox):
    assert inbox.entries() == ([], 0)
    inbox.remove([])
    assert not Path(inbox.place).exists()


def test_a_file_is_no_inbox(tmp_path):
    (tmp_path / "inbox").write_bytes(b"a file")
    with pytest.raises(PixmillError, match="is not a folder") as refused:
        Inbox(tmp_path / "inbox")
    assert "--inbox DIR" in refused.value.next


def test_it_is_full_at_its_number_and_its_size_until_it_is_reviewed(inbox):
    for content in (b"1", b"1", b"2"):
        add(inbox, content)
    before, place = files(inbox), Path(inbox.place)
    for limits in ({"max_entries": 3}, {"max_bytes": 2000}):
        with pytest.raises(InboxFullError, match="3 corrections, and takes at most") as refused:
            add(Inbox(place, **limits), bytes(2000))
    assert refused.value.next == "pixmill review"
    assert files(inbox) == before
    inbox.remove(inbox.entries()[0][0].names)
    add(Inbox(place, max_entries=3), b"3")


def test_a_killed_move_goes_on_and_takes_nothing_twice(inbox, tmp_path):
    there = Inbox(tmp_path / "there")
    for number in range(4):
        add(inbox, b"%d" % number)
    there.take_over(Path(inbox.place))
    before = files(there)
    moved = Path(there.place, "corrections", before[0])
    Path(inbox.place, "corrections", before[0]).write_bytes(moved.read_bytes())
    moved.unlink()
    assert there.take_over(Path(inbox.place)) == 1
    assert (files(there), files(inbox)) == (before, [])


def test_a_dropped_image_never_comes_again_until_it_is_restored(inbox):
    name = add(inbox)
    kept = add(inbox, b"other")
    inbox.drop([name])
    add(inbox, label="shoe")
    assert [entry.id for entry in inbox.entries()[0]] == [kept]
    inbox.restore(name)
    assert len(inbox.entries()[0]) == 2
    inbox.drop([name])
    inbox.remove([])
    assert len(files(inbox)) == 1
    assert inbox.dropped_ids() == {name}


def test_what_is_no_correction_is_counted_and_kept(inbox):
    name, place = add(inbox), Path(inbox.place, "corrections")
    whole = next(place.iterdir()).read_bytes()
    broken = [b"", b"{}\n", b"\xff\n", b"[" * 10_000 + b"\n", whole.replace(name.encode(), b"../../etc/passwd")]
    for number, content in enumerate(broken):
        (place / f"broken-{number}").write_bytes(content)
    entries, count = inbox.entries()
    assert ([entry.id for entry in entries], count) == ([name], len(broken))
    inbox.remove(entries[0].names)
    assert inbox.entries() == ([], len(broken))


@pytest.mark.parametrize("room", [0, 100, 100_000])
def test_a_full_disk_leaves_nothing_half(inbox, room):
    name = add(inbox, b"1")
    long = SAID | {"probabilities": {f"class {number}": 0.1 for number in range(20_000)}}
    with limit_file_size(room), pytest.raises(StorageError, match=r"size limit|disk is full") as refused:
        add(inbox, b"2" * 50, prediction=long)
    assert "send the feedback again" in refused.value.next
    assert [entry.id for entry in inbox.entries()[0]] == [name]
    assert not list(Path(inbox.place).rglob(".part-*"))
    assert add(inbox, b"2" * 50, prediction=long) in [entry.id for entry in inbox.entries()[0]]


def test_everything_is_synced_in_order(inbox, monkeypatch):
    synced, sync = [], os.fsync

    def recording(number):
        synced.append(os.fstat(number).st_ino)
        sync(number)

    monkeypatch.setattr(os, "fsync", recording)
    add(inbox)
    place = Path(inbox.place)
    assert synced == [path.stat().st_ino for path in (place, *(place / "corrections").iterdir(), place / "corrections")]


def test_a_process_that_hangs_with_the_lock_is_told(inbox, monkeypatch):
    monkeypatch.setattr("pixmill.serve.inbox._PATIENCE", 0.05)
    add(inbox)
    with Inbox(Path(inbox.place)).lock(then=""), pytest.raises(LockedError, match=r"locked .*inbox"):
        add(inbox, b"2")


_WRITER = """
import os, sys
from pathlib import Path
from pixmill.serve.correction import correction_of
from pixmill.serve.inbox import Inbox
inbox = Inbox(Path(sys.argv[1]))
while True:
    content = os.urandom(40_000)
    said = {"probabilities": [0.1] * 2000}
    name = inbox.add(content, correction_of(content, extension="jpg", prediction=said, label="dress", model={}))
    os.write(1, f"{name}\\n".encode())
"""


def test_nothing_answered_is_lost_to_sigkill(inbox):
    """Kill writers at random instants, two at a time on one folder, and look for everything they answered."""
    answered: list[str] = []
    chance = random.Random(7)
    for _ in range(2):
        writers = [
            subprocess.Popen([sys.executable, "-c", _WRITER, inbox.place], stdout=subprocess.PIPE) for _ in range(2)
        ]
        for writer in writers:
            answered.append(writer.stdout.readline().decode().strip())
            time.sleep(chance.uniform(0, 0.05))
            os.kill(writer.pid, signal.SIGKILL)
            answered += writer.communicate()[0].decode().split()
    entries, broken = inbox.entries()
    assert broken == 0
    assert len(set(answered)) == len(answered) >= 4
    assert set(answered) <= {entry.id for entry in entries}
    assert all(hashlib.sha256(inbox.read_image(entry)).hexdigest() == entry.id for entry in entries)
    # The next writer sweeps what is half-written.
    add(Inbox(Path(inbox.place)), b"last")
    assert not list(Path(inbox.place).rglob(".part-*"))
