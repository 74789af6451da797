"""The stage as run by DVC, with a real browser and the bundled shop."""

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

import psutil
import pytest

from pixmill.core.files import workspace as core
from pixmill.core.manifest import SCRAPED, SIGHTINGS, read_table
from pixmill.core.params import load_params
from pixmill.local.shop.catalogue import ORIGIN
from pixmill.scrape.stage import main

TIMEOUT_SECONDS = 240
"""A run takes ten seconds on an idle machine."""

OUTPUTS = {
    "artifacts/scrape/manifest.parquet",
    "artifacts/scrape/sightings.parquet",
    "metrics/scrape.json",
    "plots/scrape/full.json",
    "reports/scrape.html",
}


class Workspace:
    """A project folder with two classes of images."""

    def __init__(self, root, repository, tree):
        self.root = root
        self.repository = repository
        self._tree = tree

    def params(self, classes="boot, hat", **scrape):
        section = {"source": "shop", "snapshot": "2026-11-20", "connections": 4} | scrape
        text = f"classes: [{classes}]\nscrape: {json.dumps(section)}\n"
        (self.root / "params.yaml").write_text(text)

    @contextlib.contextmanager
    def begun(self):
        """Start the stage; kill it at the end of the block."""
        with subprocess.Popen(
            [sys.executable, "-m", "stages.scrape"],
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": str(self.repository)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self):
        with self.begun() as process:
            output, error = process.communicate(timeout=TIMEOUT_SECONDS)
            # Remove the progress shown on a slow machine.
            return process.returncode, output, re.sub(r"(?m)^Fetch: \d+ of .*\n", "", error)

    def outputs(self):
        return {
            path: digest
            for path, digest in self._tree(self.root).items()
            if path.startswith(("artifacts/", "metrics/", "plots/", "reports/"))
        }

    def left(self):
        """Return unfinished files and browser profiles."""
        return [
            path.name
            for path in self.root.rglob("*")
            if path.name.startswith((".part-", "profile-"))
        ]


@pytest.fixture
def workspace(tmp_path, data, repository, tree):
    workspace = Workspace(tmp_path, repository, tree)
    workspace.params()
    return workspace


@pytest.mark.browser
def test_scrapes_the_shop_then_rebuilds_without_a_browser(workspace, tree, data, monkeypatch):
    workspace.params(expect_at_least=1)
    for path in sorted((data / "boot").iterdir())[4:]:
        path.unlink()
    code, output, error = workspace.run()
    assert (code, error) == (0, "scrape: stage 1 of 5\n")
    assert output.startswith("scrape: 34 images from ")

    manifest = read_table(
        workspace.root / "artifacts/scrape/manifest.parquet", SCRAPED, stage="scrape"
    )
    sightings = read_table(
        workspace.root / "artifacts/scrape/sightings.parquet", SIGHTINGS, stage="scrape"
    )
    metrics = json.loads((workspace.root / "plots/scrape/full.json").read_text())

    # Exactly the files in data/ came through the browser, byte for byte.
    assert set(manifest["id"]) == set(tree(data).values())
    assert set(workspace.outputs()) == OUTPUTS | {
        f"artifacts/scrape/{path}" for path in manifest["path"]
    }
    assert manifest["label"].value_counts().to_dict() == {"hat": 30, "boot": 4}
    assert set(sightings["reason"].dropna()) <= {"http_404", "robots"}
    assert sightings["title"].notna().all()
    assert sightings["price"].notna().all()
    assert not sightings["thumbnail"].any()
    assert sightings["page_url"].str.startswith(f"{ORIGIN}/product/").all()
    assert sightings["image_url"].dropna().str.startswith(f"{ORIGIN}/media/").all()
    assert sightings["image_url"].isna().any()  # some are inlined
    for label in ("boot", "hat"):
        assert list(sightings[sightings["label"] == label]["rank"]) == list(
            range((sightings["label"] == label).sum())
        )
    headline = json.loads((workspace.root / "metrics/scrape.json").read_text())
    assert headline.pop("refused") == sum(metrics["refused"].values())
    assert headline == {name: metrics[name] for name in ("images", "candidates", "fetched")}
    assert workspace.left() == []

    # Deleted outputs are rebuilt from the journal without a browser.
    first = workspace.outputs()
    for path in first:
        (workspace.root / path).unlink()
    for name in ("PATH", "HOME", "PIXMILL_BROWSER"):
        monkeypatch.setenv(name, "/nowhere")
    main(core.Workspace(workspace.root, workspace.root), load_params(workspace.root))
    assert workspace.outputs() == first


@pytest.mark.slow
@pytest.mark.browser
def test_interrupt_during_a_page_load_exits_in_seconds(workspace, web):
    async def never(_request):
        await asyncio.sleep(3600)

    web.answers["/search"] = never
    (workspace.root / "sites").mkdir()
    (workspace.root / "sites" / "slow.yaml").write_text(
        "name: slow\nversion: 1\nchecked: 2026-11-20\n"
        f"url: http://localhost:{web.port}/search?q={{query}}\n"
        "selectors: {item: [li], key: ['@id'], image: [img]}\n"
    )
    workspace.params(source="site:slow", allow_hosts=[f"localhost:{web.port}"])
    with workspace.begun() as process:
        while "/search" not in web.paths():
            assert process.poll() is None, process.communicate()
            time.sleep(0.01)
        started = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, error = process.communicate(timeout=TIMEOUT_SECONDS)
    assert time.monotonic() - began < 25  # A page may take 30 to load.
    assert process.returncode == 130
    assert error.endswith("scrape: interrupted; finished work is kept. To resume: dvc repro\n")
    assert "Traceback" not in error
    _, alive = psutil.wait_procs(started, timeout=60)
    assert alive == []
    assert workspace.left() == []
