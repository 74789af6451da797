"""Acknowledged decisions stay, undo takes them back, and two writers interleave."""

import contextlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pixmill.core.decisions import (
    FILE,
    HEADER,
    Row,
    clear,
    label_as,
    read_rows,
    render_rows,
    set_cell,
    set_fate,
)
from pixmill.core.errors import DataError, DecisionsError
from pixmill.dataset import deciding
from pixmill.dataset.deciding import LOG, ChangedError, DecisionTable
from tests.version_control import commit, git, start_repository

IDS = tuple(digit * 64 for digit in "abcd")

A, B, C, D = IDS


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return start_repository(tmp_path_factory.mktemp("base"))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return start_repository(tmp_path / "project")


@pytest.fixture
def table(project: Path) -> DecisionTable:
    return DecisionTable(project)


def decide(table: DecisionTable, image: str, verb: str) -> object:
    now = table.decided.get(image)
    if verb in ("keep", "drop"):
        return table.decide(set_fate(image, verb, by="ann"))
    if verb == "relabel":
        return table.decide(set_fate(image, "keep") | label_as(image, "shirt", now, by="ann"))
    return table.decide(label_as(image, verb or None, now, split="train", by="ann"))


def test_decision_is_a_row_and_a_line_of_the_log(table: DecisionTable) -> None:
    decide(table, A, "coat")
    assert read_rows(table.path) == (Row(A, "coat", "yes", "train", "ann"),)
    assert len((table.root / LOG).read_text().splitlines()) == 1
    assert table.decided[A].label == "coat"


VERBS = st.tuples(
    st.sampled_from(IDS), st.sampled_from(["coat", "dress", "", "keep", "drop", "relabel"])
)


@given(st.lists(VERBS, max_size=6), st.lists(VERBS, min_size=1, max_size=6))
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_undo_after_do_is_identity(
    table: DecisionTable, first: list[tuple[str, str]], then: list[tuple[str, str]]
) -> None:
    for image, verb in first:
        decide(table, image, verb)
    before = table.path.read_bytes() if table.path.exists() else b""
    actions = [decide(table, image, verb) for image, verb in then]
    for action in reversed(actions):
        table.undo(action)
    assert table.path.read_bytes() == (before or render_rows([]).encode())
    fresh = {name: set(decided.rows) for name, decided in DecisionTable(table.root).decided.items()}
    assert {name: set(decided.rows) for name, decided in table.decided.items()} == fresh


def test_undo_refuses_rows_that_changed_since(table: DecisionTable) -> None:
    action = decide(table, A, "coat")
    decide(table, A, "dress")
    with pytest.raises(ChangedError):
        table.undo(action)
    assert table.decided[A].label == "dress"


def test_edits_by_hand_are_read_and_kept(table: DecisionTable) -> None:
    decide(table, B, "coat")
    text = table.path.read_text()
    table.path.write_text(text + f"{A},,drop,,bob,blurred\n")
    decide(table, C, "coat")
    assert [row.image for row in read_rows(table.path)] == [A, B, C]
    assert table.decided[A].why == "blurred"


def test_malformed_file_stays_as_it_is(table: DecisionTable) -> None:
    table.path.write_text("image,decision,label,by,why\n")
    with pytest.raises(DecisionsError):
        decide(table, A, "coat")
    assert table.path.read_text() == "image,decision,label,by,why\n"


def test_discarded_decisions_are_lost_until_restored(project: Path, table: DecisionTable) -> None:
    decide(table, A, "coat")
    commit(project, "Decide")
    table.release()
    assert table.actions() == []
    decide(table, A, "dress")
    decide(table, B, "drop")
    git(project, "checkout", "--", FILE)
    lost = table.lost()
    assert {change.key for change in lost} == {(A, "coat"), (A, "dress"), (B, "")}
    table.restore(lost)
    assert table.decided[A].label == "dress"
    assert table.decided[B].fate == "drop"
    assert table.lost() == []


class KilledError(BaseException):
    """Stands for SIGKILL."""


@given(
    st.lists(VERBS | st.just(("", "commit")), max_size=6),
    VERBS,
    st.lists(VERBS.filter(lambda each: each[1]), max_size=2),
    st.booleans(),
)
@example([], (A, "coat"), [(A, "dress")], True)
@settings(max_examples=8, deadline=None)
def test_restoring_what_a_kill_left_gives_what_was_decided(
    base: Path,
    first: list[tuple[str, str]],
    last: tuple[str, str],
    then: list[tuple[str, str]],
    is_committed: bool,
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        whole, killed = (
            DecisionTable(shutil.copytree(base, Path(folder, name))) for name in ("whole", "killed")
        )
        for table in (whole, killed):
            for image, verb in first:
                if verb == "commit":
                    git(table.root, "add", "-A")
                    git(table.root, "commit", "-qm", "Decide", "--allow-empty")
                else:
                    decide(table, image, verb)
        decide(whole, *last)
        write = deciding.write_durably

        def die(path: Path, content: bytes) -> None:
            if path.name == FILE:
                raise KilledError
            write(path, content)

        with patch.context() as dying, contextlib.suppress(KilledError):
            dying.setattr(deciding, "write_durably", die)
            decide(killed, *last)
        killed = DecisionTable(killed.root)
        for each in then:
            decide(whole, *each)
            decide(killed, *each)
        if is_committed:
            git(killed.root, "add", "-A")
            git(killed.root, "commit", "-qm", "Decide again", "--allow-empty")
            killed.release()
        killed.restore(killed.lost())
        assert set(read_rows(killed.path)) == set(read_rows(whole.path))
        assert DecisionTable(killed.root).lost() == []


def test_label_by_hand_replaces_the_logged_one(table: DecisionTable) -> None:
    decide(table, A, "coat")
    table.path.write_text(table.path.read_text().replace("coat", "dress"))
    assert DecisionTable(table.root).lost() == []


def test_decisions_of_another_branch_are_not_lost(project: Path, table: DecisionTable) -> None:
    decide(table, A, "coat")
    commit(project, "Decide")
    git(project, "checkout", "-q", "-b", "other")
    decide(table, B, "coat")
    commit(project, "Decide on a branch")
    git(project, "checkout", "-q", "main")
    assert table.lost() == []


def test_removal_of_a_row_by_path_is_logged_until_it_is_committed(
    project: Path, table: DecisionTable
) -> None:
    file = project / "data/coat/1.png"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"1")
    table.path.write_text(f"{','.join(HEADER)}\ndata/coat/1.png,coat,yes,,,\n")
    commit(project, "Decide by hand")
    (decided,) = table.decided.values()
    table.decide(clear(decided))
    table.release()
    assert len(table.actions()) == 1


def test_malformed_committed_file_does_not_stop_those_who_corrected_it(
    project: Path, table: DecisionTable
) -> None:
    table.path.write_text("<<<<<<< ours\n")
    commit(project, "Commit a conflict")
    table.path.unlink()
    decide(table, A, "coat")
    assert table.lost() == []
    table.release()
    assert len(table.actions()) == 1


def test_line_without_end_is_ignored_and_replaced(table: DecisionTable) -> None:
    decide(table, A, "coat")
    with table.log.open("ab") as file:
        file.write(b'{"branch": "ma')
    assert len(table.actions()) == 1
    decide(table, B, "coat")
    assert len(DecisionTable(table.root).actions()) == 2


def test_malformed_log_is_named_with_its_line(table: DecisionTable) -> None:
    table.log.parent.mkdir()
    table.log.write_text("{}\nno\n")
    with pytest.raises(DataError, match="line 2"):
        table.actions()


def _write(root: str, numbers: range) -> None:
    table = DecisionTable(Path(root))
    for number in numbers:
        table.decide({(f"{number:064x}", "coat"): Row(f"{number:064x}", "coat")})


def test_two_writers_interleave_serially(project: Path) -> None:
    context = multiprocessing.get_context("spawn")
    halves = (range(20), range(20, 40))
    writers = [context.Process(target=_write, args=(str(project), half)) for half in halves]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert [int(row.image, 16) for row in read_rows(project / FILE)] == list(range(40))
    assert len(DecisionTable(project).actions()) == 40


@pytest.mark.linux
def test_killed_writer_leaves_whole_acknowledged_rows(project: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from pixmill.core.decisions import Row;"
        "from pixmill.dataset.deciding import DecisionTable; table = "
        "DecisionTable(Path(sys.argv[1]))\n"
        "for number in range(int(sys.argv[2]), 10**6):\n"
        "    table.decide({(f'{number:064x}', 'coat'): Row(f'{number:064x}', 'coat')})\n"
        "    print(number, flush=True)"
    )
    start = 0
    for attempt in range(6):
        command = [sys.executable, "-c", code, str(project), str(start)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.05 + attempt * 0.013)
            os.kill(process.pid, signal.SIGKILL)
            said = process.stdout.read().split()
        present = [int(row.image, 16) for row in read_rows(project / FILE)]
        acknowledged = max([start, *map(int, said)])
        assert present == list(range(len(present)))
        assert acknowledged < len(present) <= acknowledged + 2
        start = len(present)
    table = DecisionTable(project)
    assert table.path.read_text() == render_rows(read_rows(table.path))
    assert len(table.actions()) >= start - 6


def test_decisions_keep_the_dispute_of_another_label(table: DecisionTable) -> None:
    (table.root / "params.yaml").write_text("task: labels\n")
    torn = [Row(A, "coat", by="ann"), Row(A, "coat", "no", by="bob")]
    table.path.write_text(render_rows(torn))
    table.decide(set_cell(A, "dark", False, by="ann"))
    assert DecisionTable(table.root).decided[A].disputed == ("coat",)
    table.decide(set_cell(A, "coat", False, by="bob"))
    assert set(read_rows(table.path)) == {torn[1], Row(A, "dark", "no", by="ann")}


def test_undo_brings_back_both_sides_of_a_dispute(table: DecisionTable) -> None:
    (table.root / "params.yaml").write_text("task: labels\n")
    rows = {Row(A, "coat", answer, by=by) for answer, by in (("yes", "ann"), ("no", "bob"))}
    table.path.write_text(render_rows(rows))
    before = table.path.read_bytes()
    action = table.decide({(A, "coat"): Row(A, "coat", "no", by="cam")})
    assert [row.by for row in table.decided[A].rows] == ["cam"]
    table.undo(action)
    assert {*table.decided[A].rows} == rows
    assert table.path.read_bytes() == before
    assert table.lost() == []
    again = table.decide({(A, "coat"): None})
    assert A not in table.decided
    table.undo(again)
    assert table.path.read_bytes() == before
