"""The stage split."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest

from pixmill.core.errors import GateError, ManifestError
from pixmill.core.files.workspace import Workspace
from pixmill.core.manifest import SPLIT, read_table
from pixmill.core.params import parse_params
from pixmill.images.parts import load_parts
from pixmill.split.stage import main
from tests.split.conftest import CLASSES

PARAMS = """
classes: [coat, dress]
scrape: {{snapshot: '2026-11-20'}}
split: {{image_size: {size}, class_shares: {{tolerance: {tolerance}, severity: critical}}}}
"""

pytestmark = pytest.mark.usefixtures("one_worker")

WRITTEN = [
    "artifacts/split/expectations.json",
    "artifacts/split/manifest.parquet",
    "artifacts/split/preprocessing.json",
    "artifacts/split/test.bin",
    "artifacts/split/test.ends",
    "artifacts/split/test.json",
    "artifacts/split/train.bin",
    "artifacts/split/train.ends",
    "artifacts/split/train.json",
    "artifacts/split/val.bin",
    "artifacts/split/val.ends",
    "artifacts/split/val.json",
    "metrics/split.json",
    "plots/split/counts.csv",
    "plots/split/full.json",
    "reports/split.html",
]


@pytest.fixture
def command(project, repository):
    """Return the command of the stage as keyword arguments of subprocess."""
    set_params(project)
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    return {"args": [sys.executable, "-m", "stages.split"], "cwd": project.root, "env": environment}


def set_params(project, size=8):
    (project.root / "params.yaml").write_text(PARAMS.format(size=size, tolerance=1.0))


def outputs(root):
    folders = [root / "artifacts/split", root / "metrics", root / "plots", root / "reports"]
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return dict(sorted((path.relative_to(root).as_posix(), path.read_bytes()) for path in files))


def test_writes_all_outputs(project, capsys):
    main(Workspace(project.root, project.root), parse_params(PARAMS.format(size=8, tolerance=1.0)))
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"split: \d+ train, \d+ val, \d+ test; 0 dropped to prevent leakage", first)
    assert second == "split: reports/split.html"
    assert list(outputs(project.root)) == WRITTEN
    how = {"aspect": "pad", "image_size": 8, "resize": "bicubic"}
    assert json.loads((project.out / "preprocessing.json").read_text()) == how
    manifest = read_table(project.out / "manifest.parquet", SPLIT, stage="split")
    assert manifest["split"].notna().all()
    parts = load_parts(project.out, CLASSES, image_size=8)
    assert {name: len(part) for name, part in parts.items()} == manifest[
        "split"
    ].value_counts().to_dict()
    with (project.root / "plots/split/counts.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    metrics = json.loads((project.root / "plots/split/full.json").read_text())
    assert {(row["part"], row["label"]): int(row["n"]) for row in rows} == {
        (part, label): n for part in parts for label, n in metrics[part].items()
    }
    assert set(metrics["gate"].values()) == {True}
    assert "given_test" not in metrics
    headline = json.loads((project.root / "metrics/split.json").read_text())
    assert headline == {**{name: len(part) for name, part in parts.items()}, "dropped": 0}
    assert "clock" not in (text := (project.out / "expectations.json").read_text())
    assert "ge_load_time" not in text


def kill_while_it_packs(command, project):
    """Kill the stage while it packs the first split; retry if it was too late."""
    for _ in range(5):
        shutil.rmtree(project.out)
        with subprocess.Popen(**command) as process:
            while not list(project.out.glob(".part-*train.bin")) and process.poll() is None:
                time.sleep(0.001)
            process.kill()
        if not (project.out / "train.json").exists():
            return
    pytest.fail("the stage finished packing before it was killed")


@pytest.mark.slow
def test_rerun_after_kill_gives_the_same_bytes(command, project):
    workspace = Workspace(project.root, project.root)
    params = parse_params(PARAMS.format(size=8, tolerance=1.0))
    main(workspace, params)
    undisturbed = outputs(project.root)
    kill_while_it_packs(command, project)
    assert not (project.out / "manifest.parquet").exists()
    main(workspace, params)
    assert outputs(project.root) == undisturbed


def test_failed_gate_writes_page_and_metrics_only(project):
    with pytest.raises(GateError, match="1 critical check failed\n  class_shares: ") as caught:
        main(
            Workspace(project.root, project.root),
            parse_params(PARAMS.format(size=8, tolerance=0.0)),
        )
    assert caught.value.next == (
        "open reports/split.html; add images, or edit split.class_shares.tolerance in params.yaml; "
        "then: dvc repro"
    )
    assert list(outputs(project.root)) == [
        "artifacts/split/expectations.json", "metrics/split.json", "plots/split/counts.csv", "plots/split/full.json",
        "reports/split.html",
    ]  # fmt: skip
    assert (
        json.loads((project.root / "plots/split/full.json").read_text())["gate"]["class_shares"]
        is False
    )
    assert "Split checks failed" in (project.root / "reports/split.html").read_text()


def test_missing_table_names_the_command(project):
    (project.root / "artifacts" / "validate" / "pairs.parquet").unlink()
    with pytest.raises(ManifestError, match=r"pairs\.parquet is missing") as caught:
        main(
            Workspace(project.root, project.root),
            parse_params(PARAMS.format(size=8, tolerance=1.0)),
        )
    assert caught.value.next == "dvc repro validate"
