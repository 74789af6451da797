"""The cache gives back what it was told, or nothing: never something else, and never an error."""

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import pixmill.images
from pixmill.validate import cache as module
from pixmill.validate.cache import Cache, version
from pixmill.validate.survey import RECORD

ENTRIES = {f"{number:064x}": number.to_bytes(2, "big") * (RECORD.itemsize // 2) for number in range(2000)}
IDS = list(ENTRIES)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    with Cache(tmp_path, "a") as opened:
        yield opened


def filled(folder: Path, name: str = "a") -> Cache:
    with Cache(folder, name) as opened:
        opened.write(ENTRIES)
    return Cache(folder, name)


def test_it_knows_what_it_was_told_and_nothing_else(cache: Cache) -> None:
    cache.write({name: ENTRIES[name] for name in IDS[::2]})
    assert cache.read(IDS) == {name: ENTRIES[name] for name in IDS[::2]}


def test_it_knows_it_in_a_later_run(tmp_path: Path) -> None:
    with filled(tmp_path) as later:
        assert later.read(IDS) == ENTRIES


def test_the_later_of_two_entries_holds(cache: Cache) -> None:
    cache.write({IDS[0]: ENTRIES[IDS[0]]})
    cache.write({IDS[0]: ENTRIES[IDS[1]]})
    assert cache.read(IDS[:1]) == {IDS[0]: ENTRIES[IDS[1]]}


def test_another_version_knows_nothing_and_removes_what_was_there(tmp_path: Path) -> None:
    filled(tmp_path)
    with Cache(tmp_path, "b") as other:
        assert other.read(IDS) == {}
    assert [path.name for path in tmp_path.iterdir()] == ["found-b.sqlite"]


@pytest.mark.parametrize("damage", [b"not a database at all", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_that_is_no_database_costs_the_cache_only(
    tmp_path: Path, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "found-a.sqlite").write_bytes(damage)
    with Cache(tmp_path, "a") as cache:
        assert cache.read(IDS) == {}
        cache.write(ENTRIES)
        assert cache.read(IDS) == {}
    told = capsys.readouterr().err
    assert told.count("found-a.sqlite is not used in this run: ") == 1
    assert "delete it if this recurs" in told


def test_where_it_cannot_lie_it_is_done_without_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Cache(tmp_path / "nowhere", "a") as cache:
        cache.write(ENTRIES)
        assert cache.read(IDS) == {}
    assert capsys.readouterr().err.count("is not used in this run: unable to open database file") == 1


def test_a_full_disk_costs_the_cache_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Cache(tmp_path, "a") as cache:
        cache.write({IDS[0]: ENTRIES[IDS[0]]})
        assert cache._database is not None
        # SQLite's own limit of pages answers as a full disk does.
        cache._database.execute("PRAGMA max_page_count = 20")
        cache.write(ENTRIES)
        assert cache.read(IDS) == {}
    assert "is not used in this run: database or disk is full" in capsys.readouterr().err
    with Cache(tmp_path, "a") as later:
        assert later.read(IDS) == {IDS[0]: ENTRIES[IDS[0]]}


def test_a_lock_that_is_never_let_go_costs_the_cache_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    filled(tmp_path)
    holder = sqlite3.connect(tmp_path / "found-a.sqlite", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with Cache(tmp_path, "a") as cache:
        assert cache.read(IDS) == {}
    holder.close()
    assert "is not used in this run: database is locked" in capsys.readouterr().err


WRITER = """
import itertools, sys
from pathlib import Path
from pixmill.validate.cache import Cache
with Cache(Path(sys.argv[1]), "a") as cache:
    for number in itertools.count():
        names = [f"{100 * (number % 20) + place:064x}" for place in range(100)]
        cache.write({name: int(name, 16).to_bytes(2, "big") * int(sys.argv[2]) for name in names})
        assert cache.read(names).keys() == set(names)
        print(number, flush=True)
"""


def test_processes_share_it_and_a_kill_in_the_middle_leaves_it_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path), str(RECORD.itemsize // 2)]
    writers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for writer in writers:
        with writer:
            assert writer.stdout is not None
            # Each has written everything, in turns with the other, and is at it once more.
            assert next(line for line in writer.stdout if line == "22\n")
            writer.kill()
    with Cache(tmp_path, "a") as cache:
        assert cache.read(IDS) == ENTRIES
    assert capsys.readouterr().err == ""


def test_the_version_depends_on_the_limit_of_pixels_and_on_nothing_that_passes() -> None:
    assert version(1000) == version(1000)
    assert version(1000) != version(1001)


def test_the_version_depends_on_the_code_and_the_decoders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    before = version(1000)
    copied = shutil.copytree(Path(pixmill.images.__file__).parent, tmp_path / "images")
    measures, text = copied / "measures.py", (copied / "measures.py").read_text(encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr(pixmill.images, "__file__", str(copied / "__init__.py"))
        measures.write_text(
            f"{text}\n# A comment, and a docstring that changed.\n".replace("Look at", "Measure"), encoding="utf-8"
        )
        assert version(1000) == before
        measures.write_text(text.replace("_STRIP = 4096", "_STRIP = 4097"), encoding="utf-8")
        assert version(1000) != before
    monkeypatch.setattr(module, "pillow", "99.0")
    assert version(1000) != before
