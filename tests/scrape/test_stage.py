"""The stage as DVC runs it, with a real browser in the bundled shop."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time

import psutil
import pytest

from pixmill.core.manifest import SCRAPED, SIGHTINGS, read_table
from pixmill.core.params import ScrapeParams
from pixmill.scrape.collection.judge import address_of
from pixmill.scrape.journal import Journal
from pixmill.scrape.sources.definition import load_site
from pixmill.scrape.sources.shop import ShopSource
from pixmill.web.fetch import USER_AGENT
from pixmill.web.shop import ORIGIN

SECONDS = 240
"""A run takes ten, on a machine that does nothing else."""

OUTPUTS = {
    "artifacts/scrape/manifest.parquet",
    "artifacts/scrape/sightings.parquet",
    "metrics/scrape.json",
    "plots/scrape/full.json",
    "reports/scrape.html",
}


class Workspace:
    """A project's folder with two classes of images."""

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

    @contextlib.contextmanager
    def begun(self, **options):
        """Start the stage; it is not left behind, whatever becomes of the test."""
        with self.start(**options) as process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, **environ):
        with self.start(**environ) as process:
            output, error = process.communicate(timeout=SECONDS)
            # On a busy machine it lasts long enough to say how far it is.
            return process.returncode, output, re.sub(r"(?m)^Scrape: \d+ of .*\n", "", error)

    def outputs(self):
        return {
            path: digest
            for path, digest in self._tree(self.root).items()
            if path.startswith(("artifacts/", "metrics/", "plots/", "reports/"))
        }

    def journal(self):
        found = list(self.root.glob(".pixmill/scrape/*/journal.db"))
        return found[0] if found else None

    def known(self):
        """Return the images of the shop that the journal knows, by path."""
        with ShopSource(load_site("shop", None), self.root / "data") as shop:
            world = shop.fingerprint()
        with Journal(self.journal().parent, ScrapeParams(snapshot="2026-11-20")) as journal:
            return {path for path in self.requests() if journal.outcome(address_of(world, ORIGIN + path))}

    def requests(self, agent=USER_AGENT):
        """Return the images that the fetcher, or the browser, asked the shop for."""
        log = self.root / "requests.log"
        lines = log.read_text().splitlines() if log.exists() else []
        asked = (line.split("\t") for line in lines)
        paths = (request.split(" ")[2] for request, who in asked if agent in who)
        return [path for path in paths if path.startswith("/media/")]

    def browsed(self):
        """Tell whether a browser has asked the shop for anything."""
        log = self.root / "requests.log"
        return log.exists() and any(
            "Mozilla" in line and USER_AGENT not in line for line in log.read_text().splitlines()
        )

    def left(self):
        """Return what only killed processes leave: unfinished files, and browsers' profiles."""
        return [path.name for path in self.root.rglob("*") if path.name.startswith((".part-", "profile-"))]


@pytest.fixture
def workspace(tmp_path, data, repository, tree):
    workspace = Workspace(tmp_path, repository, tree)
    workspace.params()
    return workspace


def until(moment, process):
    """Stop a process at a moment in its life; return all that it has started by then."""
    while not moment():
        assert process.poll() is None, process.communicate()
        time.sleep(0.001)
    process.send_signal(signal.SIGSTOP)
    return psutil.Process(process.pid).children(recursive=True)


def ended(process, kind):
    """Send a stopped process a signal and let it go on; return what it says, and the seconds until its end."""
    process.send_signal(kind)
    process.send_signal(signal.SIGCONT)
    began = time.monotonic()
    _, error = process.communicate(timeout=SECONDS)
    return error, time.monotonic() - began


def running_browsers(process):
    """Return the browsers of a stage; drivers whose work is done may end meanwhile."""
    browsers = []
    for driver in psutil.Process(process.pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if "chromedriver" in driver.name():
                browsers += driver.children()
    return browsers


def gone(processes):
    _, alive = psutil.wait_procs(processes, timeout=60)
    return alive == []


@pytest.mark.browser
def test_from_the_shop_and_again_without_a_browser(workspace, tree, data):
    code, output, error = workspace.run()
    assert (code, error) == (0, "")
    assert output.startswith("scrape: 60 images from ")

    manifest = read_table(workspace.root / "artifacts/scrape/manifest.parquet", SCRAPED, stage="scrape")
    sightings = read_table(workspace.root / "artifacts/scrape/sightings.parquet", SIGHTINGS, stage="scrape")
    metrics = json.loads((workspace.root / "plots/scrape/full.json").read_text())

    # Every image that people brought came through the browser, byte for byte, and nothing else did.
    assert set(manifest["id"]) == set(tree(data).values())
    assert set(workspace.outputs()) == OUTPUTS | {f"artifacts/scrape/{path}" for path in manifest["path"]}
    assert manifest["label"].value_counts().to_dict() == {"boot": 30, "hat": 30}
    assert set(sightings["reason"].dropna()) <= {"http_404", "robots"}
    assert sightings["title"].notna().all()
    assert sightings["price"].notna().all()
    assert not sightings["thumbnail"].any()
    assert sightings["page_url"].str.startswith(f"{ORIGIN}/product/").all()
    assert sightings["image_url"].dropna().str.startswith(f"{ORIGIN}/media/").all()
    assert sightings["image_url"].isna().any()  # some are inlined
    for label in ("boot", "hat"):
        assert list(sightings[sightings["label"] == label]["rank"]) == list(range((sightings["label"] == label).sum()))
    headline = json.loads((workspace.root / "metrics/scrape.json").read_text())
    assert headline.pop("refused") == sum(metrics["refused"].values())
    assert headline == {name: metrics[name] for name in ("images", "candidates", "fetched")}
    assert headline["images"] == 60
    counts = metrics["per_class"]["hat"]["shop"]["shop.pixmill.test"]
    assert counts["fetched"] - counts["duplicates"] == 30
    assert counts["candidates"] == counts["fetched"] + sum(counts["refused"].values())
    asked = metrics["per_query"]["hat"]["shop"]["hat"]
    assert asked["failure"] is None
    assert asked["candidates"] == counts["candidates"]
    assert workspace.left() == []

    # With a finished journal the outputs are rebuilt from it without a browser, also where they were lost.
    first = workspace.outputs()
    for path in first:
        (workspace.root / path).unlink()
    code, _, error = workspace.run(PATH="/nowhere", HOME="/nowhere", PIXMILL_BROWSER="/nowhere")
    assert (code, error) == (0, "")
    assert workspace.outputs() == first


def records(workspace, count):
    """Return whether the journal has so many records, when it is called."""

    def reached():
        if (path := workspace.journal()) is None:
            return False
        with contextlib.closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as journal:
            try:
                return journal.execute("SELECT count(*) FROM records").fetchone()[0] >= count
            except sqlite3.OperationalError:  # it is only being made
                return False

    return reached


def check_kills(workspace, moments):
    """Kill a run at each moment; nothing that the journal knows is fetched again, and nothing else is lost."""
    known = set()
    for moment in moments:
        before = len(workspace.requests())
        with workspace.begun(witness=True) as process:
            started = until(moment, process)
        assert gone(started)
        assert known.isdisjoint(workspace.requests()[before:])
        if workspace.journal():
            known |= workspace.known()
    before = len(workspace.requests())
    with workspace.begun(witness=True) as process:
        process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    assert known.isdisjoint(workspace.requests()[before:])
    assert workspace.left() == []
    disturbed = workspace.outputs()

    shutil.rmtree(workspace.root / ".pixmill")
    for path in disturbed:
        (workspace.root / path).unlink()
    assert workspace.run()[0] == 0
    assert workspace.outputs() == disturbed
    return known


@pytest.mark.browser
@pytest.mark.slow
def test_killed_again_and_again_it_ends_with_the_same_bytes_and_fetches_nothing_twice(workspace):
    moments = [
        lambda: any(workspace.root.glob(".pixmill/scrape/browser/profile-*")),
        *(records(workspace, count) for count in (1, 12, 45)),
        lambda: any(workspace.root.glob("artifacts/scrape/images/*/*.png")),
    ]
    assert len(check_kills(workspace, moments)) > 50


@pytest.mark.slow
@pytest.mark.browser
def test_interrupted_it_ends_in_seconds_and_leaves_nothing(workspace):
    with workspace.begun(witness=True) as process:
        # As soon as a browser asks for a page: with a record more, a quick one may have seen all and be gone.
        started = until(workspace.browsed, process)
        assert started
        error, seconds = ended(process, signal.SIGINT)
    assert process.returncode == 130
    assert seconds < 25  # A page may take 30 to load.
    assert "Traceback" not in error
    assert gone(started)
    assert workspace.left() == []


@pytest.mark.slow
@pytest.mark.browser
def test_interrupted_before_a_page_that_never_loads_it_ends_in_seconds_too(workspace, web):
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
        started = until(lambda: "/search" in web.paths(), process)
        error, seconds = ended(process, signal.SIGTERM)
    assert process.returncode == 143
    assert error.endswith("scrape: interrupted; finished work is kept. To resume: dvc repro\n")
    assert "Traceback" not in error
    assert gone(started)
    assert seconds < 25


@pytest.mark.slow
@pytest.mark.browser
def test_a_browser_that_is_killed_is_replaced(workspace):
    with workspace.begun(witness=True) as process:
        until(workspace.browsed, process)
        browsers = running_browsers(process)
        assert browsers
        for browser in browsers:
            browser.kill()
        process.send_signal(signal.SIGCONT)
        _, error = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    # A busy machine is told of progress every ten seconds.
    told = [line for line in error.splitlines() if not line.startswith("Scrape: ")]
    assert {line.rpartition("; ")[2] for line in told} == {"searching again in another one"}
    disturbed = workspace.outputs()
    shutil.rmtree(workspace.root / ".pixmill")
    assert workspace.run()[0] == 0
    assert workspace.outputs() == disturbed


@pytest.mark.slow
@pytest.mark.browser
def test_too_few_candidates_are_named_after_the_outputs_are_written(workspace):
    workspace.params("boot, hat, scarf", expect_at_least=50)
    code, output, error = workspace.run()
    assert code == 1
    assert output.startswith("scrape: 60 images")
    assert set(workspace.outputs()) >= OUTPUTS
    *at_once, boot, hat, scarf, sold, mending = error.splitlines()
    assert sorted(at_once) == [
        "Scrape boot (source 'shop'): too few",
        "Scrape hat (source 'shop'): too few",
        "Scrape scarf (source 'shop'): no results",
    ]
    for line, label in ((boot, "boot"), (hat, "hat")):
        assert re.search(
            rf"{label} \(source 'shop'\): http://shop\.pixmill\.test/search\?q={label} returned \d+ candidates, "
            r"expected at least 50 \(scrape\.expect_at_least\)$",
            line,
        )
    assert scarf.startswith("scarf (source 'shop'): http://shop.pixmill.test/search?q=scarf")
    assert sold.startswith("no_results: the bundled shop shows the images of data/")
    assert mending.startswith("Next: ")
    metrics = json.loads((workspace.root / "plots/scrape/full.json").read_text())
    failures = {label: asked["shop"][label]["failure"] for label, asked in metrics["per_query"].items()}
    assert failures == {"boot": "too_few", "hat": "too_few", "scarf": "no_results"}


@pytest.mark.slow
@pytest.mark.browser
def test_a_part_of_each_class(workspace):
    workspace.params(per_class=7)
    assert workspace.run()[0] == 0
    metrics = json.loads((workspace.root / "plots/scrape/full.json").read_text())
    assert metrics["images"] == 14
    first = workspace.outputs()
    shutil.rmtree(workspace.root / ".pixmill")
    assert workspace.run()[0] == 0
    assert workspace.outputs() == first


def test_no_browser(workspace):
    code, _, error = workspace.run(PATH="/nowhere", HOME="/nowhere")
    assert code == 1
    # A browser in one of the system's own places is found without PATH; its driver is not.
    assert re.match(r"scrape: no (Chromium or Chrome|driver) was found", error)
    assert "Next: pixmill browser --install" in error
    assert "Traceback" not in error


def test_what_is_tolerated_is_said_all_the_same(workspace):
    (workspace.root / "data" / "scarf").mkdir()
    workspace.params("boot, hat", source="folder", source_by_class={"hat": ["folder", "urls"]}, tolerate=0.5)
    (workspace.root / "list.csv").write_text("url,label\n")
    section = json.loads((workspace.root / "params.yaml").read_text().partition("scrape: ")[2])
    workspace.params(**section | {"urls": {"files": ["list.csv"]}})
    code, output, error = workspace.run()
    assert (code, error) == (0, "Scrape hat (source 'urls'): no results\n")
    assert "scrape: tolerated: hat (source 'urls'): list.csv has no URL with the label 'hat'" in output


def run_on_a_small_disk(workspace, kibibytes):
    """Run the stage where no file may be larger than this, which the system tells as it tells of a full disk."""
    limited = ["bash", "-c", f'ulimit -f {kibibytes}; exec "$@"', "-", sys.executable, "-m", "stages.scrape"]
    environ = os.environ | {"PYTHONPATH": str(workspace.repository)}
    done = subprocess.run(limited, cwd=workspace.root, env=environ, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1
    wrong, fix = done.stderr.splitlines()
    assert re.fullmatch(r"scrape: /\S+ cannot be used: (it would exceed the file size limit|disk I/O error)", wrong)
    assert "ulimit -f" in fix
    assert "then: dvc repro scrape" in fix
    assert not (workspace.root / "artifacts/scrape/manifest.parquet").exists()
    return wrong


@pytest.mark.linux
@pytest.mark.slow
def test_a_disk_that_is_full_is_told_and_the_next_run_goes_on(workspace, image):
    workspace.params(source="folder")
    (workspace.root / "data" / "hat" / "large.png").write_bytes(image(99, side=400))
    assert workspace.run()[0] == 0
    undisturbed = workspace.outputs()
    for path in undisturbed:
        (workspace.root / path).unlink()
    assert "artifacts/scrape/images" in run_on_a_small_disk(workspace, 200)
    assert workspace.run()[0] == 0
    assert workspace.outputs() == undisturbed


@pytest.mark.linux
@pytest.mark.slow
def test_a_journal_that_finds_no_room_keeps_what_it_has(workspace, web, image):
    web.show(*(image(seed) for seed in range(60)))
    origin = f"http://localhost:{web.port}"
    rows = [f"{origin}/{number},{'hat' if number % 2 else 'boot'}" for number in range(60)]
    (workspace.root / "list.csv").write_text("\n".join(["url,label", *rows]))
    given = {"source": "urls", "urls": {"files": ["list.csv"]}, "rate": None}
    workspace.params(**given, allow_hosts=[f"localhost:{web.port}"])
    assert "journal.db" in run_on_a_small_disk(workspace, 128)
    with Journal(workspace.journal().parent, ScrapeParams(snapshot="2026-11-20")) as journal:
        known = {path for path in web.paths() if journal.outcome(address_of("", origin + path))}
    assert len(known) > 10
    web.requests.clear()
    code, output, error = workspace.run()
    assert (code, error) == (0, "")
    assert output.startswith("scrape: 60 images from 60 candidates")
    assert sorted(path for path in web.paths() if path != "/robots.txt") == sorted(
        {f"/{number}" for number in range(60)} - known
    )
