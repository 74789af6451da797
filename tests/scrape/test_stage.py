"""The stage as DVC runs it, with a real browser in the bundled shop."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import psutil
import pytest

from pixmill.fetch import USER_AGENT
from pixmill.manifest import SCRAPED, SIGHTINGS, read_table
from pixmill.scrape.journal import Journal
from pixmill.shop import ORIGIN

OUTPUTS = {
    "artifacts/scrape/manifest.parquet",
    "artifacts/scrape/sightings.parquet",
    "metrics/scrape.json",
    "reports/scrape.html",
}


class Workspace:
    """A project's folder with two classes of pictures."""

    def __init__(self, root, repository, tree):
        self.root, self.repository, self._tree = root, repository, tree

    def params(self, classes="boot, hat", **scrape):
        section = {"source": "shop", "snapshot": "2026-11-20", "connections": 4} | scrape
        text = f"classes: [{classes}]\nscrape: {json.dumps(section)}\n"
        (self.root / "params.yaml").write_text(text)

    def start(self, *, witness=False, **environ):
        script = [str(self.repository / "tests" / "scrape" / "witness.py")] if witness else ["-m", "stages.scrape"]
        return subprocess.Popen(
            [sys.executable, *script],
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": str(self.repository)} | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, **environ):
        with self.start(**environ) as process:
            output, error = process.communicate(timeout=120)
            return process.returncode, output, error

    def outputs(self):
        return {
            path: digest
            for path, digest in self._tree(self.root).items()
            if path.startswith(("artifacts/", "metrics/", "reports/"))
        }

    def journal(self):
        found = list(self.root.glob(".pixmill/scrape/*/journal.jsonl"))
        return found[0] if found else None

    def requests(self, agent=USER_AGENT):
        """Return the pictures that the fetcher, or the browser, asked the shop for."""
        log = self.root / "requests.log"
        lines = log.read_text().splitlines() if log.exists() else []
        asked = (line.split("\t") for line in lines)
        paths = (request.split(" ")[2] for request, who in asked if agent in who)
        return [path for path in paths if path.startswith("/media/")]


@pytest.fixture
def workspace(tmp_path, data, repository, tree):
    workspace = Workspace(tmp_path, repository, tree)
    workspace.params()
    return workspace


@pytest.mark.browser
def test_from_the_shop(workspace, tree, data):
    code, output, error = workspace.run()
    assert (code, error) == (0, "")
    assert output.startswith("scrape: 60 pictures from ")

    manifest = read_table(workspace.root / "artifacts/scrape/manifest.parquet", SCRAPED, stage="scrape")
    sightings = read_table(workspace.root / "artifacts/scrape/sightings.parquet", SIGHTINGS, stage="scrape")
    metrics = json.loads((workspace.root / "metrics/scrape.json").read_text())

    # Every picture that people brought came through the browser, byte for byte, and nothing else did.
    assert set(manifest["id"]) == set(tree(data).values())
    assert set(workspace.outputs()) == OUTPUTS | {f"artifacts/scrape/{path}" for path in manifest["path"]}
    assert manifest["label"].value_counts().to_dict() == {"boot": 30, "hat": 30}
    assert set(sightings["reason"].dropna()) <= {"http_404", "robots"}
    assert sightings["title"].notna().all()
    assert sightings["price"].notna().all()
    assert sightings["page_url"].str.startswith(f"{ORIGIN}/product/").all()
    assert sightings["image_url"].dropna().str.startswith(f"{ORIGIN}/media/").all()
    assert sightings["image_url"].isna().any()  # some are inlined
    for label in ("boot", "hat"):
        assert list(sightings[sightings["label"] == label]["rank"]) == list(range((sightings["label"] == label).sum()))
    counts = metrics["per_class"]["hat"]["shop"]["shop.pixmill.test"]
    assert counts["fetched"] - counts["duplicates"] == 30
    assert counts["candidates"] == counts["fetched"] + sum(counts["refused"].values())


@pytest.mark.browser
def test_again_without_a_browser(workspace):
    """With a finished journal the outputs are rebuilt from it, also where they were lost."""
    assert workspace.run()[0] == 0
    first = workspace.outputs()
    for path in first:
        (workspace.root / path).unlink()
    code, _, error = workspace.run(PATH="/nowhere", HOME="/nowhere", PIXMILL_BROWSER="/nowhere")
    assert (code, error) == (0, "")
    assert workspace.outputs() == first


def kill_when(workspace, moment):
    """Start the stage and kill it at a moment; nothing that it started may live on."""
    process = workspace.start(witness=True)
    while not moment():
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)
    started = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(started, timeout=10)
    assert alive == []


@pytest.mark.browser
def test_killed_again_and_again_it_ends_with_the_same_bytes_and_fetches_nothing_twice(workspace, tmp_path_factory):
    journal = tmp_path_factory.mktemp("journal") / "journal.jsonl"

    def records(count):
        return lambda: (path := workspace.journal()) is not None and path.read_bytes().count(b"\n") >= count

    moments = [
        lambda: any(workspace.root.glob(".pixmill/scrape/browser/profile-*")),
        *(records(count) for count in (1, 12, 45)),
        lambda: any(workspace.root.glob("artifacts/scrape/images/*/*.png")),
    ]
    known = set()
    for moment in moments:
        before = len(workspace.requests())
        kill_when(workspace, moment)
        assert known.isdisjoint(workspace.requests()[before:])
        if workspace.journal():
            shutil.copyfile(workspace.journal(), journal)
            with Journal(journal) as read:
                known |= {path for path in workspace.requests() if read.outcome(ORIGIN + path)}
    before = len(workspace.requests())
    with workspace.start(witness=True) as process:
        process.communicate(timeout=120)
    assert process.returncode == 0
    assert known.isdisjoint(workspace.requests()[before:])
    assert len(known) > 50
    disturbed = workspace.outputs()

    shutil.rmtree(workspace.root / ".pixmill")
    for path in disturbed:
        (workspace.root / path).unlink()
    assert workspace.run()[0] == 0
    assert workspace.outputs() == disturbed
    left = [path.name for path in workspace.root.rglob("*") if path.name.startswith((".part-", "profile-"))]
    assert left == []


@pytest.mark.browser
def test_too_few_candidates_are_named_after_the_account_is_written(workspace):
    workspace.params("boot, hat, scarf", expect_at_least=50)
    code, output, error = workspace.run()
    assert code == 1
    assert output.startswith("scrape: 60 pictures")
    assert set(workspace.outputs()) >= OUTPUTS
    boot, hat, scarf, mending = error.splitlines()
    for line, label in ((boot, "boot"), (hat, "hat")):
        assert re.search(
            rf"{label} \(source 'shop'\): http://shop\.pixmill\.test/search\?q={label} shows \d+ candidates, "
            r"expected at least 50 \(scrape\.expect_at_least\)$",
            line,
        )
    assert scarf.startswith("scarf (source 'shop'): http://shop.pixmill.test/search?q=scarf says that it has no ")
    assert mending.startswith("Next: ")


@pytest.mark.browser
def test_a_part_of_each_class(workspace):
    workspace.params(per_class=7)
    assert workspace.run()[0] == 0
    metrics = json.loads((workspace.root / "metrics/scrape.json").read_text())
    assert metrics["pictures"] == 14
    first = workspace.outputs()
    shutil.rmtree(workspace.root / ".pixmill")
    assert workspace.run()[0] == 0
    assert workspace.outputs() == first


def test_no_browser(workspace):
    code, _, error = workspace.run(PATH="/nowhere", HOME="/nowhere")
    assert code == 1
    assert error.startswith("scrape: no Chromium or Chrome was found on this machine")
    assert "Next: pixmill browser --install" in error
    assert "Traceback" not in error


def test_from_folders(workspace):
    workspace.params(source="folder")
    code, output, error = workspace.run()
    assert (code, error) == (0, "")
    assert output.startswith("scrape: 60 pictures from 60 candidates; 0 seen before, 0 refused\n")
    first = workspace.outputs()
    shutil.rmtree(workspace.root / "artifacts")
    assert workspace.run()[0] == 0
    assert workspace.outputs() == first


def test_no_data(workspace, data):
    shutil.rmtree(data)
    for source in ("shop", "folder"):
        workspace.params(source=source)
        code, _, error = workspace.run()
        assert code == 1
        assert error.endswith("Next: make data\n")


@pytest.mark.linux
def test_a_disk_that_is_full_is_told_and_the_next_run_goes_on(workspace):
    workspace.params(source="folder")
    assert workspace.run()[0] == 0
    undisturbed = workspace.outputs()
    for path in undisturbed:
        (workspace.root / path).unlink()
    limited = ["bash", "-c", 'ulimit -f 4; exec "$@"', "-", sys.executable, "-m", "stages.scrape"]
    environ = os.environ | {"PYTHONPATH": str(workspace.repository)}
    done = subprocess.run(limited, cwd=workspace.root, env=environ, capture_output=True, text=True)
    assert done.returncode == 1
    wrong, mending = done.stderr.splitlines()
    assert re.fullmatch(r"scrape: /\S+ cannot be used: it would be larger than this system allows", wrong)
    assert mending.startswith("Next: raise the limit (ulimit -f), then: dvc repro scrape")
    assert not (workspace.root / "artifacts/scrape/manifest.parquet").exists()
    assert workspace.run()[0] == 0
    assert workspace.outputs() == undisturbed
