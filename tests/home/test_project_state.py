"""A look at a project tells all that it can, and names what it cannot."""

import json
import os
import shutil
from pathlib import Path

import pytest

from pixmill.home.project_state import read_project_state
from pixmill.home.state_json import state_json
from tests.version_control import dvc


def test_parts_that_cannot_be_read_are_named_and_the_others_told(project: Path) -> None:
    (project / "dvc.lock").write_text("stages: [")
    (project / "plots/train/full.json").write_text("{")
    (project / "artifacts/evaluate/labels.parquet").write_text("no table")
    (project / "pyproject.toml").write_text("[")
    state = read_project_state(project)
    assert state.faults.keys() >= {"stages", "learning curve", "labels", "model in production"}
    assert state.faults["stages"].startswith("dvc.lock is malformed: ")
    assert state.accuracy == (0.9, 0.8, 0.95)
    assert state.repository.has_commit
    assert state.disk["data/"] == 6
    assert json.loads(state_json(state))["faults"] == state.faults


def test_a_look_without_disk_and_model_is_possible(project: Path) -> None:
    state = read_project_state(project, with_disk=False, with_champion=False)
    assert state.disk == {}
    assert state.champion is None
    assert state.is_fresh


def test_a_look_writes_nothing_but_a_cache(project: Path) -> None:
    def files() -> dict[str, bytes]:
        kept = [path for path in project.rglob("*") if path.is_file() and ".pixmill" not in path.parts]
        return {str(path): path.read_bytes() for path in kept}

    before = files()
    read_project_state(project)
    assert files() == before
    assert {path.name for path in (project / ".pixmill").rglob("*")} == {"state", "hashes.sqlite"}


@pytest.mark.parametrize("labels", [["1" * 64, "2" * 64], []])
def test_decided_labels_need_no_look(project: Path, labels: list[str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pylist([{"id": digit * 64, "suggested": "dog"} for digit in "123"])
    pq.write_table(table, project / "artifacts/evaluate/labels.parquet")
    lines = [f"{label[:8]},keep,,,\n" for label in labels]
    (project / "review.csv").write_text("image,decision,label,by,why\n" + "".join(lines))
    assert read_project_state(project, with_disk=False).doubtful_labels == 3 - len(labels)


def test_an_unknown_commit_in_production_is_not_this_one(project: Path) -> None:
    from mlflow import MlflowClient

    store = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    store.create_registered_model("pets")
    store.create_model_version("pets", str(project), tags={"pixmill.commit": "--output=x"})
    store.set_registered_model_alias("pets", "champion", "1")
    state = read_project_state(project, with_disk=False)
    assert state.champion is not None
    assert state.champion.number == 1
    assert not state.is_promoted


def test_a_cache_that_is_elsewhere_is_found(project: Path) -> None:
    (project / ".dvc/cache").rename(project.parent / "cache")
    dvc(project, "cache", "dir", "--local", "../cache")
    shutil.rmtree(project / "artifacts")
    assert read_project_state(project, with_disk=False).is_cached


def test_a_name_that_is_no_text_can_be_sent(project: Path) -> None:
    Path(os.fsdecode(os.fsencode(project) + b"/\xff")).touch()
    text = state_json(read_project_state(project, with_disk=False))
    assert json.loads(text.encode())["repository"]["changed"] == [r"\udcff"]
