"""The built site: accessible in light and dark, narrow enough for phones, and nothing comes from another host."""

import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from selenium.webdriver.support.wait import WebDriverWait

from tests.browsing import open_chrome

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

pytestmark = [pytest.mark.slow, pytest.mark.browser]

PAGES = ("index.html", "tutorial.html", "benchmarks.html", "reference/python.html", "search.html")

_AXE = """
const done = arguments[arguments.length - 1];
const found = ({violations}) => done(violations.map(each => `${each.id}: ${each.nodes[0].html}`));
axe.run({preload: false}).then(found, done);
"""


@pytest.fixture(scope="module")
def site(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    words = [
        "-m",
        "sphinx",
        "--quiet",
        "--fail-on-warning",
        "--doctree-dir",
        str(folder / "doctrees"),
    ]
    done = subprocess.run(
        [sys.executable, *words, str(repository / "docs"), str(folder / "site")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return folder / "site"


@pytest.fixture(scope="module")
def driver() -> Iterator["WebDriver"]:
    with open_chrome("--host-resolver-rules=MAP * ~NOTFOUND") as driver:
        driver.set_script_timeout(120)  # Large pages on a busy machine.
        yield driver


def opened(driver: "WebDriver", page: Path, scheme: str, width: int) -> "WebDriver":
    driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 640}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.get(page.as_uri())
    return driver


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_page_is_accessible(site: Path, driver: "WebDriver", name: str, scheme: str) -> None:
    opened(driver, site / name, scheme, 1280)
    driver.execute_script((files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8"))
    assert driver.execute_async_script(_AXE) == []
    dark = (
        driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        != "rgb(255, 255, 255)"
    )
    assert dark is (scheme == "dark")


@pytest.mark.parametrize("name", [*PAGES, "reference/params.html"])
def test_page_does_not_scroll_sideways_on_a_phone(
    site: Path, driver: "WebDriver", name: str
) -> None:
    opened(driver, site / name, "light", 400)
    assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")


def test_pages_load_nothing_from_other_hosts(site: Path) -> None:
    """Links lead elsewhere, but no script, style, font, image or frame comes from there."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.findall(
            r"<(?:script|img|iframe|source)\b[^>]*\bsrc=\"(?:https?:)?//", text
        ), page
        assert not re.findall(r"<link\b[^>]*\bhref=\"(?:https?:)?//", text), page
    for style in site.rglob("*.css"):
        assert not re.findall(
            r"url\([\"']?(?:https?:)?//|@import", style.read_text(encoding="utf-8")
        ), style


def test_search_finds_a_page(site: Path, driver: "WebDriver") -> None:
    driver.get(f"{(site / 'search.html').as_uri()}?q=leakage")
    links = "return [...document.querySelectorAll('#search-results li a')].map(each => each.href)"
    WebDriverWait(driver, 20).until(lambda driver: driver.execute_script(links))
