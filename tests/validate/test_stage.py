"""The stage validate."""

import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from pixmill.core.errors import DataError, DecisionsError, GateError
from pixmill.core.files.workspace import Workspace as Place
from pixmill.core.files.writing import read_json
from pixmill.core.manifest import SERIES_FILE
from pixmill.core.params import load_params
from pixmill.validate.stage import main
from tests.validate.conftest import Scrape, blocks, encoded, image

pytestmark = pytest.mark.usefixtures("one_worker")

OUTPUTS = (
    "artifacts/validate/manifest.parquet",
    "artifacts/validate/pairs.parquet",
    "artifacts/validate/expectations.json",
    "metrics/validate.json",
    "plots/validate/aspect_ratio.csv",
    "plots/validate/brightness.csv",
    "plots/validate/classes.csv",
    "plots/validate/dimensions.csv",
    "plots/validate/entropy.csv",
    "plots/validate/full.json",
    "plots/validate/sharpness.csv",
    "plots/validate/shortcuts.json",
    "plots/validate/sides.csv",
    "reports/validate.html",
)


class Workspace:
    """A project with two classes and a scraped folder."""

    def __init__(self, root: Path, repository: Path) -> None:
        self.root = root
        self.repository = repository
        self.scrape = Scrape(root / "artifacts" / "scrape")
        shutil.copy(repository / "decisions.csv", root)
        self.params()

    def params(self, **validate: Any) -> None:
        content = {
            "classes": ["coat", "shoe"],
            "scrape": {"snapshot": "2026-11-20"},
            "validate": validate,
        }
        (self.root / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")

    def run(self, **environ: str) -> subprocess.CompletedProcess[str]:
        self.scrape.write()
        done = subprocess.run(
            [sys.executable, "-m", "stages.validate"],
            cwd=self.root,
            env=os.environ
            | {"PYTHONPATH": str(self.repository), "DVC_ROOT": str(self.root)}
            | environ,
            capture_output=True,
            text=True,
            timeout=300,
        )
        # Progress is printed every ten seconds.
        done.stderr = "".join(
            line for line in done.stderr.splitlines(True) if not line.startswith("Look at: ")
        )
        return done

    def run_here(self) -> None:
        self.scrape.write()
        main(Place(self.root, self.root), load_params(self.root))

    def metrics(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            (self.root / "plots/validate/full.json").read_text(encoding="utf-8")
        )
        return found

    def failed(self) -> set[str]:
        return {name for name, holds in self.metrics()["gate"].items() if not holds}

    def digests(self) -> dict[str, str]:
        return {
            name: hashlib.sha256((self.root / name).read_bytes()).hexdigest() for name in OUTPUTS
        }

    def manifest(self) -> pd.DataFrame:
        return pq.read_table(self.root / "artifacts/validate/manifest.parquet").to_pandas()


@pytest.fixture
def workspace(tmp_path: Path, repository: Path) -> Workspace:
    return Workspace(tmp_path, repository)


@pytest.mark.slow
def test_valid_data_passes_and_output_is_deterministic(workspace: Workspace) -> None:
    workspace.scrape.fill_sharply("coat", 40)
    workspace.scrape.fill_sharply("shoe", 40, start=100)
    # Findings that might depend on the order of sets, and do not stop the pipeline.
    workspace.scrape.add("coat", encoded(blocks(0), "JPEG"))
    workspace.scrape.add("shoe", encoded(blocks(1), "JPEG"))
    for label in ("shoe", "coat", "hat"):
        workspace.scrape.add(label, encoded(blocks(200), "PNG"))
    repeated = hashlib.sha256(encoded(blocks(200), "PNG")).hexdigest()[:12]
    workspace.run_here()
    before = workspace.digests()
    # Repeat without the cache and with another hash seed.
    shutil.rmtree(workspace.root / ".pixmill")
    done = workspace.run(PYTHONHASHSEED="1")
    assert done.returncode == 0
    assert done.stderr.startswith("validate: stage 2 of 5\n")
    assert done.stdout.splitlines() == [
        "validate: kept 82 of 83 images",
        "validate: warning: near_duplicates: 1 near-duplicate pair is labelled 'coat' and 'shoe'; "
        "expected none across labels (validate.near_duplicates.severity); review them with: "
        "pixmill review",
        f"validate: warning: placeholders: image {repeated} was found at 3 URLs, labelled "
        "coat, hat, shoe; expected none (validate.placeholders.repeats); review them with: pixmill "
        "review",
        "validate: reports/validate.html",
    ]
    assert workspace.failed() == {"near_duplicates", "placeholders"}
    assert (
        workspace.root / "plots/validate/classes.csv"
    ).read_text() == "label,n\ncoat,41\nshoe,41\n"
    assert workspace.digests() == before


def test_window_of_images_of_more_than_8_bits(workspace: Workspace) -> None:
    window = workspace.root / "artifacts/validate/window.json"
    for place, label in enumerate(("coat", "shoe")):
        grey = np.asarray(blocks(place).convert("L"), np.uint16)
        workspace.scrape.add(label, encoded(Image.fromarray(grey * 16), "PNG"))
    workspace.params(min_per_class={"count": 1})
    workspace.run_here()
    assert json.loads(window.read_text()) == {"window": [0, 4_095]}
    assert workspace.metrics()["window"] == {"images": 2, "black": 0, "white": 4_095}
    workspace.params(min_per_class={"count": 1}, window=[100, 2_000.5])
    workspace.run_here()
    assert json.loads(window.read_text()) == {"window": [100, 2_000.5]}
    assert (
        "Values 100 to 2,000.5 of 2 images"
        in (workspace.root / "reports/validate.html").read_text()
    )

    workspace.scrape = Scrape(workspace.scrape.folder)
    for place, label in enumerate(("coat", "shoe")):
        workspace.scrape.add(label, encoded(blocks(place), "PNG"))
    workspace.run_here()
    assert not window.exists()


def test_decisions_of_an_earlier_version_are_never_ignored(workspace: Workspace) -> None:
    old = workspace.root / "review.csv"
    header = "image,decision,label,by,why\n"
    old.write_text(f"{header}data/coat/a.png,drop,,,\n")
    with pytest.raises(DataError) as caught:
        workspace.run_here()
    assert caught.value.next == "pixmill upgrade"
    old.write_text(header)
    (workspace.root / "decisions.csv").write_text("picture,label\n")
    with pytest.raises(DecisionsError, match=r"decisions\.csv, line 1: expected the header"):
        workspace.run_here()


def test_says_what_decisions_need(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    workspace.params(min_per_class={"count": 1})
    coats = workspace.scrape.fill_sharply("coat", 2)
    workspace.scrape.fill_sharply("shoe", 2, start=9)
    rows = [
        f"{coats[0]},shoe,yes,,ada,",
        f"{coats[1]},coat,yes,,ada,",
        f"{coats[1]},shoe,yes,,bob,",
        f"{'f' * 64},,drop,,,",
    ]
    text = "\n".join(["image,label,answer,split,by,why", *rows, ""])
    (workspace.root / "decisions.csv").write_text(text)
    with pytest.raises(GateError):
        workspace.run_here()
    said = capsys.readouterr().out
    assert "1 image came with another label" in said
    assert "1 image dropped, because people disagree about it" in said
    assert "line 5 of decisions.csv was not applied: no such image" in said
    assert "dvc repro -f scrape" in said
    assert set(workspace.manifest()["reason"].dropna()) == {"disputed"}


def test_small_class_stops_the_pipeline(workspace: Workspace) -> None:
    scrape = workspace.scrape
    scrape.fill_sharply("coat", 40)
    scrape.fill_sharply("shoe", 3, start=100)
    scrape.add("coat", image(200, kind="JPEG", side=300)[:3000], "cut.jpg")
    scrape.add("coat", b"a text in a file named .jpg", "text.jpg")
    scrape.add("coat", image(201, side=10), "tiny.png")
    scrape.add("coat", encoded(blocks(0), "BMP"), "twin.bmp")
    scrape.add("coat", encoded(blocks(1), "PNG"), "copy.png")

    with pytest.raises(GateError) as caught:
        workspace.run_here()

    assert str(caught.value).splitlines() == [
        "the gate stopped the pipeline: 2 critical checks failed",
        (
            "  min_per_class: class 'shoe' has 3 images; expected at least 30 "
            "(validate.min_per_class.count)"
        ),
        "  class_balance: class 'shoe' has 3 images, 0.075 of the largest class 'coat' (40); "
        "expected at least 0.1 (validate.class_balance.critical)",
        "Next: copy or download it again, or delete it (1 file: the file is truncated); move it "
        "away; if it is an "
        "image, convert it to PNG or JPEG (1 file: not a known image format); collect more images "
        "of the small "
        "classes; open reports/validate.html; fix the images, or edit "
        "validate.min_per_class.count, "
        "validate.class_balance.critical in params.yaml; then: dvc repro",
    ]
    # The outputs are written nevertheless.
    assert set(workspace.digests()) == set(OUTPUTS)
    headline = json.loads((workspace.root / "metrics/validate.json").read_text())
    assert headline == {
        "n": headline["kept"] + 4,
        "kept": headline["kept"],
        "dropped": 4,
        "gate": "failed",
    }
    assert workspace.metrics()["dropped"] == {
        "duplicate_pixels": 1,
        "too_small": 1,
        "truncated": 1,
        "unknown": 1,
    }
    html = (
        (workspace.root / "reports/validate.html").read_text(encoding="utf-8").replace("<wbr>", "")
    )
    for name in ("cut.jpg", "text.jpg", "tiny.png", "twin.bmp"):
        assert f"data/coat/{name}" in html


def test_series(workspace: Workspace) -> None:
    workspace.params(min_per_class={"count": 30})
    for label, clip, frame in itertools.product(("coat", "shoe"), range(5), range(8)):
        pixels = np.asarray(blocks(100 * len(label) + clip + 50 * (label == "shoe")))
        noise = np.random.default_rng(frame).integers(-50, 50, pixels.shape)
        picture = Image.fromarray((pixels + noise).clip(0, 255).astype(np.uint8))
        workspace.scrape.add(label, encoded(picture, "PNG"), f"clip{clip}_{frame:04}.png")
    workspace.run_here()
    series = workspace.metrics()["series"]
    assert (series["series"], series["images"]) == (10, 80)
    assert f"group_by: '{series['group_by']}'" in series["sentence"]
    assert read_json(workspace.root / "artifacts/validate" / SERIES_FILE, stage="validate")[
        "group_by"
    ]
    assert 'id="series"' in (workspace.root / "reports/validate.html").read_text(encoding="utf-8")
