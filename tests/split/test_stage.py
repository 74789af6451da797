"""The stage as DVC runs it: whole or not at all, and the same bytes each time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from pixmill.manifest import SPLIT, read_table

PARAMS = """
classes: [coat, dress]
scrape: {snapshot: '2026-11-20'}
split: {image_size: 8}
"""


@pytest.fixture
def command(project, repository):
    """Return how the stage is started, as keyword arguments of subprocess."""
    (project.root / "params.yaml").write_text(PARAMS)
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    return {"args": [sys.executable, "-m", "stages.split"], "cwd": project.root, "env": environment}


def outputs(root):
    files = [*(root / "artifacts" / "split").rglob("*"), *(root / "metrics").rglob("*")]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_it_writes_all_that_is_promised(command, project):
    done = subprocess.run(**command, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("split: ")
    assert sorted(outputs(project.root)) == [
        "artifacts/split/manifest.parquet",
        "artifacts/split/preprocessing.json",
        "artifacts/split/test.npy",
        "artifacts/split/train.npy",
        "artifacts/split/val.npy",
        "metrics/split.json",
    ]
    assert json.loads((project.out / "preprocessing.json").read_text()) == {"aspect": "pad", "image_size": 8}
    assert read_table(project.out / "manifest.parquet", SPLIT, stage="split")["split"].notna().all()


def test_killed_while_it_packs_it_ends_with_the_same_bytes(command, project):
    subprocess.run(**command, check=True, capture_output=True)
    undisturbed = outputs(project.root)
    with subprocess.Popen(**command) as process:
        while not list(project.out.glob(".part-*")):
            assert process.poll() is None
            time.sleep(0.001)
        process.kill()
    assert not (project.out / "manifest.parquet").exists()
    subprocess.run(**command, check=True, capture_output=True)
    assert outputs(project.root) == undisturbed


def test_a_missing_table_is_a_message_and_no_traceback(command, project):
    (project.root / "artifacts" / "validate" / "pairs.parquet").unlink()
    done = subprocess.run(**command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"split: {project.root}/artifacts/validate/pairs.parquet is missing",
        "Next: dvc repro validate",
    ]
