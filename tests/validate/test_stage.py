"""The real stage, as DVC runs it: what stops it, with which exit code, and what it leaves."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml

from tests.validate.conftest import Scrape, encoded, picture, shapes

OUTPUTS = (
    "artifacts/validate/manifest.parquet",
    "artifacts/validate/pairs.parquet",
    "artifacts/validate/expectations.json",
    "metrics/validate.json",
    "plots/validate/classes.csv",
    "reports/validate.html",
)


class Workspace:
    """A project with two classes and a scraped folder."""

    def __init__(self, root: Path, repository: Path) -> None:
        self.root, self.repository = root, repository
        self.scrape = Scrape(root / "artifacts" / "scrape")
        shutil.copy(repository / "review.csv", root)
        self.params()

    def params(self, **validate: Any) -> None:
        content = {"classes": ["coat", "shoe"], "scrape": {"snapshot": "2026-11-20"}, "validate": validate}
        (self.root / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")

    def run(self) -> subprocess.CompletedProcess[str]:
        self.scrape.write()
        return subprocess.run(
            [sys.executable, "-m", "stages.validate"],
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": str(self.repository), "DVC_ROOT": str(self.root)},
            capture_output=True,
            text=True,
            timeout=300,
        )

    def metrics(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.root / "metrics/validate.json").read_text(encoding="utf-8"))
        return found

    def failed(self) -> set[str]:
        return {name for name, holds in self.metrics()["gate"].items() if not holds}

    def digests(self) -> dict[str, str]:
        return {name: hashlib.sha256((self.root / name).read_bytes()).hexdigest() for name in OUTPUTS}

    def manifest(self) -> pd.DataFrame:
        return pq.read_table(self.root / "artifacts/validate/manifest.parquet").to_pandas()


@pytest.fixture
def workspace(tmp_path: Path, repository: Path) -> Workspace:
    return Workspace(tmp_path, repository)


def test_sound_data_passes_and_gives_the_same_bytes_again(workspace: Workspace) -> None:
    workspace.scrape.fill("coat", 40)
    workspace.scrape.fill("shoe", 40, start=100)
    done = workspace.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "validate: kept 80 of 80 pictures\nvalidate: reports/validate.html\n"
    assert workspace.failed() == set()
    assert (workspace.root / "plots/validate/classes.csv").read_text() == "label,n\ncoat,40\nshoe,40\n"
    before = workspace.digests()
    assert workspace.run().returncode == 0
    assert workspace.digests() == before


def test_a_class_of_three_among_other_trouble_stops_it(workspace: Workspace) -> None:
    scrape = workspace.scrape
    scrape.fill("coat", 40)
    scrape.fill("shoe", 3, start=100)
    scrape.add("coat", picture(200, kind="JPEG", side=300)[:3000], "cut.jpg")
    scrape.add("coat", b"a text in a file named .jpg", "text.jpg")
    scrape.add("coat", picture(201, side=10), "tiny.png")
    scrape.add("coat", encoded(shapes(0), "BMP"), "twin.bmp")
    scrape.add("coat", picture(1), "copy.png")

    done = workspace.run()

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "validate: the gate stopped the pipeline, 2 critical expectations failed",
        "  min_per_class: class 'shoe' has 3 pictures; expected at least 30 (validate.min_per_class.count)",
        "  class_balance: class 'shoe' has 3 pictures, a ratio of 0.075 to the largest class 'coat' (40); "
        "expected at least 0.2 (validate.class_balance.ratio)",
        "Next: open reports/validate.html; mend the pictures, or edit validate.min_per_class.count, "
        "validate.class_balance.ratio in params.yaml; then: dvc repro",
    ]
    # Everything is there all the same: it is what a person needs to mend the data.
    assert set(workspace.digests()) == set(OUTPUTS)
    assert workspace.metrics()["dropped"] == {"duplicate_pixels": 1, "too_small": 1, "truncated": 1, "unknown": 1}
    html = (workspace.root / "reports/validate.html").read_text(encoding="utf-8")
    for name in ("cut.jpg", "text.jpg", "tiny.png", "twin.bmp", "copy.png"):
        assert f"data/coat/{name}" in html


def test_unreadable_and_small_pictures_stop_it(workspace: Workspace) -> None:
    workspace.scrape.fill("coat", 40)
    workspace.scrape.fill("shoe", 40, start=100)
    workspace.scrape.fill("coat", 12, start=200, side=20)
    for number in range(20):
        workspace.scrape.add("shoe", picture(300 + number, kind="JPEG", side=300)[:3000])
    done = workspace.run()
    assert done.returncode == 1
    assert workspace.failed() == {"readable", "image_size"}
    assert done.stderr.splitlines()[1:4] == [
        "  readable: 92 of 112 pictures can be decoded to the end (a share of 0.821); expected at least 0.9 "
        "(validate.readable.share)",
        "  image_size: 80 of 92 readable pictures are at least 32 pixels wide (a share of 0.87); expected at least 0.9 "
        "(validate.image_size.min_width, validate.image_size.share)",
        "  image_size: 80 of 92 readable pictures are at least 32 pixels high (a share of 0.87); expected at least 0.9 "
        "(validate.image_size.min_height, validate.image_size.share)",
    ]


def test_a_label_that_nobody_declared_stops_it(workspace: Workspace) -> None:
    workspace.scrape.fill("coat", 30)
    workspace.scrape.fill("shoe", 30, start=100)
    workspace.scrape.fill("shoes", 2, start=200)
    done = workspace.run()
    assert done.returncode == 1
    assert workspace.failed() == {"labels_declared"}
    assert "labels_declared: 2 pictures came with the label 'shoes'; expected only coat, shoe (classes)" in done.stderr


def test_severity_says_what_a_failure_does(workspace: Workspace) -> None:
    workspace.scrape.fill("coat", 30)
    workspace.params(min_per_class={"severity": "warning"}, class_balance={"severity": "info"})
    done = workspace.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert workspace.failed() == {"min_per_class", "class_balance"}


def test_a_malformed_decision_is_told_by_its_line_before_anything_is_read(workspace: Workspace) -> None:
    workspace.scrape.fill("coat", 1)
    with (workspace.root / "review.csv").open("a", encoding="utf-8") as stream:
        stream.write("data/coat/0000.png,relabel,boot,ada,\n")
    done = workspace.run()
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "validate: review.csv, line 2: expected a label of coat, shoe, received 'boot'",
        "Next: edit line 2 of review.csv, then: dvc repro validate",
    ]
    assert not (workspace.root / "metrics").exists()
