"""Only a living server of the same user is believed to be one."""

import json
import os
import socket
import threading

import psutil
import pytest

from pixmill.web.address_file import ask_running, remove_address, write_address
from pixmill.web.private_server import PrivateServer, make_app
from tests.visitor import Visitor

ABOUT = {"of": "x"}


@pytest.fixture
def file(tmp_path):
    return tmp_path / ".pixmill/look/address.json"


@pytest.fixture
def server(file):
    with PrivateServer(make_app([]), command="x", address_file=file, about=ABOUT) as running:
        yield running


def test_where_there_is_no_file_nothing_runs(file):
    assert ask_running(file, ABOUT) is None


def test_the_file_is_its_users_whatever_the_umask(file):
    before = os.umask(0)
    try:
        write_address(file, port=1, secret="s", about=ABOUT)
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["address.json"]
    remove_address(file, secret="another")
    assert file.exists()
    remove_address(file, secret="s")
    assert not file.exists()
    remove_address(file, secret="s")


def test_a_running_server_is_found(server, file):
    assert Visitor(ask_running(file, ABOUT)).host == server.origin.removeprefix("http://")


@pytest.mark.parametrize(
    "change",
    [
        {"started": psutil.Process().create_time() - 60},  # The id was given to another process since.
        {"pid": 2**22 + 1},
        {"pid": -1},
        {"pid": 2**70},
        {"pid": None},
        {"port": 0},
        {"port": "80"},
        {"port": 70_000},
        {"secret": "wrong"},
        {"secret": "a\r\nb: c"},
        {"secret": "é€"},
        {"about": {"of": "y"}},
        {"about": []},
    ],
)
def test_a_file_that_is_not_right_is_ignored(server, file, change):
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert ask_running(file, ABOUT) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"[" * 60_000, b"\xff", b"{}", b"1" * 100_000])
def test_a_file_that_is_no_address_is_ignored(server, file, content):
    file.write_bytes(content)
    assert ask_running(file, ABOUT) is None


def test_a_file_that_others_may_write_or_that_leads_elsewhere_is_ignored(server, file):
    for mode in (0o620, 0o602, 0o604, 0o640):
        file.chmod(mode)
        assert ask_running(file, ABOUT) is None
    file.chmod(0o600)
    assert ask_running(file, ABOUT)
    moved = file.rename(file.with_name("moved.json"))
    file.symlink_to(moved)
    assert ask_running(file, ABOUT) is None
    file.unlink()
    os.mkfifo(file, 0o600)
    assert ask_running(file, ABOUT) is None
    file.unlink()
    file.mkdir()
    assert ask_running(file, ABOUT) is None


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"])
def test_a_server_that_does_not_answer_as_one_is_ignored(file, answer):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        write_address(file, port=listener.getsockname()[1], secret="s", about=ABOUT)

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(9999)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        assert ask_running(file, ABOUT) is None
        thread.join()
    assert ask_running(file, ABOUT) is None
