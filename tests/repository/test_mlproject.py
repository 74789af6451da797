"""MLproject passes on what stages/__main__.py takes, says nothing twice, and refuses what is not declared."""

import shutil
import subprocess
import sys

import pytest
import yaml
from mlflow.projects._project_spec import load_project

from pixmill.params import flat
from stages.__main__ import PARAMETERS

ENTRIES = {"main": sum(PARAMETERS.values(), ()), **PARAMETERS}


@pytest.fixture(scope="module")
def project(repository):
    return load_project(repository)


def command(project, entry, **given):
    """Return the command that MLflow runs in a shell."""
    return project.get_entry_point(entry).compute_command(given, None)


def test_there_is_an_entry_point_for_the_pipeline_and_one_for_each_stage(project, repository):
    stages = yaml.safe_load((repository / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert set(project._entry_points) == {"main", *stages} == set(ENTRIES)


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_entry_point_declares_what_its_command_takes(project, entry):
    declared = project.get_entry_point(entry).parameters
    assert tuple(declared) == ENTRIES[entry]
    assert command(project, entry) == " ".join(
        [f"python -m stages {entry}", *(f"--{name}=''" for name in ENTRIES[entry])]
    )


@pytest.mark.parametrize("entry", ENTRIES)
def test_no_default_is_a_copy_of_params(project, entry):
    assert {parameter.default for parameter in project.get_entry_point(entry).parameters.values()} == {""}


def test_every_parameter_is_one_of_params(params):
    dotted = {f"{stage}.{name}" for stage, names in PARAMETERS.items() for name in names}
    assert dotted <= set(flat(params))


def test_no_parameter_of_two_stages_shares_a_name():
    assert len(set(ENTRIES["main"])) == len(ENTRIES["main"])


@pytest.fixture
def shell(repository, project, tmp_path):
    """Run an entry point's command as MLflow does, in a folder where DVC is replaced by one that repeats its words."""
    shutil.copy(repository / "params.yaml", tmp_path)
    shutil.copytree(repository / "stages", tmp_path / "stages")
    shutil.copytree(repository / "src", tmp_path / "src")
    (tmp_path / "dvc.py").write_text("import sys; print('dvc', *sys.argv[1:], sep='|'); sys.exit(7)")

    def run(entry, **given):
        words = command(project, entry, **given).replace("python", sys.executable, 1)
        return subprocess.run(["bash", "-c", words], cwd=tmp_path, capture_output=True, text=True, timeout=60)

    return run


@pytest.mark.parametrize(("entry", "target"), [("main", ""), ("train", "|train"), ("evaluate", "|evaluate")])
def test_without_a_parameter_dvc_runs_what_is_not_up_to_date_and_its_status_is_passed_on(shell, entry, target):
    done = shell(entry)
    assert done.stdout == f"dvc|repro{target}\n"
    assert done.returncode == 7


def test_with_parameters_dvc_runs_an_experiment_and_the_way_back_is_said(shell):
    done = shell("train", epochs="3", learning_rate="1e-4")
    first, second = done.stdout.splitlines()
    assert first == "dvc|exp|run|--set-param=train.epochs=3|--set-param=train.learning_rate=0.0001|train"
    assert "git checkout params.yaml" in second
    assert done.returncode == 7


def test_a_text_reaches_dvc_as_it_is(shell):
    assert '|--set-param=split.salt="my salt; $(ls)"|' in shell("split", salt="my salt; $(ls)").stdout
    assert '|--set-param=split.salt="--x"|' in shell("split", salt="--x").stdout


@pytest.mark.parametrize(("entry", "name"), [("main", "epoch"), ("train", "salt"), ("scrape", "train.epochs")])
def test_a_parameter_that_is_not_declared_is_refused_with_those_that_are(shell, entry, name):
    done = shell(entry, **{name: "3"})
    assert done.returncode == 2
    assert f"there is no parameter --{name}; there are: {', '.join(ENTRIES[entry])}\n" in done.stderr
    assert done.stdout == ""


def test_a_wrong_value_is_refused_before_anything_is_edited(shell):
    done = shell("main", epochs="many")
    assert done.returncode == 1
    assert done.stderr.startswith("main: train.epochs: expected a whole number >= 1, received 'many'\n")
    assert done.stdout == ""


def test_a_params_file_that_is_not_sound_is_refused(shell, tmp_path):
    with (tmp_path / "params.yaml").open("a") as file:
        file.write("trian: {}\n")
    done = shell("evaluate")
    assert done.returncode == 1
    assert "trian: expected one of the keys" in done.stderr
    assert "Traceback" not in done.stderr
