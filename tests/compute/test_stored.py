"""Objects are read from a remote that fails for a while, and reach a guarded process as bytes."""

import pickle
import threading
from dataclasses import dataclass

import fsspec
import pytest

from pixmill.compute import stored
from pixmill.compute.storage import read_range
from pixmill.compute.stored import Stored, fetch_files, fill, read_stored, seal
from pixmill.core.errors import StorageError
from tests.servers import Handler, serve

LOCAL = pickle.dumps(fsspec.filesystem("file"))


@dataclass(frozen=True)
class Row:
    number: int
    file: object


@pytest.fixture
def place(tmp_path):
    (tmp_path / "object").write_bytes(b"0123456789")
    return Stored(LOCAL, str(tmp_path / "object"), "data/a.jpg")


def test_ranges_are_those_of_the_file(place, tmp_path):
    for start, size in ((0, None), (3, 4), (8, 100), (0, 0), (2, None)):
        assert read_range(place, start, size) == read_range(tmp_path / "object", start, size)
    assert read_stored(Stored(LOCAL, "files/md5/d4/1d8cd98f00b204e9800998ecf8427e", "data/empty.jpg")) == b""


def test_rows_get_the_bytes_of_their_files_and_others_stay(place):
    rows = [Row(1, place), Row(2, b"bytes"), place, "text", Row(3, None)]
    expected = [Row(1, b"0123456789"), Row(2, b"bytes"), b"0123456789", "text", Row(3, None)]
    assert [fill(row) for row in rows] == expected
    assert [pickle.loads(row) for row in fetch_files([*map(seal, rows)])] == expected


def test_an_absent_object_is_a_message(tmp_path):
    with pytest.raises(StorageError, match=r"lacks data/a\.jpg") as caught:
        read_stored(Stored(LOCAL, str(tmp_path / "absent"), "data/a.jpg"))
    assert caught.value.next.startswith("dvc push")


@pytest.fixture
def failing():
    """A server that answers 503 as often as its list says, and an object there."""

    class Failing(Handler):
        def respond(self):
            self.answer(b"bytes", self.server.codes.pop(0) if self.server.codes else 200)

    with serve(Failing) as server:
        url = f"http://127.0.0.1:{server.server_port}/object"
        yield server, Stored(pickle.dumps(fsspec.filesystem("http")), url, "data/a.jpg")


def test_a_remote_that_fails_is_asked_again(failing):
    server, place = failing
    server.codes = [503]
    assert read_stored(place) == b"bytes"


def test_files_that_were_not_begun_are_not_read_once_one_has_failed(place, monkeypatch):
    begun, failed = [], threading.Event()

    def read(file, start, end):
        begun.append(file)
        if len(begun) > 1:
            failed.wait(60)
        raise StorageError("away")

    monkeypatch.setattr(stored, "read_stored", read)
    rows = fetch_files([seal(place) for _ in range(40)])
    threading.Timer(0.2, failed.set).start()
    with pytest.raises(StorageError, match="away"):
        next(rows)
    assert len(begun) <= stored._READERS + 1


def test_a_remote_that_fails_for_too_long_is_a_message(failing, monkeypatch):
    server, place = failing
    server.codes = [503] * 9
    monkeypatch.setattr(stored, "_PATIENCE", 0)
    with pytest.raises(StorageError, match=r"does not return data/a\.jpg .*503") as caught:
        read_stored(place)
    assert "dvc remote list" in caught.value.next
