"""What is recorded is on the disk at once; a kill, a torn line or a full disk loses no more than it must."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from pixmill.tracking.spool import Spool, trim, waiting

WRITE = """
import sys, time
from pathlib import Path
from pixmill.tracking.spool import Spool
spool = Spool.create(Path(sys.argv[1]))
for number in range(1000):
    spool.append({"run": 0, "kind": "metrics", "points": [["train_loss", 0.5, 1000, number]]})
print(spool.folder, flush=True)
time.sleep(600)
"""


@pytest.fixture
def spool(tmp_path):
    made = Spool.create(tmp_path)
    yield made
    made.release()


def test_a_killed_process_loses_nothing(tmp_path, start):
    process, folder = start(WRITE, str(tmp_path))
    (found,) = waiting(tmp_path)
    assert str(found) == folder
    assert Spool.take(found) is None
    process.send_signal(signal.SIGKILL)
    process.wait()
    taken = Spool.take(found)
    assert [record["points"][0][3] for record in taken.records] == list(range(1000))
    taken.release()


def test_it_knows_again_what_was_done(spool):
    for number in range(4):
        spool.append({"run": 0, "kind": "params", "params": {"n": str(number)}})
    spool.mark(tried=0)
    spool.mark(run=0, id="abc", own=True)
    spool.mark(done=0)
    spool.mark(refused=1, why="no")
    spool.mark(model=2, id="m-1")
    again = Spool.read(spool.folder)
    assert (again.pending(), again.refused, again.runs) == ([2, 3], {1: "no"}, {0: ("abc", True)})
    assert (again.models, again.tried) == ({2: "m-1"}, {0})
    again.reconsider()
    assert again.pending() == [1, 2, 3]


@pytest.mark.parametrize("torn", [b'{"run": 0, "kind": "par', b"\xff\xfe\n", b"7\n"])
def test_a_torn_line_costs_itself_alone(spool, torn):
    spool.append({"run": 0, "kind": "params", "params": {"a": "1"}})
    with (spool.folder / "journal.jsonl").open("ab") as journal:
        journal.write(torn)
    assert [record["params"] for record in Spool.read(spool.folder).records] == [{"a": "1"}]


def test_what_the_disk_refuses_is_in_memory_still(spool):
    spool.append({"run": 0, "kind": "params", "params": {"a": "1"}})
    journal = spool.folder / "journal.jsonl"
    kept = journal.read_bytes()
    journal.unlink()
    journal.mkdir()
    spool.append({"run": 0, "kind": "params", "params": {"b": "2"}})
    assert isinstance(spool.fault, OSError)
    journal.rmdir()
    journal.write_bytes(kept)
    # A gap would give the records behind it other numbers.
    spool.append({"run": 0, "kind": "params", "params": {"c": "3"}})
    assert [record["params"] for record in spool.records] == [{"a": "1"}, {"b": "2"}, {"c": "3"}]
    assert len(Spool.read(spool.folder).records) == 1


def test_secrets_of_others_may_not_be_read(spool):
    spool.append({"run": 0, "kind": "params", "params": {}})
    assert (spool.folder / "journal.jsonl").stat().st_mode & 0o077 == 0


def test_beyond_the_limit_the_oldest_goes_and_one_in_use_stays(tmp_path):
    spools = []
    for number in range(3):
        # Names are of the second.
        spool = Spool.create(tmp_path / f"{number}")
        spool.folder.replace(tmp_path / f"2026-{number}")
        spool.release()
        spool = Spool.take(tmp_path / f"2026-{number}") or Spool.read(tmp_path / f"2026-{number}")
        spool.append({"run": 0, "kind": "open"})
        (spool.folder / "files" / "content").write_bytes(bytes(1000))
        spools.append(spool)
        (tmp_path / f"{number}").rmdir()
    held = Spool.take(tmp_path / "2026-0")
    assert held is not None
    assert trim(tmp_path, limit=2500) == ["2026-1"]
    assert [folder.name for folder in waiting(tmp_path)] == ["2026-0", "2026-2"]
    held.release()


def test_two_processes_never_hold_the_same(spool):
    spool.append({"run": 0, "kind": "open"})
    script = (
        "import sys\nfrom pathlib import Path\nfrom pixmill.tracking.spool import Spool\n"
        "print(Spool.take(Path(sys.argv[1])) is None)"
    )
    take = [sys.executable, "-c", script, str(spool.folder)]
    assert subprocess.check_output(take, text=True).strip() == "True"


def test_for_another_place_all_is_sent_anew(spool):
    spool.append({"run": 0, "kind": "open", "to": "http://old"})
    spool.mark(run=0, id="abc", own=True)
    spool.mark(done=0)
    spool.begin_anew("http://new")
    again = Spool.read(spool.folder)
    assert (again.pending(), again.runs, again.records[0]["to"]) == ([0], {}, "http://new")


def test_text_of_any_kind_stays(spool):
    spool.append({"run": 0, "kind": "params", "params": {"classes": "kurtā\u2028\n衬衫"}})
    (line,) = (spool.folder / "journal.jsonl").read_bytes().splitlines()
    assert json.loads(line)["params"] == Spool.read(spool.folder).records[0]["params"]
