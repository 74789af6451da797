"""Running a stage."""

import shutil
from pathlib import Path

import pytest

from pixmill.core.errors import TrainError
from pixmill.core.process.stage import run
from tests.tiny_project import change_param, copy_project
from tests.version_control import git, hold, living_dvc

RESULTS = (
    "artifacts/train/out",
    "metrics/train.json",
    "plots/train/full.json",
    "reports/train.html",
)
"""The files of a stage."""


@pytest.fixture
def project(tiny_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the finished project with a wrong param, in which DVC has removed the outputs of train."""
    project = copy_project(tiny_project, tmp_path / "pets")
    change_param(project, "epochs", "epoch")
    monkeypatch.chdir(project)
    monkeypatch.setenv("DVC_STAGE", "train")
    for name in RESULTS:
        (project / name).unlink()
    for folder in ("artifacts/train", "plots/train"):
        (project / folder).rmdir()
    return project


def refusal() -> str:
    with pytest.raises(SystemExit) as stop:
        run("train", lambda *_: None)
    return str(stop.value)


def test_wrong_params_leave_the_results_of_the_last_run(project: Path, tiny_project: Path) -> None:
    # `dvc checkout` would wait for the `dvc repro` that started the stage.
    with living_dvc() as pid:
        hold(project, "write", ("artifacts/train", pid), ("reports/train.html", pid))
        message = refusal()
    assert "train.epoch" in message
    for name in RESULTS:
        assert (project / name).read_bytes() == (tiny_project / name).read_bytes()
    assert git(project, "status", "--porcelain").strip() == "M params.yaml"


def test_a_stage_follows_no_link_of_a_branch(project: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (project / ".pixmill").mkdir(exist_ok=True)
    (project / ".pixmill/scrape").symlink_to(tmp_path / "elsewhere")
    assert ".pixmill/scrape is a symbolic link" in refusal()


@pytest.mark.parametrize("end", [KeyboardInterrupt, ZeroDivisionError])
def test_an_interrupted_or_defective_stage_leaves_the_results_of_the_last_run(
    project: Path, end: type[BaseException]
) -> None:
    (project / "params.yaml").write_text("{classes: [a, b], scrape: {snapshot: '2026-11-20'}}")

    def stop(*_: object) -> None:
        raise end

    with pytest.raises((SystemExit, end)):
        run("train", stop)
    assert all((project / name).is_file() for name in RESULTS)


@pytest.mark.parametrize("lacking", ["metrics/train.json", "artifacts/train"])
def test_results_that_are_neither_committed_nor_cached_are_named(
    project: Path, lacking: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if lacking == "artifacts/train":
        shutil.rmtree(project / ".dvc" / "cache")
    else:
        # The committed version is not that of the last run.
        (project / lacking).write_text("{}")
        git(project, "add", lacking)
        (project / lacking).unlink()
    refusal()
    assert f"warning: DVC removed {lacking}" in capsys.readouterr().err
    assert not (project / lacking).exists()
    assert (project / "plots/train/full.json").exists()


def test_results_of_a_stage_that_failed_after_writing_some_stay(project: Path) -> None:
    (project / "params.yaml").write_text("{classes: [a, b], scrape: {snapshot: '2026-11-20'}}")

    def fail(*_: object) -> None:
        (project / "metrics" / "train.json").write_text("{}")
        raise TrainError("too late")

    with pytest.raises(SystemExit):
        run("train", fail)
    assert not any((project / name).exists() for name in RESULTS if name != "metrics/train.json")
