"""The trace of an image: origin, decisions, commits and runs."""

import hashlib
import json

import pandas as pd
import pytest

from pixmill.core.errors import DataError
from pixmill.core.files.workspace import Workspace
from pixmill.dataset.inbox import Inbox
from pixmill.dataset.tracing import trace
from pixmill.tracking.store import connect
from tests.command import run_pixmill
from tests.experiments.compare.projects import IDS, table, write
from tests.version_control import commit, git

HEADER = "image,label,answer,split,by,why\n"
URL = "https://shop.test/coat.png"


@pytest.fixture
def workspace(project):
    sightings = {
        "id": [IDS[0], None],
        "source": "urls",
        "rank": [0, 1],
        "image_url": [URL, "https://shop.test/gone"],
    }
    table(project, "scrape/sightings", sightings)
    return Workspace(root=project, home=project)


def subjects(found):
    return [each["subject"] for each in found["commits"]]


def test_training_image(workspace):
    write(
        workspace.root / "decisions.csv",
        f"{HEADER}{IDS[0][:60]},,keep,,Ada,checked\n{URL},coat,yes,test,,\n",
    )
    found = trace(workspace, IDS[0])
    assert (found["image"], found["label"], found["split"]) == ("in this project", "coat", "test")
    assert [each["rank"] for each in found["sightings"]] == [0]
    assert found["near_duplicates"] == [{"id": IDS[1], "similarity": 0.99}]
    assert [(each["label"], each["confidence"]) for each in found["prediction"]] == [("coat", 0.5)]
    assert subjects(found)[-2:] == ["Train longer", "Reproduce the results"]
    assert {each["split"] for each in found["commits"]} == {"test"}
    assert found["unavailable"] is None
    # The beginning of the first decision is that of other ids, too; decisions need not be unique
    # here.
    assert [each["why"] for each in found["decisions"]] == ["checked", ""]


@pytest.mark.parametrize("name", [URL, f"{IDS[0]}.png", f"artifacts/scrape/{IDS[0]}.png"])
def test_names_of_an_image(workspace, name):
    # Its bytes would name another image.
    (workspace.root / "artifacts" / "scrape" / f"{IDS[0]}.png").unlink()
    assert trace(workspace, name)["id"] == IDS[0]


def test_ambiguous_and_unknown_names(workspace):
    with pytest.raises(DataError, match="matches"):
        trace(workspace, IDS[0][:8])
    with pytest.raises(DataError, match="is no file"):
        trace(workspace, "f" * 64)


def test_forgotten_image(workspace):
    root = workspace.root
    gone = IDS[3]
    for name in ("split/manifest", "evaluate/predictions"):
        rows = pd.read_parquet(root / "artifacts" / f"{name}.parquet")
        table(root, name, rows[rows["id"] != gone].to_dict("list"))
    write(root / "decisions.csv", f"{HEADER}{gone},,drop,,Ada,asked by the author\n")
    assert "commit" not in trace(workspace, gone)["decisions"][0]
    commit(root, "Forget an image")
    found = trace(workspace, gone)
    assert (found["image"], found["label"]) == ("no longer in this project", "dress")
    (decision,) = found["decisions"]
    assert (decision["answer"], decision["why"]) == ("drop", "asked by the author")
    assert decision["commit"] == git(root, "rev-parse", "HEAD").strip()
    assert "Train longer" in subjects(found)
    # `pixmill forget` made this decision, after the last run.
    write(root / "decisions.csv", f"{HEADER}{IDS[0]},,drop,,Ada,forgotten: asked\n")
    found = trace(workspace, IDS[0])
    assert ("forgotten" in found["image"], found["verdict"], found["reason"]) == (
        True,
        "forgotten",
        None,
    )


def test_splits_that_the_cache_lacks(workspace):
    commits = trace(workspace, IDS[0])["commits"]
    split = commits[0]["split_md5"]
    count = len(commits)
    (workspace.root / ".dvc" / "cache" / "files" / "md5" / split[:2] / split[2:]).unlink()
    found = trace(workspace, IDS[0])
    assert found["commits"] == []
    assert found["unavailable"].startswith(f"{count} commits")
    assert found["label"] == "coat"


def test_runs_that_read_a_split_with_the_image(workspace):
    split = next(each["split_md5"] for each in trace(workspace, IDS[0])["commits"])
    client = connect(f"sqlite:///{workspace.home}/mlflow.db")
    runs = [
        client.create_run("0", tags={"pixmill.dvc.artifacts/split": md5}, run_name=name).info.run_id
        for name, md5 in (("first", split), ("other", f"{'0' * 32}.dir"), ("second", split))
    ]
    found = trace(workspace, IDS[0])
    assert [(each["run"], each["name"], each["split"]) for each in found["runs"]] == [
        (runs[2], "second", "test"),
        (runs[0], "first", "test"),
    ]
    assert found["unavailable"].startswith("1 ")


def test_commit_that_made_a_decision(workspace):
    for rows in (
        "malformed",
        f"{URL},keep,,Ada,",
        f"{URL},drop,,Bob,",
        f"{URL},drop,,Bob,\n{URL}/2,keep,,Ada,",
    ):
        write(workspace.root / "review.csv", f"image,decision,label,by,why\n{rows}\n")
        commit(workspace.root, rows)
    made = git(workspace.root, "rev-parse", "HEAD~1").strip()
    (workspace.root / "review.csv").unlink()
    write(workspace.root / "decisions.csv", f"{HEADER}{URL},,drop,,Bob,\n")
    commit(workspace.root, "Upgrade")
    (decision,) = trace(workspace, IDS[0])["decisions"]
    assert (decision["answer"], decision["commit"]) == ("drop", made)


def test_correction_in_the_inbox(workspace):
    answer = {"label": "coat"}
    model = {"name": "m"}
    inbox = Inbox(workspace.root / "inbox")
    image = inbox.add(b"bytes", extension=".png", prediction=answer, label="dress", model=model)
    (file,) = (workspace.root / "inbox" / "corrections").glob("2*")
    for name in (image[:12], str(file)):
        (found,) = trace(workspace, name)["corrections"]
        assert (found["id"], found["label"], found["prediction"]["label"]) == (
            image,
            "dress",
            "coat",
        )


def test_unknown_file_and_command(workspace, monkeypatch, capsys):
    monkeypatch.chdir(workspace.root)
    write(workspace.root / "corrections/new.png", "new\nline")
    assert run_pixmill("trace", "corrections/new.png", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["id"], found["image"], found["nearest"]) == (
        hashlib.sha256(b"new\nline").hexdigest(),
        "not in this project",
        [],
    )
    assert run_pixmill("trace", IDS[0]) == 0
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    lines = [line[:2] for line in words]
    assert ["label:", "coat"] in lines
    assert ["commits:", "commit"] in lines
    assert ["sightings:", "id"] in lines
    assert not {"rank", "thumbnail"} & {word for line in words for word in line}
