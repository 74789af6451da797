"""A shop as teams have them: django-oscar, whose lists show thumbnails at addresses that tell nothing of originals."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from PIL import Image

from tests.scrape.acts.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.browser]

PRODUCTS = 15
SITE = """\
name: oscar
version: 1
checked: 2026-11-22
url: http://127.0.0.1:{port}/search/?q={{query}}
selectors:
  item: ["article.product_pod"]
  key: ["h3 a@href"]
  image: [".image_container img"]
  link: [".image_container a@href"]
  title: ["h3 a@title"]
settings: {{pause: [0.05, 0.1], patience: 2}}
"""
DETAIL = "detail: {{image: ['#product_gallery .active img']}}\n"


@pytest.fixture(scope="module")
def shop(tmp_path_factory, repository):
    """The port of a shop of its own, installed and started within two minutes; it ends with the tests."""
    folder = tmp_path_factory.mktemp("shop")
    uv, python = shutil.which("uv", path=Path(sys.executable).parent) or "uv", folder / "venv" / "bin" / "python"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder / "venv"], check=True)
    packages = ["django-oscar==4.2.1", "sorl-thumbnail==12.11.0", "setuptools<81"]
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *packages], check=True, timeout=300)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    script = repository / "tests" / "scrape" / "acts" / "oscar_shop.py"
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [python, script, folder, str(port), str(PRODUCTS)], stdout=log, stderr=subprocess.STDOUT, env=environ
        )
    with process:
        try:
            deadline = time.monotonic() + 120
            while not answers(port):
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.2)
            yield port
        finally:
            process.kill()


def answers(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/search/?q=hat", timeout=60) as answer:
            return answer.status == 200
    except urllib.error.URLError:
        return False


@pytest.fixture
def made(shop, tmp_path, repository):
    """A project that searches the shop, as its site's file says."""
    made = Project(tmp_path, repository, description='{"served": {}, "authority": null}')
    (made.root / "sites").mkdir()

    def scrape(site):
        (made.root / "sites" / "oscar.yaml").write_text(site.format(port=shop))
        made.params("hat", source="site:oscar", expect_at_least=PRODUCTS, allow_hosts=[f"127.0.0.1:{shop}"])
        return made.succeed(), made

    return scrape


def sizes(made):
    found = set()
    for path in made.manifest()["path"]:
        with Image.open(made.root / "artifacts" / "scrape" / path) as image:
            found.add(image.size)
    return found


def test_thumbnails_are_named_with_the_way_to_what_is_larger(made):
    done, project = made(SITE)
    assert sizes(project) == {(124, 155)}
    assert project.sightings()["thumbnail"].all()
    assert f"{PRODUCTS} of {PRODUCTS} images are thumbnails" in done.output
    assert "or 'detail' in sites/oscar.yaml" in done.output


def test_the_product_page_gives_the_larger_image(made):
    done, project = made(SITE + DETAIL)
    assert sizes(project) == {(320, 400)}
    sightings = project.sightings()
    assert len(sightings) == PRODUCTS
    assert not sightings["thumbnail"].any()
    assert set(sightings["route"]) == {"detail"}
    assert not re.search("thumbnail", done.output)
