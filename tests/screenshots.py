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
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, PngImagePlugin
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from pixmill.web.shop.server import Shop
from tests.browsing import open_chrome
from tests.version_control import git

if TYPE_CHECKING:
    from selenium.webdriver.remote.webdriver import WebDriver

ROOT = Path(__file__).parents[1]
MARK = "metrics/evaluate.json"
"""Metrics file, and key of its MD5 in the text of an image."""

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
    return WebDriverWait(driver, 60)


def _shot(driver: "WebDriver") -> Image.Image:
    return Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")


def _shop(driver: "WebDriver") -> Image.Image:
    with Shop(ROOT / "data") as shop:
        wait = _open(driver, f"http://localhost:{shop.port}/search?q=coat", 1280, 640)
        driver.execute_script("document.getElementById('consent-accept').click()")  # leaves no pointer on the page
        wait.until(lambda _: driver.execute_script(_SHOWN))
        return _shot(driver)


def _served(driver: "WebDriver") -> Image.Image:
    """Capture the served page with the image that the README predicts."""
    (example,) = re.findall(r"^\$ pixmill predict (data/\S+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    with tempfile.TemporaryDirectory() as folder:
        # The page shows the folder's name as the name of the model.
        model = shutil.copytree(ROOT / "artifacts" / "train", Path(folder, "shoes"))
        command = [sys.executable, "-m", "pixmill", "serve", "--port", "0", "--model", model]
        server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout
            wait = _open(driver, server.stdout.readline().strip(), 1000, 660)
            wait.until(lambda _: driver.find_element(By.ID, "stage").is_displayed())
            driver.find_element(By.ID, "files").send_keys(str(ROOT / example))
            wait.until(lambda _: driver.find_element(By.ID, "look").is_displayed())
            driver.find_element(By.ID, "look").click()
            wait.until(lambda _: "Evidence" in driver.find_element(By.ID, "caption").text)
            return _shot(driver)
        finally:
            server.terminate()
            server.communicate()


def _evaluation(driver: "WebDriver") -> Image.Image:
    """Capture two parts of the page side by side."""
    _open(driver, (ROOT / "reports" / "evaluate.html").as_uri(), 640, 1000)
    both = Image.new("RGB", (1280, 1000))
    both.paste(_shot(driver), (0, 0))
    driver.execute_script(_FROM_MATRIX_TO_ERRORS)
    both.paste(_shot(driver), (640, 0))
    return both


def _home(driver: "WebDriver") -> Image.Image:
    """Capture the project's page in a clone with a changed param."""
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "shoes")
        git(Path(folder), "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone))
        (clone / ".dvc" / "config.local").write_text(
            f"[cache]\n    dir = {ROOT / '.dvc' / 'cache'}\n", encoding="utf-8"
        )
        subprocess.run([sys.executable, "-m", "dvc", "checkout", "--quiet"], cwd=clone, check=True)
        for name, before, after in [("pyproject.toml", '"pixmill"', '"shoes"'), ("params.yaml", "seed: 7", "seed: 8")]:
            text = (clone / name).read_text(encoding="utf-8")
            assert before in text
            (clone / name).write_text(text.replace(before, after, 1), encoding="utf-8")
        git(clone, "remote", "remove", "origin")
        git(clone, "branch", "--move", "--force", "main")
        git(clone, "commit", "--quiet", "--message", "Name it", "pyproject.toml")
        command = [sys.executable, "-m", "pixmill", "open", "--no-open"]
        page = subprocess.Popen(command, cwd=clone, stderr=subprocess.PIPE, text=True)
        try:
            assert page.stderr
            (address,) = re.findall(r"http://\S+", page.stderr.readline())
            wait = _open(driver, address, 1280, 900)
            wait.until(lambda _: "train.seed is now 8, was 7" in driver.find_element(By.ID, "next").text)
            wait.until(lambda _: driver.execute_script(_LOADED))
            return _shot(driver)
        finally:
            page.terminate()
            page.communicate()


def main() -> None:
    """Take all screenshots."""
    text = PngImagePlugin.PngInfo()
    text.add_text(MARK, hashlib.md5((ROOT / MARK).read_bytes()).hexdigest())
    with open_chrome("--hide-scrollbars", "--force-prefers-reduced-motion") as driver:
        for name, draw in {"shop": _shop, "serve": _served, "evaluate": _evaluation, "home": _home}.items():
            draw(driver).save(ROOT / "docs" / "images" / f"{name}.png", optimize=True, pnginfo=text)


if __name__ == "__main__":
    main()
