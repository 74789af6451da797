"""A second start of a command finds the first, and not a dead one or another."""

import json
import os

import psutil
import pytest

from pixmill.web.address_file import ask_running, remove_address, write_address

ABOUT = {"of": "x"}


@pytest.fixture
def file(tmp_path):
    return tmp_path / ".pixmill/look/address.json"


def test_the_file_is_its_users_whatever_the_umask(file):
    before = os.umask(0)
    try:
        write_address(file, address="a", about=ABOUT)
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["address.json"]
    assert ask_running(file, ABOUT) == "a"
    assert ask_running(file, {"of": "y"}) is None
    remove_address(file, address="another")
    assert file.exists()
    remove_address(file, address="a")
    assert not file.exists()
    remove_address(file, address="a")
    assert ask_running(file, ABOUT) is None


@pytest.mark.parametrize(
    "change",
    [
        {"started": psutil.Process().create_time() - 60},  # The id was given to another process since.
        {"pid": 2**22 + 1},
    ],
)
def test_a_dead_server_is_ignored(file, change):
    write_address(file, address="a", about=ABOUT)
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    assert ask_running(file, ABOUT) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff"])
def test_a_file_that_is_no_address_is_ignored(file, content):
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    assert ask_running(file, ABOUT) is None
