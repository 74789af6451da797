"""The stage with browsers of a remote driver, which is full, is killed, and comes back."""

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from tests.cluster.conftest import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.browser, pytest.mark.linux]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Images of two classes: enough for some pages of the shop."""
    folder = tmp_path_factory.mktemp("shop") / "data"
    for number, label in enumerate(("boot", "hat")):
        (folder / label).mkdir(parents=True)
        for place in range(40):
            pixels = np.random.default_rng(100 * number + place).integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{place:03}.png")
    return folder


class Scrape:
    """The stage in a folder of its own."""

    def __init__(self, root, repository, data):
        self.root, self._repository = root, repository
        root.mkdir()
        (root / "data").symlink_to(data)
        section = {"source": "shop", "snapshot": "2026-11-20", "connections": 4, "browsers": 2}
        (root / "params.yaml").write_text(f"classes: [boot, hat]\nscrape: {json.dumps(section)}\n")

    @contextlib.contextmanager
    def begun(self, remote=None):
        """Start the stage; with a remote driver, go on once it searches in two browsers."""
        command = [sys.executable, "-m", "stages.scrape"]
        environ = os.environ | {"PYTHONPATH": f"{self._repository / 'src'}:{self._repository}"}
        with subprocess.Popen(command, cwd=self.root, env=environ, stderr=subprocess.PIPE, text=True) as process:
            try:
                if remote is not None:
                    wait_until(lambda: len(remote.sessions) == 2 and remote.asked > 30)
                yield process
            finally:
                process.kill()

    def run(self):
        with self.begun() as process:
            return ended(process)

    def outputs(self):
        """The digest of each output, by its path; no page, which shows no other data."""
        files = (path for name in ("artifacts", "metrics", "plots") for path in (self.root / name).rglob("*"))
        return {str(path.relative_to(self.root)): digest(path) for path in files if path.is_file()}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def ended(process):
    """Return what the stage complained of, once it has ended well."""
    _, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    return error


@pytest.fixture
def scrape(tmp_path, repository, data):
    return Scrape(tmp_path / "project", repository, data)


@pytest.fixture(scope="module")
def expected(tmp_path_factory, repository, data):
    """What a browser of this machine brings."""
    here = Scrape(tmp_path_factory.mktemp("local") / "project", repository, data)
    here.run()
    return here.outputs()


def test_a_grid_with_one_browser_gives_the_same_bytes(grid, scrape, expected):
    grid.kill()
    grid.slots = 1
    grid.start()
    scrape.run()
    assert scrape.outputs() == expected
    assert (grid.most, grid.sessions) == (1, set())


def test_a_grid_that_is_killed_and_comes_back_costs_nothing(grid, scrape, expected):
    with scrape.begun(grid) as process:
        grid.kill()
        time.sleep(3)
        grid.start()
        said = ended(process)
    assert "crashed or hangs at http://shop.pixmill.test/" in said
    assert f"Waiting for the grid {grid.url} to come back (Connection refused)" in said
    assert scrape.outputs() == expected
    assert (grid.most, grid.sessions) == (2, set())


def test_sessions_of_a_killed_scrape_are_ended_by_the_next(grid, scrape, expected):
    with scrape.begun(grid) as process:
        process.kill()
        process.wait()
    assert len(grid.sessions) == 2
    scrape.run()
    assert scrape.outputs() == expected
    assert (grid.most, grid.sessions) == (2, set())


def test_a_scrape_that_is_interrupted_ends_its_sessions(grid, scrape):
    with scrape.begun(grid) as process:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert grid.sessions == set()
