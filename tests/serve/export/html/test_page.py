"""The page of a model in a file, in real browsers."""

import dataclasses
import json
import zipfile
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.support.wait import WebDriverWait

from pixmill.models.classifier import Classifier
from pixmill.serve.export.html.page import build_page
from pixmill.serve.predict.model import Model
from tests.browsing import open_chrome

HOSTILE = "</script><img src=x onerror=\"document.title='owned'\">"

FLAGS = (
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--force-prefers-reduced-motion",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)


class Page:
    """A page in a browser.

    Args:
        driver: The browser.
    """

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, path: Path) -> None:
        self.driver.get(path.as_uri())
        self.until(lambda: self.run("document.querySelector('main').ariaBusy") == "false")

    def run(self, script: str) -> Any:
        return self.driver.execute_script(f"return {script}")

    def until(self, condition: Callable[[], Any]) -> Any:
        return WebDriverWait(self.driver, 30, poll_frequency=0.05).until(lambda _: condition())

    def click(self, name: str) -> None:
        self.driver.find_element("id", name).click()

    def text(self, name: str) -> str:
        return self.driver.find_element("id", name).text

    def is_answered(self) -> bool:
        return "answered" in self.driver.find_element("id", "stage").get_attribute("class")

    def choose(self, *paths: Path) -> None:
        self.driver.find_element("id", "files").send_keys("\n".join(map(str, paths)))
        self.until(self.is_answered)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_chrome(*FLAGS) as driver:
        yield driver


@pytest.fixture(scope="module")
def hostile_page(
    model: Model,
    tmp_path_factory: pytest.TempPathFactory,
    litert_js: None,
) -> Path:
    """A page whose model and one of its classes are named like markup."""
    path = tmp_path_factory.mktemp("page") / "model.html"
    labels = (HOSTILE, *model.labels[1:])
    path.write_bytes(
        build_page(dataclasses.replace(model, name=HOSTILE, labels=labels), contact=HOSTILE)
    )
    return path


@pytest.fixture
def page(browser: Any, hostile_page: Path) -> Iterator[Page]:
    """A fresh page, which must log nothing, load nothing and run no markup."""
    browser.get("about:blank")
    page = Page(browser)
    page.open(hostile_page)
    yield page
    assert browser.get_log("browser") == []
    loaded = page.run("performance.getEntriesByType('resource').map((one) => one.name)")
    assert [url for url in loaded if not url.startswith(("blob:", "data:"))] == []
    assert HOSTILE in browser.title
    assert page.run("document.querySelector('img[src=x]')") is None


@pytest.fixture
def photo(shared: Path) -> Path:
    return shared / "photos" / "00.jpeg"


def test_it_answers_as_python_does(
    browser: Any, model_page: Path, model: Model, photo: Path
) -> None:
    page = Page(browser)
    page.open(model_page)
    page.choose(photo)
    (expected,) = Classifier.load(model.path).predict([photo.read_bytes()])
    assert expected.label is not None
    assert page.text("title").rstrip("?").casefold() == expected.label.casefold()


def correct(page: Page, image: Path, choice: int) -> str:
    """Correct an image, and return the class that was chosen."""
    page.choose(image)
    page.until(lambda: image.name in page.text("caption") and page.is_answered())
    page.click("wrong")
    button = page.driver.find_elements("css selector", "#choices button")[choice]
    label: str = button.text
    button.click()
    page.until(lambda: page.text("message").startswith("Thank you"))
    return label


def test_corrections_become_a_zip(page: Page, model: Model, photo: Path, tmp_path: Path) -> None:
    odd = tmp_path / "<img src=x>ā.jpeg"
    odd.write_bytes(photo.read_bytes() + b"1")
    other = tmp_path / "other.jpeg"
    other.write_bytes(photo.read_bytes() + b"2")
    correct(page, photo, 0)
    correct(page, odd, -1)
    label = correct(page, photo, 1)  # In place of the first one.
    correct(page, other, 0)
    page.click("wrong")
    page.driver.find_element("css selector", "#choices button").click()  # As predicted.
    page.until(lambda: not page.text("message"))
    leaving = "!dispatchEvent(new Event('beforeunload', { cancelable: true }))"
    assert page.run(leaving)  # The user is asked first.
    page.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    page.click("download")
    page.until((tmp_path / "corrections.zip").exists)
    assert not page.run(leaving)
    with zipfile.ZipFile(tmp_path / "corrections.zip") as archive:
        assert archive.testzip() is None
        contents = {name: archive.read(name) for name in archive.namelist()}
    found = json.loads(contents.pop("corrections.json"))
    assert contents == {
        "0001-00.jpeg": photo.read_bytes(),
        "0002-_img src=x_ā.jpeg": odd.read_bytes(),
    }
    assert found["model"] == model.identity | {"name": HOSTILE}
    assert [(one["file"], one["label"]) for one in found["corrections"]] == [
        *zip(contents, [label, None], strict=True)
    ]
    prediction = found["corrections"][0]["prediction"]
    assert {*prediction} == {"label", "confidence", "sure", "unlike"}


def test_keeps_no_image_that_reviewers_cannot_take_in(
    page: Page, photo: Path, tmp_path: Path
) -> None:
    large = tmp_path / "large.jpeg"
    large.write_bytes(photo.read_bytes() + bytes(20 << 20))
    page.choose(large)
    page.click("wrong")
    page.driver.find_element("css selector", "#choices button").click()
    page.until(lambda: page.text("message").startswith("Not saved"))
    assert not page.driver.find_element("id", "kept").is_displayed()


def test_a_folder_of_500_images(page: Page, photo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "many" / "inner"
    folder.mkdir(parents=True)
    for number in range(499):
        (folder / f"{number:03}.jpeg").hardlink_to(photo)
    (folder / "text.jpg").write_text("No image.")
    (folder / "notes.txt").write_text("No image.")
    data = {"items": [], "files": [str(folder.parent)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": 300, "y": 300, "data": data}
        page.driver.execute_cdp_cmd("Input.dispatchDragEvent", event)
    page.until(lambda: page.run("document.getElementById('bar').checkVisibility()"))
    page.until(lambda: page.run("document.getElementById('progress').hidden"))
    rows = page.run("[...document.getElementById('rows').rows].map((row) => row.textContent)")
    assert len(rows) == 500
    assert rows[0].startswith("many/inner/000.jpeg")
    assert "not readable" in rows[-1]
    assert page.run("document.querySelectorAll('#cards canvas').length") <= 200
    page.driver.find_element("css selector", "#rows tr:nth-child(400)").click()
    assert "many/inner/" in page.text("caption")


def test_a_batch_begins_with_what_it_can_show(page: Page, photo: Path, tmp_path: Path) -> None:
    text = tmp_path / "0.jpg"
    text.write_text("No image.")
    page.choose(text, photo)
    assert photo.name in page.text("caption")
    assert page.text("session-title") == "2 images, 1 not readable"


def test_camera(page: Page, photo: Path) -> None:
    page.choose(photo)
    page.click("film")
    page.until(lambda: page.run("document.querySelector('video').checkVisibility()"))
    assert not page.is_answered()  # The answer was not to what is shown now.
    page.click("watch")
    page.until(page.is_answered)
    assert page.run("document.getElementById('rows').rows.length") == 1
    page.click("snap")
    page.until(lambda: page.run("document.getElementById('rows').rows.length") == 2)
    page.until(page.is_answered)
    page.click("snap")  # Back to the camera, for another picture.
    page.until(lambda: not page.is_answered())
    page.driver.execute_script(
        "globalThis.track = document.querySelector('video').srcObject.getTracks()[0]"
    )
    page.click("close")
    assert page.run("track.readyState") == "ended"
    page.until(page.is_answered)
    assert "camera-1.jpg" in page.text("caption")


def violations(page: Page) -> list[str]:
    found: list[str] = page.driver.execute_async_script(
        "axe.run({ preload: false }).then(({ violations }) => "
        "arguments[0](violations.map(({ id }) => id)))"
    )
    return found


@pytest.mark.parametrize("width", [1280, 400])
def test_accessible(page: Page, photo: Path, width: int) -> None:
    metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 640}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    page.choose(*[photo] * 2)
    page.click("wrong")
    page.run("document.getElementById('listing').open = true")
    page.driver.execute_script((files("axe_core_python") / "axe.min.js").read_text("utf-8"))
    assert violations(page) == []
    assert page.run("document.documentElement.scrollWidth") <= width
    page.click("film")
    page.until(lambda: page.run("document.querySelector('video').checkVisibility()"))
    assert violations(page) == []


def test_it_cannot_reach_a_network(page: Page) -> None:
    blocked = page.driver.execute_async_script(
        "document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => "
        "arguments[0](effectiveDirective)); fetch('http://pixmill.test/').catch(() => {});"
    )
    assert blocked == "connect-src"
    page.driver.get_log("browser")  # The refusal.


def test_it_names_whom_to_ask(page: Page) -> None:
    assert f"Contact: {HOSTILE}" in page.run("document.getElementById('about').textContent")
