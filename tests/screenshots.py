"""Take the screenshots of the documents from the results in this folder, for ``make screenshots``.

Each image contains the MD5 of the metrics, by which a test detects outdated screenshots.
"""

import hashlib
import io
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, PngImagePlugin
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from pixmill.local.shop.server import Shop
from tests.browsing import open_chrome
from tests.version_control import git

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

ROOT = Path(__file__).parents[1]
MARK = "metrics/evaluate.json"
"""Metrics file, and key of its MD5 in the text of an image."""

_THUMBNAIL_SECONDS = 5
"""Time in which the thumbnails of the map, a canvas, are drawn."""

_SHOWN = """
const cards = [...document.querySelectorAll(".card-image")];
const seen = cards.filter(each => each.getBoundingClientRect().top < innerHeight);
return seen.length > 0 && seen.every(each => each.naturalWidth > 0);
"""

_LOADED = "return [...document.images].every(each => each.naturalWidth > 0)"

_FROM_MATRIX_TO_ERRORS = """
const matrix = document.querySelector(".matrix").closest(".scroll");
for (let last = matrix; last.nextElementSibling?.id !== "mistakes";) {
  if (last.nextElementSibling) last.nextElementSibling.remove();
  else last = last.parentElement;
}
matrix.previousElementSibling.scrollIntoView();
"""


def _open(driver: "WebDriver", url: str, width: int, height: int) -> WebDriverWait:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.get(url)
    return WebDriverWait(driver, 180)


def _shot(driver: "WebDriver") -> Image.Image:
    return Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")


def _shop(driver: "WebDriver", _: Path) -> Image.Image:
    with Shop(ROOT / "data") as shop:
        wait = _open(driver, f"http://localhost:{shop.port}/search?q=coat", 1280, 640)
        driver.execute_script(
            "document.getElementById('consent-accept').click()"
        )  # leaves no pointer on the page
        wait.until(lambda _: driver.execute_script(_SHOWN))
        return _shot(driver)


def _served(driver: "WebDriver", project: Path) -> Image.Image:
    """Capture the served page with the image that the README predicts."""
    (example,) = re.findall(
        r"^\$ pixmill predict (data/\S+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.M
    )
    with _running(project, "serve", "--port", "0") as address:
        wait = _open(driver, address, 1000, 660)
        wait.until(lambda _: driver.find_element(By.ID, "stage").is_displayed())
        driver.find_element(By.ID, "files").send_keys(str(project / example))
        wait.until(lambda _: driver.find_element(By.ID, "look").is_displayed())
        driver.find_element(By.ID, "look").click()
        wait.until(lambda _: "Evidence" in driver.find_element(By.ID, "caption").text)
        return _shot(driver)


def _evaluation(driver: "WebDriver", project: Path) -> Image.Image:
    """Capture two parts of the page side by side."""
    _open(driver, (ROOT / "reports" / "evaluate.html").as_uri(), 640, 1000)
    driver.execute_script(
        "document.querySelector('.head .project').textContent = arguments[0]", project.name
    )
    both = Image.new("RGB", (1280, 1000))
    both.paste(_shot(driver), (0, 0))
    driver.execute_script(_FROM_MATRIX_TO_ERRORS)
    both.paste(_shot(driver), (640, 0))
    return both


def _home(driver: "WebDriver", project: Path) -> Image.Image:
    """Capture the project's page."""
    with _running(project, "open", "--no-open") as address:
        wait = _open(driver, address, 1280, 900)
        wait.until(lambda _: "doubtful labels" in driver.find_element(By.ID, "next").text)
        wait.until(lambda _: "Reading" not in driver.find_element(By.TAG_NAME, "main").text)
        wait.until(lambda _: driver.execute_script(_LOADED))
        return _shot(driver)


def _map(driver: "WebDriver", project: Path) -> Image.Image:
    """Capture the map of the images."""
    with _running(project, "open", "--no-open") as address:
        wait = _open(driver, address, 1280, 760)
        wait.until(lambda _: driver.find_element(By.LINK_TEXT, "Map of the images")).click()
        wait.until(lambda _: driver.find_element(By.ID, "side").is_displayed())
        time.sleep(_THUMBNAIL_SECONDS)
        return _shot(driver)


def _review(driver: "WebDriver", project: Path) -> Image.Image:
    """Capture the first case of the review."""
    with _running(project, "review", "--no-open", "--by", "You") as address:
        wait = _open(driver, address, 1280, 800)
        wait.until(
            lambda _: driver.execute_script(
                f"return document.images.length > 0 && (() => {{ {_LOADED} }})()"
            )
        )
        wait.until(lambda _: "Looking for" not in driver.find_element(By.TAG_NAME, "main").text)
        return _shot(driver)


@contextmanager
def _running(project: Path, *words: str) -> Iterator[str]:
    """Run a command that serves a page until the end of the block, and yield the page's address."""
    command = [sys.executable, "-m", "pixmill", *words]
    server = subprocess.Popen(
        command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert server.stdout
        yield next(found[0] for line in server.stdout if (found := re.search(r"http://\S+", line)))
    finally:
        server.terminate()
        server.communicate()


@contextmanager
def _demo() -> Iterator[Path]:
    """Yield the project of the tutorial after its first commit, with the results of this folder."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder, "shoes")
        git(Path(folder), "clone", "--quiet", "--no-hardlinks", str(ROOT), str(project))
        (project / ".dvc" / "config.local").write_text(
            f"[cache]\n    dir = {ROOT / '.dvc' / 'cache'}\n", encoding="utf-8"
        )
        subprocess.run(
            [sys.executable, "-m", "dvc", "checkout", "--quiet"], cwd=project, check=True
        )
        settings = (project / "pyproject.toml").read_text(encoding="utf-8")
        (project / "pyproject.toml").write_text(
            settings.replace('"pixmill"', '"shoes"', 1), encoding="utf-8"
        )
        shutil.copy(ROOT / "mlflow.db", project)
        shutil.rmtree(project / ".git")
        git(project, "init", "--quiet", "--initial-branch", "main")
        git(project, "add", "--all")
        git(project, "commit", "--quiet", "--message", "First results")
        yield project


def main() -> None:
    """Take all screenshots."""
    text = PngImagePlugin.PngInfo()
    text.add_text(MARK, hashlib.md5((ROOT / MARK).read_bytes()).hexdigest())
    with (
        open_chrome("--hide-scrollbars", "--force-prefers-reduced-motion") as driver,
        _demo() as project,
    ):
        for name, draw in DRAWN.items():
            picture = draw(driver, project)
            if (
                name != "serve"
            ):  # 256 colours halve the bytes, and would show bands in its large heatmap.
                picture = picture.quantize(256)
            picture.save(ROOT / "docs" / "images" / f"{name}.png", optimize=True, pnginfo=text)


DRAWN = {
    "shop": _shop,
    "serve": _served,
    "evaluate": _evaluation,
    "home": _home,
    "map": _map,
    "review": _review,
}
"""Functions that draw the images of the documents, by name."""


if __name__ == "__main__":
    main()
