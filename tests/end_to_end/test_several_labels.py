"""A project of several labels an image: from a table to answers, and to the next person."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from pixmill.core.cells import read_list
from pixmill.core.manifest import VALIDATED, read_table
from pixmill.core.params import load_params
from tests.end_to_end.conftest import QUICK, Project, done_by, new
from tests.several_labels import DARK, LABELS, YES_OF, Table, bundled_table, field_table

pytestmark = pytest.mark.slow

METRICS = {
    "mean_average_precision",
    "mean_average_precision_low",
    "mean_average_precision_high",
    "exact_match",
    "log_loss",
    "ece",
    "n",
    "baseline_average_precision",
}
STAGES = ("scrape", "validate", "split", "train")


@pytest.fixture(scope="module")
def table(bundled_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Table:
    """A table of 250 bundled images with five labels."""
    return bundled_table(tmp_path_factory.mktemp("table") / "looks", bundled_images)


@pytest.fixture(scope="module")
def looks(
    installed: Project, table: Table, empty_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> Project:
    """A project of this table after its first run; read-only."""
    folder = replace(installed, path=tmp_path_factory.mktemp("looks"))
    project, _ = new(folder, "looks", "--from", str(table.path))
    project.edit(("evaluate: {}", f"evaluate: {QUICK}"))
    (project.path / "mlflow.db").write_bytes(empty_database.read_bytes())
    project.repro()
    project.commit("The first run")
    return project


def cells_of(path: Path) -> dict[str, dict[str, bool]]:
    """Return the cells of a metadata.csv by name of the file."""
    with path.open(newline="", encoding="utf-8") as file:
        return {
            Path(row["file_name"]).name: dict.fromkeys(read_list(row["label"]), True)
            | dict.fromkeys(read_list(row["not_label"]), False)
            for row in csv.DictReader(file)
        }


def test_cells_of_the_table_reach_the_stages(looks, table) -> None:
    params = load_params(looks.path)
    assert params.task == "labels"
    assert {*params.classes} == {*LABELS}
    pipeline = yaml.safe_load(looks.read("dvc.yaml"))
    assert all("task" in pipeline["stages"][name]["params"] for name in STAGES)
    plots = {path for plot in pipeline["plots"] for of in plot.values() for path in of["y"]}
    assert [path for path in sorted(plots) if not (looks.path / path).is_file()] == []
    manifest = read_table(
        looks.path / "artifacts/validate/manifest.parquet", VALIDATED, stage="validate"
    )
    kept = manifest[manifest["verdict"] == "keep"]
    # Images without any yes are images like others.
    assert len(kept) >= 240
    found = [answer for text in kept["label"] for answer in json.loads(text).values()]
    known = (table.cells >= 0).sum()
    assert 0.9 * known <= len(found) <= known
    assert sum(found) <= (table.cells == 1).sum()


def test_metrics_are_those_of_several_labels(looks) -> None:
    headline = json.loads(looks.read("metrics/evaluate.json"))
    assert {*headline} == METRICS
    assert headline["mean_average_precision"] >= headline["baseline_average_precision"] + 0.2
    per_class = looks.metrics("evaluate")["per_class"]
    assert {*per_class} == {*LABELS}
    assert per_class["footwear"]["average_precision"] >= 0.9
    for label in per_class.values():
        assert label["support"] <= label["known"] <= headline["n"]
    done_by(looks, "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")


def test_answers(looks, table) -> None:
    images = table.path.parent / "images"
    paths = [
        str(images / f"{kind}-{number:04}.png")
        for kind in ("coat", "sneaker")
        for number in range(10)
    ]
    done_by(looks, "pixmill", "predict", *paths, "--jsonl", "answers.jsonl")
    rows = [json.loads(line) for line in looks.read("answers.jsonl").splitlines()]
    (looks.path / "answers.jsonl").unlink()
    right = 0
    for row in rows:
        answered = read_list(row["predicted"])
        assert answered == [
            label for label in load_params(looks.path).classes if row[f"yes_{label}"]
        ]
        kind = Path(row["path"]).name.partition("-")[0]
        right += {*answered} - {DARK} == {label for label, of in YES_OF.items() if kind in of}
        assert 0 < sum(row[f"p_{label}"] for label in LABELS) < len(LABELS)
    assert right >= 15


def test_exported_cells_are_imported_by_the_next_person(looks, tmp_path) -> None:
    for form in ("csv", "imagefolder"):
        out = tmp_path / form
        words = ("--include-unknown", "--format", form)
        done_by(looks, "pixmill", "export", "--data", str(out), *words)
        again, _ = new(replace(looks, path=tmp_path), f"again-{form}", "--from", str(out))
        assert load_params(again.path).task == "labels"
        if form == "csv":
            exported = cells_of(out / "metadata.csv")
        assert sorted(map(str, cells_of(again.path / "data/metadata.csv").values())) == sorted(
            map(str, exported.values())
        )


def test_second_run_changes_nothing(looks) -> None:
    assert looks.dvc("status", "-q").returncode == 0
    assert looks.git("status", "--porcelain") == ""


def test_rare_and_blank_labels(installed, empty_database, tmp_path) -> None:
    """Forty labels, half of them on less than one image in six, and 40 % of the cells blank."""
    table = field_table(tmp_path / "field")
    project, _ = new(
        replace(installed, path=tmp_path),
        "field-set",
        "--from",
        str(table.path),
        "--recipe",
        "fast",
    )
    project.edit(("evaluate: {}", f"evaluate: {QUICK}"), ("count: 30", "count: 1"))
    (project.path / "mlflow.db").write_bytes(empty_database.read_bytes())
    project.repro()
    headline = json.loads(project.read("metrics/evaluate.json"))
    assert {*headline} == METRICS
    per_class = project.metrics("evaluate")["per_class"]
    assert {*per_class} == {*table.labels}
    for label in per_class.values():
        is_ranked = 0 < label["support"] < label["known"]
        assert (label["average_precision"] is not None) == is_ranked
    assert headline["mean_average_precision"] > headline["baseline_average_precision"]
