"""Of concurrent promotions one wins; the next command finishes a killed one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pixmill.cli import main
from pixmill.tracking import model_versions
from tests.experiments.promotion.projects import state

pytestmark = pytest.mark.slow

TOGETHER = 2


@pytest.fixture
def start(project):
    """Return a function that starts the command in a new process."""
    home = Path(__file__).parents[3]
    path = os.pathsep.join([str(home / "src"), str(home)])

    def started(step, *words, **environ):
        return subprocess.Popen(
            [sys.executable, "-m", "tests.experiments.promotion.command", step, "--", *words],
            cwd=project,
            env={**os.environ, "PYTHONPATH": path, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return started


def end(process):
    """Return the exit code and the output."""
    out, err = process.communicate(timeout=300)
    return process.returncode, out + err


def compete(start, registry, folder):
    """Promote the same model in several processes, and check that one succeeds."""
    folder.mkdir()
    people = [f"Person {number}" for number in range(TOGETHER)]
    processes = [
        start(f"together:{folder}:{TOGETHER}", "promote", "better", GIT_AUTHOR_NAME=person)
        for person in people
    ]
    ended = [end(process) for process in processes]
    (winner,) = [person for person, (code, _) in zip(people, ended, strict=True) if code == 0]
    number, run = state(registry)["champion"]
    assert run == "better"
    assert registry.get(number).tags["pixmill.by"].startswith(f"{winner} <")
    assert state(registry)["previous"] == (1, "first")
    losers = [text for code, text in ended if code == 1]
    assert len(losers) == TOGETHER - 1
    for text in losers:
        assert f"{winner} <" in text, text
        assert f"version {number} " in text, text
    assert [version.number for version in registry.versions()] == [number, 1]


def test_one_of_concurrent_promotions_wins(champion, start, registry, tmp_path):
    compete(start, registry, tmp_path / "together")


@pytest.fixture
def hasty(monkeypatch):
    """Treat a killed process as dead without delay."""
    monkeypatch.setattr(model_versions, "PENDING_SECONDS", 0.0)


@pytest.mark.usefixtures("hasty")
def test_next_command_finishes_a_killed_promotion(champion, start, registry):
    code, output = end(start("move:1:after", "promote", "better"))
    assert code == -9, output
    main(["promote", "better"])
    found = state(registry)
    assert (found["champion"][1], found["previous"]) == ("better", (1, "first"))
    assert registry.get(found["champion"][0]).tags["pixmill.promotion"] == "done"
    assert found["champion"][0] == 2
