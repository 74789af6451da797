"""Sweeps in the ranking of runs, as text, JSON and page."""

import json
import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from pixmill.core.files.workspace import Workspace
from pixmill.experiments.compare.ranking_report import ranking_json, ranking_text, render_ranking
from pixmill.experiments.compare.trained_models import SWEEP_FILE, read_models, read_sweeps
from pixmill.tracking.lineage import project_id
from pixmill.tracking.run_lookup import RunReader
from pixmill.tracking.store import connect
from tests.experiments.compare.ranked import ranking
from tests.experiments.compare.recorded import add_run, answers
from tests.version_control import commit, start_repository

SUMMARY = "Trial 1 of 4 has the best macro-F1 on validation, 0.912; 1 of the other 2 is not significantly worse."
TRIALS = [
    {"number": 0, "value": 0.5, "worse": True, "params": {"train.epochs": 3, "train.cnn.dense": [{"units": 8}]}},
    {"number": 1, "value": 0.91234567, "worse": False, "params": {"train.epochs": 9, "train.cnn.dense": []}},
    {"number": 2, "value": None, "worse": None, "params": {"train.epochs": 1}},
    {"number": 3, "value": 0.9, "worse": None, "params": {"train.epochs": "<b>3"}},
]
RESULT = {"metric": "macro_f1", "summary": SUMMARY, "order": [1, 3, 0], "trials": TRIALS, "later": "unknown"}
TEXT = json.dumps(RESULT)


@pytest.fixture
def workspace(tmp_path: Path, empty_database: Path) -> Workspace:
    shutil.copy(empty_database, tmp_path)
    return Workspace(tmp_path, tmp_path)


@pytest.fixture
def client(workspace: Workspace) -> MlflowClient:
    return connect(f"sqlite:///{workspace.home / 'mlflow.db'}")


def add(client: MlflowClient, name: str, content: str | None, *, started: int, **tags: str) -> str:
    """Add the run of a sweep, with its result if given."""
    run = client.create_run("0", started * 1000, {"pixmill.sweep": name, **tags}, name).info.run_id
    child = client.create_run("0", started * 1000, {"mlflow.parentRunId": run, **tags}, "trial 0").info.run_id
    client.set_terminated(child)
    if content is not None:
        client.log_text(run, content, SWEEP_FILE)
        client.set_terminated(run)
    return run


def test_sweeps_newest_first_with_complete_trials(workspace, client) -> None:
    first = add(client, "sweep, <b>cnn", TEXT, started=1_700_000_000)
    second = add(client, "sweep, features", TEXT, started=1_700_000_100)
    add(client, "of now", None, started=1_700_000_200)
    sweeps = read_sweeps(RunReader(workspace))
    assert [sweep.run.id for sweep in sweeps] == [second, first]
    assert (sweeps[0].metric, sweeps[0].summary) == ("macro_f1", SUMMARY)
    assert [(trial["number"], trial["worse"]) for trial in sweeps[0].trials] == [(1, False), (3, False), (0, True)]
    assert [sweep.run.id for sweep in read_sweeps(RunReader(workspace), since=1_700_000_050)] == [second]

    made = ranking(sweeps=tuple(sweeps))
    text = ranking_text(made)
    for name, run in (("sweep, <b>cnn", first), ("sweep, features", second)):
        (line,) = (line for line in text.splitlines() if line.startswith(f"{name} ({run[:8]}), 2023-11-1"))
        assert ": Trial 1 of 4 has the best" in line
    assert max(map(len, text.splitlines())) <= 120
    documents = json.loads(ranking_json(made))["sweeps"]
    assert [(each["run"]["id"], each["metric"], each["summary"]) for each in documents] == [
        (second, "macro_f1", SUMMARY),
        (first, "macro_f1", SUMMARY),
    ]
    assert documents[0]["trials"] == [
        {**TRIALS[1], "value": 0.912346},
        {**TRIALS[3], "worse": False},
        TRIALS[0],
    ]
    page = render_ranking(made)
    _, _, listed = page.partition("<h2>Sweeps</h2>")
    assert listed.count("<summary>sweep, ") == 2
    assert "<b>" not in listed
    assert "train.epochs=&lt;b&gt;3" in listed.replace("<wbr>", "")
    assert listed.count('<td class="number">0.912</td>') == listed.count(">worse<") == 2
    assert f"runs/{first}" in listed


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no JSON",
        "[]",
        "null",
        TEXT[:-40],
        "[" * 100_000,
        *(json.dumps({name: value for name, value in RESULT.items() if name != absent}) for absent in [*RESULT][:4]),
        *(
            json.dumps(RESULT | change)
            for change in (
                {"order": [1, 9]},
                {"order": [2]},
                {"order": 1},
                {"order": [1e999]},
                {"trials": None},
                {"trials": ["x"]},
                {"trials": [TRIALS[0] | {"value": "high"}], "order": [0]},
                {"trials": [TRIALS[0] | {"params": [1]}], "order": [0]},
            )
        ),
    ],
)
def test_damaged_sweep_is_left_out(workspace, client, content) -> None:
    add(client, "damaged", content, started=2)
    whole = add(client, "whole", TEXT, started=1)
    assert [sweep.run.id for sweep in read_sweeps(RunReader(workspace))] == [whole]


def test_ranking_has_sweeps_of_this_project(workspace, client) -> None:
    root = start_repository(workspace.root)
    (root / "params.yaml").touch()
    commit(root, "Begin")
    mine = project_id(root)
    own = add(client, "own", TEXT, started=1, **{"pixmill.project": mine})
    add(client, "foreign", TEXT, started=2, **{"pixmill.project": "f" * 40 + ":"})
    add_run(client, root / "files", "run", "{model: cnn}", answers(3), project=mine, started=5)
    found = read_models(workspace, limit=10)
    assert [model.name[:3] for model in found.models] == ["run"]
    assert [sweep.run.id for sweep in found.sweeps] == [own]
