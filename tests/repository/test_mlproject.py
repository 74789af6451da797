"""MLproject declares its parameters once, passes them to DVC, and rejects undeclared ones."""

import re
import shutil
import subprocess
import sys

import pytest
import yaml
from mlflow.projects._project_spec import load_project

from pixmill.core.params import flat

STAGES = ("scrape", "validate", "split", "train", "evaluate")
ENTRIES = ("main", *STAGES)


@pytest.fixture(scope="module")
def project(repository):
    return load_project(repository)


def command(project, entry, **values):
    """Return the command that MLflow runs in a shell."""
    return project.get_entry_point(entry).compute_command(values, None)


def test_entry_points_for_pipeline_and_stages(project, repository):
    stages = yaml.safe_load((repository / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert set(project._entry_points) == {"main", *stages} == set(ENTRIES)


@pytest.mark.parametrize("stage", STAGES)
def test_command_takes_declared_parameters(project, params, stage):
    entry = project.get_entry_point(stage)
    assert command(project, stage) == f"python -m stages {stage} " + " ".join(
        f"{stage}.{name}=''" for name in entry.parameters
    )
    assert {parameter.default for parameter in entry.parameters.values()} == {""}, (
        "a copy of params.yaml"
    )
    assert {f"{stage}.{name}" for name in entry.parameters} <= set(flat(params))


def test_pipeline_takes_parameters_of_all_stages(project):
    arguments = [argument for stage in STAGES for argument in command(project, stage).split()[4:]]
    assert command(project, "main").split() == ["python", "-m", "stages", "main", *arguments]
    names = [re.sub(r"^\w+\.|=''$", "", argument) for argument in arguments]
    assert sorted(project.get_entry_point("main").parameters) == sorted(names)


@pytest.fixture
def shell(repository, project, tmp_path):
    """Run an entry point's command as MLflow does, in a folder with a fake DVC that prints its arguments."""
    shutil.copy(repository / "params.yaml", tmp_path)
    shutil.copytree(repository / "stages", tmp_path / "stages")
    shutil.copytree(repository / "src", tmp_path / "src")
    (tmp_path / "dvc.py").write_text(
        "import os, sys; print('dvc', *sys.argv[1:], sep='|'); "
        "sys.exit(int(os.environ.get('STATUS', 0)))"
    )

    def run(entry, status=0, **values):
        words = command(project, entry, **values).replace("python", sys.executable, 1)
        return subprocess.run(
            ["bash", "-c", f"export STATUS={status}; {words}"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run


def test_without_parameters_runs_dvc_repro_and_returns_its_status(shell):
    done = shell("main", status=7)
    assert done.stdout == "dvc|repro\n"
    assert done.returncode == 7


def test_with_parameters_runs_an_experiment_and_prints_how_to_keep_it(shell):
    done = shell("train", epochs="3", learning_rate="1e-4")
    first, second = done.stdout.splitlines()
    assert (
        first
        == "dvc|exp|run|--set-param=++train.epochs=3|--set-param=++train.learning_rate=0.0001|train"
    )
    assert second == (
        "params.yaml holds the new values. To keep them: git add params.yaml dvc.lock metrics "
        "plots && git commit"
    )
    assert done.returncode == 0


def test_prints_how_to_resume_after_a_failure(shell):
    done = shell("train", status=7, epochs="3")
    assert done.stdout.splitlines()[-1] == "params.yaml holds the new values. To resume: dvc repro"
    assert done.returncode == 7


def test_text_reaches_dvc_unchanged(shell):
    assert '|--set-param=++split.salt="007"|' in shell("split", salt="007").stdout
    assert (
        '|--set-param=++split.salt="--x=\\"; $(ls)"|' in shell("split", salt='--x="; $(ls)').stdout
    )


def test_rejects_undeclared_parameters(shell, project):
    done = shell("scrape", **{"train.epochs": "3"})
    assert done.returncode == 2
    declared = ", ".join(project.get_entry_point("scrape").parameters)
    assert f"unknown parameter --train.epochs; known: {declared}\n" in done.stderr
    assert done.stdout == ""


def test_rejects_wrong_values_before_any_edit(shell):
    done = shell("main", epochs="many")
    assert done.returncode == 1
    assert done.stderr.startswith(
        "main: train.epochs: expected a whole number from 1 to 100,000, received 'many'\n"
    )
    assert done.stdout == ""


def test_rejects_malformed_params_file(shell, tmp_path):
    with (tmp_path / "params.yaml").open("a") as file:
        file.write("trian: {}\n")
    done = shell("evaluate")
    assert done.returncode == 1
    assert "trian: unknown key; did you mean train?" in done.stderr
    assert "Traceback" not in done.stderr
