"""The Python API: `pixmill.load_project`."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import pixmill
from pixmill.core.files.writing import write_json
from pixmill.core.manifest import SPLIT, write_table
from tests.images.samples import encoded, shapes

METRICS = {"accuracy": 0.9, "accuracy_low": 0.8, "accuracy_high": 0.95, "coverage": 0.7, "n": 10}


@pytest.fixture
def root(tmp_path: Path, trained_folder: Path) -> Path:
    """A project with two images, one of them dropped, a model and its metrics."""
    root = tmp_path / "garments"
    shutil.copytree(trained_folder, root / "artifacts" / "train")
    (root / "dvc.yaml").write_text("stages: {}")
    (root / "params.yaml").write_text(
        "classes: [coat, dress]\nscrape: {source: folder, snapshot: '2026-11-20'}\n"
    )
    paths = [f"images/{number}.png" for number in range(2)]
    (root / "artifacts" / "scrape" / "images").mkdir(parents=True)
    for number, path in enumerate(paths):
        (root / "artifacts" / "scrape" / path).write_bytes(encoded(shapes(number, 40, 40), "png"))
    needed = {"bytes": 9, "source": "folder", "snapshot": "2026-11-20", "verdict": ["keep", "drop"]}
    table = pd.DataFrame({"id": ["0", "1"], "path": paths, **needed}).reindex(columns=SPLIT.names)
    write_table(
        root / "artifacts" / "split" / "manifest.parquet",
        table.astype(object).where(table.notna(), None),
        SPLIT,
    )
    write_json(root / "plots" / "evaluate" / "full.json", METRICS)
    return root


def test_public_names() -> None:
    assert pixmill.__all__ == ["PixmillError", "Project", "__version__", "load_project"]
    assert {*pixmill.__all__} <= {*dir(pixmill)}
    members = ["classifier", "compare", "images", "metrics", "params", "predict", "results", "runs"]
    assert [name for name in dir(pixmill.Project) if not name.startswith("_")] == members
    with pytest.raises(AttributeError, match="nosuch"):
        _ = pixmill.nosuch


def test_importing_the_package_is_cheap() -> None:
    code = "import sys, pixmill; print(*{'numpy', 'pandas', 'pydantic', 'yaml'} & {*sys.modules})"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "\n"
    )


def test_finds_the_project(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(root.parent))
    monkeypatch.chdir(root / "plots")
    assert [pixmill.load_project(*words).root for words in ((), (root,), ("~/garments",))] == [
        root
    ] * 3
    for missing in (root.parent, root / "nosuch"):
        with pytest.raises(pixmill.PixmillError) as caught:
            pixmill.load_project(missing)
        assert caught.value.next == "name the project's folder: pixmill.load_project('FOLDER')"


def test_reads_images_params_and_results(root: Path) -> None:
    project = pixmill.load_project(root)
    images = project.images()
    assert list(images["verdict"]) == ["keep", "drop"]
    assert all(Path(file).is_file() for file in images["file"])
    assert project.params.classes == ("coat", "dress")
    assert project.metrics == METRICS
    assert project.results().to_dict("index") == {
        "accuracy": {"value": 0.9, "low": 0.8, "high": 0.95}
    }


def test_predicts_as_the_classifier_within_an_event_loop(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = pixmill.load_project(root)
    files = list(project.images()["file"])
    before = dict(os.environ)

    async def notebook() -> pd.DataFrame:
        return project.predict([*files, root / "dvc.yaml", "http://127.0.0.1/x.jpg"])

    table = asyncio.run(notebook())
    answers = project.classifier.predict([Path(file).read_bytes() for file in files])
    assert list(table["confidence"])[:2] == [answer.confidence for answer in answers]
    assert list(table["reason"])[2:] == ["unknown", "private_address"]
    assert pd.isna(table["sure"][2])
    assert (
        list(project.predict(root / "artifacts" / "scrape" / "images")["id"])
        == list(table["id"])[:2]
    )
    assert dict(os.environ) == before


@pytest.mark.parametrize("call", ["images", "results", "predict"])
def test_names_the_command_that_makes_the_results(tmp_path: Path, call: str) -> None:
    (tmp_path / "dvc.yaml").write_text("stages: {}")
    project = pixmill.load_project(tmp_path)
    with pytest.raises(pixmill.PixmillError) as caught:
        getattr(project, call)(*([tmp_path] if call == "predict" else []))
    assert (caught.value.next or "").startswith("dvc repro")
