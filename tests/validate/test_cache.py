"""The cache gives back what it was told, or nothing: never something else, and never an error."""

import contextlib
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pixmill.validate import cache as module
from pixmill.validate.cache import Cache, version
from pixmill.validate.record import RECORD

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


def test_nothing_is_written_where_nothing_was_found(cache: Cache, tmp_path: Path) -> None:
    cache.write({})
    assert list(tmp_path.iterdir()) == []


def test_the_later_of_two_entries_holds(cache: Cache) -> None:
    cache.write({IDS[0]: ENTRIES[IDS[0]]})
    cache.write({IDS[0]: ENTRIES[IDS[1]]})
    assert cache.read(IDS[:1]) == {IDS[0]: ENTRIES[IDS[1]]}


def test_another_version_knows_nothing(tmp_path: Path) -> None:
    filled(tmp_path).close()
    with Cache(tmp_path, "b") as other:
        assert other.read(IDS) == {}


def test_the_last_of_other_versions_is_kept(tmp_path: Path) -> None:
    for age, name in enumerate("abc"):
        path = tmp_path / f"found-{name}.sqlite"
        path.write_bytes(b"")
        os.utime(path, (1e9 - age, 1e9 - age))
    with Cache(tmp_path, "d") as newest:
        newest.write(ENTRIES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["found-a.sqlite", "found-d.sqlite"]


def test_the_oldest_entries_go_where_there_are_too_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 1500)
    with filled(tmp_path) as later:
        assert list(later.read(IDS)) == IDS[500:]


shares = st.floats(0, 1, exclude_max=True)


@settings(max_examples=20, deadline=None)
@given(st.lists(shares, min_size=1, max_size=20), shares)
def test_a_damaged_file_gives_no_wrong_entry(places: list[float], end: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        filled(Path(folder)).close()
        path = Path(folder, "found-a.sqlite")
        content = bytearray(path.read_bytes())
        for place in (int(share * len(content)) for share in places):
            content[place : place + 64] = bytes(reversed(content[place : place + 64]))
        path.write_bytes(content[: len(content) - int(end * 0.5 * len(content))])
        with Cache(Path(folder), "a") as later:
            assert later.read(IDS).items() <= ENTRIES.items()
            later.write(ENTRIES)
        with Cache(Path(folder), "a") as last:
            assert last.read(IDS).items() <= ENTRIES.items()


@pytest.mark.parametrize("damage", [b"not a database at all", b"SQLite format 3\0" + b"\xff" * 5000])
def test_what_is_no_database_is_begun_anew_and_told(
    tmp_path: Path, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "found-a.sqlite").write_bytes(damage)
    with Cache(tmp_path, "a") as cache:
        assert cache.read(IDS) == {}
        cache.write(ENTRIES)
        assert cache.read(IDS) == ENTRIES
    assert "found-a.sqlite is damaged and begun anew" in capsys.readouterr().err


@pytest.mark.parametrize(
    "table",
    ["CREATE TABLE found (a, b)", "CREATE TABLE t (id, record, checksum); CREATE VIEW found AS SELECT * FROM t"],
)
def test_another_table_in_its_place_is_begun_anew_and_told(
    tmp_path: Path, table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "found-a.sqlite")) as database:
        database.executescript(table)
    with Cache(tmp_path, "a") as cache:
        cache.write(ENTRIES)
        assert cache.read(IDS) == ENTRIES
    assert "found-a.sqlite is damaged and begun anew" in capsys.readouterr().err


def test_a_flipped_bit_in_a_name_that_sqlite_tells_is_damage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(tmp_path).close()
    path = tmp_path / "found-a.sqlite"
    # Its own name in the table of tables: SQLite complains of it, in words that are no UTF-8.
    path.write_bytes(path.read_bytes().replace(b"autoindex_found", b"autoindex_f\xffund"))
    with Cache(tmp_path, "a") as cache:
        assert cache.read(IDS) == {}
        cache.write(ENTRIES)
        assert cache.read(IDS) == ENTRIES
    assert "found-a.sqlite is damaged and begun anew" in capsys.readouterr().err


@pytest.mark.parametrize("change", ["record = CAST(record AS TEXT)", "record = ''", "checksum = 'x'", "checksum = 0.5"])
def test_an_entry_whose_kind_has_changed_is_none(tmp_path: Path, change: str) -> None:
    filled(tmp_path).close()
    with contextlib.closing(sqlite3.connect(tmp_path / "found-a.sqlite", isolation_level=None)) as database:
        database.execute(f"UPDATE found SET {change} WHERE rowid = 1")
    with Cache(tmp_path, "a") as cache:
        assert cache.read(IDS[:3]) == {name: ENTRIES[name] for name in IDS[1:3]}


def test_where_it_cannot_lie_it_is_done_without_and_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Cache(tmp_path / "nowhere", "a") as cache:
        cache.write(ENTRIES)
        assert cache.read(IDS) == {}
    assert capsys.readouterr().err.count("is set aside for this run: unable to open database file") == 1


def test_a_full_disk_costs_the_cache_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Cache(tmp_path, "a") as cache:
        cache.write({IDS[0]: ENTRIES[IDS[0]]})
        assert cache._database is not None
        # SQLite's own limit of pages answers as a full disk does.
        cache._database.execute("PRAGMA max_page_count = 20")
        cache.write(ENTRIES)
        assert cache.read(IDS) == {}
    assert "is set aside for this run: database or disk is full" in capsys.readouterr().err
    with Cache(tmp_path, "a") as later:
        assert later.read(IDS) == {IDS[0]: ENTRIES[IDS[0]]}


def test_a_lock_that_is_never_let_go_costs_the_cache_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    filled(tmp_path).close()
    holder = sqlite3.connect(tmp_path / "found-a.sqlite", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with Cache(tmp_path, "a") as cache:
        assert cache.read(IDS) == {}
    holder.close()
    assert "is set aside for this run: database is locked" in capsys.readouterr().err


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
    changed = tmp_path / "greys.py"
    changed.write_bytes(Path(str(module.greys.__file__)).read_bytes() + b"# another way to measure\n")
    with monkeypatch.context() as patched:
        patched.setattr(module.greys, "__file__", str(changed))
        assert version(1000) != before
    monkeypatch.setattr(module, "pillow", "99.0")
    assert version(1000) != before
