"""MLproject lists its parameters once, passes them on to DVC, and refuses what is not declared."""

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


def test_there_is_an_entry_point_for_the_pipeline_and_one_for_each_stage(project, repository):
    stages = yaml.safe_load((repository / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert set(project._entry_points) == {"main", *stages} == set(ENTRIES)


@pytest.mark.parametrize("stage", STAGES)
def test_a_command_takes_what_its_entry_point_declares(project, params, stage):
    entry = project.get_entry_point(stage)
    assert command(project, stage) == f"python -m stages {stage} " + " ".join(
        f"{stage}.{name}=''" for name in entry.parameters
    )
    assert {parameter.default for parameter in entry.parameters.values()} == {""}, "a copy of params.yaml"
    assert {f"{stage}.{name}" for name in entry.parameters} <= set(flat(params))


def test_the_pipeline_takes_the_parameters_of_all_stages(project):
    arguments = [argument for stage in STAGES for argument in command(project, stage).split()[4:]]
    assert command(project, "main").split() == ["python", "-m", "stages", "main", *arguments]
    names = [re.sub(r"^\w+\.|=''$", "", argument) for argument in arguments]
    assert sorted(project.get_entry_point("main").parameters) == sorted(names)


@pytest.fixture
def shell(repository, project, tmp_path):
    """Run an entry point's command as MLflow does, in a folder where DVC is replaced by one that repeats its words."""
    shutil.copy(repository / "params.yaml", tmp_path)
    shutil.copytree(repository / "stages", tmp_path / "stages")
    shutil.copytree(repository / "src", tmp_path / "src")
    (tmp_path / "dvc.py").write_text(
        "import os, sys; print('dvc', *sys.argv[1:], sep='|'); sys.exit(int(os.environ.get('STATUS', 0)))"
    )

    def run(entry, status=0, **values):
        words = command(project, entry, **values).replace("python", sys.executable, 1)
        return subprocess.run(
            ["bash", "-c", f"export STATUS={status}; {words}"], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )

    return run


def test_without_a_parameter_dvc_runs_what_is_not_up_to_date_and_its_status_is_passed_on(shell):
    done = shell("main", status=7)
    assert done.stdout == "dvc|repro\n"
    assert done.returncode == 7


def test_with_parameters_dvc_runs_an_experiment_and_how_to_keep_it_is_printed(shell):
    done = shell("train", epochs="3", learning_rate="1e-4")
    first, second = done.stdout.splitlines()
    assert first == "dvc|exp|run|--set-param=++train.epochs=3|--set-param=++train.learning_rate=0.0001|train"
    assert second == (
        "params.yaml holds the new values. To keep them: git add params.yaml dvc.lock metrics plots && git commit"
    )
    assert done.returncode == 0


def test_after_a_failure_the_way_on_is_printed(shell):
    done = shell("train", status=7, epochs="3")
    assert done.stdout.splitlines()[-1] == "params.yaml holds the new values. To resume: dvc repro"
    assert done.returncode == 7


def test_a_text_reaches_dvc_as_it_is(shell):
    assert '|--set-param=++split.salt="007"|' in shell("split", salt="007").stdout
    assert '|--set-param=++split.salt="--x=\\"; $(ls)"|' in shell("split", salt='--x="; $(ls)').stdout


def test_a_parameter_that_is_not_declared_is_refused_with_those_that_are(shell, project):
    done = shell("scrape", **{"train.epochs": "3"})
    assert done.returncode == 2
    declared = ", ".join(project.get_entry_point("scrape").parameters)
    assert f"unknown parameter --train.epochs; known: {declared}\n" in done.stderr
    assert done.stdout == ""


def test_a_wrong_value_is_refused_before_anything_is_edited(shell):
    done = shell("main", epochs="many")
    assert done.returncode == 1
    assert done.stderr.startswith("main: train.epochs: expected a whole number from 1 to 100,000, received 'many'\n")
    assert done.stdout == ""


def test_a_wrong_params_file_is_refused(shell, tmp_path):
    with (tmp_path / "params.yaml").open("a") as file:
        file.write("trian: {}\n")
    done = shell("evaluate")
    assert done.returncode == 1
    assert "trian: unknown key; did you mean train?" in done.stderr
    assert "Traceback" not in done.stderr
