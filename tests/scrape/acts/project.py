"""A project folder in which the stage runs as a process, with replicas instead of the web."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files

import psutil
import yaml
from PIL import Image

from pixmill.core.manifest import SCRAPED, SIGHTINGS, read_table
from pixmill.fetch.fetcher import USER_AGENT

__all__ = ["BROUGHT", "MIB", "Done", "Project", "is_image"]

BROUGHT = "brought"
"""A class of local images."""

MIB = 2**20
_TIMEOUT_SECONDS = 500.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Done:
    """A finished run of the stage.

    Args:
        code: Exit status.
        output: Standard output.
        error: Standard error.
        seconds: Duration.
        memory: Peak resident memory in MiB, without browsers.
    """

    code: int
    output: str
    error: str
    seconds: float
    memory: float


class Project:
    """Run the stage in a folder.

    Args:
        root: The folder.
        repository: Folder of the repository.
        world: The world of replicas.
        description: Result of ``World.describe`` if the world runs in another process.
    """

    def __init__(self, root, repository, world=None, *, description=None):
        self.root = root
        self.repository = repository
        self.world = world
        root.mkdir(parents=True, exist_ok=True)
        (root / "network.json").write_text(description or world.describe())

    def params(self, *classes, **scrape):
        """Write ``params.yaml`` with a second class, of one local image.

        Rate limits are off by default.
        """
        section = {
            "snapshot": "2026-11-20",
            "rate": None,
            "connections": 16,
            "timeout": 30.0,
        } | scrape
        section["source_by_class"] = section.get("source_by_class", {}) | {BROUGHT: "folder"}
        (self.root / "params.yaml").write_text(
            json.dumps({"classes": [*classes, BROUGHT], "scrape": section})
        )
        brought = self.root / "data" / BROUGHT / "0.png"
        brought.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), "red").save(brought)

    def hurry(self, *sites, **settings):
        """Write site files with short pauses."""
        folder = self.root / "sites"
        folder.mkdir(exist_ok=True)
        for name in sites:
            site = yaml.safe_load(
                (files("pixmill.scrape") / "sites" / f"{name}.yaml").read_text(encoding="utf-8")
            )
            given = {"pause": [0.05, 0.15], "patience": 4.0} | settings
            site |= {"checked": str(site["checked"]), "settings": site.get("settings", {}) | given}
            (folder / f"{name}.yaml").write_text(yaml.safe_dump(site, allow_unicode=True))

    @contextmanager
    def started(self, **environ):
        """Start the stage; kill it at the end of the block."""
        process = subprocess.Popen(
            [sys.executable, str(self.repository / "tests/scrape/acts/driver.py"), "network.json"],
            cwd=self.root,
            env=os.environ | {"PYTHONPATH": str(self.repository)} | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, **environ):
        """Run the stage."""
        began = time.monotonic()
        with self.started(**environ) as process, _watched(process.pid) as resident:
            output, error = process.communicate(timeout=_TIMEOUT_SECONDS)
        return Done(
            process.returncode,
            output,
            error,
            time.monotonic() - began,
            max(resident, default=0) / MIB,
        )

    def succeed(self, **environ):
        """Run the stage and require success."""
        done = self.run(**environ)
        assert done.code == 0, f"{done.output}\n{done.error}"
        return done

    def manifest(self):
        """Return the manifest without local images."""
        manifest = read_table(
            self.root / "artifacts/scrape/manifest.parquet", SCRAPED, stage="scrape"
        )
        return manifest[manifest["source"] != "folder"]

    def sightings(self):
        """Return the sightings without local images."""
        sightings = read_table(
            self.root / "artifacts/scrape/sightings.parquet", SIGHTINGS, stage="scrape"
        )
        return sightings[sightings["source"] != "folder"]

    def metrics(self):
        return json.loads((self.root / "plots/scrape/full.json").read_text())

    def report(self):
        return (self.root / "reports/scrape.html").read_text()

    def outputs(self):
        """Return the digest of each output file by path."""
        return {
            path.relative_to(self.root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for folder in ("artifacts", "metrics", "reports")
            for path in sorted((self.root / folder).rglob("*"))
            if path.is_file()
        }

    @property
    def scratch(self):
        return self.root / ".pixmill" / "scrape"

    def journal(self):
        """Return the path of the journal, or ``None``."""
        return next(self.scratch.glob("*/journal.db"), None)

    def leftovers(self):
        """Return temporary files, browser profiles and processes that a finished run left."""
        names = (".part-", "profile-")
        paths = [str(path) for path in self.root.rglob("*") if path.name.startswith(names)]
        return paths + [
            str(process) for process in psutil.process_iter() if str(self.root) in _words(process)
        ]


def is_image(visit):
    """Return whether the fetcher made the visit for an image."""
    return visit.agent.startswith(USER_AGENT) and visit.path != "/robots.txt"


@contextmanager
def _watched(pid):
    """Sample the resident memory of a process, in bytes, until the end of the block."""
    resident = []
    ended = threading.Event()

    def sample():
        while not ended.wait(_POLL_SECONDS):
            try:
                resident.append(psutil.Process(pid).memory_info().rss)
            except psutil.Error:
                return

    watcher = threading.Thread(target=sample)
    watcher.start()
    try:
        yield resident
    finally:
        ended.set()
        watcher.join()


def _words(process):
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
