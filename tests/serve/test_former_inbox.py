"""An inbox of the former format is converted when it is first used, and nothing of it is lost."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pixmill.core.errors import LockedError, StorageError
from pixmill.serve import inbox as module
from pixmill.serve.correction import correction_of, line_of
from pixmill.serve.inbox import Inbox
from pixmill.serve.stores import Folder


def digest(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def former(tmp_path):
    """A former inbox with corrections of images 0, 1 and 0, in this order; image 2 was never answered."""
    place = tmp_path / "inbox"
    (place / "images").mkdir(parents=True)
    for number in range(3):
        (place / f"images/{digest(content_of(number))}.jpg").write_bytes(content_of(number))
    told = ((0, "dress"), (1, None), (0, "shoe"))
    (place / "feedback.jsonl").write_bytes(b"".join(line(number, label) for number, label in told) + b'{"id": "to')
    return place


def content_of(number):
    return b"image %d\n\xff" % number


def line(number, label):
    told = {"extension": "jpg", "prediction": {"label": "coat"}, "model": {"name": "m"}}
    return line_of(correction_of(content_of(number), label=label, **told))


def told(inbox):
    return [
        (inbox.read_image(entry), [(item.label, item.prediction) for item in entry.corrections])
        for entry in inbox.entries()[0]
    ]


WHOLE = [
    (content_of(0), [("shoe", {"label": "coat"}), ("dress", {"label": "coat"})]),
    (content_of(1), [(None, {"label": "coat"})]),
]


def test_everything_is_there_in_the_same_order_and_new_corrections_come_first(former):
    inbox = Inbox(former)
    assert (told(inbox), inbox.entries()[1]) == (WHOLE, 0)
    assert sorted(path.name for path in former.iterdir()) == [".lock", "corrections", "dropped"]
    inbox.add(b"new", correction_of(b"new", extension="jpg", prediction={}, label="hat", model={}))
    assert told(Inbox(former)) == [(b"new", [("hat", {})]), *WHOLE]


def test_dropped_images_stay_dropped(former):
    (former / "dropped.txt").write_text(f"{digest(content_of(1))}\n")
    inbox = Inbox(former)
    assert (told(inbox), inbox.dropped_ids()) == (WHOLE[:1], {digest(content_of(1))})
    inbox.restore(digest(content_of(1)))
    assert told(inbox) == WHOLE


def test_a_broken_line_stays_with_any_image_that_it_may_mean(former):
    with (former / "feedback.jsonl").open("r+b") as file:
        whole = file.read().rpartition(b"\n")[0]
        file.seek(0)
        file.write(whole + b"\nbroken\n")
    inbox = Inbox(former)
    assert inbox.entries()[1] == 1
    assert sorted(told(inbox)) == sorted([*WHOLE, (content_of(2), [(None, {})])])


def test_an_accepted_image_stays_although_no_line_names_it(former):
    (former / "decided.jsonl").write_text(f'{{"image": "{digest(content_of(2))}"}}\n')
    assert (content_of(2), [(None, {})]) in told(Inbox(former))


def test_what_a_former_server_adds_meanwhile_is_converted_too(former):
    Inbox(former).check()
    (former / "images").mkdir()
    (former / f"images/{digest(content_of(2))}.jpg").write_bytes(content_of(2))
    (former / "feedback.jsonl").write_bytes(line(2, "hat"))
    assert sorted(told(Inbox(former))) == sorted([*WHOLE, (content_of(2), [("hat", {"label": "coat"})])])


def test_a_conversion_that_is_killed_loses_nothing(former):
    lines = []
    for number in range(3, 203):
        (former / f"images/{digest(content_of(number))}.jpg").write_bytes(content_of(number))
        lines.append(line(number, "coat"))
    (former / "feedback.jsonl").write_bytes(b"".join(lines))
    script = "import sys; from pathlib import Path; from pixmill.serve.inbox import Inbox; print('go', flush=True)\n"
    script += "Inbox(Path(sys.argv[1])).check()"
    for wait in (0.005, 0.03):
        process = subprocess.Popen([sys.executable, "-c", script, former], stdout=subprocess.PIPE)
        with process:
            process.stdout.readline()
            time.sleep(wait)
            os.kill(process.pid, signal.SIGKILL)
    entries, broken = Inbox(Path(former)).entries()
    assert ([len(entry.corrections) for entry in entries], broken) == ([1] * 200, 0)


def test_a_server_starts_while_another_process_holds_the_folder_and_converts_it_later(former, monkeypatch, caplog):
    monkeypatch.setattr(module, "_CONVERSION_PATIENCE", 0.05)
    monkeypatch.setattr("pixmill.serve.stores._PATIENCE", 0.05)
    inbox, new = Inbox(former), correction_of(b"new", extension="jpg", prediction={}, label="hat", model={})
    with Folder(former).lock(then=""):
        inbox.check()
        assert "until the inbox is converted to its new format: other processes have locked" in caplog.text
        for act in (inbox.entries, lambda: inbox.add(b"new", new)):
            with pytest.raises(LockedError):
                act()
    inbox.add(b"new", new)
    assert told(inbox) == [(b"new", [("hat", {})]), *WHOLE]


def test_a_conversion_that_a_disk_error_stops_has_removed_only_what_is_converted(former, monkeypatch, caplog):
    write, left = Folder.write, [0]

    def fail(self, name, content):
        left[0] -= 1
        if left[0] < 0:
            raise StorageError("the disk is full")
        write(self, name, content)

    monkeypatch.setattr(Folder, "write", fail)
    inbox = Inbox(former)
    images = {number: former / f"images/{digest(content_of(number))}.jpg" for number in range(3)}
    for written, there in ((1, {0, 1, 2}), (2, {0, 2})):
        left[0] = written
        inbox.check()
        assert "the disk is full" in caplog.text
        assert {number for number, path in images.items() if path.exists()} == there
        with pytest.raises(StorageError):
            inbox.entries()
    monkeypatch.undo()
    assert (told(inbox), inbox.entries()[1]) == (WHOLE, 0)
    assert not (former / "images").exists()
