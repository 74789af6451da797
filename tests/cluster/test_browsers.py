"""The stage scrape with browsers of a remote driver."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.browser, pytest.mark.linux]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Images of two classes, enough for several pages of the shop."""
    folder = tmp_path_factory.mktemp("shop") / "data"
    for number, label in enumerate(("boot", "hat")):
        (folder / label).mkdir(parents=True)
        for place in range(40):
            pixels = np.random.default_rng(100 * number + place).integers(
                0, 256, (8, 8, 3), dtype=np.uint8
            )
            Image.fromarray(pixels).save(folder / label / f"{place:03}.png")
    return folder


class Scrape:
    """The stage in a new folder."""

    def __init__(self, root, repository, data):
        self.root = root
        self._repository = repository
        root.mkdir()
        (root / "data").symlink_to(data)
        section = {"source": "shop", "snapshot": "2026-11-20", "connections": 4, "browsers": 2}
        (root / "params.yaml").write_text(f"classes: [boot, hat]\nscrape: {json.dumps(section)}\n")

    def run(self):
        command = [sys.executable, "-m", "stages.scrape"]
        environ = os.environ | {"PYTHONPATH": f"{self._repository / 'src'}:{self._repository}"}
        done = subprocess.run(
            command,
            cwd=self.root,
            env=environ,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def outputs(self):
        """Return the digest of each output except pages, by path."""
        files = (
            path
            for name in ("artifacts", "metrics", "plots")
            for path in (self.root / name).rglob("*")
        )
        return {str(path.relative_to(self.root)): digest(path) for path in files if path.is_file()}


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def scrape(tmp_path, repository, data):
    return Scrape(tmp_path / "project", repository, data)


@pytest.fixture(scope="module")
def expected(tmp_path_factory, repository, data):
    """Outputs with a browser of this machine."""
    here = Scrape(tmp_path_factory.mktemp("local") / "project", repository, data)
    here.run()
    return here.outputs()


def test_browsers_of_a_remote_driver_give_the_same_bytes(remote_driver, scrape, expected):
    scrape.run()
    assert scrape.outputs() == expected
    assert remote_driver.asked > 0
    assert remote_driver.sessions == set()
