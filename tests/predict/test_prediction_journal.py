"""A killed run goes on where it was; what may have changed is predicted anew."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from pixmill.core.errors import LockedError
from pixmill.predict import Model
from pixmill.predict.inputs import Input
from pixmill.predict.prediction_journal import PredictionJournal

MODEL = Model(Path("model"), "garments", None, "0" * 64, ("coat", "hat"), 8, 0.9)
INPUTS = [Input(f"{number}.jpg", Path(f"{number}.jpg"), (number, 10 * number)) for number in range(5)]


class Killed(BaseException):
    """Stands for the end of a process."""


@pytest.fixture
def output(tmp_path):
    return tmp_path / "answers.csv"


def run(output, inputs, *, kill=None, model=MODEL):
    """Return the names of the inputs that were predicted, and all rows; stop before one."""
    done, rows = [], None
    try:
        with PredictionJournal(output, model) as journal:
            reusing = True
            for each in inputs:
                reusing = reusing and journal.reuse(each)
                if not reusing:
                    if each.name == kill:
                        raise Killed
                    journal.add(each, {"path": each.name, "n": len(done)})
                    done.append(each.name)
            journal.end()
            rows = [row["path"] for row in journal.rows()]
    except Killed:
        pass
    return done, rows


def names(inputs):
    return [each.name for each in inputs]


def test_it_is_gone_after_a_run_and_stays_after_a_kill(output):
    assert run(output, INPUTS) == (names(INPUTS), names(INPUTS))
    assert list(output.parent.iterdir()) == []
    assert run(output, INPUTS, kill="3.jpg")[0] == names(INPUTS[:3])
    assert [path.name for path in output.parent.iterdir()] == ["answers.csv.partial"]


def test_what_is_done_is_not_repeated(output):
    run(output, INPUTS, kill="3.jpg")
    assert run(output, INPUTS, kill="4.jpg")[0] == ["3.jpg"]
    assert run(output, INPUTS) == (["4.jpg"], names(INPUTS))


def test_a_torn_last_line_is_dropped(output):
    run(output, INPUTS, kill="3.jpg")
    journal = output.with_name("answers.csv.partial")
    whole = journal.read_bytes()
    for torn in (whole[:-1], whole[:-10], whole + b'{"name": "3.j', whole + b"\xff\n", whole + b"\0" * 50):
        journal.write_bytes(torn)
        done, rows = run(output, INPUTS)
        assert done == names(INPUTS[2:] if torn in (whole[:-1], whole[:-10]) else INPUTS[3:])
        assert rows == names(INPUTS)


@pytest.mark.parametrize(
    ("changed", "done"),
    [
        ([*INPUTS[:1], replace(INPUTS[1], state=(1, 11)), *INPUTS[2:]], ["1.jpg", "2.jpg", "3.jpg", "4.jpg"]),
        ([*INPUTS[:2], *INPUTS[3:]], ["3.jpg", "4.jpg"]),
        ([INPUTS[4], *INPUTS], ["4.jpg", "0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg"]),
        (INPUTS[:2], []),
        ([], []),
    ],
    ids=["another state", "one fewer", "one more", "only the first", "none"],
)
def test_from_the_first_difference_on_everything_is_predicted_anew(output, changed, done):
    run(output, INPUTS, kill="4.jpg")
    assert run(output, changed) == (done, names(changed))


@pytest.mark.parametrize("model", [replace(MODEL, digest="1" * 64), replace(MODEL, labels=("hat", "coat"))])
def test_rows_of_another_model_are_dropped(output, model):
    run(output, INPUTS, kill="4.jpg")
    assert run(output, INPUTS, model=model) == (names(INPUTS), names(INPUTS))


@pytest.mark.parametrize("content", [b"", b"{}", b"[]\n", b"garbage\n" * 3, b'{"format": 0}\n'])
def test_a_file_that_is_no_journal_is_begun_anew(output, content):
    output.with_name("answers.csv.partial").write_bytes(content)
    assert run(output, INPUTS) == (names(INPUTS), names(INPUTS))


def test_two_processes_cannot_write_one_output(output):
    with PredictionJournal(output, MODEL):
        with pytest.raises(LockedError, match=r"another process writes answers\.csv"), PredictionJournal(output, MODEL):
            pass
        assert output.with_name("answers.csv.partial").exists()


def test_a_row_is_on_the_disk_as_soon_as_it_is_added(output):
    with PredictionJournal(output, MODEL) as journal:
        journal.reuse(INPUTS[0])
        journal.add(INPUTS[0], {"path": "ä.jpg"})
        (_, line) = output.with_name("answers.csv.partial").read_text(encoding="utf-8").splitlines()
        assert json.loads(line) == {"name": "0.jpg", "state": [0, 0], "row": {"path": "ä.jpg"}}
