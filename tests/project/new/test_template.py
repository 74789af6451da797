"""The template has the pipeline of this repository in few files."""

import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from pixmill.core.files.writing import replacing
from pixmill.core.install.origin import Origin
from pixmill.core.params import parse_params
from pixmill.core.params.reference import schema
from pixmill.project.new.supply import Supply
from pixmill.project.new.template import SCHEMA, managed_files, render
from tests.version_control import dvc, start_repository

PINS = ("constraints.txt", "requirements.txt")
PINNED = "-c constraints.txt"
STAGES = ("scrape", "validate", "split", "train", "evaluate")


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return render("my-shoes", "my_shoes", Supply(Origin("pixmill==1.2.3")))


def test_project_is_small(files: dict[str, str]) -> None:
    assert len(files) + len(["data.dvc", "pixmill.lock"]) < 32
    generated = {SCHEMA, *PINS}
    assert (
        sum(len(text.splitlines()) for path, text in files.items() if path not in generated) < 660
    )
    assert {*files} - {*managed_files(files)} - {
        path for path in files if path.startswith("src/")
    } == {
        ".dvc/config",
        "README.md",
        "params.yaml",
        "pyproject.toml",
        "decisions.csv",
    }
    assert [path for path, text in files.items() if re.search(r"@\w+@", text)] == []
    assert all(text.endswith("\n") and "\r" not in text for text in files.values())


def test_shared_files_equal_those_of_this_repository(
    files: dict[str, str], repository: Path
) -> None:
    def ours(path: str) -> str:
        return (repository / path).read_text(encoding="utf-8")

    for path in (
        "decisions.csv",
        ".dvc/config",
        *(f"stages/{name}.py" for name in ("__main__", *STAGES)),
    ):
        assert files[path] == ours(path), path
    assert files["MLproject"] == ours("MLproject").replace("name: pixmill", "name: my-shoes")
    assert files["params.yaml"] == ours("params.yaml").replace(
        "$schema=docs/reference/", "$schema="
    )
    assert files[SCHEMA] == ours(f"docs/reference/{SCHEMA}") == schema()
    assert parse_params(files["params.yaml"])


def test_pipelines_differ_only_in_code(files: dict[str, str], repository: Path) -> None:
    theirs = yaml.safe_load(files["dvc.yaml"])
    ours = yaml.safe_load((repository / "dvc.yaml").read_text())
    assert theirs["plots"] == ours["plots"]
    assert tuple(theirs["stages"]) == tuple(ours["stages"]) == STAGES

    def of(stage: dict[str, Any]) -> dict[str, Any]:
        return {key: stage[key] for key in ("cmd", "outs")}

    for name in STAGES:
        stage = theirs["stages"][name]
        own = ours["stages"][name]
        assert of(stage) == of(own)
        lock = [] if name == "scrape" else [{"pixmill.lock": [name]}]
        assert stage["params"] == [*own["params"], *lock]
        code = [
            f"stages/{name}.py",
            *([f"src/my_shoes/{name}"] if name in ("scrape", "validate", "train") else []),
        ]
        assert stage["deps"] == code + [
            dep for dep in own["deps"] if not dep.startswith(("src/", "stages/"))
        ]


def test_dvc_ignores_partially_written_files(
    files: dict[str, str], repository: Path, tmp_path: Path
) -> None:
    root = start_repository(tmp_path, with_dvc=True)
    (root / ".dvcignore").write_text(files[".dvcignore"])
    (root / "out").mkdir()
    (root / "out" / "00000.bin").write_text("done")
    dvc(root, "add", "-q", "out")
    (root / "out" / "00000.bin").unlink()
    with pytest.raises(RuntimeError), replacing(root / "out" / "00000.bin") as temporary:
        temporary.write_text("half of it")
        shutil.copy(temporary, temporary.with_name(f"{temporary.name}.left"))
        raise RuntimeError
    dvc(root, "checkout", "out")
    assert (root / "out" / "00000.bin").read_text() == "done"
    patterns = {line for line in files[".dvcignore"].splitlines() if ".part-" in line}
    assert patterns <= {*(repository / ".dvcignore").read_text().splitlines()}


def test_files_are_valid(files: dict[str, str]) -> None:
    project = tomllib.loads(files["pyproject.toml"])
    assert project["project"]["name"] == "my-shoes"
    assert project["project"]["dependencies"] == ["pixmill[pipeline]==1.2.3"]
    assert yaml.safe_load(files["python_env.yaml"])["dependencies"] == [
        PINNED,
        "pixmill[pipeline]==1.2.3",
    ]
    for path in (".github/workflows/ci.yml", ".gitlab-ci.yml"):
        jobs = yaml.safe_load(files[path])
        assert {"test", "compare", "comment", "promote"} <= jobs.get("jobs", jobs).keys()
    hooks = yaml.safe_load(files[".pre-commit-config.yaml"])["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == ["pixmill doctor --quick"]


def test_comment_job_runs_no_code_of_the_pull_request(files: dict[str, str]) -> None:
    github, gitlab = (
        yaml.safe_load(files[path]) for path in (".github/workflows/ci.yml", ".gitlab-ci.yml")
    )
    commands = [step["run"] for step in github["jobs"]["comment"]["steps"] if "run" in step]
    for word in (*commands, *gitlab["comment"]["script"]):
        assert not any(name in word for name in ("pip", "pixmill", "make", "dvc", "git "))
    assert gitlab["comment"]["variables"]["GIT_STRATEGY"] == "none"


HASH = "0a" * 32
COMMIT = "0b" * 20
PLACES = [
    f"pixmill @ https://example.org/pixmill-1.2.3-py3-none-any.whl#sha256={HASH}",
    f"pixmill @ git+https://example.org/pixmill.git@{COMMIT}",
]


@pytest.mark.parametrize("text", PLACES)
def test_remote_origin_in_all_files(text: str) -> None:
    files = render("my-shoes", "my_shoes", Supply(Origin(text)))
    wanted = text.replace("pixmill", "pixmill[pipeline]", 1)
    assert tomllib.loads(files["pyproject.toml"])["project"]["dependencies"] == [wanted]
    assert yaml.safe_load(files["python_env.yaml"])["dependencies"] == [PINNED, wanted]
    assert f"pip install {PINNED} -e .  " in files["README.md"]


def test_wheel_origin_in_all_files() -> None:
    files = render(
        "my-shoes", "my_shoes", Supply(Origin("./wheels/pixmill-1.2.3-py3-none-any.whl"))
    )
    wheel = "./wheels/pixmill-1.2.3-py3-none-any.whl[pipeline]"
    assert tomllib.loads(files["pyproject.toml"])["project"]["dependencies"] == []
    # MLflow gives these lines to pip in a folder that has the project's files.
    assert yaml.safe_load(files["python_env.yaml"])["dependencies"] == [PINNED, wheel]
    commands = re.findall(r"pip install .*-e \.", files["README.md"] + files["stages/__init__.py"])
    assert commands == [f"pip install {PINNED} '{wheel}' -e ."] * 3


@pytest.mark.parametrize("path", [".github/workflows/ci.yml", ".gitlab-ci.yml"])
def test_ci_installs_by_hash(files: dict[str, str], path: str) -> None:
    commands = re.findall(r"pip install .*", files[path])
    assert commands[::2] == ["pip install --require-hashes -r requirements.txt"] * 3
    assert {*commands[1::2]} == {
        f"pip install {PINNED} --no-build-isolation -e {what}" for what in (".", "'.[dev]'")
    }


@pytest.mark.parametrize("text", [*PLACES, "./wheels/pixmill-1.2.3-py3-none-any.whl"])
def test_no_file_installs_from_an_index(text: str) -> None:
    for path, content in render("my-shoes", "my_shoes", Supply(Origin(text))).items():
        assert path in PINS or not re.search(r"-U\b|--upgrade|\bpixmill(\[\w+\])?==", content), path
