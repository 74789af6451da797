"""The cache returns stored contents or nothing, and never fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pixmill.core.files.cache import Cache

ENTRIES = {number.to_bytes(32, "big"): number.to_bytes(2, "big") * 700 for number in range(2000)}
NAMES = list(ENTRIES)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A cache of all entries."""
    with Cache(tmp_path / "key.sqlite") as cache:
        cache.write(ENTRIES)
    return cache.path


def test_it_knows_what_it_was_told_and_nothing_else_also_in_a_later_run(tmp_path: Path) -> None:
    for name in ("one", "two"):
        with Cache(tmp_path / f"{name}.sqlite") as cache:
            assert cache.read(NAMES) == {}
            cache.write({name: ENTRIES[name] for name in NAMES[::2]})
            cache.write({})
    with Cache(tmp_path / "one.sqlite") as later:
        assert later.read(NAMES) == {name: ENTRIES[name] for name in NAMES[::2]}


@pytest.mark.parametrize(
    "damage", [b"not a database at all" * 100, b"SQLite format 3\0" + b"\xff" * 5000]
)
def test_a_file_that_is_no_database_costs_the_cache_only(
    path: Path, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_bytes(damage)
    with Cache(path) as cache:
        for _ in range(2):
            assert cache.read(NAMES) == {}
            cache.write(ENTRIES)
    (line,) = capsys.readouterr().err.splitlines()
    assert "key.sqlite is not used in this run: " in line
    assert "delete it if this recurs" in line


def test_a_damaged_record_is_as_good_as_none(tmp_path: Path) -> None:
    some = {name: ENTRIES[name] for name in NAMES[1:100]}
    path = tmp_path / "key.sqlite"
    with Cache(path) as cache:
        cache.write(some)
    content = path.read_bytes()

    def damaged(place: int) -> Cache:
        path.write_bytes(content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :])
        return Cache(path)

    for place in range(101, len(content), len(content) // 80):
        with damaged(place) as cache:
            assert cache.read([*some]).items() <= some.items()
    with damaged(content.index(some[NAMES[50]]) + 700) as cache:
        assert some.keys() - cache.read([*some]) == {NAMES[50]}
        cache.write({NAMES[50]: some[NAMES[50]]})
        assert cache.read([*some]) == some


def test_it_tidies_once_when_it_is_opened(path: Path) -> None:
    opened: list[bool] = []
    with Cache(path, tidy=lambda: opened.append(path.exists())) as cache:
        assert opened == []
        cache.read(NAMES[:1])
        cache.read(NAMES[:1])
    assert opened == [True]


WRITER = """
import itertools, sys
from pathlib import Path
from pixmill.core.files.cache import Cache
with Cache(Path(sys.argv[1])) as cache:
    for number in itertools.count():
        names = [(100 * (number % 20) + place).to_bytes(32, "big") for place in range(100)]
        cache.write({name: name[-2:] * 700 for name in names})
        assert cache.read(names).keys() == set(names)
        print(number, flush=True)
"""


def test_processes_share_it_and_a_kill_in_the_middle_leaves_it_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-c", WRITER, os.fspath(tmp_path / "key.sqlite")]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for writer in writers:
        with writer:
            assert writer.stdout is not None
            # Each has written everything, in turns with the other, and is at it once more.
            assert next(line for line in writer.stdout if line == "22\n")
            writer.kill()
    with Cache(tmp_path / "key.sqlite") as cache:
        assert cache.read(NAMES) == ENTRIES
    assert capsys.readouterr().err == ""
