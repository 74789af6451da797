"""A project has the pipeline of this repository, in few files."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from pixmill.core.params import parse_params
from pixmill.core.params.reference import schema
from pixmill.new.template import SCHEMA, managed, render

STAGES = ("scrape", "validate", "split", "train", "evaluate")


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    return render("my-shoes", "my_shoes", "1.2.3")


def test_a_person_can_read_it_all(files: dict[str, str]) -> None:
    assert len(files) + len(["data.dvc", "pixmill.lock"]) < 30
    assert sum(len(text.splitlines()) for path, text in files.items() if path != SCHEMA) < 650
    assert {*files} - {*managed(files)} - {path for path in files if path.startswith("src/")} == {
        ".dvc/config",
        "README.md",
        "params.yaml",
        "pyproject.toml",
        "review.csv",
    }
    assert [path for path, text in files.items() if re.search("@(project|package|version)@", text)] == []
    assert all(text.endswith("\n") and "\r" not in text for text in files.values())


def test_it_has_no_code_of_pixmill(files: dict[str, str]) -> None:
    assert [path for path in files if path.startswith("src/")] == [
        f"src/my_shoes/{stage}/__init__.py" for stage in ("scrape", "train", "validate")
    ]
    assert "src/pixmill" not in files["dvc.yaml"]


def test_what_it_shares_with_this_repository_is_the_same(files: dict[str, str], repository: Path) -> None:
    def ours(path: str) -> str:
        return (repository / path).read_text(encoding="utf-8")

    for path in ("review.csv", ".dvc/config", *(f"stages/{name}.py" for name in ("__init__", "__main__", *STAGES))):
        assert files[path] == ours(path), path
    assert files["MLproject"] == ours("MLproject").replace("name: pixmill", "name: my-shoes")
    assert files["params.yaml"] == ours("params.yaml").replace("$schema=docs/", "$schema=")
    assert files[SCHEMA] == ours(f"docs/{SCHEMA}") == schema()
    assert parse_params(files["params.yaml"])


def test_the_pipelines_agree_in_all_but_code(files: dict[str, str], repository: Path) -> None:
    theirs, ours = yaml.safe_load(files["dvc.yaml"]), yaml.safe_load((repository / "dvc.yaml").read_text())
    assert theirs["plots"] == ours["plots"]
    assert tuple(theirs["stages"]) == tuple(ours["stages"]) == STAGES

    def of(stage: dict[str, Any]) -> dict[str, Any]:
        return {key: stage[key] for key in ("cmd", "outs", "metrics")}

    for name in STAGES:
        stage, own = theirs["stages"][name], ours["stages"][name]
        assert of(stage) == of(own)
        lock = [] if name == "scrape" else [{"pixmill.lock": [name]}]
        assert stage["params"] == [*own["params"], *lock]
        code = [f"stages/{name}.py", *([f"src/my_shoes/{name}"] if name in ("scrape", "validate", "train") else [])]
        assert stage["deps"] == code + [dep for dep in own["deps"] if not dep.startswith(("src/", "stages/"))]


def test_other_programs_can_read_it(files: dict[str, str]) -> None:
    project = tomllib.loads(files["pyproject.toml"])
    assert project["project"]["name"] == "my-shoes"
    assert project["project"]["dependencies"] == ["pixmill[pipeline]==1.2.3"]
    assert yaml.safe_load(files["python_env.yaml"])["dependencies"] == ["pixmill[pipeline]==1.2.3"]
    for path in (".github/workflows/ci.yml", ".gitlab-ci.yml"):
        jobs = yaml.safe_load(files[path])
        assert {"test", "compare", "comment"} <= jobs.get("jobs", jobs).keys()
    hooks = yaml.safe_load(files[".pre-commit-config.yaml"])["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == ["pixmill check"]


def test_whoever_may_comment_runs_nothing_of_the_pull_request(files: dict[str, str]) -> None:
    github, gitlab = (yaml.safe_load(files[path]) for path in (".github/workflows/ci.yml", ".gitlab-ci.yml"))
    assert github["permissions"] == {"contents": "read"}
    writing = [name for name, job in github["jobs"].items() if "write" in str(job.get("permissions"))]
    assert writing == ["comment"]
    checkouts = [step for job in github["jobs"].values() for step in job["steps"] if "checkout" in step.get("uses", "")]
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)
    assert checkouts[-1]["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
    commands = (
        [step["run"] for step in github["jobs"]["comment"]["steps"] if "run" in step],
        gitlab["comment"]["script"],
    )
    for words in commands:
        assert not any("-e ." in word or "make" in word or "dvc" in word for word in words)
        assert words[-1].startswith("python -P -m pixmill.compare.comment reports/compare.md")
    assert "git show FETCH_HEAD:pixmill.lock" in gitlab["comment"]["script"][1]
