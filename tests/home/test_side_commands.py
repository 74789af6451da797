"""Commands beside the page tell where their pages are, and end with it."""

import subprocess
import sys

import psutil
import pytest

from pixmill.core.errors import LockedError, PixmillError
from pixmill.home import side_commands as module
from pixmill.home.side_commands import SideCommand, SideCommands
from tests.waiting import until


def ended(beside, name):
    return until(lambda: (state := beside.states()[name]).status != "running" and state)


@pytest.fixture
def commands(monkeypatch):
    """Run Python instead of Pixmill."""
    given = {}

    def start(self, command, said):
        name = next(name for name, words in module._PIXMILL.items() if tuple(command[3:]) == words)
        return opening(self, [command[0], "-c", given[name], *command[3:]], said)

    opening = SideCommands._open
    monkeypatch.setattr(SideCommands, "_open", start)
    return given


def test_a_comparison_ends_with_the_address_of_its_page(tmp_path, commands):
    far = r"print('Read runs: 1,254 of 5,000 runs', file=sys.stderr)"
    commands["commits"] = f"import sys; {far}; print(sys.argv[1:]); print(); print('Written: reports/compare.html')"
    with SideCommands(tmp_path) as beside:
        beside.start("commits")
        state = ended(beside, "commits")
    assert state.status == "done"
    assert state.told == "['compare', 'HEAD~1', 'HEAD']"
    assert state.address == "reports/compare.html"


def test_a_sentence_is_told_without_the_line_breaks_of_a_terminal(tmp_path, commands):
    commands["compare"] = "print('Undecided: 26 test images cannot rule\\n  out a change.\\nBase: HEAD.\\n\\nGate')"
    with SideCommands(tmp_path) as beside:
        beside.start("compare")
        assert ended(beside, "compare").told == "Undecided: 26 test images cannot rule out a change.\nBase: HEAD."


def test_of_two_comparisons_only_the_one_on_the_page_leads_there(tmp_path, commands):
    commands["compare"] = "print('No change.')"
    commands["commits"] = (
        "import pathlib, time\nwhile not pathlib.Path('go').exists(): time.sleep(0.02)\nprint('Better.')"
    )
    commands["runs"] = "print('The best.')"
    with SideCommands(tmp_path) as beside:
        beside.start("runs")
        beside.start("compare")
        ended(beside, "runs")
        ended(beside, "compare")
        beside.start("commits")
        assert beside.states()["compare"] == SideCommand("done")
        with pytest.raises(LockedError, match="another comparison is under way"):
            beside.start("compare")
        (tmp_path / "go").touch()
        assert ended(beside, "commits").address == "reports/compare.html"
        assert beside.states()["compare"] == SideCommand("done")
        assert beside.states()["runs"].address == "reports/runs.html"


def test_what_fails_says_why(tmp_path, commands):
    commands["compare"] = "import sys; sys.exit('pixmill: there is no main')"
    with SideCommands(tmp_path) as beside:
        beside.start("compare")
        state = ended(beside, "compare")
    assert (state.status, state.told, state.address) == ("failed", "pixmill: there is no main", None)


def test_models_are_listed_however_many_and_whatever_is_warned_of(tmp_path, commands):
    told = "json.dumps({'versions': [{'version': 3}] * 9999}, indent=2)"
    commands["models"] = f"import json, sys; print('a warning', file=sys.stderr); print({told})"
    with SideCommands(tmp_path) as beside:
        beside.start("models")
        state = ended(beside, "models")
    assert (state.status, state.rows) == ("done", [{"version": 3}] * 9999)


def test_a_server_tells_its_address_runs_once_and_ends_with_the_page(tmp_path, commands):
    commands["try"] = "import time; print('http://127.0.0.1:1234', flush=True); time.sleep(60)"
    with SideCommands(tmp_path) as beside:
        beside.start("try")
        until(lambda: beside.states()["try"].address == "http://127.0.0.1:1234")
        (child,) = beside._children.values()
        beside.start("try")
        assert [*beside._children.values()] == [child]
    assert not psutil.pid_exists(child.pid)


def test_an_address_elsewhere_is_not_believed(tmp_path, commands):
    commands["try"] = "print('http://127.0.0.1:80.evil.test/', flush=True); print('http://evil.test', flush=True)"
    with SideCommands(tmp_path) as beside:
        beside.start("try")
        state = ended(beside, "try")
    assert (state.status, state.address) == ("failed", None)


def test_mlflows_page_is_not_started_where_the_team_has_a_server(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://team.test")
    with SideCommands(tmp_path) as beside, pytest.raises(PixmillError, match="server already"):
        beside.start("mlflow")


def test_models_that_cannot_be_read_are_a_failure(tmp_path, commands):
    commands["models"] = "print('{a warning}')"
    with SideCommands(tmp_path) as beside:
        beside.start("models")
        assert ended(beside, "models").status == "failed"


_STARTS_ANOTHER = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, file=open("child", "w"), flush=True)
print("http://127.0.0.1:1234", flush=True)
time.sleep(float(sys.argv[1]))
"""


def is_gone(file):
    pid = int(file.read_text())
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("seconds", [60, 0])
def test_what_a_server_starts_ends_with_it(tmp_path, commands, seconds):
    commands["try"] = f"import sys; sys.argv[1:] = ['{seconds}']\n{_STARTS_ANOTHER}"
    with SideCommands(tmp_path) as beside:
        beside.start("try")
        until(lambda: beside.states()["try"].address or beside.states()["try"].status == "failed")
        if not seconds:
            ended(beside, "try")
            until(lambda: is_gone(tmp_path / "child"))
    until(lambda: is_gone(tmp_path / "child"))


def test_nothing_is_left_when_the_page_is_killed(tmp_path):
    (tmp_path / "server.py").write_text(_STARTS_ANOTHER)
    code = (
        "import sys, time; from pathlib import Path; from pixmill.home.side_commands import SideCommands; "
        "SideCommands(Path())._open([sys.executable, 'server.py', '60'], sys.stderr); time.sleep(60)"
    )
    page = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path)
    until(lambda: (tmp_path / "child").exists() and (tmp_path / "child").read_text().endswith("\n"))
    assert not is_gone(tmp_path / "child")
    page.kill()
    page.wait()
    until(lambda: is_gone(tmp_path / "child"))


def test_the_page_of_a_model_ends_when_there_is_another(tmp_path, commands):
    commands["try"] = "import time; print('http://127.0.0.1:1234', flush=True); time.sleep(60)"
    model = tmp_path / "artifacts/train/labels.json"
    model.parent.mkdir(parents=True)
    model.write_text("{}")
    with SideCommands(tmp_path) as beside:
        beside.start("try")
        until(lambda: beside.states()["try"].address)
        model.unlink()  # As DVC does before it trains.
        state = ended(beside, "try")
    assert (state.status, state.address) == ("done", None)
    assert "a run replaces the model" in state.told
