"""A killed training is not shown as running for ever; one that lives, or is another host's, is left alone."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from pixmill.tracking.process import close_dead_runs, process_tags

TRAIN = """
import sys, time
from pathlib import Path
from pixmill.workspace import Workspace
from pixmill.tracking import training_run
with training_run(Workspace(Path(sys.argv[1]), Path(sys.argv[1])), params={}, dataset="artifacts/split") as run:
    run.flush()
    print(run.run_id, flush=True)
    time.sleep(600)
"""


def statuses(store):
    return [run.info.status for run in store.runs()]


def test_a_living_run_is_left_and_a_killed_one_is_closed(store, training):
    arguments = [sys.executable, "-c", TRAIN, str(store.workspace.home)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().strip() == store.runs()[0].info.run_id
        with training() as run:
            assert run.flush()
            assert statuses(store) == ["RUNNING", "RUNNING"]
        process.kill()
    with training() as run:
        assert run.flush()
        assert statuses(store) == ["KILLED", "FINISHED", "RUNNING"]


@pytest.mark.parametrize(
    ("change", "closed"),
    [
        ({"pixmill.host": "another"}, 0),
        ({"pixmill.pid": str(2**22 + 1)}, 1),
        ({"pixmill.started": "12.00"}, 1),
        ({}, 0),
    ],
)
def test_host_number_and_start_decide(store, change, closed):
    client = store.client
    client.create_run("0", tags=process_tags() | change)
    client.create_run("0")
    assert close_dead_runs(client, "0") == closed


def test_the_tags_name_this_process():
    assert process_tags()["pixmill.pid"] == str(os.getpid())
    assert process_tags() == process_tags()
