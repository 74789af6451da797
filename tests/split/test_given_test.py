"""Dropped images of a predefined test split are reported in metrics, pages and output."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from pixmill.core.files.workspace import Workspace
from pixmill.core.params import parse_params
from pixmill.scrape.stage import main as scrape
from pixmill.split.stage import main as split
from pixmill.validate.stage import main as validate

PARAMS = """
classes: [coat, dress]
scrape: {source: folder, snapshot: '2026-11-20', folder: {layout: fixed}}
validate: {min_per_class: {count: 2}}
split: {image_size: 16, class_shares: {tolerance: 1}}
"""


pytestmark = pytest.mark.usefixtures("one_worker")


def draw(path, seed):
    """Write an image without near-duplicates."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((96, 80), Image.Resampling.BICUBIC).save(path)


@pytest.fixture
def run(tmp_path, capsys):
    """Return a function that runs the first three stages on 40 train and 10 test images."""
    data = tmp_path / "data"
    for n in range(50):
        draw(data / ("train" if n < 40 else "test") / ("coat", "dress")[n % 2] / f"{n:02}.png", n)
    (tmp_path / "decisions.csv").write_text("image,label,answer,split,by,why\n")

    def run():
        workspace = Workspace(tmp_path, tmp_path)
        params = parse_params(PARAMS)
        for stage in (scrape, validate, split):
            stage(workspace, params)
        return capsys.readouterr().out.splitlines()

    return run


def figures(root, stage):
    return json.loads((root / f"plots/{stage}/full.json").read_text())


def test_dropped_test_images_are_reported_everywhere(tmp_path, run):
    data = tmp_path / "data"
    # In train and test with different labels: equal bytes, then equal pixels.
    shutil.copy(data / "test/coat/40.png", data / "train/dress/copied.png")
    Image.open(data / "test/coat/42.png").save(data / "train/dress/saved.bmp")
    (data / "test/dress/broken.png").write_bytes((data / "test/dress/41.png").read_bytes()[:200])
    output = run()

    shrunk = "11 given test images became 8: 3 dropped (label conflict 2, truncated 1)"
    assert f"validate: kept 48 of 52 images; {shrunk}" in output
    advice = "open reports/validate.html, which shows the reasons"
    assert (
        f"split: warning: given_test_kept: {shrunk}; expected all of them kept; {advice}" in output
    )
    counts = {"given": 11, "kept": 8, "dropped": {"label_conflict": 2, "truncated": 1}}
    numbers = figures(tmp_path, "split")
    assert numbers["given_test"] == figures(tmp_path, "validate")["given_test"] == counts
    assert sum(numbers["test"].values()) == 8
    assert numbers["gate"]["given_test_kept"] is False
    recorded = json.loads((tmp_path / "artifacts/split/expectations.json").read_text())["results"]
    kept = [result for result in recorded if result["name"] == "given_test_kept"]
    assert [(result["severity"], result["success"]) for result in kept] == [
        ("critical", True),
        ("warning", False),
    ]

    assert shrunk in (tmp_path / "reports/validate.html").read_text()
    page = (tmp_path / "reports/split.html").read_text()
    assert "No leakage between the splits, with warnings" in page
    assert page.count(shrunk) == 2
    for name in ("data/test/coat/40.png", "data/test/coat/42.png", "data/test/dress/broken.png"):
        assert f"<td>{name}</td>" in page
    assert "label conflict with " in page
