"""dvc.yaml declares all inputs and outputs of each stage."""

import ast
import csv
import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

STAGES = ("scrape", "validate", "split", "train", "evaluate")


@pytest.fixture(scope="module")
def pipeline(repository: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((repository / "dvc.yaml").read_text(encoding="utf-8"))
    return content


def outputs(stage: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return the outputs of a kind with their settings."""
    return dict(
        next(iter(entry.items())) if isinstance(entry, dict) else (entry, {})
        for entry in stage.get(kind, [])
    )


def test_stages_are_in_order(pipeline) -> None:
    assert tuple(pipeline["stages"]) == STAGES


@pytest.mark.filterwarnings("ignore:_NoneStep.value:DeprecationWarning")  # pygtrie, within DVC
def test_dvc_loads_the_pipeline(repository: Path) -> None:
    from dvc.repo import Repo

    with Repo(str(repository)) as repo:
        assert {stage.addressing for stage in repo.index.stages} == {*STAGES, "data.dvc"}
        assert len(repo.index.graph) == len(STAGES) + 1


def test_stages_depend_on_exactly_the_code_that_they_import(pipeline, source) -> None:
    text = (source.root / "dvc.yaml").read_text(encoding="utf-8")
    script = runpy.run_path(str(source.root / ".ci" / "reference.py"))
    assert script["with_dependencies"](text, source.root) == text, "make reference"
    for name in STAGES[1:]:
        listed = pipeline["stages"][name]["deps"]
        needed = {
            str(source.modules[module].relative_to(source.root))
            for module in source.closure(f"stages.{name}")
        }
        assert {"src/pixmill/__init__.py", "stages/__init__.py", f"stages/{name}.py"} <= needed
        uncovered = {
            path
            for path in needed
            if not any(path == dep or path.startswith(f"{dep}/") for dep in listed)
        }
        assert uncovered == {"src/pixmill/__init__.py"}


def test_scrape_depends_on_no_library_code(pipeline) -> None:
    assert pipeline["stages"]["scrape"]["deps"] == ["stages/scrape.py", "data"]


@pytest.mark.parametrize("name", STAGES)
def test_stage_declares_exactly_the_sections_that_it_reads(pipeline, source, name: str) -> None:
    # Never single keys: DVC fails on keys that params.yaml omits.
    read = {
        chain.split(".")[1]
        for node in ast.walk(source.tree(f"pixmill.{name}.stage"))
        if isinstance(node, ast.Attribute) and (chain := ast.unparse(node)).startswith("params.")
    }
    if name == "scrape":
        # It reads `evaluate.unlabelled`; with the section, any edit of it would search the web
        # again.
        read.remove("evaluate")
    # Only listed where it is set: `pixmill new` adds it to projects of several labels.
    read.discard("task")
    assert read == set(pipeline["stages"][name]["params"])


def test_every_param_is_used(source) -> None:
    from pixmill.core.params import flat, parse_params

    text = (source.root / "params.yaml").read_text(encoding="utf-8")
    code = "\n".join(path.read_text(encoding="utf-8") for path in source.modules.values())
    unused = [
        name for name in flat(parse_params(text)) if f".{name.rsplit('.', 1)[-1]}" not in code
    ]
    assert unused == []


@pytest.mark.parametrize("name", STAGES)
def test_output_paths_contain_the_stage(pipeline, name: str) -> None:
    stage = pipeline["stages"][name]
    outs = outputs(stage, "outs")
    for path, settings in outs.items():
        small = path.startswith(("metrics/", "plots/"))
        assert path.split("/")[0] in ("artifacts", "reports", "metrics", "plots")
        assert Path(path).parts[1].split(".")[0] == name
        assert settings.get("cache", True) is not small
    assert f"metrics/{name}.json" in outs


def test_metrics_and_plots_exist_and_are_valid(pipeline, repository: Path) -> None:
    for name in STAGES:
        text = (repository / "metrics" / f"{name}.json").read_text(encoding="utf-8")
        assert "NaN" not in text
        assert json.loads(text)
    sources = {
        (path, column)
        for plot in pipeline["plots"]
        for settings in plot.values()
        for path, columns in settings["y"].items()
        for column in [settings["x"], *([columns] if isinstance(columns, str) else columns)]
    }
    assert sources
    for path, column in sources:
        with (repository / path).open(encoding="utf-8", newline="") as stream:
            assert column in next(csv.reader(stream)), path


def test_dvc_draws_every_plot(pipeline, repository: Path) -> None:
    # DVC does not fail on a plot that cannot be drawn, but records it.
    command = [sys.executable, "-m", "dvc", "plots", "show", "--json"]
    done = subprocess.run(command, cwd=repository, capture_output=True, check=True)
    drawn = json.loads(done.stdout)
    assert drawn.get("errors", []) == []
    assert drawn["data"].keys() == {name for plot in pipeline["plots"] for name in plot}
    for name, versions in drawn["data"].items():
        assert all(version["content"]["data"]["values"] for version in versions), name


IGNORED = (
    "artifacts/train/model.json",
    "reports/train.html",
    "data/coat/0000.png",
    ".pixmill/scrape/journal",
    "mlflow.db",
)


def test_git_ignores_images_models_and_scratch(repository: Path) -> None:
    command = ["git", "check-ignore", "--no-index", *IGNORED]
    ignored = subprocess.run(command, cwd=repository, capture_output=True, text=True)
    assert ignored.stdout.split() == list(IGNORED)


def test_dvc_analytics_are_off(repository: Path) -> None:
    assert "analytics = false" in (repository / ".dvc" / "config").read_text(encoding="utf-8")
