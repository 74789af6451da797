"""The inbox keeps every acknowledged correction, even if writers are killed."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pixmill.core.errors import StorageError
from pixmill.dataset.inbox import Inbox, InboxFullError
from tests.disk import limit_file_size

PREDICTION = {
    "label": "coat",
    "confidence": 0.75,
    "sure": True,
    "probabilities": {"coat": 0.75, "dress": 0.25},
}
MODEL = {"name": "garments", "version": "3", "digest": "ab" * 32}


@pytest.fixture
def inbox(tmp_path):
    return Inbox(tmp_path / "inbox")


def add(inbox, content=b"image", label="dress", **more):
    correction = {
        "extension": "jpg",
        "prediction": PREDICTION,
        "label": label,
        "model": MODEL,
        **more,
    }
    return inbox.add(content, **correction)


def files(inbox):
    """Return the file names of the corrections."""
    return sorted(path.name for path in Path(inbox.place, "corrections").glob("*"))


def test_reads_what_was_added(inbox):
    name = add(inbox)
    [entry], broken = inbox.entries()
    assert (name, broken) == (hashlib.sha256(b"image").hexdigest(), 0)
    assert (entry.id, inbox.read_image(entry)) == (name, b"image")
    [item] = entry.corrections
    assert (item.label, item.prediction, item.model, item.bytes, item.extension) == (
        "dress",
        PREDICTION,
        MODEL,
        5,
        "jpg",
    )
    assert abs(item.received.timestamp() - time.time()) < 60
    assert item.received.utcoffset().total_seconds() == 0


def test_entries_and_corrections_are_sorted_newest_first(inbox):
    first = add(inbox, b"1", "dress")
    second = add(inbox, b"2", None)
    assert [entry.id for entry in inbox.entries()[0]] == [second, first]
    add(inbox, b"1", "shoe")
    entries, _ = inbox.entries()
    assert [(entry.id, [item.label for item in entry.corrections]) for entry in entries] == [
        (first, ["shoe", "dress"]),
        (second, [None]),
    ]
    inbox.remove(entries[0].names[-1:])
    assert [[item.label for item in entry.corrections] for entry in inbox.entries()[0]] == [
        ["shoe"],
        [None],
    ]


def test_is_full_at_its_limits_until_it_is_reviewed(inbox):
    for content in (b"1", b"2", b"3"):
        add(inbox, content)
    before = files(inbox)
    place = Path(inbox.place)
    for limits in ({"max_entries": 3}, {"max_bytes": 2000}):
        with pytest.raises(InboxFullError, match="3 corrections, and takes at most") as caught:
            add(Inbox(place, **limits), bytes(2000))
    assert caught.value.next == "pixmill review"
    assert files(inbox) == before
    inbox.remove(inbox.entries()[0][0].names)
    add(Inbox(place, max_entries=3), b"4")
    # The same bytes with the same label count once, and are the newest.
    name = add(Inbox(place, max_entries=3), b"2")
    assert (len(files(inbox)), inbox.entries()[0][0].id) == (3, name)


def test_files_are_listed_again_only_after_others_changed_them(inbox):
    class Counting(Inbox):
        listed = 0

        def _names(self, folder):
            self.listed += 1
            return super()._names(folder)

    place = Path(inbox.place)
    server = Counting(place, max_entries=5)
    for content in (b"1", b"2", b"2", b"1"):
        add(server, content)
    assert (server.listed, len(files(inbox))) == (1, 2)
    add(inbox, b"3")
    add(server, b"3")
    assert (server.listed, len(files(inbox))) == (2, 3)
    inbox.remove(inbox.entries()[0][0].names)
    for content in (b"4", b"5", b"6"):
        add(server, content)
    with pytest.raises(InboxFullError):
        add(server, b"7")


def test_take_over_can_be_repeated(inbox, tmp_path):
    target = Inbox(tmp_path / "target")
    for number in range(4):
        add(inbox, b"%d" % number)
    target.take_over(Path(inbox.place))
    before = files(target)
    moved = Path(target.place, "corrections", before[0])
    Path(inbox.place, "corrections", before[0]).write_bytes(moved.read_bytes())
    moved.unlink()
    assert target.take_over(Path(inbox.place)) == 1
    assert (files(target), files(inbox)) == (before, [])


def test_dropped_images_are_hidden_until_restored(inbox):
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


def test_counts_and_keeps_malformed_files(inbox):
    name = add(inbox)
    place = Path(inbox.place, "corrections")
    whole = next(place.iterdir()).read_bytes()
    broken = [
        b"",
        b"{}\n",
        b"\xff\n",
        b"[" * 10_000 + b"\n",
        whole.replace(name.encode(), b"../../etc/passwd"),
    ]
    for number, content in enumerate(broken):
        (place / f"broken-{number}").write_bytes(content)
    entries, count = inbox.entries()
    assert ([entry.id for entry in entries], count) == ([name], len(broken))
    inbox.remove(entries[0].names)
    assert inbox.entries() == ([], len(broken))


@pytest.mark.parametrize("room", [0, 100, 100_000])
def test_a_full_disk_leaves_no_partial_files(inbox, room):
    name = add(inbox, b"1")
    long = PREDICTION | {"probabilities": {f"class {number}": 0.1 for number in range(20_000)}}
    with (
        limit_file_size(room),
        pytest.raises(StorageError, match=r"size limit|disk is full") as caught,
    ):
        add(inbox, b"2" * 50, prediction=long)
    assert "send the feedback again" in caught.value.next
    assert [entry.id for entry in inbox.entries()[0]] == [name]
    assert not list(Path(inbox.place).rglob(".part-*"))
    assert add(inbox, b"2" * 50, prediction=long) in [entry.id for entry in inbox.entries()[0]]


_WRITER = """
import os, sys
from pathlib import Path
from pixmill.dataset.inbox import Inbox
inbox = Inbox(Path(sys.argv[1]))
while True:
    content = os.urandom(40_000)
    prediction = {"probabilities": [0.1] * 2000}
    name = inbox.add(content, extension="jpg", prediction=prediction, label="dress", model={})
    os.write(1, f"{name}\\n".encode())
"""


def test_sigkill_loses_no_acknowledged_correction(inbox):
    """Kill two writers at random times, and check that all corrections they acknowledged exist."""
    answered: list[str] = []
    chance = random.Random(7)
    for _ in range(2):
        writers = [
            subprocess.Popen([sys.executable, "-c", _WRITER, inbox.place], stdout=subprocess.PIPE)
            for _ in range(2)
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
    # The next writer removes partial files.
    add(Inbox(Path(inbox.place)), b"last")
    assert not list(Path(inbox.place).rglob(".part-*"))
